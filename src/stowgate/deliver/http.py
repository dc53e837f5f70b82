"""Requests to a DICOMweb peer: never redirected, never longer than a dead link takes to notice, errors in our words."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
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
_LATER = frozenset((408, 425, 429, 500, 502, 503, 504, 507))


@dataclass(frozen=True, slots=True)
class Answered:
    """Code and body of an answer."""

    code: int
    body: bytes
    type: str


class Broken(Exception):
    """The connection broke, or no answer came in time: nobody knows what arrived."""


def client(tls: ssl.SSLContext | None, authorisation: str) -> httpx.Client:
    """One that checks certificates; `authorisation` is the whole header, "" for none. Proxies are not used."""
    import httpx

    transport = httpx.HTTPTransport(verify=tls or ssl.create_default_context(), socket_options=options())
    headers = {"User-Agent": "stowgate", **({"Authorization": authorisation} if authorisation else {})}
    return httpx.Client(transport=transport, timeout=httpx.Timeout(ANSWER, connect=CONNECT), headers=headers)


def ask(
    who: httpx.Client, method: str, url: str, headers: Mapping[str, str], body: Iterable[bytes] | None = None
) -> Answered:
    """Send a request and read the answer.

    Raises Broken; Temporary: "peer_unreachable", "peer_busy" with what it asks for, "peer_not_dicom";
    Misconfigured: "peer_certificate", "peer_unauthorised". Other codes are for the caller to judge.
    """
    import httpx

    place = _place(url)
    try:
        with who.stream(method, url, headers=dict(headers), content=body) as response:
            code, kind = response.status_code, response.headers.get("content-type", "")
            after = _seconds(response.headers.get("retry-after", ""))
            data = bytearray()
            for part in response.iter_bytes():
                data += part
                if len(data) > MOST:
                    raise Temporary("peer_not_dicom", place)
    except httpx.ConnectError as error:
        raise _refused(error, place) from None
    except (httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise Temporary("peer_unreachable", place) from None
    except (httpx.HTTPError, httpx.StreamError, OSError) as error:
        if _wants_certificate(error):  # with TLS 1.3 a server says so only now
            raise Misconfigured("peer_certificate", place) from None
        raise Broken from None
    if code in (401, 403):
        raise Misconfigured("peer_unauthorised", place)
    if code in _LATER:
        raise Temporary("peer_busy", place, after=after)
    if 300 <= code < 400 or code < 200:
        raise Temporary("peer_not_dicom", place)
    return Answered(code, bytes(data), kind)


def is_json(answered: Answered) -> bool:
    """Whether it says that it is DICOM JSON: a log-in page does not."""
    return "json" in answered.type.lower()


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


def _place(url: str) -> str:
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
