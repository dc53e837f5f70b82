"""Rules of the user's own: read as they were typed, judged against the standard, and written in one canonical form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from stowgate.deident.resolve import first_vr
from stowgate.deident.rules import is_repeating, is_structure
from stowgate.errors import Misconfigured
from stowgate.policy import Override
from stowgate.standard import dictionary, iods

ACTIONS = ("keep", "remove", "empty", "replace")

WRITTEN_BY_US = frozenset((0x00080005, 0x00080016, 0x00120062, 0x00120063, 0x00120064, 0x00280303))
"""Character set and SOP class, which say how to read the rest, and the marks of de-identification."""

_PRIVATE = re.compile(r"\(?([0-9A-Fa-f]{4}),(.+),(?:xx)?([0-9A-Fa-f]{2})\)?")
_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")

_LINE = r"[\x20-\x5B\x5D-\x7E]"
_TIME = r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?"
_FORMS: dict[str, str] = {
    "AE": _LINE + "{1,16}",
    "AS": r"\d{3}[DWMY]",
    "CS": r"[A-Z0-9_ ]{1,16}",
    "DA": r"\d{8}",
    "DS": r"(?=.{1,16}$)[+-]?(\d+(\.\d*)?|\.\d+)([Ee][+-]?\d+)?",
    "DT": r"\d{8}(" + _TIME + r")?([+-](0\d|1[0-4])[0-5]\d)?",
    "IS": r"(?=.{1,12}$)[+-]?\d+",
    "LO": _LINE + "{1,64}",
    "LT": r"[\x20-\x7E\r\n]{1,10240}",
    "PN": r"(?=[^=]{1,64}(=[^=]{0,64}){0,2}$)[\x20-\x5B\x5D-\x7E]+",
    "SH": _LINE + "{1,16}",
    "ST": r"[\x20-\x7E\r\n]{1,1024}",
    "TM": _TIME,
    "UC": _LINE + "+",
    "UR": r"[\x21-\x5B\x5D-\x7E]+",
    "UT": r"[\x20-\x7E\r\n]+",
}
"""What one value may look like (PS3.5 6.2), in the default repertoire, which every character set holds.

Binary VRs, UIDs and sequences have no form here: they cannot be replaced.
"""


def accepted(overrides: Iterable[Override]) -> tuple[Override, ...]:
    """The same overrides with canonical targets, ordered by target; raises `Misconfigured` for the first bad one."""
    found: dict[str, Override] = {}
    for typed in overrides:
        made = _accept(typed)
        if made.target in found:
            raise Misconfigured("override_twice", typed.target)
        found[made.target] = made
    return tuple(found[target] for target in sorted(found))


def _accept(typed: Override) -> Override:
    if typed.action not in ACTIONS:
        raise Misconfigured("override_action", f"{typed.target}: {typed.action}")
    if (typed.value is not None) != (typed.action == "replace"):
        raise Misconfigured("override_value", typed.target)
    private = _PRIVATE.fullmatch(typed.target.strip())
    if private:
        return _accept_private(typed, *private.groups())
    path = path_of(typed.target)
    _judge(typed, path)
    return Override("/".join(f"{tag:08X}" for tag in path), typed.action, typed.value)


def _accept_private(typed: Override, group: str, creator: str, low: str) -> Override:
    number = int(group, 16)
    if not number & 1 or number < 9 or number == 0xFFFF or not creator.strip():
        raise Misconfigured("unknown_attribute", typed.target)
    if typed.action == "replace":
        raise Misconfigured("override_value", typed.target)
    return Override(f"{group.upper()},{creator.strip()},{low.upper()}", typed.action)


def path_of(target: str) -> tuple[int, ...]:
    """A path of keywords and tags joined by "/" as tags, group << 16 | element; raises `Misconfigured`."""
    path = tuple(_step(step.strip(), target) for step in target.split("/"))
    for sequence in path[:-1]:
        if dictionary.vr_of(sequence) != "SQ":
            raise Misconfigured("override_not_a_sequence", target)
    return path


def _step(step: str, target: str) -> int:
    digits = _TAG.fullmatch(step)
    tag = int(digits[1] + digits[2], 16) if digits else dictionary.tag_of(step)
    if tag is not None and tag & 0x10000:
        raise Misconfigured("private_needs_creator", target)
    if tag is None or not (dictionary.vr_of(tag) or is_structure(tag)):
        raise Misconfigured("unknown_attribute", target + meant(step, dictionary.keywords(), 0.7))
    return tag


def meant(name: str, those: Iterable[str], closeness: float = 0.5) -> str:
    """ "; did you mean ...?" with the closest of the names there are, or nothing when none is close."""
    from difflib import get_close_matches

    close = get_close_matches(name, [str(one) for one in those], 1, closeness)
    return f"; did you mean {close[0]}?" if close else ""


def _judge(typed: Override, path: tuple[int, ...]) -> None:
    last = path[-1]
    if any(is_structure(tag) or is_repeating(tag) for tag in path) or (last in WRITTEN_BY_US and len(path) == 1):
        raise Misconfigured("override_fixed", typed.target)
    if breaks_type(path, typed.action):
        raise Misconfigured("override_breaks_type", typed.target)
    if typed.value is not None and not fits(first_vr(dictionary.vr_of(last) or ""), typed.value):
        raise Misconfigured("override_value", typed.target)


def breaks_type(path: tuple[int, ...], action: str) -> bool:
    """Whether removing or emptying breaks an attribute where its module is Mandatory, in any IOD (PS3.5 7.4).

    1C counts as 1 and 2C as 2: whether their condition holds cannot be judged for all objects beforehand.
    """
    if action not in ("remove", "empty"):
        return False
    place = iods.mandatory()
    for sequence in path[:-1]:
        place = place.child(sequence)
    kind = place.type_of(path[-1])
    return kind in ("1", "1C") or (action == "remove" and kind in ("2", "2C"))


def fits(vr: str, value: str) -> bool:
    """Whether a text is one valid, non-empty ASCII value of a VR; never true for binary VRs, UIDs, sequences."""
    form = _FORMS.get(vr)
    if form is None or not value.strip() or not re.fullmatch(form, value):
        return False
    if vr == "IS":
        return -(2**31) <= int(value) < 2**31
    return vr not in ("DA", "DT") or _is_day(value[:8])


def _is_day(digits: str) -> bool:
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return True
