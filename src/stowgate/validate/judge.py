"""Judges one value against its row of the tables, and reads a sound one as a Python value."""

from __future__ import annotations

from datetime import date

from stowgate.dicom.charset import UNDECODABLE, decode
from stowgate.validate.attributes import MANY, Attribute
from stowgate.validate.syntax import CODED, calendar_day, judge_text

Scalar = str | int | float | date
Parsed = Scalar | tuple[Scalar, ...] | None

_ONE_VALUE = frozenset(("ST", "LT", "UT"))
_YEARS = {b"D": 1 / 365.25, b"W": 7 / 365.25, b"M": 1 / 12, b"Y": 1.0}


def problem(row: Attribute, raw: bytes | None, codecs: tuple[str, ...]) -> str | None:
    """The code of the first fault of a raw value (None: absent), or None if it is as the standard asks."""
    if raw is None:
        return row.absent
    if row.quick and row.quick(raw):
        return None
    if row.vr == "US":
        return _binary_problem(row, raw)
    judge = CODED.get(row.vr)
    if judge is None:
        return _text_problem(row, raw, codecs)
    body = _unpadded(row, raw)
    if not body.strip(b" \0"):
        return row.empty
    values = body.split(b"\\") if b"\\" in body else [body]
    if not row.least <= len(values) <= row.most:
        return "value_multiplicity"
    for value in values:
        bare = _bare(row, value)
        if not bare and row.most == MANY:
            continue
        code = judge(bare) or _limits_problem(row, bare)
        if code:
            return code
    return None


def parse(row: Attribute, raw: bytes | None, codecs: tuple[str, ...]) -> Parsed:
    """A value without problems as Python knows it: date, int, float or str; a tuple if several are allowed."""
    single = row.most == 1
    if not raw or (row.vr != "US" and not raw.strip(b" \0")):
        return None if single else ()
    values: list[Scalar]
    if row.vr == "US":
        return int.from_bytes(raw, "little")
    if row.vr in CODED:
        values = [_scalar(row.vr, value.strip(b" \0")) for value in raw.split(b"\\")]
    else:
        values = list(_texts(row, raw, codecs) or [""])
    return values[0] if single else tuple(values)


def _unpadded(row: Attribute, raw: bytes) -> bytes:
    """Padding is one NUL for UI; elsewhere spaces, and NULs are forgiven because so many write them."""
    if row.vr == "UI":
        return raw[:-1] if raw.endswith(b"\0") else raw
    return raw.rstrip(b" \0")


def _bare(row: Attribute, value: bytes) -> bytes:
    """One of several values without the spaces that do not count (PS3.5 6.2)."""
    if row.vr == "UI":
        return value
    return value.strip(b" ") if row.vr == "CS" else value.rstrip(b" ")


def _limits_problem(row: Attribute, value: bytes) -> str | None:
    if row.terms:
        return None if value in row.terms else "unknown_term"
    if row.low is None and row.high is None:
        return None
    number = int(value[:3]) * _YEARS[value[3:]] if row.vr == "AS" else float(value)
    return "value_out_of_range" if _outside(row, number) else None


def _outside(row: Attribute, number: float) -> bool:
    return (row.low is not None and number < row.low) or (row.high is not None and number > row.high)


def _binary_problem(row: Attribute, raw: bytes) -> str | None:
    if not raw:
        return row.empty
    if len(raw) != 2:
        return "value_multiplicity"
    return "value_out_of_range" if _outside(row, raw[0] | raw[1] << 8) else None


def _text_problem(row: Attribute, raw: bytes, codecs: tuple[str, ...]) -> str | None:
    if not raw.strip(b" \0"):
        return row.empty
    values = _texts(row, raw, codecs)
    if values is None:
        return "bad_text"
    if not row.least <= len(values) <= row.most:
        return "value_multiplicity"
    for value in values:
        code = judge_text(row.vr, value)
        if code:
            return code
    return None


def _texts(row: Attribute, raw: bytes, codecs: tuple[str, ...]) -> list[str] | None:
    """The decoded values without padding, None if a part cannot be decoded."""
    if raw.isascii() and b"\x1b" not in raw:
        text = raw.decode("ascii")
    else:
        text = decode(raw, codecs)
        if UNDECODABLE in text:
            return None
    text = text.rstrip(" \0")
    return [text] if row.vr in _ONE_VALUE else [value.rstrip(" ") for value in text.split("\\")]


def _scalar(vr: str, value: bytes) -> Scalar:
    if vr == "DA":
        return calendar_day(value) or ""
    if vr == "IS":
        return int(value or b"0")
    if vr == "DS":
        return float(value or b"nan")
    return value.decode("ascii")
