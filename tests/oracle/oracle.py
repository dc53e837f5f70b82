"""The rules on a pydicom Dataset, one attribute after the other, with no thought for speed."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from pydicom import Dataset
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from stowgate.policy import Option, Policy
from tests.oracle import derive, forms, tables
from tests.oracle.access import Charset, children, file_vr, items_of, raw, raw_value, text_of, vr_of
from tests.oracle.load import load, normalised
from tests.oracle.rules import CODE, Decision, always_dropped, decide
from tests.oracle.tokens import SEARCHED, gather
from tests.oracle.words import clean_text

PATIENT_NAME, PATIENT_ID = 0x00100010, 0x00100020
PSEUDONYM_TAGS = (PATIENT_NAME, PATIENT_ID, 0x00120040, 0x00120042)
IMPLEMENTATION = b"STOWGATE_1"
TEXT = ("LO", "SH", "ST", "LT", "UC", "UT", "CS", "UR")

ZEROS = {"OB": 2, "UN": 2, "OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8, "US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4,
         "FD": 8, "SV": 8, "UV": 8, "AT": 4}  # fmt: skip
FORMS = {"UI": rb"[^0-9.\\ \0]", "DA": rb"[^0-9.\-\\ \0]", "TM": rb"[^0-9:.\-\\ \0]", "DT": rb"[^0-9.+\-\\ \0]"}
"""A byte that a UID, a date or a time is never written with."""

TIME = re.compile(rb"(\d\d(:?\d\d(:?\d\d(\.\d*)?)?)?)?")
"""A time of day, with the colons of ACR-NEMA or without."""

WORDS = {
    "DA": "19000101",
    "TM": "000000",
    "DT": "19000101000000",
    "AS": "000Y",
    "DS": "0",
    "IS": "0",
    "UR": "about:blank",
}


def _permitted(vr: str, tag: int) -> bool:
    """Whether a value of this VR may stand here; OB and OW stand for one another."""
    permitted = tables.dictionary_vrs(tag)
    return vr in permitted or (vr in ("OB", "OW") and bool({"OB", "OW"} & set(permitted)))


class UnknownSequence(Exception):
    """A sequence written as UN has to be kept: the object is to be brought to explicit VR first."""


class Oracle:
    """One policy and key; `deidentify` takes a data set in little endian and gives a new one."""

    def __init__(self, policy: Policy, key: bytes, issuer: str = "") -> None:
        self.policy, self.key, self.issuer = policy, key, issuer

    def deidentify(self, ds: Dataset, implicit: bool) -> Dataset:
        """The de-identified data set with its marks; every value in it is raw bytes."""
        self.implicit = implicit
        self.sop_class = raw_value(raw(ds, 0x00080016)).strip(b" \0").decode("latin-1")
        charset = Charset().inside(ds)
        study = raw_value(raw(ds, 0x0020000D)).strip(b" \0") or raw_value(raw(ds, 0x00080018)).strip(b" \0")
        patient_id = self._text(ds, PATIENT_ID, charset)
        if "\N{REPLACEMENT CHARACTER}" in patient_id:  # bytes outside their character set still tell people apart
            patient_id = raw_value(raw(ds, PATIENT_ID)).decode("latin-1")
        issuer = self._text(ds, 0x00100021, charset).strip(" \0") or self.issuer
        self.pseudonym = derive.pseudonym(self.key, patient_id, issuer, study)
        self.offset = derive.offset_days(self.key, patient_id, issuer, study)
        self.tokens = gather(ds, self.policy, Charset())
        clean = self._data_set(ds, (), Charset())
        self._mark(ds, clean)
        return clean

    def _text(self, ds: Dataset, tag: int, charset: Charset) -> str:
        element = raw(ds, tag)
        return "" if element is None else text_of(element, charset, vr_of(element))

    # ------------------------------------------------------------ one data set

    def _data_set(self, ds: Dataset, path: tuple[int, ...] | None, charset: Charset) -> Dataset:
        """`path` is None inside private sequences, where no IOD has anything to say."""
        charset = charset.inside(ds)
        clean = Dataset()
        for element in children(ds):
            tag = int(element.tag)
            if (tag >> 16) % 2:
                self._private(ds, element, clean, charset)
            elif not always_dropped(tag):
                self._standard(element, path, clean, charset)
        self._drop_idle_creators(clean)
        return clean

    def _standard(self, element: Any, path: tuple[int, ...] | None, clean: Dataset, charset: Charset) -> None:
        tag = int(element.tag)
        decision = decide(self.policy, self.sop_class if path is not None else "", path or (), tag)
        letter = decision.letter
        if letter in ("K", "C", "U") and not _permitted(vr_of(element), tag):
            letter = decision.removal
        if letter == "C":
            letter = self._clean(element, decision, clean, charset)
        if letter == "K":
            letter = self._keep(element, decision, path, clean, charset)
        if letter == "U":
            self._map(element, path, clean, charset)
        elif letter == "Z":
            pseudonym = self.pseudonym.encode() if tag in (PATIENT_NAME, PATIENT_ID) and not decision.forced else b""
            self._put(clean, tag, self._out_vr(element), pseudonym)
        elif letter == "D":
            self._dummy(element, decision, path, clean)

    def _out_vr(self, element: Any) -> str:
        """The file's VR where the dictionary permits it, else the dictionary's first."""
        permitted = tables.dictionary_vrs(int(element.tag))
        written = file_vr(element)
        if written in permitted:
            return written
        return "OW" if written is None and "OW" in permitted else permitted[0]

    def _put(self, clean: Dataset, tag: int, vr: str | None, value: bytes) -> None:
        if len(value) % 2:
            value += b"\0" if vr in ("UI", "OB", "UN") else b" "
        clean._dict[Tag(tag)] = RawDataElement(Tag(tag), vr, len(value), value, 0, self.implicit, True)

    def _put_items(self, clean: Dataset, tag: int, items: list[Dataset]) -> None:
        clean._dict[Tag(tag)] = DataElement(Tag(tag), "SQ", Sequence(items))

    def _recurse(self, element: Any, path: tuple[int, ...] | None, clean: Dataset, charset: Charset) -> None:
        tag = int(element.tag)
        if file_vr(element) == "UN":
            raise UnknownSequence
        inner = None if path is None else (*path, tag)
        self._put_items(clean, tag, [self._data_set(i, inner, charset) for i in items_of(element) or []])

    # ------------------------------------------------------------ verbs

    def _keep(self, element: Any, decision: Decision, path: Any, clean: Dataset, charset: Charset) -> str:
        """Keep, or say what to do instead."""
        tag, vr, value = int(element.tag), vr_of(element), raw_value(element)
        if items_of(element) is not None:
            self._recurse(element, path, clean, charset)
            return ""
        if vr == "AS" and value.strip(b" \0"):
            return self._keep_age(element, decision, clean)
        if vr in FORMS and re.search(FORMS[vr], value):
            return decision.removal
        if tag != 0x00080005:
            written = self._out_vr(element) if vr == "UN" or vr not in tables.dictionary_vrs(tag) else vr
            sound = forms.fits(tag, written, tables.multiplicity(tag), value)
            named = vr in SEARCHED and self.tokens.found_in(text_of(element, charset, vr), vr)
            if vr == "CS" and decision.removal == "D" and (named or not sound):
                return self._without_bad_codes(element, value, clean)
            if named or not sound:
                return decision.removal
        self._put(clean, tag, file_vr(element), value)
        return ""

    def _without_bad_codes(self, element: Any, value: bytes, clean: Dataset) -> str:
        """Of several codes in a Type 1 attribute the good ones stay."""
        tag, old = int(element.tag), value.strip(b" \0").split(b"\\")
        texts = [part.decode("latin-1") for part in old]
        bad = [self.tokens.found_in(text, "CS") or not forms.is_code(tag, text) for text in texts]
        if len(old) > forms.most(tables.multiplicity(tag)) or not any(bad):
            return "D"
        new = [b"REMOVED" if is_bad else part for is_bad, part in zip(bad, old, strict=True)]
        self._put(clean, tag, self._out_vr(element), b"\\".join(new))
        return ""

    def _keep_age(self, element: Any, decision: Decision, clean: Dataset) -> str:
        age = re.fullmatch(r"(\d{3})([DWMY])", raw_value(element).strip(b" \0").decode("latin-1"))
        if age is None:
            return decision.removal
        least = {"D": 90 * 365, "W": 90 * 52, "M": 90 * 12, "Y": 90}[age[2]]
        value = b"090Y" if int(age[1]) >= least else raw_value(element)
        self._put(clean, int(element.tag), file_vr(element), value)
        return ""

    def _map(self, element: Any, path: Any, clean: Dataset, charset: Charset) -> None:
        if items_of(element) is not None:
            self._recurse(element, path, clean, charset)
            return
        old = [value.strip(b" \0") for value in raw_value(element).split(b"\\")]
        new = [derive.new_uid(self.key, value) for value in old]
        if new == old:
            self._put(clean, int(element.tag), file_vr(element), raw_value(element))
        else:
            self._put(clean, int(element.tag), self._out_vr(element), b"\\".join(new))

    def _dummy(self, element: Any, decision: Decision, path: Any, clean: Dataset) -> None:
        tag, vr = int(element.tag), self._out_vr(element)
        if vr == "SQ":
            self._put_items(clean, tag, [self._dummy_item((*path, tag))] if path is not None else [Dataset()])
        elif decision.value is not None:
            self._put(clean, tag, vr, decision.value.encode())
        elif vr == "UI":
            old = raw_value(element).strip(b" \0") or f"{tag:08X}".encode()
            new = [derive.new_uid(self.key, value.strip(b" \0")) for value in old.split(b"\\")]
            self._put(clean, tag, vr, b"\\".join(new))
        else:
            self._put(clean, tag, vr, self._dummy_value(tag, vr))

    def _dummy_value(self, tag: int, vr: str) -> bytes:
        if tag in PSEUDONYM_TAGS:
            return self.pseudonym.encode()
        fewest = tables.fewest_values(tag)
        return bytes(ZEROS[vr] * fewest) if vr in ZEROS else b"\\".join([WORDS.get(vr, "REMOVED").encode()] * fewest)

    def _dummy_item(self, path: tuple[int, ...]) -> Dataset:
        """Every Type 1 attribute with a dummy, every Type 2 attribute empty."""
        made = Dataset()
        for tag, kind in tables.attributes_at(self.sop_class, path).items():
            vr = (tables.dictionary_vrs(tag) or ("",))[0]
            if kind == "1" and vr == "SQ":
                self._put_items(made, tag, [self._dummy_item((*path, tag))])
            elif kind == "1" and vr:
                value = derive.new_uid(self.key, f"{tag:08X}".encode()) if vr == "UI" else self._dummy_value(tag, vr)
                self._put(made, tag, vr, value)
            elif kind == "2" and vr == "SQ":
                self._put_items(made, tag, [])
            elif kind == "2" and vr:
                self._put(made, tag, vr, b"")
        return made

    def _clean(self, element: Any, decision: Decision, clean: Dataset, charset: Charset) -> str:
        """Clean, or say what to do instead: the profile's own action."""
        tag, vr, value = int(element.tag), vr_of(element), raw_value(element)
        if items_of(element) is not None:
            return "K"
        if not value.strip(b" \0"):
            return "K"
        if tag == 0x00080201 or vr == "OB":
            return decision.basic
        if vr == "TM":
            return "K" if all(TIME.fullmatch(v.strip(b" \0")) for v in value.split(b"\\")) else decision.basic
        new: bytes | None = None
        if vr == "AE":
            new = b"\\".join(derive.ae_alias(self.key, v.strip(b" \0")) for v in value.split(b"\\"))
        elif vr in ("DA", "DT"):
            new = self._shifted(value, vr)
        elif vr in TEXT:
            before = text_of(element, charset, vr)
            new = clean_text(before, charset, self.tokens)
            new = value if new is not None and new.decode(charset.encodings[0]) == before else new
        if new is None:
            return decision.basic
        self._put(clean, tag, self._out_vr(element), new)
        return ""

    def _shifted(self, value: bytes, vr: str) -> bytes | None:
        """All values moved by the patient's offset, None when one of them is not a whole valid date."""
        moved = []
        for text in value.rstrip(b" \0").decode("latin-1").split("\\"):
            form = r"(\d{4})(\.?)(\d{2})\2(\d{2})" + ("()" if vr == "DA" else r"(\d{0,6}(?:\.\d{1,6})?(?:[+-]\d{4})?)")
            found = re.fullmatch(form, text.strip(" "))
            try:
                day = date(int(found[1]), int(found[3]), int(found[4]))  # type: ignore[index]
            except (TypeError, ValueError):
                return None
            if not 1700 <= day.year <= 9998:
                return None
            new = day + timedelta(days=self.offset)
            moved.append(f"{new.year:04}{found[2]}{new.month:02}{found[2]}{new.day:02}{found[5]}")  # type: ignore[index]
        return "\\".join(moved).encode()

    # ------------------------------------------------------------ private

    def _private(self, ds: Dataset, element: Any, clean: Dataset, charset: Charset) -> None:
        """Only with the option, only what Table E.3.10-1 calls safe, and its creators."""
        tag = int(element.tag)
        group, block, low = tag >> 16, tag >> 8 & 0xFF, tag & 0xFF
        if not self.policy.has(Option.SAFE_PRIVATE):
            return
        if block == 0:
            if low >= 0x10:
                self._put(clean, tag, file_vr(element), raw_value(element))
            return
        creator = raw(ds, group << 16 | block)
        if creator is None or block < 0x10:
            return
        name = text_of(creator, charset, "LO").strip(" \0")
        vr = tables.safe_private_vr(group, name, low)
        if not vr:
            return
        if items_of(element) is not None or vr == "SQ":
            if items_of(element) is not None and vr == "SQ":
                self._recurse(element, None, clean, charset)
            return
        self._keep_private(element, vr, name, clean, charset)

    def _keep_private(self, element: Any, vr: str, creator: str, clean: Dataset, charset: Charset) -> None:
        tag, value, written = int(element.tag), raw_value(element), file_vr(element)
        if written not in (None, "UN", *vr.split("/")):
            return
        if vr == "UI":
            old = [v.strip(b" \0") for v in value.split(b"\\")]
            new = old if self.policy.has(Option.UIDS) else [derive.new_uid(self.key, v) for v in old]
            if new == old:
                self._put(clean, tag, written, value)
            else:
                self._put(clean, tag, "UI", b"\\".join(new))
            return
        group, low = tag >> 16, tag & 0xFF
        if not forms.fits(0, vr, tables.safe_private_vm(group, creator, low), value):
            return
        if vr in SEARCHED and self.tokens.found_in(text_of(element, charset, vr), vr):
            return
        self._put(clean, tag, written, value)

    def _drop_idle_creators(self, clean: Dataset) -> None:
        """A creator stays only while an element of its block does."""
        tags = [int(tag) for tag, _ in clean.items()]
        used = {(tag >> 16, tag >> 8 & 0xFF) for tag in tags}
        for tag in tags:
            if (tag >> 16) % 2 and tag >> 8 & 0xFF == 0 and (tag >> 16, tag & 0xFF) not in used:
                del clean._dict[Tag(tag)]

    # ------------------------------------------------------------ marks

    def _mark(self, ds: Dataset, clean: Dataset) -> None:
        policy = self.policy
        self._put(clean, 0x00120062, "CS", b"YES")
        method = f"Stowgate {policy.edition} r{policy.revision} {policy.digest[:16]}".encode()
        earlier = raw_value(raw(clean, 0x00120063))
        earlier = earlier.strip(b" \0") if earlier == raw_value(raw(ds, 0x00120063)) else b""
        methods = earlier.split(b"\\") if earlier else []
        self._put(clean, 0x00120063, "LO", b"\\".join(methods if method in methods else [*methods, method]))
        was_sequence = 0x00120064 in ds and items_of(raw(ds, 0x00120064)) is not None
        items = list(items_of(raw(clean, 0x00120064)) or []) if was_sequence else []
        there = {self._code(i) for i in items}
        items += [self._claim(code) for code in self._claims() if (code, "DCM") not in there]
        if items:
            self._put_items(clean, 0x00120064, items)
        word = b"REMOVED"
        if policy.has(Option.FULL_DATES):
            word = b"UNMODIFIED"
        elif policy.has(Option.MODIFIED_DATES):
            word = b"MODIFIED"
        self._put(clean, 0x00280303, "CS", word)
        if policy.station_name:
            self._put(clean, 0x00081010, "SH", policy.station_name.encode())

    def _claims(self) -> list[str]:
        if any(o.action == "keep" and self._weakens(o.target) for o in self.policy.overrides):
            return []
        options = set(self.policy.options)
        if Option.MODIFIED_DATES in options:
            options.discard(Option.DEVICE_IDENTITY)
        return sorted(["113100", *(CODE[option] for option in options)])

    def _weakens(self, target: str) -> bool:
        """Whether keeping this breaks what the profile promises: the table names it and would not keep it."""
        last = int(target.rpartition("/")[2], 16)
        return always_dropped(last) or decide(Policy(options=self.policy.options), "", (), last).letter != "K"

    @staticmethod
    def _code(item: Dataset) -> tuple[str, str]:
        return tuple(raw_value(raw(item, tag)).strip(b" \0").decode("latin-1") for tag in (0x00080100, 0x00080102))  # type: ignore[return-value]

    def _claim(self, code: str) -> Dataset:
        made = Dataset()
        self._put(made, 0x00080100, "SH", code.encode())
        self._put(made, 0x00080102, "SH", b"DCM")
        self._put(made, 0x00080104, "LO", tables.code_meaning(code).encode())
        return made


def deidentified(data: bytes, policy: Policy, key: bytes, issuer: str = "") -> tuple[Dataset, bool]:
    """What a file should become, and whether that is implicit VR."""
    loaded = load(data)
    oracle = Oracle(policy, key, issuer)
    try:
        return oracle.deidentify(loaded.dataset, loaded.implicit), loaded.implicit
    except UnknownSequence:
        return oracle.deidentify(normalised(loaded).dataset, False), False
