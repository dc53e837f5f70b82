"""The form of kept values: how long and how many numbers and codes may be, and what they are written with."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

from stowgate.standard.dictionary import entry
from stowgate.standard.terms import Terms, terms_of

UNITS = {b"US": 2, b"SS": 2, b"UL": 4, b"SL": 4, b"FL": 4, b"AT": 4, b"FD": 8, b"SV": 8, b"UV": 8}
"""Bytes of one number."""

_TABLE = "1-n or 1"
"""The multiplicity of look-up tables: samples, in which letters stand by chance."""
_ENDLESS = 1 << 32
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BESIDE = b"0123456789 ^.,'-_/()&@+:"
"""What names, numbers of people and addresses are written with, but for letters."""
_USUAL_ENDS = b"ABCDEFG\0"
"""Last bytes of FL numbers from 8 to 131071, and of zero: such numbers may be all letters by chance."""
_SHORTEST_WORD, _SHORTEST_ID = 4, 8
_long_words = re.compile(rb"(?:[A-Za-z][ ^,.'-]{0,2}){8,}").search
_longer_words = re.compile(rb"(?:[A-Za-z][ ^,.'-]{0,2}){12,}").search
_REMEMBERED = 64
"""Bytes of the longest value whose answer is remembered."""

_CODE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _/-"
"""The alphabet of CS (PS3.5 6.2), and the two joints that scanners write between words."""
_LONGEST_CODE, _MOST_DIGITS = 16, 7
_NOT_DIGITS = bytes(code for code in range(256) if code not in b"0123456789")
_words = re.compile(r"[A-Z0-9]+").findall
_NUMBER_BEHIND = "0123456789"
_SIDES = "LRAP"
_INITIALS = 2

_NUMERIC = b"0123456789 +-.eE\\\0"
_LONGEST = {b"DS": 16, b"IS": 12}
_two_dots = re.compile(rb"\.[0-9]+\.").search
_real = re.compile(rb"[+-]?[0-9]{0,16}\.[0-9]{1,24}(?:[eE][+-]?[0-9]{1,3})?").fullmatch
"""A fraction as programs print it, which is often longer than a DS may be."""


class Multiplicity(NamedTuple):
    """How many values an attribute may have: `least` to `most`, in steps."""

    least: int
    most: int
    step: int

    def allows(self, count: int) -> bool:
        """Whether there may be so many."""
        return self.least <= count <= self.most and count % self.step == 0


def vm_of(tag: int) -> str:
    """Value multiplicity as the dictionary writes it, "" if it says nothing."""
    found = entry(tag)
    return found.vm if found else ""


@cache
def multiplicity(vm: str) -> Multiplicity:
    """ "4", "1-3", "2-n", "2-2n" and "1-n or 1" as numbers; "" allows any."""
    least, _, most = vm.partition(" ")[0].partition("-")
    if not vm:
        return Multiplicity(0, _ENDLESS, 1)
    if most.endswith("n"):
        return Multiplicity(int(least), _ENDLESS, int(most[:-1] or 1))
    return Multiplicity(int(least), int(most or least), 1)


def numbers(value: bytes, vr: bytes, vm: str) -> bool:
    """Whether a value can be the binary numbers of an attribute: whole ones, as many as it has, and no words."""
    return (_remembered if len(value) <= _REMEMBERED else _numbers)(value, vr, vm)


def _numbers(value: bytes, vr: bytes, vm: str) -> bool:
    count, rest = divmod(len(value), UNITS[vr])
    return not rest and multiplicity(vm).allows(count) and not _holds_words(value, vr, vm == _TABLE)


_remembered = lru_cache(maxsize=4096)(_numbers)


def _holds_words(value: bytes, vr: bytes, samples: bool) -> bool:
    """Whether numbers are rather words, or hold some: measurements are practically never letters in every byte."""
    plain = value.strip(b" \0")
    if len(plain) < _SHORTEST_WORD:
        return False
    beside = plain.translate(None, _LETTERS)
    written = not beside.translate(None, _BESIDE)
    if written and (
        len(plain) - len(beside) >= _SHORTEST_WORD or len(plain.translate(None, _NOT_DIGITS)) >= _SHORTEST_ID
    ):
        return vr != b"FL" or bool(value[3::4].translate(None, _USUAL_ENDS))
    return not samples and (_longer_words if vr == b"FL" else _long_words)(value) is not None


def codes(value: bytes, tag: int, vm: str) -> bool:
    """Whether a value can be the codes of an attribute; too few are no harm."""
    return (_remembered_codes if len(value) <= _REMEMBERED else _codes)(value, tag, vm)


def _codes(value: bytes, tag: int, vm: str) -> bool:
    parts = value.strip(b" \0").split(b"\\")
    return len(parts) <= multiplicity(vm).most and all(code(part, tag) for part in parts)


_remembered_codes = lru_cache(maxsize=4096)(_codes)


def code(value: bytes, tag: int) -> bool:
    """Whether a single value can be a code: its alphabet and length, no long number; known words where people type."""
    plain = value.strip(b" ")
    if len(plain) > _LONGEST_CODE or plain.translate(None, _CODE):
        return False
    if len(plain.translate(None, _NOT_DIGITS)) > _MOST_DIGITS:
        return False
    terms = terms_of(tag)
    return terms is None or plain == b"REMOVED" or _is_term(plain.decode("ascii"), terms)


def _is_term(text: str, terms: Terms) -> bool:
    if len(text) <= _INITIALS or text in terms.phrases:
        return True
    return all(_is_known(word, terms) for word in _words(text))


def _is_known(word: str, terms: Terms) -> bool:
    bare = word.rstrip(_NUMBER_BEHIND)
    if len(word) - len(bare) > 3:
        return False
    if len(bare) == 1:
        return bare != word or bare in _SIDES
    return not bare or word in terms.words or bare in terms.words or _is_joined(bare, terms)


def _is_joined(word: str, terms: Terms) -> bool:
    """Whether a word is made of body parts without a blank: "HEADNECK"."""
    ends = {0}
    for end in range(3, len(word) + 1):
        if any(start in ends and word[start:end] in terms.joined for start in range(end - 2)):
            ends.add(end)
    return len(word) in ends


def decimals(value: bytes, vr: bytes, vm: str) -> bool:
    """Whether a value can be decimal or integer strings: their characters, their length, and not too many."""
    return (_remembered_decimals if len(value) <= _REMEMBERED else _decimals)(value, vr, vm)


def _decimals(value: bytes, vr: bytes, vm: str) -> bool:
    if value.translate(None, _NUMERIC) or _two_dots(value) or value.count(b"\\") >= multiplicity(vm).most:
        return False
    longest = _LONGEST[vr]
    return len(value) <= longest or all(_is_short(part.strip(b" \0"), longest) for part in value.split(b"\\"))


_remembered_decimals = lru_cache(maxsize=4096)(_decimals)


def _is_short(plain: bytes, longest: int) -> bool:
    return len(plain) <= longest or _real(plain) is not None
