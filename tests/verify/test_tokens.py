"""Who an object is about: every identity value at every depth is gathered, and what identifies nobody is not."""

from __future__ import annotations

import struct

from stowgate.dicom.source import MemorySource
from stowgate.verify.tokens import Facts, gather
from stowgate.verify.walk import walk
from tests.verify.sample import EXPLICIT, File, Item, element, meta_of


def facts(top: Item) -> Facts:
    return gather(walk(MemorySource(File(top, meta_of(b"1.2", EXPLICIT)).encode()), False))


def values(top: Item) -> set[tuple[str, bytes]]:
    return {(kind, value.strip()) for kind, _, value in facts(top).words}


def test_names_are_gathered_wherever_a_person_stands() -> None:
    inner: Item = {0x0040A123: (b"PN", b"HOUSE^G"), 0x00080080: (b"LO", b"NORTHSIDE")}
    top: Item = {
        0x00100010: (b"PN", b"DOE"),
        0x00080096: (b"SQ", [{0x0040A730: (b"SQ", [inner])}]),
        0x00290010: (b"LO", b"ACME"),
        0x00291010: (b"PN", b"CUDDY"),
        0x00291011: (b"SQ", [{0x00080090: (b"PN", b"WILSON")}]),
    }
    assert values(top) == {
        *(("name", name) for name in (b"DOE", b"HOUSE^G", b"CUDDY", b"WILSON")),
        ("institution", b"NORTHSIDE"),
    }


def test_names_are_gathered_whatever_vr_the_file_claims() -> None:
    top: Item = {0x00100010: (b"UN", b"DOE "), 0x00080090: (b"LO", b"HOUSE")}
    assert values(top) == {("name", b"DOE"), ("name", b"HOUSE")}


def test_names_are_gathered_from_a_sequence_written_as_un() -> None:
    item = element(0x00100010, b"PN", b"DOE ", explicit=False)
    hidden = struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item
    assert values({0x00081140: (b"UN", hidden)}) == {("name", b"DOE")}
    assert values({0x00081140: (b"UN", b"no items")}) == set()


def test_each_kind_of_identity_is_gathered() -> None:
    top: Item = {
        0x00080050: (b"SH", b"ACC1"),
        0x00080055: (b"AE", b"SCANNER"),
        0x00080094: (b"SH", b"555"),
        0x00081010: (b"SH", b"CT1"),
        0x00100020: (b"LO", b"P1"),
        0x00100030: (b"DA", b"19560311"),
        0x00101002: (b"SQ", [{0x00100020: (b"LO", b"P2")}]),
        0x00101040: (b"LO", b"STREET"),
        0x00200010: (b"SH", b"S1"),
    }
    assert {kind for kind, _ in values(top)} == {"id", "ae", "contact", "device", "birth"}
    assert {value for kind, value in values(top) if kind == "id"} == {b"ACC1", b"P1", b"P2", b"S1"}


def test_an_item_has_a_character_set_of_its_own() -> None:
    top: Item = {
        0x00080005: (b"CS", b"ISO_IR 100"),
        0x00081032: (
            b"SQ",
            [{0x00080005: (b"CS", b"ISO_IR 144"), 0x0040A123: (b"PN", b"X ")}, {0x0040A123: (b"PN", b"Y ")}],
        ),
    }
    assert {(charset, value) for _, charset, value in facts(top).words} == {
        (b"ISO_IR 144", b"X "),
        (b"ISO_IR 100", b"Y "),
    }


def test_instance_uids_are_gathered_and_definitions_are_not() -> None:
    top: Item = {
        0x00080016: (b"UI", b"1.2.3.4.5"),
        0x00080018: (b"UI", b"1.2.3.4.6"),
        0x0008010C: (b"UI", b"2.16.840.1"),
        0x00081140: (b"SQ", [{0x00081150: (b"UI", b"1.9.9.9"), 0x00081155: (b"UI", b"1.2.3.4.7\\1.2.3.4.8\0")}]),
        0x00200052: (b"UI", b"1.2.840.10008.1.4.1.1"),
        0x00290010: (b"LO", b"ACME"),
        0x00291010: (b"UI", b" 1.2.3.4.9"),
    }
    assert facts(top).uids == {b"1.2.3.4.%d" % last for last in (6, 7, 8, 9)}
