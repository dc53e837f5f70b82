"""The gate passes what is right and stops every single thing that is not, each with its code and place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from stowgate.errors import Rejected
from stowgate.policy import Option, Policy
from stowgate.reasons import REASONS
from stowgate.verify import pixels
from tests.verify.sample import (
    CT,
    EXPLICIT,
    FRAME,
    IMPLICIT,
    INSTANCE,
    NEW,
    PIXELS,
    REFERENCED,
    SECRET,
    SERIES,
    STUDY,
    VALUES,
    Fragments,
    Sample,
    code,
    items_of,
)

BASIC = Policy()
MODIFIED = Policy(options=frozenset({Option.MODIFIED_DATES}))
CHARACTERISTICS = Policy(options=frozenset({Option.PATIENT_CHARACTERISTICS}))
DEVICE = Policy(options=frozenset({Option.DEVICE_IDENTITY}))
SAFE = Policy(options=frozenset({Option.SAFE_PRIVATE}))
JPEG = "1.2.840.10008.1.2.4.50"


def clean_one(tag: int, vr: bytes, value: object) -> Callable[[Sample], None]:
    """One attribute of the output holds something else."""

    def spoil(sample: Sample) -> None:
        sample.clean.top[tag] = (vr, value)  # type: ignore[assignment]

    return spoil


def both_ones(tag: int, vr: bytes, value: bytes) -> Callable[[Sample], None]:
    """One attribute that stays holds something it should have lost."""

    def spoil(sample: Sample) -> None:
        sample.both(tag, vr, value)

    return spoil


def nested(value: bytes) -> Callable[[Sample], None]:
    """A meaning two sequences deep, in the original and in the output."""

    def spoil(sample: Sample) -> None:
        for top in (sample.raw.top, sample.clean.top):
            items_of(top, 0x00081140, 0x0040A170)[0][0x00080104] = (b"LO", value)

    return spoil


def meta(tag: int, vr: bytes, value: bytes) -> Callable[[Sample], None]:
    def spoil(sample: Sample) -> None:
        sample.clean.meta[tag] = (vr, value)

    return spoil


def marks_lost(tag: int) -> Callable[[Sample], None]:
    def spoil(sample: Sample) -> None:
        del sample.clean.top[tag]

    return spoil


def claim(value: bytes, meaning: bytes) -> Callable[[Sample], None]:
    def spoil(sample: Sample) -> None:
        items_of(sample.clean.top, 0x00120064).append(code(value, b"DCM", meaning))

    return spoil


def _preamble(sample: Sample) -> None:
    sample.clean.preamble = bytes(127) + b"\1"


def _trailing(sample: Sample) -> None:
    sample.clean.trailing = b"JANE"


def _trailing_element(sample: Sample) -> None:
    sample.clean.trailing = b"\x10\x00\x10\x00PN\x04\x00JANE"


def _padding(sample: Sample) -> None:
    sample.clean.top[0xFFFCFFFC] = (b"OB", bytes(8))


def _nested_person(sample: Sample) -> None:
    for top in (sample.raw.top, sample.clean.top):
        items_of(top, 0x00081140)[0][0x0040A123] = (b"PN", b"HOUSE^GREGORY")


def _nested_uid(sample: Sample) -> None:
    items_of(sample.clean.top, 0x00081140)[0][0x00081155] = (b"UI", REFERENCED)


def _nested_private(sample: Sample) -> None:
    items_of(sample.clean.top, 0x00081140)[0][0x00410010] = (b"LO", b"ACME")


def _two_for_one(sample: Sample) -> None:
    """The same UID of the source stands for two things in the output."""
    sample.raw.top[0x00200200] = (b"UI", FRAME)
    sample.clean.top[0x00200200] = (b"UI", b"2.25.99")


def _scheme(sample: Sample) -> None:
    for file, last in ((sample.raw, b"6"), (sample.clean, b"7")):
        items_of(file.top, 0x00081032)[0][0x0008010C] = (b"UI", b"2.16.840.1.113883." + last)


def _item_lost(sample: Sample) -> None:
    sample.clean.top[0x00081032] = (b"SQ", [])


def _sequence_kept(sample: Sample) -> None:
    sample.clean.top[0x00400275] = (b"SQ", [{0x00400007: (b"LO", b"CHEST")}])


def _two_dummies(sample: Sample) -> None:
    sample.clean.top[0x00400275] = (b"SQ", [{}, {}])


def _pixel(at: int) -> Callable[[Sample], None]:
    def spoil(sample: Sample) -> None:
        changed = bytearray(PIXELS)
        changed[at] ^= 1
        sample.clean.top[0x7FE00010] = (b"OW", bytes(changed))

    return spoil


def _pixels_shorter(sample: Sample) -> None:
    sample.clean.top[0x7FE00010] = (b"OW", PIXELS[:-2])


def _fragments(sample: Sample) -> None:
    sample.raw.top[0x7FE00010] = (b"OB", Fragments([b"", PIXELS[:1000], PIXELS[:500]]))
    sample.clean.top[0x7FE00010] = (b"OB", Fragments([b"", PIXELS[:500], PIXELS[:1000]]))


def _double_pixels(sample: Sample) -> None:
    sample.raw.top[0x7FE00009] = (b"OD", bytes(80))
    sample.clean.top[0x7FE00009] = (b"OD", bytes(79) + b"\1")


def _encoded(text: bytes) -> Callable[[Sample], None]:
    return both_ones(0x00282000, b"OB", b"ICC " + text + b" \1\2")


def _names(**changed: str) -> Callable[[Sample], None]:
    def spoil(sample: Sample) -> None:
        sample.names = replace(sample.names, **changed)

    return spoil


def _shifted(first: bytes, second: bytes) -> Callable[[Sample], None]:
    def spoil(sample: Sample) -> None:
        sample.clean.top[0x00280303] = (b"CS", b"MODIFIED")
        sample.clean.top[0x00080020] = (b"DA", first)
        sample.clean.top[0x00080021] = (b"DA", second)

    return spoil


def _age(before: bytes, after: bytes) -> Callable[[Sample], None]:
    def spoil(sample: Sample) -> None:
        sample.raw.top[0x00101010] = (b"AS", before)
        sample.clean.top[0x00101010] = (b"AS", after)

    return spoil


def _title_kept(sample: Sample) -> None:
    sample.raw.top[0x00080055] = sample.clean.top[0x00080055] = (b"AE", b"CTSCANNER")


def _bulk(before: bytes, after: bytes) -> Callable[[Sample], None]:
    """A long value that is not Pixel Data (red palette) differs or holds something beyond the first mebibyte."""

    def spoil(sample: Sample) -> None:
        filler = bytes(1024 * 1024 - 3)
        sample.raw.top[0x00281201] = (b"OW", filler + before + bytes(500))
        sample.clean.top[0x00281201] = (b"OW", filler + after + bytes(500))

    return spoil


def _unsafe_private(sample: Sample) -> None:
    for top in (sample.raw.top, sample.clean.top):
        top[0x00190010] = (b"LO", b"SIEMENS MR HEADER")
        top[0x001910FE] = (b"LO", b"something")


def _creator_alone(sample: Sample) -> None:
    sample.clean.top[0x00190010] = (b"LO", b"SIEMENS MR HEADER")


def _without_creator(sample: Sample) -> None:
    for top in (sample.raw.top, sample.clean.top):
        top[0x0019110C] = (b"IS", b"1000")


def _source_truncated(sample: Sample) -> None:
    sample.raw.trailing = b"\1\2\3"


def _source_charset(sample: Sample) -> None:
    sample.raw.top[0x00080005] = (b"CS", b"KLINGON")


def _unlike(original: bytes, output: bytes) -> Callable[[Sample], None]:
    def spoil(sample: Sample) -> None:
        sample.raw.top[0x00181020] = (b"LO", original)
        sample.clean.top[0x00181020] = (b"LO", output)

    return spoil


@dataclass(frozen=True)
class Sabotage:
    """What an engine could get wrong, and what the gate has to say to it."""

    what: str
    spoil: Callable[[Sample], None]
    code: str
    place: str
    policy: Policy = BASIC
    syntax: str = EXPLICIT


WINDOW = [at for at, _ in pixels._places(len(PIXELS), pixels.windows_of(SECRET, NEW[INSTANCE].decode()))][7]
UTF16 = "Gregory".encode("utf-16-le")
SABOTAGES = (
    Sabotage(
        "keeps the patient's name", clean_one(0x00100010, b"PN", b"M\xdcLLER^JANE"), "gate_attribute", "(0010,0010)"
    ),
    Sabotage("keeps the patient's id", clean_one(0x00100020, b"LO", b"PID-4711"), "gate_attribute", "(0010,0020)"),
    Sabotage(
        "gives another pseudonym", clean_one(0x00100020, b"LO", b"7ZK4M0Q9XW2BT3HM"), "gate_attribute", "(0010,0020)"
    ),
    Sabotage("keeps a part of a name", clean_one(0x00080090, b"PN", b"HOUSE"), "gate_attribute", "(0008,0090)"),
    Sabotage(
        "keeps the institution", clean_one(0x00080080, b"LO", b"NORTHSIDE GENERAL"), "gate_attribute", "(0008,0080)"
    ),
    Sabotage("keeps a description", clean_one(0x00081030, b"LO", b"CHEST"), "gate_attribute", "(0008,1030)"),
    Sabotage("keeps the sex", clean_one(0x00100040, b"CS", b"F"), "gate_attribute", "(0010,0040)"),
    Sabotage("keeps a removed sequence", _sequence_kept, "gate_attribute", "(0040,0275)"),
    Sabotage("replaces a sequence by two items", _two_dummies, "gate_attribute", "(0040,0275)"),
    Sabotage("keeps a person two levels deep", _nested_person, "gate_attribute", "(0008,1140)[0].(0040,A123)"),
    Sabotage("keeps a title", _title_kept, "gate_attribute", "(0008,0055)", DEVICE),
    Sabotage("keeps a name in text", both_ones(0x00080070, b"LO", b"Acme, for Jane"), "gate_token", "(0008,0070)"),
    Sabotage(
        "keeps a name two levels deep",
        nested(b"seen by house"),
        "gate_token",
        "(0008,1140)[0].(0040,A170)[0].(0008,0104)",
    ),
    Sabotage(
        "keeps a name without its accent", both_ones(0x00080070, b"LO", b"for Muller"), "gate_token", "(0008,0070)"
    ),
    Sabotage("keeps a name written out", both_ones(0x00080070, b"LO", b"for Mueller"), "gate_token", "(0008,0070)"),
    Sabotage("keeps a name in UTF-8", both_ones(0x00080070, b"LO", "für Müller".encode()), "gate_token", "(0008,0070)"),
    Sabotage("keeps a name in a code string", both_ones(0x00180022, b"CS", b"JANE"), "gate_token", "(0018,0022)"),
    Sabotage("keeps a stranger where people type", both_ones(0x00180015, b"CS", b"SMITH"), "gate_form", "(0018,0015)"),
    Sabotage("keeps words in numbers", both_ones(0x00181310, b"US", b"JOHN DOE"), "gate_form", "(0018,1310)"),
    Sabotage("keeps one number too many", both_ones(0x00180050, b"DS", b"5\\5550"), "gate_form", "(0018,0050)"),
    Sabotage("keeps a name in UTF-16", both_ones(0x00080070, b"LO", b" " + UTF16[:-1]), "gate_token", "(0008,0070)"),
    Sabotage("keeps a name in binary", _encoded(b"Gregory"), "gate_token", "(0028,2000)"),
    Sabotage("keeps a name in binary as UTF-16", _encoded(UTF16), "gate_token", "(0028,2000)"),
    Sabotage("keeps a name in binary as big endian UTF-16", _encoded(b"\0" + UTF16), "gate_token", "(0028,2000)"),
    Sabotage("keeps an accented name in binary", _encoded("Müller".encode()), "gate_token", "(0028,2000)"),
    Sabotage("keeps a phrase in binary", _encoded(b"Northside General"), "gate_token", "(0028,2000)"),
    Sabotage(
        "keeps the patient's id in text", both_ones(0x00080070, b"LO", b"ACME/PID-4711"), "gate_token", "(0008,0070)"
    ),
    Sabotage(
        "keeps a short name as a whole value", both_ones(0x00181020, b"LO", b"A\\CT7"), "gate_token", "(0018,1020)"
    ),
    Sabotage(
        "keeps a name in a long value", _bulk(b" House, Gregory", b" House, Gregory"), "gate_token", "(0028,1201)"
    ),
    Sabotage("keeps a UID", clean_one(0x0020000D, b"UI", STUDY), "gate_names", "(0020,000D)"),
    Sabotage("keeps a frame of reference", clean_one(0x00200052, b"UI", FRAME), "gate_uid", "(0020,0052)"),
    Sabotage("keeps a reference", _nested_uid, "gate_uid", "(0008,1140)[0].(0008,1155)"),
    Sabotage("invents a UID under a root", clean_one(0x00200052, b"UI", b"1.2.3.4.5"), "gate_uid", "(0020,0052)"),
    Sabotage("keeps a UID in text", both_ones(0x00080070, b"LO", b"see " + SERIES + b"."), "gate_uid", "(0008,0070)"),
    Sabotage("keeps a UID in binary", _encoded(SERIES), "gate_uid", "(0028,2000)"),
    Sabotage("keeps a UID as a definition", both_ones(0x0008010C, b"UI", STUDY), "gate_uid", "(0008,010C)"),
    Sabotage("changes a definition", clean_one(0x00080016, b"UI", CT + b".1"), "gate_meta", "(0008,0016)"),
    Sabotage("changes a coding scheme", _scheme, "gate_uid", "(0008,1032)[0].(0008,010C)"),
    Sabotage("maps a UID in two ways", _two_for_one, "gate_uid", "(0020,0200)"),
    Sabotage("keeps the study date", clean_one(0x00080020, b"DA", b"20240117"), "gate_date", "(0008,0020)"),
    Sabotage("keeps the study time", clean_one(0x00080030, b"TM", b"101112.5"), "gate_date", "(0008,0030)"),
    Sabotage("keeps the birth date", clean_one(0x00100030, b"DA", b"19560311"), "gate_date", "(0010,0030)"),
    Sabotage(
        "keeps the birth date in text",
        both_ones(0x00080070, b"LO", b"born 1956-03-11"),
        "gate_birth_date",
        "(0008,0070)",
    ),
    Sabotage("keeps the birth date in binary", _encoded(b"19560311"), "gate_birth_date", "(0028,2000)"),
    Sabotage("does not move a date", _shifted(b"20240117", b"20240118"), "gate_date", "(0008,0020)", MODIFIED),
    Sabotage("moves dates unlike", _shifted(b"20240103", b"20240111"), "gate_date", "(0008,0021)", MODIFIED),
    Sabotage("moves dates by days", _shifted(b"20240107", b"20240108"), "gate_date", "(0008,0020)", MODIFIED),
    Sabotage("moves dates forward", _shifted(b"20240124", b"20240125"), "gate_date", "(0008,0020)", MODIFIED),
    Sabotage("keeps an age", clean_one(0x00101010, b"AS", b"067Y"), "gate_attribute", "(0010,1010)"),
    Sabotage("keeps an age above 89", _age(b"095Y", b"095Y"), "gate_age", "(0010,1010)", CHARACTERISTICS),
    Sabotage("invents an age", _age(b"067Y", b"068Y"), "gate_age", "(0010,1010)", CHARACTERISTICS),
    Sabotage("keeps a private block", _nested_private, "gate_private", "(0008,1140)[0].(0041,0010)"),
    Sabotage("keeps a private element", clean_one(0x00291010, b"OB", b"x "), "gate_private", "(0029,1010)"),
    Sabotage("keeps unsafe private data", _unsafe_private, "gate_private", "(0019,10FE)", SAFE),
    Sabotage("keeps a creator of nothing", _creator_alone, "gate_private", "(0019,0010)", SAFE),
    Sabotage("keeps private data of nobody", _without_creator, "gate_private", "(0019,110C)", SAFE),
    Sabotage("keeps an overlay", clean_one(0x60000022, b"LO", b"overlay"), "gate_group", "(6000,0022)"),
    Sabotage("keeps an unusual overlay", clean_one(0x60FE3000, b"OW", b"\0\0"), "gate_group", "(60FE,3000)"),
    Sabotage("keeps a curve", clean_one(0x50000010, b"US", b"\0\0"), "gate_group", "(5000,0010)"),
    Sabotage("keeps a group length", clean_one(0x00080000, b"UL", b"\0\0\0\0"), "gate_group", "(0008,0000)"),
    Sabotage("keeps a directory record", clean_one(0x00041500, b"CS", b"A "), "gate_group", "(0004,1500)"),
    Sabotage("keeps an icon", clean_one(0x00880200, b"SQ", []), "gate_group", "(0088,0200)"),
    Sabotage("keeps original attributes", clean_one(0x04000561, b"SQ", []), "gate_group", "(0400,0561)"),
    Sabotage("keeps trailing padding", _padding, "gate_group", "(FFFC,FFFC)"),
    Sabotage("keeps an unknown attribute", clean_one(0x00109998, b"LO", b"x "), "gate_unknown", "(0010,9998)"),
    Sabotage("keeps a wrong VR", both_ones(0x00180060, b"LO", b"120"), "gate_vr", "(0018,0060)"),
    Sabotage("hides a sequence as UN", both_ones(0x00081032, b"UN", b"abcd"), "gate_vr", "(0008,1032)"),
    Sabotage("changes a number", clean_one(0x00180060, b"DS", b"140"), "gate_value", "(0018,0060)"),
    Sabotage("empties a number", clean_one(0x00180060, b"DS", b"0"), "gate_value", "(0018,0060)"),
    Sabotage("zeroes the rows", clean_one(0x00280010, b"US", b"\0\0"), "gate_value", "(0028,0010)"),
    Sabotage("changes a text", _unlike(b"VB10", b"VB11"), "gate_value", "(0018,1020)"),
    Sabotage("adds an attribute", clean_one(0x00189327, b"FD", b"\0\0\0\0\0\0\x10@"), "gate_value", "(0018,9327)"),
    Sabotage("loses an item", _item_lost, "gate_value", "(0008,1032)"),
    Sabotage("changes a long value", _bulk(b"\1", b"\2"), "gate_value", "(0028,1201)"),
    Sabotage("leaves one preamble byte", _preamble, "gate_preamble", "preamble"),
    Sabotage("keeps an AE title in the meta", meta(0x00020016, b"AE", b"STATIONAE"), "gate_meta", "(0002,0016)"),
    Sabotage("keeps private information", meta(0x00020102, b"OB", b"x "), "gate_meta", "(0002,0102)"),
    Sabotage("keeps the instance in the meta", meta(0x00020003, b"UI", INSTANCE), "gate_meta", "(0002,0003)"),
    Sabotage("keeps the implementation", meta(0x00020012, b"UI", b"1.2.276.0"), "gate_meta", "(0002,0012)"),
    Sabotage("keeps the version name", meta(0x00020013, b"SH", b"PACS"), "gate_meta", "(0002,0013)"),
    Sabotage("changes the SOP class", meta(0x00020002, b"UI", CT + b".1"), "gate_meta", "(0002,0002)"),
    Sabotage("changes the syntax", meta(0x00020010, b"UI", JPEG.encode()), "gate_meta", "(0002,0010)"),
    Sabotage("names another instance", _names(instance=NEW[SERIES].decode()), "gate_meta", "(0002,0003)"),
    Sabotage("names another study", _names(study=NEW[SERIES].decode()), "gate_names", "(0020,000D)"),
    Sabotage("names the patient", _names(patient="PID-4711"), "gate_names", "(0010,0020)"),
    Sabotage("names a person in the path", _names(modality="JANE"), "gate_names", "names"),
    Sabotage("names no number in the path", _names(instance_number="../17"), "gate_names", "names"),
    Sabotage("does not mark it", marks_lost(0x00120062), "gate_marks", "(0012,0062)"),
    Sabotage("does not say how", marks_lost(0x00120063), "gate_marks", "(0012,0063)"),
    Sabotage("does not claim", marks_lost(0x00120064), "gate_marks", "(0012,0064)"),
    Sabotage("claims clean pixels", claim(b"113101", b"Clean Pixel Data Option"), "gate_marks", "(0012,0064)"),
    Sabotage("says dates were kept", clean_one(0x00280303, b"CS", b"UNMODIFIED"), "gate_marks", "(0028,0303)"),
    Sabotage("changes the first pixel", _pixel(0), "gate_pixels", "(7FE0,0010)"),
    Sabotage("changes the last pixel", _pixel(len(PIXELS) - 1), "gate_pixels", "(7FE0,0010)"),
    Sabotage("changes a pixel in a window", _pixel(WINDOW + 4095), "gate_pixels", "(7FE0,0010)"),
    Sabotage(
        "changes any pixel, all compared", _pixel(150_001), "gate_pixels", "(7FE0,0010)", Policy(gate_pixels="full")
    ),
    Sabotage("cuts pixels", _pixels_shorter, "gate_pixels", "(7FE0,0010)"),
    Sabotage("loses pixels", marks_lost(0x7FE00010), "gate_pixels", "(7FE0,0010)"),
    Sabotage("moves a fragment's border", _fragments, "gate_pixels", "(7FE0,0010)", syntax=JPEG),
    Sabotage("changes double pixels", _double_pixels, "gate_pixels", "(7FE0,0009)"),
    Sabotage("writes bytes behind the end", _trailing, "gate_structure", "(7FE0,0010)"),
    Sabotage("writes an element behind the end", _trailing_element, "gate_structure", "(0010,0010)"),
    Sabotage("reads a damaged source", _source_truncated, "gate_source", "(7FE0,0010)"),
    Sabotage("reads an unknown character set", _source_charset, "gate_source", "(0008,0005)"),
)


def _told(sabotage: Sabotage, neighbours: int) -> Rejected:
    sample = Sample(sabotage.policy, sabotage.syntax)
    prepare(sample)
    for _ in range(neighbours):
        sample.check()
    sabotage.spoil(sample)
    with pytest.raises(Rejected) as stopped:
        sample.check()
    return stopped.value


def prepare(sample: Sample) -> None:
    """Under an option, the output that a correct engine writes."""
    if sample.policy.has(Option.MODIFIED_DATES):
        _shifted(b"20240103", b"20240104")(sample)
    if sample.policy.has(Option.PATIENT_CHARACTERISTICS):
        sample.clean.top[0x00100040] = (b"CS", b"F")
    if sample.syntax == JPEG:
        sample.both(0x7FE00010, b"OB", Fragments([b"", PIXELS[:1000], PIXELS[:500]]))  # type: ignore[arg-type]


@pytest.mark.parametrize("neighbours", [1, 5], ids=["", "in a series"])
@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.what)
def test_an_engine_is_stopped_that(sabotage: Sabotage, neighbours: int) -> None:
    """Also after good neighbours, when the gate remembers what was the same in them."""
    stopped = _told(sabotage, neighbours)
    assert (stopped.code, stopped.place) == (sabotage.code, sabotage.place)
    assert not [value for value in VALUES if value.casefold() in str(stopped).casefold()]


def test_every_code_of_the_gate_is_proved_by_a_sabotage() -> None:
    proved = {sabotage.code for sabotage in SABOTAGES} | {"gate_override"}
    assert proved == {code for code in REASONS if code.startswith("gate_")}


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("policy", [Policy(), MODIFIED, CHARACTERISTICS, DEVICE, SAFE])
def test_a_correct_output_passes(policy: Policy, syntax: str) -> None:
    sample = Sample(policy, syntax)
    prepare(sample)
    ref = sample.check()
    assert ref.size == len(sample.clean.encode())
    assert (ref.names, ref.sop_class, ref.policy) == (sample.names, CT.decode(), policy.digest)
