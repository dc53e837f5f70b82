"""The identity words of one object, gathered and searched for in the plainest way."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache

from pydicom import Dataset

from stowgate.policy import Option, Policy
from tests.oracle import tables
from tests.oracle.access import Charset, children, items_of, raw_value, text_of, vr_of

NOBODY = frozenset(
    [
        "anonymous",
        "anonymized",
        "anonymised",
        "unknown",
        "none",
        "null",
        "test",
        "patient",
        "phantom",
        "name",
        "doctor",
        "removed",
        "unspecified",
    ]
)
IDENTIFIERS = (0x00100020, 0x00101000, 0x00080050, 0x00200010, 0x00380010)
INSTITUTION = (0x00080080, 0x00080081, 0x00081040)
DEVICE = (0x00081010, 0x00181000)
CONTACTS = (0x00101040, 0x00102154, 0x00102155, 0x00080092, 0x00080094, 0x00401102, 0x00401103, 0x00401104)
SHORT_VRS = ("LO", "SH", "PN", "UC", "UT", "ST", "LT")
SEARCHED = ("AE", "LO", "SH", "ST", "LT", "UC", "UR", "UT", "PN", "CS")


def fold(text: str) -> str:
    """Case, accents and runs of blanks do not count."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(plain.casefold().split())


@dataclass
class Tokens:
    words: set[str] = field(default_factory=set)
    uids: set[bytes] = field(default_factory=set)
    names: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        word = fold(text.replace("\0", " "))
        if word and word not in NOBODY:
            self.words.add(word)

    def add_name(self, text: str) -> None:
        self.names += text.split("\\")
        for value in text.split("\\"):
            for group in value.split("="):
                for component in group.split("^"):
                    self.add(component)
                    for part in re.split(r"[\W_]+", component):
                        self.add(part)

    def found_in(self, text: str, vr: str) -> bool:
        """Whether a value holds an identity word."""
        plain = fold(text.replace("\0", " "))
        if any(run.encode("latin-1") in self.uids for run in re.findall(r"[0-9.]+", plain)):
            return True
        for word in self.words:
            if word.isdigit() and vr == "CS":
                continue
            if len(word) >= 4 and word in plain and _as_a_whole_word(word).search(plain):
                return True
            if len(word) < 4 and vr in SHORT_VRS and word in _wholes(text, vr):
                return True
        return False


@cache
def _as_a_whole_word(word: str) -> re.Pattern[str]:
    """Neither a letter nor a digit beside it."""
    return re.compile(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])")


def _wholes(text: str, vr: str) -> set[str]:
    values = text.split("\\") if vr not in ("ST", "LT", "UT") else [text]
    if vr == "PN":
        values += [component for value in values for group in value.split("=") for component in group.split("^")]
    return {fold(value.replace("\0", " ")) for value in values}


def gather(ds: Dataset, policy: Policy, charset: Charset) -> Tokens:
    """All identity words and instance UIDs of an object, at every depth."""
    tokens = Tokens()
    _gather(ds, policy, charset, tokens)
    return tokens


def _gather(ds: Dataset, policy: Policy, charset: Charset, tokens: Tokens) -> None:
    charset = charset.inside(ds)
    for element in children(ds):
        tag = int(element.tag)
        vr = vr_of(element)
        if items_of(element) is not None:
            for inner in items_of(element):
                _gather(inner, policy, charset, tokens)
        elif vr == "PN":
            tokens.add_name(text_of(element, charset, vr))
        elif vr == "UI":
            if not policy.has(Option.UIDS) and _names_an_instance(tag):
                tokens.uids |= {v.strip(b" \0") for v in raw_value(element).split(b"\\")}
        elif _is_source(tag, vr, policy):
            for value in text_of(element, charset, vr).split("\\"):
                tokens.others.append(value)
                tokens.add(value)
    tokens.uids -= {uid for uid in tokens.uids if not uid.strip(b".") or tables.is_registered(uid.decode("latin-1"))}


def _is_source(tag: int, vr: str, policy: Policy) -> bool:
    if vr == "AE":
        return tag >> 16 != 2
    if tag in INSTITUTION:
        return not policy.has(Option.INSTITUTION_IDENTITY)
    if tag in DEVICE:
        return not policy.has(Option.DEVICE_IDENTITY)
    return tag in IDENTIFIERS or tag in CONTACTS


def _names_an_instance(tag: int) -> bool:
    row = tables.profile_row(tag)
    return row["basic"] == "U" if row else tables.role_of(tag) == "uid_instance"
