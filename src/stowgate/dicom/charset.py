"""Specific Character Set (0008,0005): the codecs it names, and how values are decoded with them (PS3.3 C.12.1.1.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from stowgate.errors import Rejected

DEFAULT = "latin_1"
"""Codec of the default repertoire. Bytes above 7F are not in it; read as Latin-1, different values stay different."""

STAND_ALONE = frozenset(("utf_8", "gb18030", "gbk"))
"""Codecs without code extensions: escape sequences mean nothing in them (PS3.5 6.1.2.5.4)."""

_SINGLE_BYTE = {
    "6": DEFAULT,
    "13": "shift_jis",
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "126": "iso8859_7",
    "127": "iso8859_6",
    "138": "iso8859_8",
    "144": "iso8859_5",
    "148": "iso8859_9",
    "166": "tis_620",
    "203": "iso8859_15",
}
_MULTI_BYTE = {"58": "gb2312", "87": "iso2022_jp", "149": "euc_kr", "159": "iso2022_jp_2"}
_OTHER = {
    "": DEFAULT,
    "ISOIR192": "utf_8",
    "UTF8": "utf_8",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO2022GBK": "gbk",
    "ISO202258": "gb2312",
    "ASCII": DEFAULT,
    "ISO646": DEFAULT,
    "ISO88591": "latin_1",
} | {f"ISO8859{part}": f"iso8859_{part}" for part in (*range(2, 10), 15)}
_CODECS = (
    {f"ISOIR{number}": codec for number, codec in _SINGLE_BYTE.items()}
    | {f"ISO2022IR{number}": codec for number, codec in (_SINGLE_BYTE | _MULTI_BYTE).items()}
    | _OTHER
)
"""Defined terms by their letters and digits alone, so that "ISO IR 100" and "ISO-2022-IR-87" are understood too."""

TERMS = (
    *(f"ISO_IR {number}" for number in _SINGLE_BYTE),
    *(f"ISO 2022 IR {number}" for number in (*_SINGLE_BYTE, *_MULTI_BYTE)),
    *("ISO_IR 192", "GB18030", "GBK"),
)
"""Defined Terms of Specific Character Set that are understood (PS3.3 C.12.1.1.2)."""

_G0 = {b"(B": "", b"(J": "", b"$B": "iso2022_jp", b"$@": "iso2022_jp", b"$(D": "iso2022_jp_2"}
_G1 = {
    b")I": "shift_jis",
    b"-A": "latin_1",
    b"-B": "iso8859_2",
    b"-C": "iso8859_3",
    b"-D": "iso8859_4",
    b"-F": "iso8859_7",
    b"-G": "iso8859_6",
    b"-H": "iso8859_8",
    b"-L": "iso8859_5",
    b"-M": "iso8859_9",
    b"-T": "tis_620",
    b"-b": "iso8859_15",
    b"$)A": "gb2312",
    b"$)C": "euc_kr",
}
"""What follows ESC, and the codec it puts into the upper half (tables C.12-3 and C.12-4); _G0 is the lower half,
where "" is ASCII or its Japanese twin and anything else takes two bytes a character."""

_escape = re.compile(rb"\$[()][ -~]|\$[@AB]|[()-][ -~]").match
_delimiter = re.compile(rb"[\\^=\r\n\f\t]").search
_control = re.compile(rb"[\r\n\f\t]").search
_runs = re.compile(rb"[!-~]+|[\x80-\xff]+|[\x00- \x7f]+").findall

UNDECODABLE = "\ufffd"


@lru_cache(maxsize=256)
def codecs_of(raw: bytes) -> tuple[str, ...]:
    """Python codecs of a raw (0008,0005) value, the first of them for text before any escape sequence.

    Empty, or an empty first value, means the default repertoire. Usual misspellings are accepted; what stands after
    or beside a term that allows no code extensions is ignored. Raises `Rejected("unknown_character_set")`.
    """
    codecs = [_codec(term) for term in raw.decode("latin-1").split("\\")]
    if codecs[0] in STAND_ALONE:
        return (codecs[0],)
    return tuple(codec for codec in codecs if codec not in STAND_ALONE)


def _codec(term: str) -> str:
    name = term.strip(" \0").upper()
    codec = _CODECS.get(re.sub("[ _-]+", "", name))
    if codec is None:
        raise Rejected("unknown_character_set", "(0008,0005)")
    return codec


def decode(value: bytes, codecs: Sequence[str]) -> str:
    """The text of a raw value with all its components and values; what cannot be decoded becomes U+FFFD.

    Escape sequences hold until the next one or until a delimiter (backslash ^ = CR LF FF TAB, PS3.5 6.1.2.5.3).
    Known ones are understood even if (0008,0005) does not announce them.
    """
    first = codecs[0]
    if b"\x1b" not in value or first in STAND_ALONE:
        return value.decode(first, "replace")
    start, *escaped = value.split(b"\x1b")
    upper, lower = first, ""
    out = [_halves(start, lower, upper)]
    for fragment in escaped:
        found = _escape(fragment)
        code = found[0] if found else b""
        if code in _G0:
            lower = _G0[code]
        elif code in _G1:
            upper = _G1[code]
        else:
            out.append(UNDECODABLE)
        text = fragment[len(code) :]
        end = (_control if lower else _delimiter)(text)
        if end is None:
            out.append(_halves(text, lower, upper))
            continue
        out.append(_halves(text[: end.start()], lower, upper))
        upper, lower = first, ""
        out.append(_halves(text[end.start() :], lower, upper))
    return "".join(out)


def _halves(text: bytes, lower: str, upper: str) -> str:
    """Decode a run without escape sequences or changes of state."""
    if not lower:
        return text.decode(upper, "replace")
    return "".join(_half(run, lower, upper) for run in _runs(text))


def _half(run: bytes, lower: str, upper: str) -> str:
    if not b"!" <= run[:1] <= b"~":
        return run.decode(upper, "replace")
    designation = b"\x1b$(D" if lower == "iso2022_jp_2" else b"\x1b$B"
    return (designation + run).decode(lower, "replace")
