"""What a value of each VR must look like (PS3.5 6.2); a function says the code of the first fault, or None."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date

Judge = Callable[[bytes], str | None]

_DA = re.compile(rb"(\d{4})(\d{2})(\d{2})").fullmatch
_TM = re.compile(rb"(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?").fullmatch
_DT = re.compile(rb"(\d{4})(\d{2})?(\d{2})?((?<=\d{8})[0-9.]+)?([+-](?:0\d|1[0-4])[0-5]\d)?").fullmatch
_AS = re.compile(rb"\d{3}[DWMY]").fullmatch
_CS = re.compile(rb"[A-Z0-9 _]*").fullmatch
_DS = re.compile(rb" *[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)? *").fullmatch
_IS = re.compile(rb" *[+-]?\d+ *").fullmatch
_UI = re.compile(rb"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))*").fullmatch
_UI_ZEROS = re.compile(rb"\d+(?:\.\d+)*").fullmatch
_LINE_CONTROL = re.compile(r"[\x00-\x1a\x1c-\x1f\x7f-\x9f]").search
_PAGE_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f-\x9f]").search

_IS_BOUND = 2**31
_PAGES = frozenset(("ST", "LT", "UT"))
CHARACTERS: Mapping[str, int] = {"LO": 64, "SH": 16, "ST": 1024, "LT": 10240}
"""The most characters of one value; PN counts each component group on its own."""


def calendar_day(text: bytes) -> date | None:
    """The day that a DA value names, None if there is no such day."""
    match = _DA(text)
    if not match:
        return None
    try:
        return date(*map(int, match.groups()))
    except ValueError:
        return None


def _da(value: bytes) -> str | None:
    return None if calendar_day(value) else "bad_date"


def _tm(value: bytes) -> str | None:
    return None if _TM(value) else "bad_time"


def _dt(value: bytes) -> str | None:
    match = _DT(value)
    if not match:
        return "bad_datetime"
    year, month, day, clock, _ = match.groups()
    whole = year + (month or b"01") + (day or b"01")
    return None if calendar_day(whole) and (not clock or _TM(clock)) else "bad_datetime"


def _as(value: bytes) -> str | None:
    return None if _AS(value) else "bad_age"


def _cs(value: bytes) -> str | None:
    if len(value) > 16:
        return "value_too_long"
    return None if _CS(value) else "bad_code_string"


def _ds(value: bytes) -> str | None:
    if len(value) > 16:
        return "value_too_long"
    return None if _DS(value) else "bad_number"


def _is(value: bytes) -> str | None:
    if len(value) > 12:
        return "value_too_long"
    return None if _IS(value) and -_IS_BOUND <= int(value) < _IS_BOUND else "bad_number"


def _ui(value: bytes) -> str | None:
    if _UI(value):
        return None if len(value) <= 64 else "uid_too_long"
    return "uid_leading_zero" if _UI_ZEROS(value) else "bad_uid"


CODED: Mapping[str, Judge] = {
    "AS": _as,
    "CS": _cs,
    "DA": _da,
    "DS": _ds,
    "DT": _dt,
    "IS": _is,
    "TM": _tm,
    "UI": _ui,
}
"""VRs of code characters: one value without its padding."""


_QUICK: Mapping[str, bytes] = {
    "UI": rb"(?=.{1,64}\Z)(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))*\0?",
    "DA": rb"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|1\d|2[0-8])",
    "TM": rb"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d(?:\.\d{1,6})? ?",
    "IS": rb"-?\d{1,9} ?",
    "DS": rb"-?\d{1,6}(?:\.\d{1,8})? ?",
}


def quick(vr: str, count: int) -> Callable[[bytes], object] | None:
    """Matches what nearly every raw value of `count` values looks like; what it does not match has to be judged."""
    pattern = _QUICK.get(vr)
    if pattern is None or (count > 1 and vr == "UI"):
        return None
    return re.compile(rb"\\".join([pattern] * count), re.DOTALL).fullmatch


def judge_text(vr: str, value: str) -> str | None:
    """The first fault of one decoded value of LO, SH, ST, LT, UT, UC or PN, trailing spaces already gone."""
    if (_PAGE_CONTROL if vr in _PAGES else _LINE_CONTROL)(value):
        return "bad_text"
    if vr == "PN":
        return _judge_name(value)
    limit = CHARACTERS.get(vr)
    return "value_too_long" if limit is not None and len(value) > limit else None


def _judge_name(value: str) -> str | None:
    """PS3.5 6.2.1: up to three component groups of up to five components, 64 characters a group."""
    groups = value.split("=")
    if len(groups) > 3 or any(group.count("^") > 4 for group in groups):
        return "bad_person_name"
    return "value_too_long" if max(map(len, groups)) > 64 else None
