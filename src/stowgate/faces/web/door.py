"""The door of the web server: which requests are looked at at all, and what every answer carries."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from stowgate import events
from stowgate.ingest.feed import Incoming
from stowgate.ingest.problem import CLOSE, problem
from stowgate.vault.secret import Secret

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN = frozenset(("/healthz", "/readyz"))
"""Where no token is asked for: probes carry none, and learn a single word."""

_ONCE = (b"host", b"content-length", b"content-type", b"content-encoding", b"transfer-encoding", b"authorization")
_SECURITY = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_log = logging.getLogger(__name__)


class Door:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], token: Secret | None, tell: events.Watcher) -> None:
        """hosts -- names under which the server is reached, in lower case and without a port; empty for any"""
        self._app, self._hosts, self._token, self._tell = app, frozenset(hosts), token, tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on; answer 500 with a code where something unforeseen happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": _with_security(message.get("headers", ()))}
            await send(message)

        try:
            refused = self._refuse(scope)
            if refused:
                await Incoming(scope, receive).drain()
            await (refused or self._app)(scope, receive, sending)
        except Exception:
            _log.exception("request_failed")
            if begun:
                raise
            await problem(500, "internal_error", CLOSE)(scope, receive, sending)

    def _refuse(self, scope: Scope) -> Any:
        fields: list[tuple[bytes, bytes]] = scope["headers"]
        times = Counter(name for name, _ in fields)
        both = times[b"content-length"] and times[b"transfer-encoding"]
        if both or any(times[name] > 1 for name in _ONCE) or _is_odd(scope):
            return problem(400, "web_refused", CLOSE)
        values = dict(fields)
        if self._hosts and _name_of(values.get(b"host", b"")) not in self._hosts:
            return problem(421, "web_refused", CLOSE)
        if self._token and scope["path"] not in OPEN and not _knows(self._token, values.get(b"authorization", b"")):
            self._tell(events.CallerTurnedAway("web", "web_refused"))
            return problem(401, "web_refused", {**CLOSE, "WWW-Authenticate": 'Bearer realm="stowgate"'})
        return None


def _is_odd(scope: Scope) -> bool:
    """A target with encoded separators, control characters or anything that is no plain path means to confuse."""
    raw: bytes = scope.get("raw_path", b"")
    return not raw.startswith(b"/") or b"%" in raw or b"\\" in raw or b"//" in raw or b"/." in raw


def _name_of(host: bytes) -> str:
    """The name or address in a Host field, without its port."""
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return text.partition("]")[0][1:]
    return text.partition(":")[0]


def _knows(token: Secret, authorization: bytes) -> bool:
    scheme, _, given = authorization.decode("latin-1").partition(" ")
    return scheme.lower() == "bearer" and token.fits(given.strip(" "))


def _with_security(fields: Any) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in fields if name.lower() not in dict(_SECURITY)]
    return [*kept, *_SECURITY]
