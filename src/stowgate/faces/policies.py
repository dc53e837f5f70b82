"""From the tables of a configuration to policies: that of the unit, and that of each recipient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stowgate.deident.overrides import meant
from stowgate.deident.profile import PROFILES, policy_from
from stowgate.errors import Misconfigured
from stowgate.faces.known import known
from stowgate.policy import Override, Policy
from stowgate.settings import Deid, Profile, Settings


def policy_of(
    settings: Settings,
    table: Deid | None = None,
    profile: str | None = None,
    retain: Iterable[str] | None = None,
    clean: Iterable[str] | None = None,
) -> Policy:
    """The policy of `table`, [deid] if there is none; what else is given goes before what stands there.

    Pixels, gate and the name of the unit are the same for everybody. Raises `Misconfigured` as `policy_from` does.
    """
    asked = table or settings.deid
    if not (profile or asked.profile in PROFILES):  # nobody typed it: the file is wrong, not the command line
        raise Misconfigured("bad_setting", f'profile = "{asked.profile}"{meant(asked.profile, PROFILES)}')
    return policy_from(
        profile or asked.profile,
        asked.retain if retain is None else retain,
        asked.clean if clean is None else clean,
        [Override(rule.target, rule.action, rule.value) for rule in asked.override],
        pixels_risk=settings.pixels.risk,
        gate_pixels=settings.gate.pixels,
        station_name=settings.unit.name,
    )


def recipients(settings: Settings) -> Iterator[tuple[Profile, Policy]]:
    """Each [[profile]] with its policy; what is wrong with one is told with its name."""
    for one in settings.profile:
        try:
            yield one, policy_of(settings, one)
        except Misconfigured as error:
            raise Misconfigured(error.code, f"[[profile]] {one.name}: {error.place}") from None


def named(settings: Settings, name: str) -> Profile:
    """The [[profile]] of this name; Misconfigured("unknown_name") where there is none."""
    return known(name, "profile", settings.profile)
