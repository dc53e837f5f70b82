"""The ASGI application: the routes of sources, /metrics, /healthz and /readyz behind one door."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from stowgate import events
from stowgate.faces.web.door import Door
from stowgate.ingest.problem import problem
from stowgate.vault.secret import Secret

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

Ready = Callable[[], Collection[str]]
"""Codes of what keeps the gateway from taking anything in; empty when it is ready. Quick: it is asked every second."""


def build(
    routes: Iterable[BaseRoute],
    hosts: Collection[str],
    token: Secret | None = None,
    ready: Ready = tuple,
    metrics: Callable[[], bytes] | None = None,
    tell: events.Watcher = lambda _: None,
) -> ASGIApp:
    """The application.

    hosts   -- names and addresses under which it may be reached; others are refused (DNS rebinding)
    token   -- what everybody but probes has to know, None for nobody
    metrics -- renders the text of Prometheus; called in a thread
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException

    from stowgate.faces.web import probes

    async def refused(_: Request, error: Exception) -> Response:
        return problem(error.status_code if isinstance(error, HTTPException) else 500)

    own = probes.routes(ready, metrics)
    inside = Starlette(routes=[*own, *routes], exception_handlers={HTTPException: refused})
    inside.router.redirect_slashes = False
    return Door(inside, hosts, token, tell)
