"""Which objects wait for a person: by SOP class, by Image Type, by what is said to be burned in."""

from __future__ import annotations

import pytest

from stowgate.deident.risk import why_held
from stowgate.policy import Policy
from stowgate.reasons import REASONS
from stowgate.standard.uids import storage_sop_classes

IMAGE = "1.2.840.10008.5.1.4.1.1."
PASS = Policy(pixels_risk="pass")


class Header(dict[int, bytes]):
    """Raw values of top-level elements by tag."""


def held(sop_class: str, policy: Policy | None = None, image_type: bytes = b"", burned_in: bytes = b"") -> str | None:
    header = Header({0x00080008: image_type, 0x00280301: burned_in})
    return why_held(sop_class, header, policy or Policy())


WAITING = {
    "structured_content": ["88.11", "88.22", "88.33", "88.34", "88.40", "88.50", "88.59", "88.65", "88.67", "88.75"],
    "graphics": ["11.1", "11.2", "11.8", "11.12", "9.100.1", "131", "8", "9"],
    "encapsulated_document": ["104.1", "104.2", "104.3", "104.4", "104.5"],
    "burned_in_risk": [
        "3.1", "6.1", "6.2", "3", "6", "7", "7.1", "7.2", "7.3", "7.4", "77.1", "77.2", "77.1.1", "77.1.1.1", "77.1.2",
        "77.1.2.1", "77.1.3", "77.1.4", "77.1.4.1", "77.1.5.1", "77.1.5.2", "77.1.5.4", "77.1.5.8", "77.1.7", "77.1.9",
    ],
    "recorded_voice": ["9.4.1", "9.4.2"],
    "recognizable_surface": ["68.1", "68.2"],
    "kind_not_reviewed": ["66"],
}  # fmt: skip

PASSING = [
    "1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "2", "2.1", "2.2", "4", "4.1", "4.2", "4.3", "4.4", "5", "20", "128",
    "128.1", "130",
    "12.1", "12.1.1", "12.2", "12.2.1", "13.1.1", "13.1.2", "13.1.3", "481.1", "481.2", "481.3", "481.4", "481.5",
    "481.8", "66.1", "66.2", "66.3", "66.4", "66.5", "66.6", "67", "9.1.1", "9.1.2", "9.2.1", "9.3.1", "9.5.1",
    "77.1.6", "77.1.5.3", "30", "91.1", "14.1", "11", "10",
]  # fmt: skip


@pytest.mark.parametrize(("code", "tail"), [(code, tail) for code, tails in WAITING.items() for tail in tails])
def test_kinds_that_wait(code: str, tail: str) -> None:
    assert held(IMAGE + tail) == code
    assert REASONS[code].fate == "held"


@pytest.mark.parametrize("tail", PASSING)
def test_kinds_that_pass(tail: str) -> None:
    assert held(IMAGE + tail) is None


@pytest.mark.parametrize("tail", ["27", "29", "30"])
def test_prints_wait_and_are_no_parametric_maps(tail: str) -> None:
    """Stored print and hardcopies, retired: 1.2.840.10008.5.1.1, one number shorter than the images."""
    assert held("1.2.840.10008.5.1.1." + tail) == "burned_in_risk"


@pytest.mark.parametrize(
    "sop_class", ["", "1.2.3.4", "1.2.840.10008.1.1", "1.2.840.10008.1.3.10", IMAGE + "999", IMAGE + "2."]
)
def test_what_is_no_registered_storage_class_waits(sop_class: str) -> None:
    assert held(sop_class) == held(sop_class, PASS) == "unknown_sop_class"


@pytest.mark.parametrize(
    "image_type",
    [
        b"DERIVED\\SECONDARY\\SCREEN SAVE",
        b"ORIGINAL\\PRIMARY\\SCREEN_SAVE",
        b"DERIVED\\SECONDARY\\DOSE_REPORT",
        b"derived\\secondary\\report ",
        b"ORIGINAL\\PRIMARY\\LABEL\\NONE",
        b"ORIGINAL\\PRIMARY\\OVERVIEW\\NONE",
    ],
)
def test_image_types_that_are_pictures_of_screens_and_labels_wait(image_type: bytes) -> None:
    for tail in ("2", "77.1.6", "1.2"):
        assert held(IMAGE + tail, image_type=image_type) == "burned_in_risk"
        assert held(IMAGE + tail, PASS, image_type=image_type) is None


@pytest.mark.parametrize(
    "image_type", [b"", b"ORIGINAL\\PRIMARY\\AXIAL", b"DERIVED\\SECONDARY\\MPR", b"ORIGINAL\\PRIMARY\\VOLUME"]
)
def test_other_image_types_pass(image_type: bytes) -> None:
    assert held(IMAGE + "2", image_type=image_type) is None


@pytest.mark.parametrize(("value", "code"), [(b"YES", "burned_in_risk"), (b"yes ", "burned_in_risk"), (b"NO", None)])
def test_what_the_object_says_of_burned_in_annotation_counts(value: bytes, code: str | None) -> None:
    assert held(IMAGE + "2", burned_in=value) == code
    assert held(IMAGE + "2", PASS, burned_in=value) is None


def test_saying_no_does_not_free_a_kind_that_waits() -> None:
    assert held(IMAGE + "6.1", burned_in=b"NO") == "burned_in_risk"


def test_a_decision_about_pixels_frees_pictures_and_nothing_else() -> None:
    for code, tails in WAITING.items():
        for tail in tails:
            assert held(IMAGE + tail, PASS) == (None if code == "burned_in_risk" else code)


def test_every_storage_class_there_is_either_waits_for_a_known_reason_or_passes() -> None:
    codes = {sop_class: held(sop_class) for sop_class in storage_sop_classes()}
    assert set(codes.values()) <= {None, *WAITING}
    assert codes[IMAGE + "2"] is None


@pytest.mark.parametrize(
    "word", ["ultrasound", "secondary capture", "photographic", "endoscopic", "ophthalmic photography", "video"]
)
def test_kinds_whose_names_promise_pictures_of_people_or_screens_all_wait(word: str) -> None:
    for sop_class, name in storage_sop_classes().items():
        if word in name.lower() and "Waveform" not in name:
            assert held(sop_class), name


@pytest.mark.parametrize(
    "word", [" SR ", "Structured Report", "Presentation State", "Encapsulated", "Document", "Audio"]
)
def test_kinds_whose_names_promise_text_or_voice_all_wait(word: str) -> None:
    for sop_class, name in storage_sop_classes().items():
        if word.lower() in f"{name} ".lower():
            assert held(sop_class, PASS), name
