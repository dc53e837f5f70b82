"""Listens to the pass and tells, attribute by attribute, what was done, by which rule and why."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stowgate.deident.actions import Frame
from stowgate.deident.rules import PRIVATE, Rule
from stowgate.dicom.inspect import TEXT_VRS, shown
from stowgate.dicom.scanner import BULK_VRS
from stowgate.dicom.walk import SHORT_VRS, is_undefined
from stowgate.objects import Change
from stowgate.policy import Option
from stowgate.standard.dictionary import keyword_of

_STEP = re.compile(r"\(([0-9A-F]{4}),([0-9A-F]{4})\)(?:\[(\d+)\])?")
_SHOWN = 64
"""Characters of a value that are shown."""
_KEPT_PRIVATE = PRIVATE._replace(
    origin=f"option:{Option.SAFE_PRIVATE}",
    why="the standard's list, the source's own statement or a rule of the user's own calls it safe",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One attribute. `before` is None unless old values were asked for; they are identity and for the owner only."""

    change: Change
    keyword: str
    vr: str
    type: str
    before: str | None = None


class Recorder:
    """Give `record` to the pass; afterwards `lines` has every attribute in the order of the object."""

    def __init__(self, values: bool = False) -> None:
        self._values = values
        self._lines: list[Line] = []

    def record(self, frame: Frame, tag: int, vr: bytes, rule: Rule, new: bytes | None) -> None:
        """See `deident.actions.Record`."""
        where = f"{frame.where}({tag >> 16:04X},{tag & 0xFFFF:04X})"
        action = _action(rule, vr, new, frame.job.explicit)
        rule = _KEPT_PRIVATE if rule is PRIVATE and action != "X" else rule
        after = _value(new, vr, frame) if new else None
        change = Change(where, action, rule.origin, rule.why, after)
        self._lines.append(
            Line(change, keyword_of(tag) or "", vr.decode("latin-1"), rule.type, self._old(frame, tag, vr))
        )

    @property
    def lines(self) -> list[Line]:
        """All attributes, parents before what they hold."""
        return sorted(self._lines, key=lambda line: _order(line.change.where))

    @property
    def changes(self) -> tuple[Change, ...]:
        """What did not stay as it was, in the order of the object."""
        return tuple(line.change for line in self.lines if line.change.action != "K")

    def _old(self, frame: Frame, tag: int, vr: bytes) -> str | None:
        if not self._values:
            return None
        _, _, value, end = frame.elements[tag]
        length = end - value
        if vr in BULK_VRS and not is_undefined(frame.view, value):  # one that was left where it lies counts whole
            length = int.from_bytes(frame.view[value - 4 : value], "little")
        return _shown(bytes(frame.view[value : min(end, value + 4 * _SHOWN)]), length, vr, frame)


def _action(rule: Rule, vr: bytes, new: bytes | None, explicit: bool) -> str:
    """What really happened: a kept text with a name in it went after all, a kept sequence was cleaned inside."""
    if new is None:
        return "K"
    if not new:
        return "X"
    if len(new) == _header(new, explicit):
        return "Z"
    if rule.action in ("Z", "D", "U", "C"):
        return rule.action
    return {b"SQ": "C", b"AS": "C", b"UI": "U"}.get(vr, "D")


def _header(new: bytes, explicit: bool) -> int:
    return 12 if explicit and new[4:6] not in SHORT_VRS else 8


def _value(new: bytes, vr: bytes, frame: Frame) -> str | None:
    start = _header(new, frame.job.explicit)
    if vr == b"SQ" or len(new) == start:
        return None
    return _shown(new[start:], len(new) - start, vr, frame)


def _shown(raw: bytes, length: int, vr: bytes, frame: Frame) -> str:
    return shown(raw, vr, frame.codecs) if length == len(raw) or vr in TEXT_VRS else f"<{length} bytes>"


def _order(where: str) -> list[tuple[int, int]]:
    return [(int(group + number, 16), int(index or -1)) for group, number, index in _STEP.findall(where)]
