"""What monitors ask: whether the process lives, whether it takes anything in, and its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

METRICS = "text/plain; version=0.0.4; charset=utf-8"


def routes(ready: Callable[[], object], metrics: Callable[[], bytes] | None) -> list[BaseRoute]:
    """/healthz (200 while the process answers), /readyz (200 or 503), /metrics."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readiness(_: Request) -> Response:
        if await run_in_threadpool(ready):
            return JSONResponse({"status": "not ready"}, 503)
        return JSONResponse({"status": "ready"})

    async def numbers(_: Request) -> Response:
        text = await run_in_threadpool(metrics) if metrics else b""
        return Response(text, media_type=METRICS)

    return [Route("/healthz", health), Route("/readyz", readiness), Route("/metrics", numbers)]
