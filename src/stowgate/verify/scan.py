"""The audit of any DICOM file or folder, with no source to compare: where identity is left, by place and code."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stowgate.dicom.source import ByteSource, FileSource
from stowgate.errors import StowgateError
from stowgate.objects import Names
from stowgate.policy import Option, Policy
from stowgate.verify.elements import Broken, DataSet, Value, implicit_items
from stowgate.verify.expect import Expectation, Rules, all_dummies, rules_of
from stowgate.verify.judge import METHOD, REMOVED, place
from stowgate.verify.judge import Path as Steps
from stowgate.verify.patterns import telling
from stowgate.verify.private import Private
from stowgate.verify.search import TEXT
from stowgate.verify.verdicts import Case, age, cleaned, derived_uid, kept_uid, shifted
from stowgate.verify.walk import Walked, is_pixels, walk

Normalise = Callable[[ByteSource], ByteSource]
"""Brings an odd encoding to explicit little endian, or raises `Rejected`; what it gives back is closed after use."""

BASIC = Policy()
"""The Basic Profile without options."""

_META = frozenset((0x00020000, 0x00020001, 0x00020002, 0x00020003, 0x00020010, 0x00020012, 0x00020013))
_MEDIA_INSTANCE = 0x00020003
_PATIENT = (0x00100020, 0x00100010)
_SOP_CLASS, _IMAGE_TYPE, _BURNED_IN = 0x00080016, 0x00080008, 0x00280301
_SOFTWARE = frozenset((0x00181020, 0x00181019, 0x00189912, 0x00081090, 0x00080070, 0x00181016, 0x0018101A, 0x0018101B))
"""Versions and makers, which look like dates and telephone numbers."""

_IMAGE = "1.2.840.10008.5.1.4.1.1."
_RISKY_CLASSES = tuple(_IMAGE + family for family in ("3", "6", "7", "77.1"))
"""Ultrasound, secondary capture, visible light."""
_RISKY_TYPES = (b"SCREEN SAVE", b"SCREEN_SAVE", b"REPORT", b"LABEL", b"OVERVIEW")

_pseudonym = re.compile(r"[0-9A-HJKMNP-TV-Z]{16}").fullmatch


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where identity is left, or may be. The place is a tag path or a part of the file, never a value."""

    code: str
    place: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found in one file of a folder. Its path may carry a name, so printing it shows none."""

    path: Path = field(repr=False)
    findings: tuple[Finding, ...]


def scan_folder(folder: Path, policy: Policy = BASIC, normalise: Normalise | None = None) -> Iterator[Audit]:
    """Every file under a folder, in order of names; links and special files are told of and not followed.

    policy -- what the files may hold: nothing is found in what its options retain, or in its station name.
    """
    for parent, folders, files in os.walk(folder):
        folders.sort()
        linked = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in sorted((*files, *linked)):
            path = Path(parent, name)
            yield Audit(path, _scan_path(path, policy, normalise))


def _scan_path(path: Path, policy: Policy, normalise: Normalise | None) -> tuple[Finding, ...]:
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return (Finding("not_scanned", ""),)
        with FileSource(path) as source:
            return scan_file(source, policy, normalise)
    except (OSError, StowgateError):
        return (Finding("not_scanned", ""),)


def scan_file(source: ByteSource, policy: Policy = BASIC, normalise: Normalise | None = None) -> tuple[Finding, ...]:
    """Where one file still holds identity, judged by Table E.1-1; none for an output of the same policy.

    What cannot be followed, or not without `normalise`, is the finding `not_scanned`: it is never taken for clean.
    """
    try:
        return _Scan(walk(source, strict=False), policy).run()
    except Broken:
        pass
    if normalise is None:
        return (Finding("not_scanned", ""),)
    try:
        plain = normalise(source)
        try:
            found = _Scan(walk(plain, strict=False), policy).run()
        finally:
            plain.close()
    except (Broken, StowgateError):
        return (Finding("not_scanned", ""),)
    return tuple(dict.fromkeys((*_prefix(source), *found)))


def _prefix(source: ByteSource) -> tuple[Finding, ...]:
    """A preamble is lost when a file is brought to another encoding, so it is looked at before."""
    head = source.read(0, 132)
    return (Finding("scan_preamble", "preamble"),) if head[128:] == b"DICM" and any(head[:128]) else ()


class _Scan:
    """Collects the findings of one file."""

    def __init__(self, walked: Walked, policy: Policy) -> None:
        self.walked = walked
        self.rules: Rules = rules_of(policy.options)
        self.private = Private(policy, walked.top)
        self.keeps_uids = Option.UIDS in policy.options
        station = policy.station_name.strip().encode("ascii", "replace")
        self.case = Case(Names(_patient_of(walked.top), "", "", ""), frozenset(), station)
        self.found: dict[Finding, None] = {}

    def run(self) -> tuple[Finding, ...]:
        walked, top = self.walked, self.walked.top
        if any(walked.preamble):
            self._add("scan_preamble", "preamble")
        for tag in walked.meta.keys() - _META:
            self._add("scan_meta", place(tag))
        if not self.keeps_uids and not derived_uid(
            self.case, _MEDIA_INSTANCE, _plain(walked.meta, _MEDIA_INSTANCE), {}
        ):
            self._add("scan_uid", place(_MEDIA_INSTANCE))
        if _plain(top, REMOVED).upper() != b"YES":
            self._add("scan_marks", place(REMOVED))
        if any(is_pixels(tag) for tag in top) and _is_risky(top):
            self._add("scan_burned_in", place(0x7FE00010))
        self._data_set(top, ())
        return tuple(self.found)

    def _add(self, code: str, where: str) -> None:
        self.found[Finding(code, where)] = None

    def _data_set(self, elements: DataSet, path: Steps) -> None:
        groups: set[int] = set()
        for tag, (_, value) in elements.items():
            if not tag & 0x10000:
                self._judge(elements, self.rules[tag], tag, value, path)
                continue
            expected = self.private.expected(elements, tag)
            if expected is not None:
                self._judge(elements, expected, tag, value, path)
            elif tag >> 16 not in groups:
                groups.add(tag >> 16)
                self._add("scan_private", place(tag, path))

    def _judge(self, elements: DataSet, expected: Expectation, tag: int, value: Value, path: Steps) -> None:
        code = expected.code.replace("gate_", "scan_")
        if expected.items and isinstance(value, bytes):
            value = _hidden_items(value)
        if isinstance(value, list) and expected.items in ("kept", "mapped"):
            for index, item in enumerate(value):
                self._data_set(item, (*path, (tag, index)))
        elif isinstance(value, list):
            if expected.items != "dummy" or not all_dummies(value, self.rules, self.case):
                self._add(code, place(tag, path))
        elif isinstance(value, bytes):
            if not self._may_stand(expected, tag, value, elements):
                self._add(code, place(tag, path))
            if expected.kind == TEXT and tag not in _SOFTWARE and telling(value.decode("latin-1")):
                self._add("scan_text", place(tag, path))
        elif expected.verdict is not None:
            self._add(code, place(tag, path))

    def _may_stand(self, expected: Expectation, tag: int, value: bytes, elements: DataSet) -> bool:
        """What was moved, cleaned or kept cannot be told without the source; an age is its own source."""
        if expected.verdict in (None, shifted, cleaned, kept_uid):
            return True
        return expected.verdict(self.case, tag, value, elements if expected.verdict is age else {})


def _hidden_items(value: bytes) -> Value:
    try:
        return implicit_items(value)
    except Broken:
        return value


def _patient_of(top: DataSet) -> str:
    """The pseudonym, where the file says that we made one; any other Patient ID may be a real one."""
    ours = any(part.strip().startswith(b"Stowgate ") for part in _plain(top, METHOD).split(b"\\"))
    names = [_plain(top, tag).decode("latin-1") for tag in _PATIENT] if ours else []
    return next((name for name in names if _pseudonym(name)), "")


def _plain(elements: DataSet, tag: int) -> bytes:
    found = elements.get(tag)
    return found[1].strip(b" \0") if found is not None and isinstance(found[1], bytes) else b""


def _is_risky(top: DataSet) -> bool:
    """Whether pictures of this kind often show who the patient is."""
    sop_class, image_type = _plain(top, _SOP_CLASS), _plain(top, _IMAGE_TYPE).upper()
    by_class = any(f"{sop_class.decode('latin-1')}.".startswith(f"{family}.") for family in _RISKY_CLASSES)
    pyramid = sop_class == f"{_IMAGE}77.1.6".encode()
    by_type = any(word in image_type for word in _RISKY_TYPES)
    return by_type or _plain(top, _BURNED_IN).upper() == b"YES" or (by_class and not pyramid)
