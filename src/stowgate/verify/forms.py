"""How a kept value has to be written to pass the gate: by its VR, its multiplicity and, where people type, words."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial

from stowgate.dicom.charset import codecs_of
from stowgate.errors import Rejected
from stowgate.standard.dictionary import entry
from stowgate.standard.terms import Terms, terms_of

Form = Callable[[bytes], bool]
"""Whether a value that is not empty may stay as it is."""

_CHARACTER_SET = 0x00080005
_SIZES = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "AT": 4, "FD": 8, "SV": 8, "UV": 8}
_ANY = 1 << 40

_vm = re.compile(r"(\d+)(?:-(\d*)(n?))?( or 1)?").fullmatch
_name = re.compile(rb"[A-Za-z0-9 ^.,'_/()&@+:-]*").fullmatch
_run = re.compile(rb"[A-Za-z](?:[ ^,.'-]{0,2}[A-Za-z]){7}").search
_long_run = re.compile(rb"[A-Za-z](?:[ ^,.'-]{0,2}[A-Za-z]){11}").search
_letters = re.compile(rb"[A-Za-z]").findall
_digits = re.compile(rb"[0-9]").findall
_plausible_float = re.compile(rb"(?:...[A-G\0])*", re.DOTALL).fullmatch
_code = re.compile(rb" *(?:[A-Z0-9_/-](?:[A-Z0-9 _/-]{0,14}[A-Z0-9_/-])?)? *").fullmatch
_word = re.compile(r"[A-Z0-9]+").findall
_level = re.compile(r"([A-Z]?)[0-9]{1,3}|[LRAP]").fullmatch
_decimal = re.compile(rb"[0-9 +.eE\\\0-]*").fullmatch
_dotted = re.compile(rb"\.[0-9]+\.").search
_short = {"DS": 16, "IS": 12}
_fraction = re.compile(rb"[+-]?[0-9]{0,16}\.[0-9]{1,24}(?:[eE][+-]?[0-9]{1,3})?").fullmatch
_OTHERS = {
    "UI": re.compile(rb"[0-9.\\ \0]*").fullmatch,
    "DA": re.compile(rb"[0-9.\\ \0-]*").fullmatch,
    "TM": re.compile(rb"[0-9:.\\ \0-]*").fullmatch,
    "DT": re.compile(rb"[0-9.+\\ \0-]*").fullmatch,
}
_MOST_DIGITS = 7


def form_of(tag: int, vr: str) -> Form | None:
    """The form of a standard attribute; None if its VR has none."""
    row = entry(tag)
    return _character_set if tag == _CHARACTER_SET else _form(tag, vr, row.vm if row else "")


@lru_cache(maxsize=1024)
def private_form(vr: str, vm: str) -> Form | None:
    """The form of a private attribute; vm -- "" if nobody says."""
    return _form(0, vr, vm)


def _form(tag: int, vr: str, vm: str) -> Form | None:
    counts = _counts(vm)
    if vr in _SIZES:
        return partial(_is_binary, vr, counts, vm.endswith(" or 1"))
    if vr == "CS":
        return _cached(partial(_is_code, terms_of(tag), counts[1]))
    if vr in _short:
        return _cached(partial(_is_decimal, vr, counts[1]))
    return _fits(vr) if vr in _OTHERS else None


def _cached(form: Form) -> Form:
    return lru_cache(maxsize=256)(form)


def _fits(vr: str) -> Form:
    fits = _OTHERS[vr]
    return lambda value: fits(value) is not None


def time_of_day(value: bytes) -> bool:
    """Whether a value is written with the characters of a time."""
    return _OTHERS["TM"](value) is not None


def _counts(vm: str) -> tuple[int, int, int]:
    """Fewest values, most, and the step between them."""
    found = _vm(vm)
    if found is None:
        return 0, _ANY, 1
    least, most, endless, _ = found.groups()
    if endless:
        return int(least), _ANY, int(most or 1)
    return int(least), int(most or least), 1


def _character_set(value: bytes) -> bool:
    try:
        return bool(codecs_of(value))
    except Rejected:
        return False


def _is_binary(vr: str, counts: tuple[int, int, int], samples: bool, value: bytes) -> bool:
    count, rest = divmod(len(value), _SIZES[vr])
    least, most, step = counts
    if rest or count % step or not least <= count <= most:
        return False
    if len(value) < 4:
        return True
    said = value.strip(b" \0")
    if len(said) >= 4 and _name(said) and (len(_letters(said)) >= 4 or len(_digits(said)) >= 8):
        return vr == "FL" and _plausible_float(value) is not None
    return samples or not (_long_run if vr == "FL" else _run)(value)


def _is_code(terms: Terms | None, most: int, value: bytes) -> bool:
    parts = value.strip(b" \0").split(b"\\")
    return len(parts) <= most and all(_is_one_code(terms, part) for part in parts)


def _is_one_code(terms: Terms | None, part: bytes) -> bool:
    if not _code(part) or len(_digits(part)) > _MOST_DIGITS:
        return False
    text = part.decode("ascii").strip(" ")
    if terms is None or len(text) <= 2 or text == "REMOVED" or text in terms.phrases:
        return True
    return all(_is_known(terms, word) for word in _word(text))


def _is_known(terms: Terms, word: str) -> bool:
    if _level(word) or word in terms.words:
        return True
    bare = re.sub("[0-9]{1,3}$", "", word)
    return bare in terms.words or _is_joined(terms, bare)


def _is_joined(terms: Terms, word: str) -> bool:
    """Whether body parts stand together without a blank."""
    if not word:
        return True
    heads = (length for length in range(3, len(word) + 1) if word[:length] in terms.joined)
    return any(_is_joined(terms, word[length:]) for length in heads)


def _is_decimal(vr: str, most: int, value: bytes) -> bool:
    if not _decimal(value) or _dotted(value):
        return False
    parts = [part.strip(b" \0") for part in value.split(b"\\")]
    return len(parts) <= most and all(len(part) <= _short[vr] or _fraction(part) for part in parts)
