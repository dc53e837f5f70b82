"""The addresses of STOW-RS (PS3.18 10.5): what is refused before the body, who does the work, what is answered."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from stowgate import events
from stowgate.errors import Rejected
from stowgate.ingest.feed import Feed, Incoming, Pace, pump
from stowgate.ingest.problem import CLOSE, problem
from stowgate.ingest.source import Announced, BrokenOff, Intake
from stowgate.ingest.stow import Stow, Upload
from stowgate.ingest.stow_answer import CLOSED, NO_ROOM, Form, Result, render, status_of, wanted

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")
_LATER = {"Retry-After": "30"}
_STATUS = {"upload_syntax": 400, "upload_too_large": 413, "upload_type": 415, "upload_stalled": 408}


class StowRoutes:
    """One source of kind "stow" on the web server."""

    def __init__(self, source: Stow, intake: Intake, tell: events.Watcher = lambda _: None) -> None:
        self._source, self._intake, self._tell = source, intake, tell
        self._pool = ThreadPoolExecutor(source.at_once, f"stow-{source.name}")
        self._busy = 0

    def routes(self) -> list[Route]:
        """POST {path}/studies and {path}/studies/{study}."""
        from starlette.routing import Route

        places = (f"{self._source.path}/studies", f"{self._source.path}/studies/{{study}}")
        return [Route(place, self._store, methods=["POST"]) for place in places]

    def close(self) -> None:
        """Wait for the uploads under way; the web server is closed first, which breaks off what is not complete."""
        self._pool.shutdown()

    async def _store(self, request: Request) -> Response:
        incoming = Incoming(request.scope, request.receive)
        form = wanted(request.headers.get("accept", ""))
        early = self._refused_early(request) if form else problem(406, headers=CLOSE)
        if early or not form:
            await incoming.drain()
            return early or problem(406, headers=CLOSE)
        try:
            results = await self._worked_on(request, incoming)
        except Rejected as error:
            self._tell(events.Refused(self._source.name, error.code))
            if error.code != "upload_stalled":
                await incoming.drain()
            return problem(_STATUS[error.code], error.code, CLOSE)
        except BrokenOff:
            return problem(400, headers=CLOSE)  # nobody hears it
        return _answer(results, form)

    def _refused_early(self, request: Request) -> Response | None:
        """Everything that can be said before the body is read."""
        fields = request.headers
        study = request.path_params.get("study", "")
        if study and (len(study) > 64 or not _UID.fullmatch(study)):
            return problem(400, "upload_syntax", CLOSE)
        if fields.get("content-encoding", "identity").lower() != "identity":
            return problem(415, "upload_type", CLOSE)
        length = fields.get("content-length", "")
        size = int(length) if length.isascii() and length.isdigit() else None
        if size is not None and size > self._source.body_bytes:
            return problem(413, "upload_too_large", CLOSE)
        refused = self._intake.may_accept(Announced(self._source.name, size=size))
        if refused:
            self._tell(events.Refused(self._source.name, refused.code))
            return problem(507 if refused.code in NO_ROOM else 503, refused.code, {**CLOSE, **_LATER})
        if self._busy >= self._source.at_once:
            return problem(503, headers={**CLOSE, **_LATER})
        return None

    async def _worked_on(self, request: Request, incoming: Incoming) -> list[Result]:
        """One thread takes the instances out of the body while this task feeds it."""
        pace = Pace(self._source.silence, self._source.slowest)
        first = await pace.next(incoming)  # a sender that never begins gets no thread
        if first["type"] != "http.request":
            raise BrokenOff
        loop = asyncio.get_running_loop()
        feed = Feed(loop)
        upload = Upload(self._source, self._intake, request.path_params.get("study", ""), self._tell)
        self._busy += 1
        work = loop.run_in_executor(self._pool, upload.run, request.headers.get("content-type", ""), feed.get)
        work.add_done_callback(self._let_go)
        begun = first.get("body", b""), first.get("more_body", False)
        feeding = asyncio.create_task(pump(incoming, feed, pace, *begun))
        try:
            await asyncio.wait((work, feeding), return_when=asyncio.FIRST_COMPLETED)
            if feeding.done() and feeding.exception():
                await asyncio.wait((work,))
                feeding.result()
            return await asyncio.shield(work)
        finally:
            feed.break_off()
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

    def _let_go(self, work: asyncio.Future[list[Result]]) -> None:
        self._busy -= 1
        if not work.cancelled():
            work.exception()  # looked at: nobody may be waiting for it any more


def _answer(results: list[Result], form: Form) -> Response:
    from starlette.responses import Response

    status = status_of(results)
    waits = _LATER if {result.code for result in results} & (NO_ROOM | CLOSED) else None
    return Response(render(results, form), status, waits, form)
