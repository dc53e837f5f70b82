"""The verb K: a kept value is still looked at, by its VR: for known words, for UIDs, for its form, for old age."""

from __future__ import annotations

from stowgate.deident import dates, forms
from stowgate.deident.actions import Frame, Verb
from stowgate.deident.encode import DUMMIES, element
from stowgate.dicom.charset import decode
from stowgate.errors import Rejected
from stowgate.standard.uids import is_registered

_TEXT_VRS = frozenset((b"AE", b"LO", b"SH", b"ST", b"LT", b"UC", b"UR", b"UT", b"PN"))
_NUMBER_VRS = frozenset((b"DS", b"IS"))
_CHARACTER_SET = 0x00080005
"""Its terms are known, or the object is held: no word can stand there, and without it nothing can be read."""
_UID_DOTS = 5
"""Dots from which on numbers in a text are taken for a UID."""
_SHORTEST_UUID = 20
_LONGEST_KEPT = 1024 * 1024
"""Bytes of the longest text that is searched for words: the search takes many times as much memory."""
_TO_RUNS = bytes(code if code in b"0123456789." else 0x20 for code in range(256))
FORMS = {
    b"UI": b"0123456789.\\ \0",
    b"DA": b"0123456789.-\\ \0",
    b"TM": b"0123456789:.-\\ \0",
    b"DT": b"0123456789.+-\\ \0",
}
"""Characters that values of these VRs are written with, ACR-NEMA forms and query ranges included."""
_SHORTEST_WORD = 4
"""Bytes from which on numbers can hold a word."""
_DUMMY_CODE = DUMMIES[b"CS"]


def keep_text(vr: bytes, otherwise: Verb) -> Verb:
    """K on text: stays, unless it holds a word known to name this patient."""

    def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        if end - value > _LONGEST_KEPT:
            raise Rejected("limit_header")
        old = bytes(frame.view[value:end])
        if not _is_named(frame, old, vr) and not (b"." in old and _holds_uid(old)):
            return None
        frame.job.findings.add("known_token")
        return otherwise(frame, start, value, end)

    return verb


def _is_named(frame: Frame, old: bytes, vr: bytes) -> bool:
    known = frame.job.context.known
    return not known.clean_bytes(old, vr) and known.found_in(decode(old, frame.codecs), vr.decode())


def keep_code(tag: int, vm: str, otherwise: Verb) -> Verb:
    """K on code strings: stays, unless it names this patient or is not written as a code."""

    def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        if end - value > _LONGEST_KEPT:
            raise Rejected("limit_header")
        old = bytes(frame.view[value:end])
        named = _is_named(frame, old, b"CS")
        if not named and forms.codes(old, tag, vm):
            return None
        frame.job.findings.add("known_token" if named else "nonconforming_value")
        return otherwise(frame, start, value, end)

    return verb


def without_bad(tag: int, explicit: bool, otherwise: Verb) -> Verb:
    """A Type 1 code of several values loses those that name this patient or are no codes; all of it goes where that
    is not enough."""
    vm = forms.vm_of(tag)

    def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        known = frame.job.context.known
        old = bytes(frame.view[value:end]).strip(b" \0").split(b"\\")
        if len(old) > forms.multiplicity(vm).most:
            return otherwise(frame, start, value, end)
        new = [
            one if forms.code(one, tag) and not known.found_in(decode(one, frame.codecs), "CS") else _DUMMY_CODE
            for one in old
        ]
        if new == old:
            return otherwise(frame, start, value, end)
        return element(tag, b"CS", b"\\".join(new), explicit)

    return verb


def _holds_uid(value: bytes) -> bool:
    """Whether a text holds an instance UID: six or more numbers with dots between, or a UUID, and not registered."""
    runs = (part for run in value.translate(_TO_RUNS).split() for part in run.replace(b"..", b" ").split())
    uids = (run.strip(b".") for run in runs)  # by hand: a pattern would go to and fro
    return any((uid.count(b".") >= _UID_DOTS or _is_uuid(uid)) and not is_registered(uid.decode()) for uid in uids)


def _is_uuid(run: bytes) -> bool:
    """Whether a run of digits and dots is a UID made of a UUID (PS3.5 B.2)."""
    return run.startswith(b"2.25.") and len(run) > _SHORTEST_UUID


def keep_binary(vr: bytes, vm: str, otherwise: Verb) -> Verb:
    """K on binary numbers: stays, unless there are more or fewer than the attribute has, or they are words."""
    alone = forms.UNITS[vr] if vm == "1" and forms.UNITS[vr] < _SHORTEST_WORD else 0

    def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        if end == value or end - value == alone or forms.numbers(bytes(frame.view[value:end]), vr, vm):
            return None
        frame.job.findings.add("nonconforming_number")
        return otherwise(frame, start, value, end)

    return verb


def keep_number(vr: bytes, vm: str, otherwise: Verb) -> Verb:
    """K on decimal and integer strings: stays, unless it is no number at all; two dots make a UID or a date."""

    def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        if forms.decimals(bytes(frame.view[value:end]), vr, vm):
            return None
        frame.job.findings.add("nonconforming_number")
        return otherwise(frame, start, value, end)

    return verb


def keep_form(allowed: bytes, otherwise: Verb) -> Verb:
    """K on UIDs, dates and times: stays, unless it holds characters that these are never written with."""

    def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        if not bytes(frame.view[value:end]).translate(None, allowed):
            return None
        frame.job.findings.add("nonconforming_value")
        return otherwise(frame, start, value, end)

    return verb


def keep_age(tag: int, explicit: bool, otherwise: Verb) -> Verb:
    """K on Age String: above 89 years becomes 090Y; what is no age goes."""

    def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        old = bytes(frame.view[value:end])
        if not old.strip(b" \0"):
            return None
        new = dates.age(old)
        if new is None:
            return otherwise(frame, start, value, end)
        return None if new == old else element(tag, b"AS", new, explicit)

    return verb


def keep(tag: int, vr: bytes, explicit: bool, otherwise: Verb, vm: str) -> Verb | None:
    """K by value representation; None means that nothing ever has to be looked at. vm -- "" if it is not known."""
    if tag == _CHARACTER_SET:
        return None
    if vr in _TEXT_VRS:
        return keep_text(vr, otherwise)
    if vr == b"CS":
        return keep_code(tag, vm, otherwise)
    if vr in _NUMBER_VRS:
        return keep_number(vr, vm, otherwise)
    if vr in forms.UNITS:
        return keep_binary(vr, vm, otherwise)
    if vr == b"AS":
        return keep_age(tag, explicit, otherwise)
    return keep_form(FORMS[vr], otherwise) if vr in FORMS else None
