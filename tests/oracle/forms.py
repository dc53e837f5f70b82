"""How kept numbers and codes have to be written, checked one value after the other."""

from __future__ import annotations

import re
import string

from tests.oracle import tables

SIZE = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "AT": 4, "FD": 8, "SV": 8, "UV": 8}
LONGEST = {"DS": 16, "IS": 12}
LETTERS = set(string.ascii_letters)
BESIDE = set("0123456789 ^.,'-_/()&@+:")
JOINTS = set(" ^,.'-")
CODE = set(string.ascii_uppercase + string.digits + " _/-")


def fits(tag: int, vr: str, vm: str, value: bytes) -> bool:
    """Whether a value may stay where it is kept."""
    if vr in SIZE:
        return not value or _are_numbers(vr, vm, value)
    if vr == "CS":
        parts = value.decode("latin-1").strip(" \0").split("\\")
        return len(parts) <= most(vm) and all(is_code(tag, part) for part in parts)
    if vr in LONGEST:
        if not re.fullmatch(rb"[0-9 +\-.eE\\\0]*", value) or re.search(rb"\.[0-9]+\.", value):
            return False
        parts = [part.strip(" \0") for part in value.decode("ascii").split("\\")]
        return len(parts) <= most(vm) and all(_is_short_number(vr, part) for part in parts)
    return True


def most(vm: str) -> float:
    """How many values there may be."""
    last = vm.removesuffix(" or 1").rpartition("-")[2]
    return float("inf") if not vm or "n" in last else int(last)


def _allowed(vm: str, count: int) -> bool:
    if not vm:
        return True
    first, _, last = vm.removesuffix(" or 1").partition("-")
    if not last:
        return count == int(first)
    if last.endswith("n"):
        return count >= int(first) and count % int(last[:-1] or 1) == 0
    return int(first) <= count <= int(last)


def _are_numbers(vr: str, vm: str, value: bytes) -> bool:
    if len(value) % SIZE[vr] or not _allowed(vm, len(value) // SIZE[vr]):
        return False
    text = value.decode("latin-1")
    plain = text.strip(" \0")
    letters = [c for c in plain if c in LETTERS]
    digits = [c for c in plain if c in string.digits]
    if len(plain) >= 4 and set(plain) <= LETTERS | BESIDE and (len(letters) >= 4 or len(digits) >= 8):
        return vr == "FL" and all(last in "ABCDEFG\0" for last in text[3::4])
    if vm == "1-n or 1":
        return True
    return _longest_run(text) < (12 if vr == "FL" else 8)


def _longest_run(text: str) -> int:
    """Letters in a row, with at most two joints between one and the next."""
    best = run = gap = 0
    for c in text:
        if c in LETTERS:
            run, gap = run + 1, 0
        elif c in JOINTS and run and gap < 2:
            gap += 1
        else:
            run = gap = 0
        best = max(best, run)
    return best


def is_code(tag: int, part: str) -> bool:
    """Whether one value of a code string may stay."""
    plain = part.strip(" ")
    if len(plain) > 16 or not set(plain) <= CODE or sum(c in string.digits for c in plain) > 7:
        return False
    terms = tables.terms_of(tag)
    if terms is None or len(plain) <= 2 or plain == "REMOVED":
        return True
    words, joined, phrases = terms
    return plain in phrases or all(_is_term(word, words, joined) for word in re.split(r"[ _/-]+", plain) if word)


def _is_term(word: str, words: set[str], joined: set[str]) -> bool:
    bare = word.rstrip(string.digits)
    if len(word) - len(bare) > 3:
        return False
    if len(bare) <= 1:
        return bare == "" or bare != word or bare in ("L", "R", "A", "P")
    return word in words or bare in words or _joins(bare, joined)


def _joins(word: str, joined: set[str]) -> bool:
    return not word or any(word.startswith(part) and _joins(word[len(part) :], joined) for part in joined)


def _is_short_number(vr: str, part: str) -> bool:
    return len(part) <= LONGEST[vr] or bool(re.fullmatch(r"[+-]?\d{0,16}\.\d{1,24}([eE][+-]?\d{1,3})?", part))
