"""What a value of each VR may look like (PS3.5 6.2), by example."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.validate.syntax import CODED, judge_text, quick

SOUND = {
    "DA": [b"20240229", b"19000101", b"00010101"],
    "TM": [b"10", b"1011", b"101112", b"101112.1", b"101112.123456", b"235960"],
    "DT": [
        b"2024",
        b"202402",
        b"20240229",
        b"2024022910",
        b"20240229101112.123456",
        b"20240229101112+0100",
        b"2024-0500",
    ],
    "AS": [b"067Y", b"003M", b"000D", b"012W"],
    "CS": [b"ORIGINAL", b"A_B 9", b"SIXTEEN_LETTERS_"],
    "DS": [b"1", b"-1.5", b".5", b"5.", b"+1e-10", b" 12 ", b"1.23456789012345"],
    "IS": [b"0", b"-5", b"+7", b" 12", b"2147483647", b"-2147483648"],
    "UI": [b"1.2.840.10008.1.2", b"0.0", b"2.25.0", b"1." + b"9" * 62],
}
FAULTY = {
    "DA": {
        "bad_date": [
            b"20230229",
            b"2024.02.2",
            b"2024.02.29",
            b"20241301",
            b"202402",
            b"00000101",
            b"20240101-",
            b"abc",
        ]
    },
    "TM": {"bad_time": [b"24", b"1060", b"10:11:12", b"101112.", b"101112.1234567", b"1", b"101161"]},
    "DT": {
        "bad_datetime": [b"20230229", b"2024022925", b"20240229101112+01", b"2024022", b"202402291", b"202402.5", b"x"]
    },
    "AS": {"bad_age": [b"67Y", b"067", b"067y", b"0067Y", b"abcY"]},
    "CS": {"bad_code_string": [b"original", b"A-B", b"\xe4"], "value_too_long": [b"SEVENTEEN_LETTERS"]},
    "DS": {
        "bad_number": [b"abc", b"1,5", b"nan", b"1_0", b".", b"1e", b"--1"],
        "value_too_long": [b"1.234567890123456"],
    },
    "IS": {"bad_number": [b"1.0", b"x", b"2147483648", b"1_0", b"-"], "value_too_long": [b"0000000000001"]},
    "UI": {
        "bad_uid": [b"1..2", b"1.2.", b".1", b"1.2 ", b"1.a", b"1.2\0"],
        "uid_leading_zero": [b"1.02.3", b"01.2"],
        "uid_too_long": [b"1." + b"9" * 63],
    },
}


@pytest.mark.parametrize(("vr", "value"), [(vr, value) for vr, values in SOUND.items() for value in values])
def test_a_value_as_the_standard_writes_it_has_no_fault(vr: str, value: bytes) -> None:
    assert CODED[vr](value) is None


@pytest.mark.parametrize(
    ("vr", "code", "value"),
    [(vr, code, value) for vr, codes in FAULTY.items() for code, values in codes.items() for value in values],
)
def test_a_faulty_value_is_named_by_its_fault(vr: str, code: str, value: bytes) -> None:
    assert CODED[vr](value) == code


@pytest.mark.parametrize(
    ("vr", "value", "code"),
    [
        ("LO", "x" * 64, None),
        ("LO", "x" * 65, "value_too_long"),
        ("LO", "ä" * 64, None),
        ("SH", "x" * 17, "value_too_long"),
        ("ST", "two\r\nlines", None),
        ("LO", "two\r\nlines", "bad_text"),
        ("ST", "bell\a", "bad_text"),
        ("PN", "Yamada^Tarou=山田^太郎=やまだ^たろう", None),
        ("PN", "a=b=c=d", "bad_person_name"),
        ("PN", "a^b^c^d^e", None),
        ("PN", "a^b^c^d^e^f", "bad_person_name"),
        ("PN", "x" * 64 + "=" + "y" * 64, None),
        ("PN", "x" * 65, "value_too_long"),
        ("UT", "x" * 100_000, None),
    ],
)
def test_text_is_measured_in_characters_and_has_no_control_characters(vr: str, value: str, code: str | None) -> None:
    assert judge_text(vr, value) == code


_characters = st.sampled_from(b"0123456789.:+- eE\\\0A")
_soup = st.lists(_characters, max_size=70).map(bytes)
_written = st.one_of(
    _soup,
    st.from_regex(rb"[012](\.(0|[1-9][0-9]{0,9})){1,12}\0?", fullmatch=True),
    st.dates().map(lambda day: day.strftime("%Y%m%d").encode()),
    st.times().map(lambda time: time.strftime("%H%M%S.%f ").encode()),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:.6g} ".encode()),
    st.integers(-(10**11), 10**11).map(lambda number: f"{number} ".encode()),
)


@given(st.sampled_from(["UI", "DA", "TM", "IS", "DS"]), _written)
def test_the_quick_look_never_lets_a_faulty_value_through(vr: str, raw: bytes) -> None:
    look = quick(vr, 1)
    assert look is not None
    if look(raw):
        body = raw.removesuffix(b"\0") if vr == "UI" else raw.rstrip(b" ")
        assert CODED[vr](body) is None


def test_the_quick_look_takes_what_scanners_write() -> None:
    for vr, raw in [("UI", b"1.2.840\0"), ("DA", b"20240117"), ("TM", b"101112.5"), ("IS", b"7 "), ("DS", b"-12.5 ")]:
        look = quick(vr, 1)
        assert look is not None
        assert look(raw)
