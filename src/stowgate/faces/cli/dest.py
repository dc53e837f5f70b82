"""`stowgate dest`: the ways out, whether they work, and pausing them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from stowgate.errors import Misconfigured, Temporary
from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say, when
from stowgate.faces.cli.unit import DEFAULT, AsJson, Config, act, confirmed, settings_of, show, view_if_any, view_of
from stowgate.faces.known import known, unknown
from stowgate.lifecycle import Delivery
from stowgate.wording import counted

if TYPE_CHECKING:
    from stowgate.settings import Settings
    from stowgate.settings_delivery import Dest

app = typer.Typer(help="The ways out: list them, try one, pause and resume.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a [[dest]].")]
_GONE, _GIVE_UP = "It is in the configuration no more.", " `stowgate dest forget` gives up what is left."
_COLUMNS = (("name", 16), ("kind", 7), ("where", 28), ("left", 8), ("verified", 9), ("rate", 11), ("stands", 0))


def opens(settings: Settings) -> Callable[[str], float | None]:
    """When a destination is sent to again, in seconds since 1970; None where that is now, infinity where it is gone."""
    from stowgate.gateway.times import minute_of_week
    from stowgate.outbox.timetable import hours_of

    minute, now = minute_of_week(), time.time()
    waits = {dest.name: hours_of(dest.hours).minutes_until_open(minute) * 60 for dest in settings.dest}
    return lambda name: (now + waits[name] if waits[name] else None) if name in waits else math.inf


def shut(settings: Settings) -> frozenset[str]:
    """Names of those that nothing is sent to at this hour."""
    again = opens(settings)
    return frozenset(dest.name for dest in settings.dest if again(dest.name))


@app.command("list")
def list_(config: Config = DEFAULT, as_json: AsJson = False) -> None:
    """Each destination: what is still to go there, what is there, how fast it goes, why it stands still if it does."""
    from stowgate.questions_delivery import ways_out
    from stowgate.questions_links import links, speed

    settings = settings_of(config)
    known = {dest.name: dest for dest in settings.dest}
    again = opens(settings)
    with view_if_any(settings) as view:
        found = ways_out(view, list(known))
        states = {state.name: state for state in links(view, list(found), most=1)}
    rows = []
    for name, line in found.items():
        dest = known.get(name)
        left = sum(int(str(line[step])) for step in ("queued", "sent"))
        state = states[name]
        stands = _stands(line, again(name), state.since) if dest else _GONE + (_GIVE_UP if left else "")
        line |= {"rate": state.rate if as_json else speed(state.rate), "up": state.up, "since": state.since}
        kind, where = (dest.kind, dest.where) if dest else ("", "")
        rows.append({"name": name, "kind": kind, "where": where, "left": left, **line, "stands": stands})
    show(rows, as_json, _COLUMNS, "There is no [[dest]] in this configuration.")


def _stands(line: dict[str, object], again: float | None, since: float | None) -> str:
    if line["paused"]:
        return f"paused: {line['paused']}"
    at = f", since {when(since)}" if since else ""
    if line["code"]:
        return f"down: {line['code']}{at}"
    return "outside its hours" if again else f"open{at}"


@app.command("show")
def show_(name: Name, config: Config = DEFAULT, as_json: AsJson = False) -> None:
    """One destination as a link: up or down and since when, how fast, what is left, and its latest outages."""
    from dataclasses import asdict

    from stowgate.questions_delivery import ways_out
    from stowgate.questions_links import links, span, speed

    settings = settings_of(config)
    dest = _named(name, config)
    with view_if_any(settings) as view:
        line = ways_out(view, [name])[name]
        (state,) = links(view, [name], shut(settings))
    stands = _stands(line, opens(settings)(name), state.since)
    if as_json:
        show([{"kind": dest.kind, "where": dest.where, "stands": stands, **line, **asdict(state)}], True, (), "")
        return
    left = f"{state.left.bytes:,} bytes" + (f", {state.left.words}" if state.left.bytes else "")
    counts = ", ".join(f"{line[step]} {step}" for step in map(str, Delivery))
    for what, said in (
        ("kind", dest.kind), ("where", dest.where), ("stands", stands), ("rate", speed(state.rate)), ("left", left),
        ("objects", counts),
    ):  # fmt: skip
        typer.echo(f"{what:<10} {said}")
    for one in state.outages:
        ended = f"{when(one.ended)}  {span(one.ended - one.began)}" if one.ended else "still"
        typer.echo(f"outage     {when(one.began)}  {ended}  {one.code}")


@app.command("test")
def try_(name: Name, config: Config = DEFAULT) -> int:
    """Try a destination out step by step, without an object of a patient; what is wrong, and who can mend it."""
    dest = _named(name, config)
    sink = dest.sink()
    code = ""
    try:
        for step in sink.trial():
            code = step.code
            typer.echo(f"{name}: {step.what}: {step.said}")
    except (Temporary, Misconfigured) as error:
        code = error.code
        typer.echo(f"{name}: {error}")
    finally:
        sink.close()
    if not code:
        say(f"{name} works.")
    return Exit.PARTLY if code else Exit.DONE


@app.command("pause")
def pause(name: Name, config: Config = DEFAULT) -> int:
    """Send nothing there until it is resumed. What is queued stays queued."""
    _named(name, config)
    return act(config, "dest_pause", [name])


@app.command("resume")
def resume(name: Name, config: Config = DEFAULT) -> int:
    """Send there again, whoever paused it."""
    _named(name, config)
    return act(config, "dest_resume", [name])


@app.command("catch-up")
def catch_up(name: Name, config: Config = DEFAULT) -> int:
    """Send it what came before it was there, as its routes say; for a profile of its own that is cleaned first."""
    _named(name, config)
    return act(config, "dest_catch_up", [name])


@app.command("forget")
def forget(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a [[dest]] that was taken out.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = DEFAULT,
) -> int:
    """Give up what is still to go to a destination that the configuration has no more; the routes decide anew.

    Nothing is deleted: what arrived elsewhere counts by that, the rest waits or goes where the routes say now.
    """
    settings = settings_of(config)
    if name in [dest.name for dest in settings.dest]:
        said = f"{name} is a [[dest]] of this configuration; take it out first, or pause it"
        raise typer.BadParameter(said, param_hint="NAME")
    with view_of(settings) as view:
        counts = view.deliveries.counts()
    if name not in counts:
        raise unknown(name, "[[dest]] that was taken out", counts.keys() - {dest.name for dest in settings.dest})
    line = counts[name]
    left = sum(line[step] for step in (Delivery.QUEUED, Delivery.SENT, Delivery.ACKNOWLEDGED))
    still = f"{counted(left, 'object')} {'is' if left == 1 else 'are'} still to go to {name}. Give up?"
    if left and not yes and not confirmed(still, "Nothing was changed."):
        return Exit.DONE
    code = act(config, "dest_forget", [name], sums=False)
    with view_of(settings) as view:
        given = view.deliveries.counts().get(name, line)[Delivery.REFUSED] - line[Delivery.REFUSED]
    if given:
        say(f"{counted(given, 'object')} given up for {name}. It is in the audit log.")
    elif code == Exit.DONE:
        say(f"Nothing was still to go to {name}.")
    return code


def _named(name: str, config: Config) -> Dest:
    return known(name, "dest", settings_of(config).dest)
