"""`stowgate link`: a bad link in front of a peer of your own, to see what becomes of a delivery over it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stowgate.errors import Misconfigured
from stowgate.faces.cli.show import say

if TYPE_CHECKING:
    from stowgate.link.profiles import Profile

_EVERY = 5.0
Trace = Annotated[
    Path | None,
    typer.Option(help="A trace instead; each line: seconds, kbit/s, ms, and up, down or reset."),
]


def link(
    target: Annotated[str, typer.Argument(metavar="HOST:PORT", help="The peer behind the link.")],
    like: Annotated[str, typer.Option(help="open, steady, 4g, edge, satellite, truck or flapping.")] = "truck",
    trace: Trace = None,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the gateway calls.")] = "127.0.0.1:0",
    seconds: Annotated[float | None, typer.Option(min=0, help="End after so long; until Ctrl-C if none.")] = None,
) -> None:
    """Stand between a gateway and a peer as a bad link does: slow, late, away. What passes is not changed or kept."""
    from stowgate.link.thread import relayed

    profile, there, here = _profile(like, trace), _place(target), _place(listen, "--listen")
    until = time.monotonic() + seconds if seconds is not None else float("inf")
    try:
        with relayed(there, profile, here) as relay, suppress(KeyboardInterrupt):
            say(f"A link to {target} listens on {relay.host}:{relay.port}. Name that in [[dest]]. Ctrl-C ends it.")
            while time.monotonic() < until:
                counts = relay.counts
                typer.echo(
                    f"link {relay.state:<5}  up {counts.up:,} B  down {counts.down:,} B  connections"
                    f" {counts.connections}  outages {counts.outages}  reset {counts.resets}"
                )
                time.sleep(max(0.0, min(_EVERY, until - time.monotonic())))
    except OSError:
        raise Misconfigured("port_unavailable", listen) from None


def _profile(like: str, trace: Path | None) -> Profile:
    from stowgate.link.profiles import PROFILES, Profile
    from stowgate.link.trace import trace_of

    if trace is None:
        if like not in PROFILES:
            raise typer.BadParameter(f"it is one of {', '.join(PROFILES)}", param_hint="--like")
        return PROFILES[like]
    try:
        return Profile(trace_of(trace.read_text("utf-8")))
    except OSError:
        raise typer.BadParameter("it cannot be read", param_hint="--trace") from None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--trace") from None


def _place(text: str, hint: str = "HOST:PORT") -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise typer.BadParameter("a place is HOST:PORT", param_hint=hint)
    return host, int(port)
