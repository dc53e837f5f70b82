"""A pretend scanner: sends files by C-STORE and asks by C-ECHO, for demonstrations and for trying a source."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stowgate.ingest.dimse_settings import VERIFICATION

if TYPE_CHECKING:
    from pynetdicom.association import Association

_MOST_CONTEXTS = 128
"""Presentation contexts of one association (PS3.8 9.3.2.2)."""


@dataclass(frozen=True, slots=True)
class Called:
    """Whom to call, and as whom."""

    host: str
    port: int
    called: str
    calling: str


def echo(whom: Called, tls: ssl.SSLContext | None = None) -> str:
    """ "" if it answers a C-ECHO, else in a word why not: "refused", "rejected", "no answer"."""
    from pynetdicom import AE

    entity = AE(whom.calling)
    entity.acse_timeout = entity.dimse_timeout = entity.connection_timeout = 5
    entity.add_requested_context(VERIFICATION)
    association = entity.associate(
        whom.host, whom.port, ae_title=whom.called, evt_handlers=_handlers(), tls_args=(tls, whom.host) if tls else None
    )
    if association.is_established:
        status = association.send_c_echo()
        association.release()
        return "" if status and status.Status == 0 else "no answer"
    return "rejected" if association.is_rejected else "refused"


def own_certificate(certificate: Path, key: Path) -> ssl.SSLContext:
    """How to call a source of our own over TLS: it is trusted by its certificate, which is shown as ours, too.

    ValueError or OSError for files that cannot be used.
    """
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False  # it is called by its address, whatever name scanners call it by
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # its authority need not be at hand
    context.load_cert_chain(certificate, key, password=lambda: b"")
    return context


def send(whom: Called, files: Iterable[Path], told: Callable[[int], None] = lambda _: None) -> int:
    """Send instances over one association; how many were answered with success.

    told -- hears the status of each (PS3.7 annex C), -1 for one that was not answered or could not be read
    """
    from pynetdicom import AE

    chosen = [(path, *found) for path in files if (found := _context_of(path))]
    contexts: dict[tuple[str, str], None] = dict.fromkeys((found[1], found[2]) for found in chosen)
    entity = AE(whom.calling)
    for sop_class, syntax in list(contexts)[:_MOST_CONTEXTS]:
        entity.add_requested_context(sop_class, syntax)
    if not chosen:
        return 0
    association = entity.associate(whom.host, whom.port, ae_title=whom.called, evt_handlers=_handlers())
    done = 0
    for path, *_ in chosen:
        status = _stored(association, path)
        told(status)
        done += status == 0
    if association.is_established:
        association.release()
    return done


def _stored(association: Association, path: Path) -> int:
    with suppress(Exception):  # a scanner that stumbles over one file goes on with the next
        answer: Any = association.send_c_store(path)
        return int(answer.Status) if answer else -1
    return -1


def _context_of(path: Path) -> tuple[str, str] | None:
    """SOP class and transfer syntax of a file that could be sent."""
    from pydicom import dcmread

    with suppress(Exception):
        found = dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
        return str(found.SOPClassUID), str(found.file_meta.TransferSyntaxUID)
    return None


def _handlers() -> Any:
    """TCP_NODELAY on our socket: without it each object waits for a delayed acknowledgement."""
    from pynetdicom import evt

    def opened(event: Any) -> None:
        event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    return [(evt.EVT_CONN_OPEN, opened)]
