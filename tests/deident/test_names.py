"""Person names are recognised however they are written."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.deident.names import NOBODY, fold, is_unspaced, spellings, squeeze, transcribed, words_of

letters = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Mn"]), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("SMITH", "smith"),
        ("Jérôme", "jerome"),
        ("Je\u0301ro\u0302me", "jerome"),
        ("Weiß", "weiss"),
        ("Łódź", "lodz"),
        ("YILMAZ", "yilmaz"),
        ("Y\u0131lmaz", "yilmaz"),
        ("İnci", "inci"),
        ("Sørensen", "sorensen"),
        ("ＳＭＩＴＨ", "smith"),
        ("ΔΙΟΝΥΣΙΟΣ", fold("Διονύσιος")),
        ("ﾔﾏﾀﾞ", fold("ヤマダ")),
        ("김희중", "김희중"),
        ("山田", "山田"),
    ],
)
def test_case_width_and_accents_do_not_count(written: str, folded: str) -> None:
    assert fold(written) == folded


@given(st.text())
def test_folding_once_is_enough_whatever_the_form(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text)) == fold(text)


@given(st.text(st.characters(max_codepoint=127)))
def test_folding_ascii_is_lower_case(text: str) -> None:
    assert fold(text) == transcribed(text) == text.casefold()


def test_umlauts_are_also_sought_as_equipment_without_them_writes_them() -> None:
    assert transcribed("Müller-Lüdenscheidt") == "mueller-luedenscheidt"
    assert {"muller", "mueller"} <= spellings("Müller^Götz").words
    assert {"soerensen", "sorensen"} <= spellings("Sørensen^Åse").words


def test_words_are_runs_of_letters_and_digits() -> None:
    assert words_of("o'connor, mary_ann (2nd)") == ["o", "connor", "mary", "ann", "2nd"]


def test_blanks_and_padding_are_squeezed() -> None:
    assert squeeze(" Main  Street\n12 \0") == "Main Street 12"


def test_a_name_falls_into_components_and_their_parts() -> None:
    whole = "van der berg-smith^mary ann^^dr.^phd"
    parts = {"van der berg-smith", "van", "der", "berg", "smith", "mary ann", "mary", "ann", "dr.", "phd"}
    assert spellings("van der Berg-Smith^Mary Ann^^Dr.^PhD").components == {whole} | parts


def test_every_component_group_counts() -> None:
    found = spellings("Yamada^Tarou=山田^太郎=やまだ^たろう").components
    assert {"yamada", "tarou", "山田", "太郎", fold("やまだ"), "たろう"} <= found


def test_several_values_are_several_names() -> None:
    assert {"smith", "jones"} <= spellings("Smith^A\\Jones^B").components


@pytest.mark.parametrize("name", ["Li^Wu", "Li Wu", "Li, Wu", "LI^WU^^Dr", "Li=Wu\\Li^Wu"])
def test_a_short_name_is_sought_as_words_in_a_row(name: str) -> None:
    assert {"li wu", "wu li"} <= spellings(name).phrases


def test_initials_count_only_beside_a_family_name() -> None:
    found = spellings("Doe^Jon^A")
    assert {"doe j", "j doe", "jon a doe", "doe jon a"} <= found.phrases
    assert "jd" not in found.words | found.phrases


def test_a_name_written_as_one_word_is_sought_when_it_is_long_enough() -> None:
    assert {"smithjohn", "johnsmith", "jsmith", "smithj"} <= spellings("Smith^John").words
    assert "lung" not in spellings("Ng^Lu").words
    assert "lung" not in spellings("Lu^Ng").words
    assert "山田太郎" in spellings("Yamada^Tarou=山田^太郎").words


@pytest.mark.parametrize(
    "name", ["Anonymous", "TEST^PATIENT", "PHANTOM^^^", "None^None", "^^^^", "", "Removed=unknown"]
)
def test_words_that_name_nobody_are_left_out(name: str) -> None:
    found = spellings(name)
    assert not found.words
    assert not found.components & NOBODY


@given(letters, letters, st.sampled_from(["^", ", ", " ", "-", "="]))
def test_every_component_of_any_name_is_found_again(family: str, given_name: str, between: str) -> None:
    found = spellings(f"{family}{between}{given_name}")
    for part in (family, given_name):
        assert set(fold(part).split()) <= found.components | NOBODY


@pytest.mark.parametrize(
    ("text", "unspaced"), [("山田", True), ("김", True), ("ひ", True), ("สม", True), ("Smith", False), ("Иван", False)]
)
def test_scripts_without_blanks_between_words_are_told_apart(text: str, unspaced: bool) -> None:
    assert is_unspaced(text) is unspaced
