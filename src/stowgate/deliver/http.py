"""Requests to a DICOMweb peer: never redirected, never longer than a dead link takes to notice, errors in our words."""

from __future__ import annotations

import ssl
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from stowgate.deliver.sockets import options
from stowgate.errors import Misconfigured, Temporary

if TYPE_CHECKING:
    import httpx

MOST = 8 << 20
"""Bytes of an answer that are read."""

CONNECT, ANSWER = 10.0, 120.0
_SHUT = frozenset((401, 403, 407))
_LATER = frozenset((408, 423, 425, 429))
_NEVER = frozenset((501, 505))
"""Codes from 500 on that time does not mend."""

_PAGES = ((b"SSL certificate", "peer_certificate"), (b"plain HTTP request was sent to HTTPS port", "peer_not_dicom"))
"""What nginx says with 400: of our certificate, or that there is none; of an address that lacks its s."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer that has begun: its code, what the rest says it is, and the rest as it comes.

    place -- scheme, host and port that were asked
    after -- seconds that it asks for before the next try
    sized -- whether it says where it ends: else an end may be a break
    """

    code: int
    type: str
    place: str
    after: float | None
    sized: bool
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer, see `Heard`."""

    code: int
    body: bytes
    type: str
    after: float | None


class Broken(Exception):
    """The connection broke, or no answer came in time: nobody knows what arrived."""


def client(url: str, tls: ssl.SSLContext | None) -> httpx.Client:
    """One for what lies below `url`, that checks certificates. Proxies are not used."""
    import httpx

    trust = tls or (ssl.create_default_context() if not url.startswith("http:") else False)  # False: nothing to load
    transport = httpx.HTTPTransport(verify=trust, socket_options=options())
    timeout = httpx.Timeout(ANSWER, connect=CONNECT)
    return httpx.Client(transport=transport, timeout=timeout, headers={"User-Agent": "stowgate"})


@contextmanager
def exchange(
    who: httpx.Client, method: str, url: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None = None
) -> Iterator[Heard]:
    """Send a request; the answer is read while the block lasts.

    Raises Broken, also while it is read; Temporary: "peer_unreachable"; Misconfigured: "peer_certificate".
    """
    import httpx

    place = place_of(url)
    try:
        request = who.build_request(method, url, headers=dict(headers), content=body)
        response = who.send(request, stream=True)
    except httpx.ConnectError as error:
        raise _refused(error, place) from None
    except (httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise Temporary("peer_unreachable", place) from None
    except (httpx.HTTPError, httpx.StreamError, OSError) as error:
        raise _broken(error, place) from None
    said = response.headers
    try:
        yield Heard(
            response.status_code, said.get("content-type", ""), place, _seconds(said.get("retry-after", "")),
            "content-length" in said or "transfer-encoding" in said, _chunks(response, place),
        )  # fmt: skip
    finally:
        with suppress(httpx.HTTPError, httpx.StreamError, OSError):
            response.close()


def judge(heard: Heard) -> None:
    """Raise for a code that says the same of whatever was asked.

    Temporary: "peer_busy" with what it asks for, "peer_not_dicom"; Misconfigured: "peer_unauthorised". Other codes are
    for the caller to judge.
    """
    code = heard.code
    if code in _SHUT:
        raise Misconfigured("peer_unauthorised", heard.place)
    if code == 511 or 300 <= code < 400 or code < 200:  # 511: a guest network wants a log-in (RFC 6585 6)
        raise Temporary("peer_not_dicom", heard.place)
    if code in _LATER or (code >= 500 and code not in _NEVER):
        raise Temporary("peer_busy", heard.place, after=heard.after)


def whole(heard: Heard, spared: Collection[int] = ()) -> Answered:
    """The answer with its body. Raises as `judge`, but for the codes that are spared, and for one without end."""
    if heard.code not in spared:
        judge(heard)
    data = bytearray()
    for part in heard.chunks:
        data += part
        if len(data) > MOST:
            raise Temporary("peer_not_dicom", heard.place)
    for text, code in _PAGES if heard.code == 400 and "html" in heard.type else ():
        if text in data:
            raise Misconfigured(code, heard.place)
    return Answered(heard.code, bytes(data), heard.type, heard.after)


def is_json(answered: Answered) -> bool:
    """Whether it says that it is DICOM JSON: a log-in page does not."""
    return "json" in answered.type.lower()


def is_dicom(answered: Answered) -> bool:
    """Whether it is at least DICOM of some form."""
    return is_json(answered) or "dicom" in answered.type.lower()


def _chunks(response: httpx.Response, place: str) -> Iterator[bytes]:
    import httpx

    try:
        yield from response.iter_bytes()
    except (httpx.HTTPError, httpx.StreamError, OSError) as error:
        raise _broken(error, place) from None


def _broken(error: BaseException, place: str) -> Misconfigured | Broken:
    """With TLS 1.3 a server says only now that it wants a certificate of ours, or another."""
    return Misconfigured("peer_certificate", place) if _wants_certificate(error) else Broken()


def _refused(error: BaseException, place: str) -> Misconfigured | Temporary:
    """A certificate is for a person; everything else passes."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return Misconfigured("peer_certificate", place)
    return Temporary("peer_unreachable", place)


def _wants_certificate(error: BaseException) -> bool:
    """Whether a peer ended the connection because of what we showed, or did not."""
    reasons = [cause.reason or "" for cause in _causes(error) if isinstance(cause, ssl.SSLError)]
    return any("CERTIFICATE" in reason or "UNKNOWN_CA" in reason for reason in reasons)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def place_of(url: str) -> str:
    """Scheme, host and port; what stands behind could be anybody's secret."""
    return "/".join(url.split("/")[:3]).rpartition("@")[2]


def _seconds(text: Any) -> float | None:
    """Retry-After (RFC 9110 10.2.3): seconds, or a date by the clock of this machine."""
    if not isinstance(text, str) or not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
