"""Looking at the first bytes of a stream tells which instance comes, and never fails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.ingest.peek import FIRST, Peeked, peek
from tests.builder import BIG_ENDIAN, CT, DEFLATED, EXPLICIT, IMPLICIT, el, item, small

WHOLE = small(el("ReferencedImageSequence", item(el("StudyInstanceUID", "9.9"), undefined=True), undefined=True))


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, DEFLATED])
def test_class_instance_and_study_are_found_in_every_usual_encoding(syntax: str) -> None:
    assert peek(small(syntax=syntax)) == Peeked(CT, "1.2.3.4.5.6.7", "1.2.3.4.5.6", syntax)


def test_in_big_endian_the_file_meta_information_still_tells_class_and_instance() -> None:
    assert peek(small(syntax=BIG_ENDIAN)) == Peeked(CT, "1.2.3.4.5.6.7", "", BIG_ENDIAN)


def test_a_study_inside_a_sequence_is_not_the_instances() -> None:
    assert peek(WHOLE).study == "1.2.3.4.5.6"


def test_a_study_behind_a_large_value_needs_more_bytes() -> None:
    data = small(el(0x00090010, "X", "LO"), el(0x00091001, bytes(100_000), "OB"))
    assert peek(data[:FIRST]).sop_instance == "1.2.3.4.5.6.7"
    assert peek(data[:FIRST]).study == ""
    assert peek(data).study == "1.2.3.4.5.6"


def test_what_is_no_uid_is_not_told() -> None:
    assert peek(small(el("SOPInstanceUID", "Vandermeer"), el("StudyInstanceUID", "<b>"))) == Peeked(
        CT, "", "", EXPLICIT
    )


def test_uids_are_not_shown() -> None:
    assert "1.2.3" not in repr(peek(WHOLE))


def test_an_object_cut_anywhere_is_no_trouble() -> None:
    for length in range(0, len(WHOLE), 3):
        peek(WHOLE[:length])


@given(st.binary(max_size=300), st.integers(0, len(WHOLE)), st.integers(0, 40))
def test_any_bytes_are_no_trouble(noise: bytes, at: int, gone: int) -> None:
    peek(WHOLE[:at] + noise + WHOLE[at + gone :])
