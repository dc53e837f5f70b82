"""Holds every value of an output, at every depth, against what may stand there and what the source says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from stowgate.dicom.source import ByteSource
from stowgate.errors import Rejected
from stowgate.policy import Override, Policy
from stowgate.standard.codes import deidentification_methods
from stowgate.verify import pixels, private
from stowgate.verify.elements import Bulk, DataSet, Elements, Value
from stowgate.verify.expect import NOT_SOUGHT, STATION_NAME, Expectation, all_dummies, rules_of
from stowgate.verify.precedent import Precedent, left_to_judge
from stowgate.verify.search import CODE, TEXT, Search
from stowgate.verify.verdicts import Case, blank
from stowgate.verify.walk import Walked, is_pixels

METHOD, METHOD_CODES, REMOVED, TEMPORAL = 0x00120063, 0x00120064, 0x00120062, 0x00280303

Path = tuple[tuple[int, int], ...]
"""Sequences from the top, each with the number of the item."""

_NOTHING: DataSet = {}
_CHUNK, _OVERLAP = 1024 * 1024, 512


def place(tag: int, path: Path = ()) -> str:
    """ "(0040,A730)[2].(0010,0010)"."""
    steps = [f"({step >> 16:04X},{step & 0xFFFF:04X})[{index}]" for step, index in path]
    return ".".join((*steps, f"({tag >> 16:04X},{tag & 0xFFFF:04X})"))


@lru_cache(maxsize=32)
def _standard_overrides(overrides: tuple[Override, ...]) -> Mapping[tuple[int, ...], Override]:
    return {tuple(int(t, 16) for t in one.target.split("/")): one for one in overrides if "," not in one.target}


def method_text(policy: Policy) -> bytes:
    """The value our own de-identification adds to De-identification Method."""
    return f"Stowgate {policy.edition} r{policy.revision} {policy.digest[:16]}".encode()


def _without_some(value: bytes, old: bytes) -> bool:
    """Whether a code of several values is the source's but for single ones that are dummies now."""
    new, before = ([part.strip(b" \0") for part in one.split(b"\\")] for one in (value, old))
    return len(new) == len(before) and all(one in (was, b"REMOVED") for one, was in zip(new, before, strict=True))


class Judge:
    """Judges the data sets of one output; raises `Rejected` with the code and place of the first value that fails."""

    def __init__(
        self, policy: Policy, case: Case, search: Search, raw: ByteSource, written: ByteSource, source: Elements
    ) -> None:
        self.policy, self.case, self.search, self.raw, self.written = policy, case, search, raw, written
        self.rules = rules_of(policy.options)
        self.overrides = _standard_overrides(policy.overrides) if policy.overrides else {}
        self.private = private.Private(policy, source)

    def file(self, clean: Walked, source: Walked, known: Precedent | None) -> None:
        """Every element of an output; in a series only those that are not as in the output before."""
        left = left_to_judge(clean, known, self.case)
        if known is None:
            self._each(left, clean.top, source.top, ())
        else:
            self._each(left, clean.top if known.private else left, {**known.before, **source.varying}, ())

    def _each(self, chosen: DataSet, elements: DataSet, source: DataSet, path: Path) -> None:
        """The chosen elements of one data set; `source` is the source's data set at the same place, or empty."""
        case, rules, cleared = self.case, self.rules, self.search.cleared
        for tag, found in chosen.items():
            if tag & 0x10000:
                self._private(elements, source, path, tag)
                continue
            vr, value = found
            expected = rules[tag]
            code, verdict, kind, vrs, items, form = expected
            if vr not in vrs:
                raise Rejected("gate_vr" if vrs else code, place(tag, path))
            if self.overrides and self._overridden(tag, value, source, path):
                continue
            if isinstance(value, bytes):
                if items and value:
                    raise Rejected("gate_vr", place(tag, path))  # a sequence that was not read as one
                if verdict is None:
                    if source.get(tag) != found and not self._may_differ(elements, source, tag, value, path):
                        raise Rejected("gate_value", place(tag, path))
                    if form is not None and value and not form(value):
                        raise Rejected("gate_form", place(tag, path))
                elif not verdict(case, tag, value, source):
                    raise Rejected(code, place(tag, path))
                if kind >= 0 and value not in cleared[kind]:
                    self._seek(elements, tag, value, kind, path)
            elif isinstance(value, list):
                self._items(tag, value, source, path, items)
            elif not is_pixels(tag):
                self._bulk(tag, value, source, expected, path)

    def _items(self, tag: int, items: list[DataSet], source: DataSet, path: Path, mode: str) -> None:
        if mode == "dummy":
            if not all_dummies(items, self.rules, self.case):
                raise Rejected("gate_attribute", place(tag, path))
            return
        found = source.get(tag)
        before = found[1] if found is not None and isinstance(found[1], list) else []
        may_differ = (mode == "mapped" and not items) or (tag == METHOD_CODES and not path)
        if len(before) != len(items) and not may_differ:
            raise Rejected("gate_value", place(tag, path))
        for index, item in enumerate(items):
            known = before[index] if index < len(before) else _NOTHING
            self._each(item, item, known, (*path, (tag, index)))

    def _may_differ(self, elements: DataSet, source: DataSet, tag: int, value: bytes, path: Path) -> bool:
        """Whether a value that should be the source's may be another: removed by type, padded, or a mark of ours."""
        vr, old = source.get(tag, (b"", b""))
        if isinstance(old, Bulk) and old.length <= len(value):
            old = self.raw.read(old.offset, old.length)
        if not isinstance(old, bytes):
            return False
        padded = len(old) & 1 and value[:-1] == old and value[-1:] in (b" ", b"\0")
        if value == old or padded or self._is_mark(elements, tag, value, old, path):
            return True
        if vr == b"CS" and _without_some(value, old):
            return True
        return blank(self.case, tag, value, source) and self._may_go(tag, vr, old)

    def _may_go(self, tag: int, vr: bytes, old: bytes) -> bool:
        """Whether a value that the table lets stay may have been removed: text, a wrong VR, what is not of its form."""
        expected = self.rules[tag]
        if expected.kind in (TEXT, CODE) or vr not in expected.vrs:
            return True
        return expected.form is not None and not expected.form(old)

    def _is_mark(self, elements: DataSet, tag: int, value: bytes, old: bytes, path: Path) -> bool:
        if path:
            return len(path) == 1 and path[0][0] == METHOD_CODES and is_method_code(elements)
        if tag == METHOD:
            known = {method_text(self.policy), *(part.strip() for part in old.split(b"\\"))}
            return known.issuperset(part.strip() for part in value.split(b"\\"))
        stamped = tag == STATION_NAME and bool(self.case.station_name)
        return stamped or tag in (REMOVED, TEMPORAL)  # judged to the letter among the marks

    def _seek(self, elements: DataSet, tag: int, value: bytes, kind: int, path: Path) -> None:
        code = self.search.find(value, kind)
        if code and not self._is_ours(elements, tag, value, kind, path):
            raise Rejected(code, place(tag, path))

    def _is_ours(self, elements: DataSet, tag: int, value: bytes, kind: int, path: Path) -> bool:
        """Whether a word of the source stands in a value only because we wrote it: a person may be called Option."""
        if not path and tag == METHOD:
            ours = method_text(self.policy)
            return not any(self.search.find(part, kind) for part in value.split(b"\\") if part.strip() != ours)
        if not path and tag in (REMOVED, TEMPORAL):
            return True  # judged to the letter among the marks
        if not path and tag == STATION_NAME:
            return value.strip(b" ") == self.case.station_name
        return len(path) == 1 and path[0][0] == METHOD_CODES and is_method_code(elements)

    def _bulk(self, tag: int, value: Bulk, source: DataSet, expected: Expectation, path: Path) -> None:
        """A long value that was left in the file is compared and searched piece by piece."""
        if expected.verdict is not None or expected.items:
            raise Rejected(expected.code, place(tag, path))
        if expected.kind == NOT_SOUGHT:
            return
        found = source.get(tag)
        old = found[1] if found is not None else b""
        same = isinstance(old, Bulk) and pixels.same(self.raw, self.written, old, value, b"")
        if not (same or (isinstance(old, bytes) and old == self.written.read(value.offset, value.length))):
            raise Rejected("gate_value", place(tag, path))
        for at in range(0, value.length, _CHUNK):
            piece = self.written.read(value.offset + at, min(_CHUNK + _OVERLAP, value.length - at))
            if code := self.search.find(piece, expected.kind):
                raise Rejected(code, place(tag, path))

    def _overridden(self, tag: int, value: Value, source: DataSet, path: Path) -> bool:
        """Whether a rule of the user's own decides; raises `Rejected` if it was not followed."""
        override = self.overrides.get((*(step for step, _ in path), tag))
        if override is None:
            return False
        if override.action == "keep":
            if isinstance(value, list):
                self._items(tag, value, source, path, "kept")
            return True
        plain = value.strip(b" \0") if isinstance(value, bytes) else value
        wanted = (override.value or "").encode() if override.action == "replace" else b""
        if override.action == "remove" or plain not in (wanted.strip(), []):
            raise Rejected("gate_override", place(tag, path))
        return True

    def _private(self, elements: DataSet, source: DataSet, path: Path, tag: int) -> None:
        expected = self.private.expected(elements, tag)
        value = elements[tag][1]
        unread = expected and expected.items and expected.kind != NOT_SOUGHT and not isinstance(value, list)
        if expected is None or (unread and value):
            raise Rejected("gate_private", place(tag, path))  # not safe, or a sequence that was not read as one
        if isinstance(value, list):
            if not expected.items:
                raise Rejected("gate_private", place(tag, path))
            self._items(tag, value, source, path, "kept")
        elif isinstance(value, Bulk):
            self._bulk(tag, value, source, expected, path)
        else:
            if expected.verdict is None:
                kept = expected.kind == NOT_SOUGHT or source.get(tag) == elements[tag]
                if not (kept or self._may_differ(elements, source, tag, value, path)):
                    raise Rejected("gate_value", place(tag, path))
                if expected.form is not None and value and not expected.form(value):
                    raise Rejected("gate_form", place(tag, path))
            elif not expected.verdict(self.case, tag, value, source):
                raise Rejected(expected.code, place(tag, path))
            if expected.kind >= 0 and value not in self.search.cleared[expected.kind]:
                self._seek(elements, tag, value, expected.kind, path)


def is_method_code(item: DataSet) -> bool:
    """Whether an item is one of CID 7050 to the letter: code value, scheme and meaning, nothing else."""
    if item.keys() != {0x00080100, 0x00080102, 0x00080104}:
        return False
    values = (item[tag][1] for tag in (0x00080100, 0x00080102, 0x00080104))
    value, scheme, meaning = (found.strip(b" \0") if isinstance(found, bytes) else b"" for found in values)
    known = deidentification_methods().get(value.decode("latin-1"))
    return known is not None and (scheme, meaning) == (known.scheme.encode(), known.meaning.encode())
