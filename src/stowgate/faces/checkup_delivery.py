"""What `stowgate check` looks at on the ways out: can each place be reached, what goes there, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stowgate.errors import Misconfigured
from stowgate.faces.result import Result
from stowgate.policy import Option, Policy
from stowgate.settings import Settings
from stowgate.vault.key import Key


def destinations(settings: Settings, _: Path) -> Iterator[Result]:
    """One line for each; a place that is away is no reason not to start, because what goes there waits."""
    routed = {name for route in settings.route for name in route.dest}
    for dest in settings.dest:
        sink = dest.sink()
        try:
            there = sink.reachable()
        finally:
            sink.close()
        if dest.name not in routed:
            yield Result(
                "destinations", "warning", f"No [[route]] names {dest.name}.", "Nothing goes there.",
                f'Add a [[route]] with dest = ["{dest.name}"].',
            )  # fmt: skip
        elif there:
            yield Result("destinations", "ok", f"{dest.name} can be reached; `stowgate dest test` tries it out.")
        else:
            yield Result(
                "destinations", "warning", f"{dest.name} cannot be reached.", "What goes there waits; nothing is lost.",
                f"`stowgate dest test {dest.name}` says more.",
            )  # fmt: skip


def profiles(settings: Settings, _: Path) -> Iterator[Result]:
    """One line for each recipient that gets something of its own, and what could link two of them."""
    from stowgate.faces.held import project_key, recipient_key
    from stowgate.faces.policies import policy_of, recipients
    from stowgate.vault.folder import KEY

    if not settings.profile or settings.spool.path is None:
        return
    spool = settings.spool.path.expanduser()
    own = project_key(settings, spool) if settings.state.key or (spool / KEY).exists() else None
    try:
        asked = list(recipients(settings))
    except Misconfigured:
        return  # that was said of the plan
    known: list[tuple[str, Policy, Key | None]] = [("[deid]", policy_of(settings), own)]
    routed = {route.profile for route in settings.route}
    for one, policy in asked:
        key = recipient_key(one, spool)
        options = ", ".join(sorted(policy.options)) or "no options"
        named = f"key {key.id}" if key else "a key that is made at the first start; back it up then"
        yield Result(
            "profiles", "ok", f"{one.name}: {policy.profile}, {options}, digest {policy.digest[:12]}, {named}."
        )
        if one.name not in routed:
            yield Result(
                "profiles", "warning", f"No [[route]] names {one.name}.", "Nothing is made by it.",
                f'Write profile = "{one.name}" into a [[route]].',
            )  # fmt: skip
        for name, other, theirs in known:
            yield from _linked(one.name, name, same_key=key is not None and key == theirs, kept=_kept(policy, other))
        known.append((one.name, policy, key))


def _kept(*both: Policy) -> bool:
    return all(policy.has(Option.UIDS) for policy in both)


def _linked(one: str, other: str, *, same_key: bool, kept: bool) -> Iterator[Result]:
    if same_key:
        yield Result(
            "profiles", "warning", f"{one} has the key of {other}.",
            "Both get the same pseudonyms: together they can tell that two objects are one patient's.",
            "That is right for one recipient with two profiles; else leave out `key`, and each gets its own.",
        )  # fmt: skip
    elif kept:
        yield Result(
            "profiles", "warning", f"{one} and {other} both keep UIDs.", "By these two recipients can be linked.",
            'Leave out "uids" of `retain` for one of them.',
        )  # fmt: skip
