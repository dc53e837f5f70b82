"""The verb K: a kept value is still looked at, by its VR: for known words, for UIDs, for its form, for old age."""

from __future__ import annotations

import re

from stowgate.deident import dates
from stowgate.deident.actions import Frame, Verb
from stowgate.deident.encode import DUMMIES, element
from stowgate.dicom.charset import decode
from stowgate.errors import Rejected
from stowgate.standard.uids import is_registered

_TEXT_VRS = frozenset((b"AE", b"LO", b"SH", b"ST", b"LT", b"UC", b"UR", b"UT", b"PN", b"CS"))
_NUMBER_VRS = frozenset((b"DS", b"IS"))
_UID_DOTS = 5
"""Dots from which on numbers in a text are taken for a UID."""
_SHORTEST_UUID = 20
_LONGEST_KEPT = 1024 * 1024
"""Bytes of the longest text that is searched for words: the search takes many times as much memory."""
_TO_RUNS = bytes(code if code in b"0123456789." else 0x20 for code in range(256))
_two_dots = re.compile(rb"\.[0-9]+\.").search
FORMS = {
    b"UI": b"0123456789.\\ \0",
    b"DA": b"0123456789.-\\ \0",
    b"TM": b"0123456789:.-\\ \0",
    b"DT": b"0123456789.+-\\ \0",
}
"""Characters that values of these VRs are written with, ACR-NEMA forms and query ranges included."""
_DUMMY_CODE = DUMMIES[b"CS"]
_NUMERIC = b"0123456789 +-.eE\\\0"


def keep_text(vr: bytes, otherwise: Verb) -> Verb:
    """K on text: stays, unless it holds a word known to name this patient."""
    name = vr.decode()

    def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        if end - value > _LONGEST_KEPT:
            raise Rejected("limit_header")
        known = frame.job.context.known
        old = bytes(frame.view[value:end])
        named = not known.clean_bytes(old, vr) and known.found_in(decode(old, frame.codecs), name)
        if not named and not (b"." in old and _holds_uid(old)):
            return None
        frame.job.findings.add("known_token")
        return otherwise(frame, start, value, end)

    return verb


def without_named(tag: int, explicit: bool, otherwise: Verb) -> Verb:
    """A Type 1 code of several values loses the one that names this patient; all of it goes where none does alone."""

    def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        known = frame.job.context.known
        old = bytes(frame.view[value:end]).strip(b" \0").split(b"\\")
        new = [_DUMMY_CODE if known.found_in(decode(one, frame.codecs), "CS") else one for one in old]
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


def keep_number(otherwise: Verb) -> Verb:
    """K on decimal and integer strings: stays, unless it is no number at all; two dots make a UID or a date."""

    def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        old = bytes(frame.view[value:end])
        if not old.translate(None, _NUMERIC) and not _two_dots(old):
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


def keep(tag: int, vr: bytes, explicit: bool, otherwise: Verb) -> Verb | None:
    """K by value representation; None means that nothing ever has to be looked at."""
    if vr in _TEXT_VRS:
        return keep_text(vr, otherwise)
    if vr in _NUMBER_VRS:
        return keep_number(otherwise)
    if vr == b"AS":
        return keep_age(tag, explicit, otherwise)
    return keep_form(FORMS[vr], otherwise) if vr in FORMS else None
