"""The gate: reads the source and what was written with its own eyes, and lets nothing pass that it cannot vouch for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from stowgate.dicom.source import ByteSource
from stowgate.errors import Rejected
from stowgate.objects import CleanRef, Names, Place
from stowgate.policy import COLUMNS, Option, Policy
from stowgate.standard.codes import BASIC_PROFILE, code_of_column, deidentification_methods
from stowgate.verify import pixels
from stowgate.verify.elements import Broken, Bulk, DataSet, Elements
from stowgate.verify.expect import STATION_NAME
from stowgate.verify.judge import METHOD, METHOD_CODES, REMOVED, TEMPORAL, Judge, method_text, place
from stowgate.verify.precedent import Precedent, precedent_of, set_precedent
from stowgate.verify.search import CODE, Search, tokens_of
from stowgate.verify.tokens import gather, instance_uids
from stowgate.verify.verdicts import Case
from stowgate.verify.walk import Walked, walk

SOP_CLASS, INSTANCE, STUDY, SERIES, PATIENT_ID = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00100020
CODE_VALUE, SCHEME = 0x00080100, 0x00080102

IMPLEMENTATION_CLASS = b"2.25.309132845913409427265319028736498154731"
IMPLEMENTATION_VERSION = b"STOWGATE_1"
"""Who wrote the file, said a second time: a test holds them against what the engine writes."""
_META_OF_SERIES = (0x00020001, 0x00020002, 0x00020010, 0x00020012, 0x00020013, SOP_CLASS)
_META = frozenset((0x00020000, 0x00020003, *_META_OF_SERIES[:-1]))
_pseudonym = re.compile(r"[0-9A-HJKMNP-TV-Z]{16}").fullmatch
_number = re.compile(r"-?[0-9]{0,12}").fullmatch
_ENCODING = 132 + 12
"""Bytes before what File Meta Information Group Length counts: preamble, prefix, the length itself."""


@dataclass(slots=True)
class Pair:
    """A source, what was written for it, and what was asked for."""

    raw: ByteSource
    written: ByteSource
    source: Walked
    clean: Walked
    policy: Policy
    case: Case
    search: Search
    secret: bytes
    known: Precedent | None
    """What was judged on an output before that has most in common with this one."""

    def is_known(self, tags: Iterable[int]) -> bool:
        """Whether what is said of these elements was judged before, and they are what they were."""
        return self.known is not None and self.known.settles(tags)


def check(raw: ByteSource, written: ByteSource, policy: Policy, names: Names, path: Place, secret: bytes) -> CleanRef:
    """Judge one output by its source; the only way to a `CleanRef` for a new object.

    raw -- the identified object, a little endian file (others have been brought to explicit little endian before);
    written -- the file at `path`, read again; names -- the clean values its path is made of; secret -- places the
    windows of Pixel Data that are compared. Raises `Rejected` with a code "gate_..." and a tag path or the name of a
    part of the file; a value is never told. `Rejected("unreadable")` when reading fails.
    """
    source = _followed(raw, False, "gate_source")
    clean = _followed(written, True, "gate_structure")
    search, uids = _search(source, policy)
    case = Case(names, uids, policy.station_name.strip().encode("ascii", "replace"))
    known = precedent_of(clean, source, policy, case, search)
    pair = Pair(raw, written, source, clean, policy, case, search, secret, known)
    for code, test in CHECKS:
        if where := test(pair):
            raise Rejected(code, where)
    if known is None:
        set_precedent(clean, source, policy, case, search)
    sop_class, syntax = _plain(clean, SOP_CLASS), _plain(clean.meta, 0x00020010)
    return vouched(path, clean.size, names, sop_class.decode("ascii", "replace"), syntax.decode("ascii"), policy)


def vouched(path: Place, size: int, names: Names, sop_class: str, syntax: str, policy: Policy) -> CleanRef:
    """What stands for an output that `check` let pass, here or in the witness's own process."""
    return CleanRef(path, size, names, sop_class, syntax, policy.digest)


def _followed(file: ByteSource, strict: bool, code: str) -> Walked:
    try:
        return walk(file, strict)
    except Broken as broken:
        raise Rejected(code, place(broken.tag) if broken.tag else "") from None


def _search(source: Walked, policy: Policy) -> tuple[Search, frozenset[bytes]]:
    """What must not be found, and the UIDs that must not."""
    facts = gather(source)
    uids: frozenset[bytes] = frozenset()
    if Option.UIDS not in policy.options:
        uids = facts.uids | instance_uids(_plain(source.meta, 0x00020003))
    try:
        return Search(tokens_of(facts.words, policy.options), uids), uids
    except Rejected as unknown:
        raise Rejected("gate_source", unknown.place) from None


def _plain(elements: Elements, tag: int) -> bytes:
    found = elements.get(tag)
    return found[1].strip(b" \0") if found is not None and isinstance(found[1], bytes) else b""


def _preamble(pair: Pair) -> str:
    return "" if pair.clean.preamble == bytes(128) else "preamble"


def _meta(pair: Pair) -> str:
    """File Meta Information rebuilt from nothing: these seven elements and no others (PS3.10 7.1)."""
    clean, source = pair.clean, pair.source
    wanted = {
        0x00020000: (clean.start - _ENCODING).to_bytes(4, "little"),
        0x00020003: pair.case.names.instance.encode("ascii", "replace"),
    }
    if pair.is_known(_META_OF_SERIES):
        return _differs(clean.meta, wanted)
    for tag in clean.meta.keys() - _META:
        return place(tag)
    sop_class = _plain(source, SOP_CLASS)
    wanted |= {
        0x00020001: b"\0\1",
        0x00020002: sop_class,
        0x00020010: source.syntax,
        0x00020012: IMPLEMENTATION_CLASS,
        0x00020013: IMPLEMENTATION_VERSION,
    }
    same = sop_class and _plain(clean, SOP_CLASS) == sop_class
    return _differs(clean.meta, wanted) or ("" if same else place(SOP_CLASS))


def _differs(meta: DataSet, wanted: dict[int, bytes]) -> str:
    for tag, value in wanted.items():
        _, found = meta.get(tag, (b"", b""))
        if not isinstance(found, bytes) or (found != value and found.rstrip(b" \0") != value):
            return place(tag)
    return ""


def _names(pair: Pair) -> str:
    """The names an output path is made of are new, coded or numbers, and fit what was written."""
    names = pair.case.names
    instance = names.instance.encode("ascii", "replace")
    if _plain(pair.clean, INSTANCE) != instance or instance in pair.case.uids:
        return place(INSTANCE)
    if not pair.is_known((STUDY, SERIES)) and (where := _names_of_series(pair)):
        return where
    return "" if _number(names.instance_number) else "names"


def _names_of_series(pair: Pair) -> str:
    names, find = pair.case.names, pair.search.find
    chosen = {override.target for override in pair.policy.overrides}
    for tag, name in ((STUDY, names.study), (SERIES, names.series)):
        found, wanted = _plain(pair.clean, tag), name.encode("ascii", "replace")
        theirs = f"{tag:08X}" in chosen or not found
        if (not theirs and found != wanted) or wanted in pair.case.uids:
            return place(tag)
    if not _pseudonym(names.patient):
        return place(PATIENT_ID)
    coded = (names.modality, names.view, names.laterality)
    told = any(find(name.encode(), CODE) for name in coded if name)
    return "names" if told or not _number(names.series_number) else ""


_MARKED = (REMOVED, TEMPORAL, METHOD, METHOD_CODES, STATION_NAME)
"""All that `_marks` looks at."""


class _Marks(NamedTuple):
    temporal: bytes
    method: bytes
    may_claim: frozenset[str]
    must_claim: bool


@lru_cache(maxsize=32)
def _marks_of(policy: Policy) -> _Marks:
    """The marks an output has under a policy (PS3.15 E.1, PS3.3 C.12.1.1.1)."""
    kept = b"UNMODIFIED" if policy.has(Option.FULL_DATES) else b"REMOVED"
    codes = {BASIC_PROFILE, *(code_of_column(COLUMNS[option]) for option in policy.options if option in COLUMNS)}
    if policy.has(Option.MODIFIED_DATES) and policy.has(Option.DEVICE_IDENTITY):
        codes.discard(code_of_column("rtnDevId"))  # device dates are not kept then
    return _Marks(
        b"MODIFIED" if policy.has(Option.MODIFIED_DATES) else kept,
        method_text(policy),
        frozenset(codes),
        all(override.action != "keep" for override in policy.overrides),
    )


def _marks(pair: Pair) -> str:
    """What the output says of its own de-identification; what the source had claimed may stay."""
    if pair.is_known(_MARKED):
        return ""
    top, wanted = pair.clean.top, _marks_of(pair.policy)
    if _plain(top, REMOVED) != b"YES":
        return place(REMOVED)
    if _plain(top, TEMPORAL) != wanted.temporal:
        return place(TEMPORAL)
    if wanted.method not in [part.strip(b" ") for part in _plain(top, METHOD).split(b"\\")]:
        return place(METHOD)
    if pair.case.station_name and _plain(top, STATION_NAME) != pair.case.station_name:
        return place(STATION_NAME)
    claimed = _codes(top)
    honest = claimed - _codes(pair.source.top) <= wanted.may_claim
    return "" if honest and (BASIC_PROFILE in claimed or not wanted.must_claim) else place(METHOD_CODES)


def _codes(top: Elements) -> set[str]:
    """Codes of CID 7050 in De-identification Method Code Sequence."""
    found = top.get(METHOD_CODES)
    items = found[1] if found is not None and isinstance(found[1], list) else []
    codes = {_plain(item, CODE_VALUE).decode("latin-1") for item in items if _plain(item, SCHEME) == b"DCM"}
    return codes & deidentification_methods().keys()


def _values(pair: Pair) -> str:
    """Every attribute at every depth; each kind of value has a code of its own, see `expect`."""
    judge = Judge(pair.policy, pair.case, pair.search, pair.raw, pair.written, pair.source)
    judge.file(pair.clean, pair.source, pair.known)
    return ""


def _pixels(pair: Pair) -> str:
    """Pixel values are those of the source, as far as the policy has them compared."""
    before, after = pair.source.pixels, pair.clean.pixels
    if not before and not after:
        return ""
    windows = b"" if pair.policy.gate_pixels == "full" else pixels.windows_of(pair.secret, pair.case.names.instance)
    for tag in sorted(before.keys() | after.keys()):
        (vr, old), (new_vr, new) = before.get(tag, (b"", b"")), after.get(tag, (b"", b""))
        if not (isinstance(old, Bulk) and isinstance(new, Bulk) and vr == new_vr):
            return place(tag)
        if not pixels.same(pair.raw, pair.written, old, new, windows):
            return place(tag)
    return ""


CHECKS: tuple[tuple[str, Callable[[Pair], str]], ...] = (
    ("gate_preamble", _preamble),
    ("gate_meta", _meta),
    ("gate_names", _names),
    ("gate_marks", _marks),
    ("gate_attribute", _values),
    ("gate_pixels", _pixels),
)
"""In order: the code, and what returns the place where the output fails, "" if it holds."""
