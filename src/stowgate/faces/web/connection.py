"""One HTTP connection: header fields come in time, and what cannot be read is answered without a word of it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol

_BODY = json.dumps({"type": "about:blank", "title": "Bad Request", "status": 400}).encode()
_BAD = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%s" % (len(_BODY), _BODY)
)


def protocol(head_seconds: float, connections: int) -> type[H11Protocol]:
    """uvicorn's protocol with a deadline for header fields and a bound on connections."""
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Connection(H11Protocol):
        """Between two requests the deadline is uvicorn's own, for a connection at rest."""

        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Start the clock, or hang up on one too many."""
            super().connection_made(transport)
            if len(self.connections) > connections:
                transport.abort()
                return
            self._deadline = self.loop.call_later(head_seconds, transport.abort)

        def data_received(self, data: bytes) -> None:
            """The clock runs while header fields are incomplete."""
            super().data_received(data)
            reading = self.conn.their_state is h11.IDLE and not self.transport.is_closing()
            if reading and self._deadline is None:
                self._deadline = self.loop.call_later(head_seconds, self.transport.abort)
            elif not reading:
                self._rest()

        def connection_lost(self, exc: Exception | None) -> None:
            """Let go of the clock."""
            self._rest()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own text is not passed on
            """Answer only where no other answer has begun."""
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self.transport.is_closing():
                self.transport.write(_BAD)
            self.transport.close()

        def _rest(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return Connection
