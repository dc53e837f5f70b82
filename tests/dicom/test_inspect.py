"""Looking at an object: every element at every depth, sizes always, values only when they are asked for."""

from __future__ import annotations

import pytest

from stowgate.dicom.inspect import look_at, shown
from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.source import MemorySource
from stowgate.errors import Rejected
from tests.builder import IMPLICIT, JPEG_BASELINE, Element, Fragments, el, item, small

SECRETS = ("Vandermeer", "Liselotte", "PID-480026", "Okonkwo", "ACC70011", "19471113")


def look(data: bytes, values: bool = False) -> dict[str, dict[str, object]]:
    """Elements by place, as scripts see them."""
    seen = look_at(MemorySource(data), DEFAULT, values)
    return {str(line["where"]): line for line in (element.as_json(values) for element in seen.elements)}


@pytest.mark.parametrize("syntax", [None, IMPLICIT])
def test_every_element_has_place_vr_length_and_keyword(syntax: str | None) -> None:
    how = {"syntax": syntax} if syntax else {}
    found = look(small(el("ProcedureCodeSequence", (item(), item(el("CodeValue", "A1")))), **how))
    assert found["(0010,0010)"] == {
        "kind": "element", "where": "(0010,0010)", "vr": "PN", "length": 20, "keyword": "PatientName",
    }  # fmt: skip
    assert found["(0008,1032)"]["vr"] == "SQ"
    assert found["(0008,1032)[1].(0008,0100)"]["length"] == 2
    assert "(0008,1032)[0].(0008,0100)" not in found


@pytest.mark.parametrize("as_json", [True, False])
def test_no_value_is_said_unless_asked_for(as_json: bool) -> None:
    nested = el("ReferencedPatientSequence", item(el("PatientName", "Vandermeer^Liselotte")))
    for values in (False, True):
        elements = look_at(MemorySource(small(nested)), DEFAULT, values).elements
        said = str([element.as_json(values) if as_json else element.as_text(values) for element in elements])
        assert [secret in said for secret in SECRETS] == [values] * len(SECRETS)


def test_values_are_decoded_by_the_character_set() -> None:
    data = small(el("SpecificCharacterSet", "ISO_IR 100"), el("PatientName", "Müller^Jörg"))
    assert look(data, True)["(0010,0010)"]["value"] == "Müller^Jörg"


def test_an_unknown_character_set_is_refused_and_not_guessed() -> None:
    with pytest.raises(Rejected) as stop:
        look(small(el("SpecificCharacterSet", "KLINGON")), True)
    assert stop.value.code == "unknown_character_set"


def test_numbers_are_shown_as_numbers() -> None:
    numbers = el("Rows", 4), el("TagAngleSecondAxis", -3, "SS"), el("SimpleFrameList", (1, 70_000), "UL")
    found = look(small(*numbers), True)
    assert found["(0028,0010)"]["value"] == "4"
    assert found["(0018,9219)"]["value"] == "-3"
    assert found["(0008,1161)"]["value"] == "1\\70000"


def test_binary_values_are_shown_by_their_size() -> None:
    found = look(small(el("ICCProfile", bytes(10)), el("PixelData", bytes(2_000_000), "OW")), True)
    assert found["(0028,2000)"]["value"] == "<10 bytes>"
    assert (found["(7FE0,0010)"]["length"], found["(7FE0,0010)"]["value"]) == (2_000_000, None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (small(), "native, 32 bytes"),
        (small(drop=["PixelData"]), "none"),
        (small(el("PixelData", Fragments((b"", b"ab")), "OB"), syntax=JPEG_BASELINE), "encapsulated"),
    ],
)
def test_pixels_are_named_by_how_they_are_stored(data: bytes, words: str) -> None:
    assert look_at(MemorySource(data), DEFAULT, False).pixels == words


def test_a_value_cannot_write_to_the_terminal_and_long_ones_are_clipped() -> None:
    hostile = "\x1b[2J\x07\r\nred\u202etxt" + "x" * 500
    text = shown(hostile.encode(), b"LT", ("utf-8",))
    assert text.isprintable()
    assert "\x1b" not in text
    assert len(text) == 65
    assert text.endswith("…")


def test_a_long_value_of_many_bytes_a_letter_is_clipped_by_letters() -> None:
    assert shown(("山" * 100).encode(), b"LO", ("utf-8",)) == "山" * 64 + "…"


def test_depth_is_limited_here_too() -> None:
    inner = el("ContentSequence", ())
    for _ in range(70):
        inner = el("ContentSequence", item(inner))
    with pytest.raises(Rejected) as stop:
        look(small(inner))
    assert stop.value.code == "limit_depth"


def test_a_number_of_odd_size_does_not_break_it() -> None:
    found = look(small(Element(0x00281052, "DS", b""), Element(0x00189219, "SS", b"\1\0\2\0")), True)
    assert found["(0018,9219)"]["value"] == "1\\2"
    assert found["(0028,1052)"]["value"] == ""
