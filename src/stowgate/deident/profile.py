"""From names to a policy: which profile, options and overrides there are, what they claim, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from stowgate.deident.overrides import accepted, fits, meant
from stowgate.deident.resolve import judge
from stowgate.deident.rules import is_repeating, is_structure, private_key, private_rule
from stowgate.errors import Misconfigured
from stowgate.policy import AVAILABLE, CLEAN, COLUMNS, RETAIN, Option, Override, Policy
from stowgate.standard import codes, dictionary
from stowgate.standard.profile import PRIVATE, ROWS, row_of

PROFILES: Mapping[str, str] = {"basic": "Basic Application Level Confidentiality Profile (PS3.15 Annex E)"}
"""Name in settings -> name in the standard."""

STATION_NAME = "00081010"

_PIXELS_RISK = ("hold", "pass")
_GATE_PIXELS = ("windows", "full")


def policy_from(
    profile: str = "basic",
    retain: Iterable[str] = (),
    clean: Iterable[str] = (),
    overrides: Iterable[Override] = (),
    *,
    pixels_risk: str = "hold",
    gate_pixels: str = "windows",
    station_name: str = "",
) -> Policy:
    """The policy that these names ask for; raises `Misconfigured` with the name and, if it helps, the one meant.

    `overrides` have their targets as the user typed them: a keyword, "(0008,1030)", "00081030", a path of those joined
    by "/", or "gggg,CREATOR,ee" for a private attribute wherever it stands. A path starts at the top level.
    """
    if profile not in PROFILES:
        raise Misconfigured("unknown_profile", f"{profile}{meant(profile, PROFILES)}")
    options = {_option(name, "retain", RETAIN) for name in retain} | {_option(name, "clean", CLEAN) for name in clean}
    if {Option.FULL_DATES, Option.MODIFIED_DATES} <= options:
        raise Misconfigured("dates_contradict")
    if pixels_risk not in _PIXELS_RISK:
        raise Misconfigured("bad_setting", f"pixels risk: {pixels_risk}{meant(pixels_risk, _PIXELS_RISK)}")
    if gate_pixels not in _GATE_PIXELS:
        raise Misconfigured("bad_setting", f"gate pixels: {gate_pixels}{meant(gate_pixels, _GATE_PIXELS)}")
    if station_name and not fits("SH", station_name):
        raise Misconfigured("bad_station_name", station_name)
    rules = accepted(overrides)
    if station_name and any(rule.target == STATION_NAME for rule in rules):
        raise Misconfigured("override_fixed", "StationName holds the unit's name")
    return Policy(profile, frozenset(options), rules, pixels_risk, gate_pixels, station_name.strip())


def _option(name: str, setting: str, those: tuple[Option, ...]) -> Option:
    """One option by its name; blanks, case and underscores are forgiven."""
    plain = str(name).strip().lower().replace("_", "-")
    if plain not in tuple(those):
        other = "clean" if setting == "retain" else "retain"
        hint = f"; it goes under {other}" if plain in tuple(Option) else meant(plain, those)
        raise Misconfigured("unknown_option", f"{setting}: {name}{hint}")
    if plain not in AVAILABLE:
        raise Misconfigured("option_not_available", f"{setting}: {plain}")
    return Option(plain)


@lru_cache(maxsize=64)
def claims(policy: Policy) -> tuple[str, ...]:
    """Codes of CID 7050 for an object cleaned under this policy, ascending; none if an override weakens it."""
    if _weakened(policy):
        return ()
    options = set(policy.options)
    if Option.MODIFIED_DATES in options:
        options.discard(Option.DEVICE_IDENTITY)
    return tuple(sorted({codes.BASIC_PROFILE, *(codes.code_of_column(COLUMNS[option]) for option in options)}))


@lru_cache(maxsize=64)
def claim_findings(policy: Policy) -> tuple[str, ...]:
    """Why the claims are fewer than the options: codes of `reasons.REASONS`."""
    if _weakened(policy):
        return ("claim_dropped",)
    both = {Option.DEVICE_IDENTITY, Option.MODIFIED_DATES} <= policy.options
    return ("device_claim_dropped",) if both else ()


def _weakened(policy: Policy) -> bool:
    return any(override.action == "keep" and _weakens(override, policy) for override in policy.overrides)


def _weakens(override: Override, policy: Policy) -> bool:
    """Whether an override keeps what profile and options would remove, empty, replace or clean."""
    plain = replace(policy, overrides=())
    if "," in override.target:
        return private_rule(plain, *private_key(override.target)).action != "K"
    verdict = judge(int(override.target[-8:], 16), plain.options)
    return verdict is None or verdict.code != "K"


@dataclass(frozen=True, slots=True)
class Description:
    """A policy as `stowgate profile show` tells of it; no name of it is law, and it never says "anonymous"."""

    profile: str
    title: str
    edition: str
    revision: int
    digest: str
    options: tuple[str, ...]
    claims: tuple[codes.Code, ...]
    findings: tuple[str, ...]
    overrides: tuple[Override, ...]
    listed: Mapping[str, int]
    """Rows of Table E.1-1 by code after options, such as {"X": 417, "K": 12}."""
    unlisted: Mapping[str, int]
    """All other attributes of the data dictionary by code: K, U, X, C."""


def describe(policy: Policy) -> Description:
    """Everything about a policy that does not depend on an object."""
    return Description(
        policy.profile,
        PROFILES[policy.profile],
        policy.edition,
        policy.revision,
        policy.digest,
        tuple(str(option) for option in Option if option in policy.options),
        tuple(codes.deidentification_methods()[code] for code in claims(policy)),
        claim_findings(policy),
        policy.overrides,
        _counted(_listed_codes(policy)),
        _counted(_unlisted_codes(policy)),
    )


def _counted(found: Iterable[str]) -> Mapping[str, int]:
    return dict(sorted(Counter(found).items()))


def _listed_codes(policy: Policy) -> Iterable[str]:
    for row in ROWS:
        if row.tag == PRIVATE:
            yield "C" if policy.has(Option.SAFE_PRIVATE) else row.basic
        else:
            verdict = judge(int(row.tag.replace("x", "0"), 16), policy.options)
            yield verdict.code if verdict else row.basic


def _unlisted_codes(policy: Policy) -> Iterable[str]:
    for tag in dictionary.tags():
        if row_of(tag) is None and tag >> 16 != 0xFFFE:
            verdict = None if is_structure(tag) or is_repeating(tag) else judge(tag, policy.options)
            yield verdict.code if verdict else "X"
