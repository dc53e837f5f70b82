"""A value that is kept holds no word that names this patient."""

from __future__ import annotations

import dataclasses
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stowgate.deident.names import NOBODY, spellings
from stowgate.deident.tokens import Known, holds_uid

KNOWN = Known.of(
    names=["Smith^John^Q", "Müller^Jürgen", "Li^Wu", "Yamada^Tarou=山田^太郎=やまだ^たろう", "Test^Patient"],
    ids=["PAT-00123", "20231", "7", "X9", "unknown", "#12"],
    phrases=["General  Hospital", "12 Main St.\nTown", "CT01", "STORESCP"],
)

FOUND = [
    ("SMITH", "LO"),
    ("protocol for Smith, abdomen", "LO"),
    ("abdomen_SMITH_01", "SH"),
    ("Smith's kernel", "LO"),
    ("SMITH", "CS"),
    ("ORIGINAL\\PRIMARY\\SMITH", "CS"),
    ("http://host/Smith/7", "UR"),
    ("JSMITH", "SH"),
    ("john.smith", "LT"),
    ("Mueller", "LO"),
    ("MULLER", "LO"),
    ("MÜLLER", "LO"),
    ("Mu\u0308ller", "LO"),
    ("for Li Wu", "LO"),
    ("Wu, Li", "LO"),
    ("W. Li", "LO"),
    ("li", "LO"),
    ("Wu^Dr", "PN"),
    ("abc\\Li", "LO"),
    ("山田様", "LO"),
    ("山田太郎", "LO"),
    ("PAT-00123", "LO"),
    ("id pat 00123 done", "LT"),
    ("20231", "LO"),
    ("no. 20231", "ST"),
    ("7", "LO"),
    (" X9 ", "SH"),
    ("A^X9", "PN"),
    ("#12", "LO"),
    ("GENERAL HOSPITAL", "LO"),
    ("at General   Hospital, Town", "LO"),
    ("12 main st. town", "LT"),
    ("CT01", "SH"),
    ("STORESCP", "AE"),
]

HARMLESS = [
    ("", "LO"),
    ("SIEMENS", "LO"),
    ("Smithers", "LO"),
    ("Goldsmith", "LO"),
    ("1smith", "LO"),
    ("ORIGINAL\\PRIMARY\\AXIAL", "CS"),
    ("list of things", "LO"),
    ("Li thing", "LO"),
    ("li", "CS"),
    ("X9", "AE"),
    ("7", "CS"),
    ("20231", "CS"),
    ("20231", "DS"),
    ("120231", "LO"),
    ("1.7", "LO"),
    ("X9 tube", "LO"),
    ("abc\\Li", "LT"),
    ("General purpose, Hospital", "LO"),
    ("Hospital", "LO"),
    ("unknown", "LO"),
    ("patient", "LO"),
    ("lung", "SH"),
    ("太い", "LO"),
    ("Q", "CS"),
]


@pytest.mark.parametrize(("text", "vr"), FOUND)
def test_a_known_word_is_found_however_it_is_written(text: str, vr: str) -> None:
    assert KNOWN.found_in(text, vr)


@pytest.mark.parametrize(("text", "vr"), HARMLESS)
def test_a_harmless_value_stays(text: str, vr: str) -> None:
    assert not KNOWN.found_in(text, vr)


@pytest.mark.parametrize(("text", "vr"), FOUND + HARMLESS)
def test_the_fast_answer_is_the_slow_one_for_plain_ascii(text: str, vr: str) -> None:
    raw = text.encode("utf-8")
    assert KNOWN.clean_bytes(raw, vr.encode()) is (text.isascii() and not KNOWN.found_in(text, vr))


def test_only_plain_ascii_can_be_certainly_clean() -> None:
    assert not KNOWN.clean_bytes("Gerät".encode("latin-1"), b"LO")
    assert not KNOWN.clean_bytes(b"\x1b$B;3ED\x1b(B", b"LO")
    assert not Known.of().clean_bytes(b"\x80", b"LO")
    assert Known.of().clean_bytes(b"SIEMENS ", b"LO")


def test_padding_does_not_hide_a_short_word() -> None:
    assert not KNOWN.clean_bytes(b"7 ", b"SH")
    assert not KNOWN.clean_bytes(b"X9\0\0", b"LO")
    assert KNOWN.found_in("X9\0", "LO")


def test_words_and_phrases_are_there_for_the_cleaning_of_text() -> None:
    assert {"smith", "john", "q", "li", "wu", "山田", "20231", "7", "ct01", "mueller", "muller"} <= KNOWN.words
    assert {"pat 00123", "general hospital", "12 main st town", "li wu"} <= set(KNOWN.phrases)
    assert not KNOWN.words & NOBODY


def test_nothing_is_known_of_nobody() -> None:
    nobody = Known.of(names=["Anonymous", "PHANTOM^^", ""], ids=["unknown", " ", "TEST\0"], phrases=["None"])
    assert nobody == Known.of()
    assert not nobody.found_in("Anonymous phantom test", "LO")


def test_a_word_that_names_nobody_stays_so_when_a_mark_stands_beside_it() -> None:
    known = Known.of(ids=["(none)"])
    assert known.found_in("id (none)", "LO")
    assert known.found_in("x(none) (none)", "LO")
    assert not known.found_in("x(none)y", "LO")
    assert not known.found_in("none", "LO")


def test_an_id_without_letter_or_digit_is_still_an_id() -> None:
    known = Known.of(ids=["-----", "?"])
    assert not known.clean_bytes(b"a ----- b", b"LO")
    assert not known.clean_bytes(b"? ", b"LO")
    assert known.clean_bytes(b"a - b", b"LO")


def test_the_same_words_are_built_once_and_cannot_be_changed() -> None:
    again = Known.of(names=("A^B", "C^D"), ids={"1"})
    assert again is Known.of(names=["C^D", "A^B", "A^B"], ids=["1"])
    with pytest.raises(dataclasses.FrozenInstanceError):
        again.words = frozenset()  # type: ignore[misc]


def test_printing_it_shows_nothing_of_anybody() -> None:
    known = Known.of(names=["Doe^Jon"], ids=["4711"], phrases=["Main Street"])
    known.clean_bytes(b"SECRET", b"LO")
    assert repr(known) == "Known()"
    assert "doe" not in repr(known._sought) + repr(spellings("Doe^Jon"))


def test_answers_are_remembered_within_bounds() -> None:
    known = Known.of(ids=["memo-test"])
    for number in range(2000):
        known.clean_bytes(b"%d" % number, b"LO")
    known.clean_bytes(b"x" * 4096, b"LT")
    assert len(known._memo) <= 512
    assert all(len(value) <= 128 for value, _ in known._memo)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"1.2.3.4", True),
        (b"see 1.2.3.4.", True),
        (b"uid=1.2.3.4;x", True),
        (b"1.2.3.4\0", True),
        (b"1.2.3.45", False),
        (b"1.2.3", False),
        (b"51.2.3.4", False),
        (b"none", False),
        (b"", False),
    ],
)
def test_a_uid_is_found_as_a_whole_run(value: bytes, found: bool) -> None:
    assert holds_uid(value, {b"1.2.3.4"}) is found


# ---------------------------------------------------------------- the rule as it is written, in the plainest way


def plain(text: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(unicodedata.normalize("NFC", bare).casefold().split())


def literal_tokens(name: str) -> set[str]:
    parts = {*name.split("^"), *re.split(r"[\^= ,;\-]+", name)}
    if any(part.isalnum() for part in name):
        parts.add(name)
    return {plain(part) for part in parts} - NOBODY - {""}


def literally_found(tokens: set[str], text: str, vr: str) -> bool:
    searched = plain(text)
    for token in tokens:
        if token.isdigit() and vr == "CS":
            continue
        if len(token) >= 4 and re.search(rf"(?<![^\W_]){re.escape(token)}(?![^\W_])", searched):
            return True
        values = {plain(value) for value in text.split("\\")}
        if len(token) < 4 and vr in ("LO", "SH", "PN") and token in values:
            return True
    return False


words = st.text(st.sampled_from("aAbBzZ09éßüİ\u0131山김 '-.,;_\u0301"), min_size=1, max_size=9)
names = st.lists(words, min_size=1, max_size=3).map("^".join)
texts = st.lists(st.one_of(words, st.sampled_from(["ORIGINAL", "\\", " "])), max_size=4).map(" ".join)


@given(names, texts, texts, st.sampled_from(["LO", "SH", "PN", "CS"]), st.booleans())
@example("(a)1", "x (a)1", "", "LO", True)
@example("a-b1", "a b1", "", "LO", True)
@example("0^ ", "", "", "LO", False)
@example("0;  0", "", "", "SH", False)
@example("-0000", "", "", "CS", True)
def test_whatever_the_written_rule_finds_is_found(name: str, before: str, after: str, vr: str, as_id: bool) -> None:
    known = Known.of(ids=[name]) if as_id else Known.of(names=[name])
    tokens = ({plain(name)} - NOBODY - {""}) if as_id else literal_tokens(name)
    for text in (name, before, f"{before} {name} {after}", *name.split("^")):
        if literally_found(tokens, text, vr):
            assert known.found_in(text, vr)


@given(names, texts, st.sampled_from(["LO", "SH", "PN", "CS", "ST", "UR", "AE"]))
def test_the_fast_answer_never_lets_pass_what_the_slow_one_finds(name: str, text: str, vr: str) -> None:
    known = Known.of(names=[name], ids=[name])
    assert known.clean_bytes(text.encode(), vr.encode()) is (text.isascii() and not known.found_in(text, vr))


@given(st.text(st.sampled_from("abc"), min_size=4, max_size=8), st.text(st.sampled_from("xyz 019.-_"), max_size=20))
def test_a_text_that_shares_no_word_with_a_name_stays(name: str, text: str) -> None:
    assert not Known.of(names=[f"{name}^{name}"], ids=[name]).found_in(text, "LO")


@given(st.text(st.sampled_from("abcdef"), min_size=4, max_size=8), st.sampled_from(["", " ", "_", "^", "-", "/"]))
def test_a_planted_name_is_found_behind_any_mark_and_as_a_part_of_a_word_is_not(name: str, mark: str) -> None:
    known = Known.of(names=[name])
    assert known.found_in(f"ct{mark}{name}{mark}01", "LO") is bool(mark)
