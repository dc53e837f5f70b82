"""Sequences: untouched ones keep their bytes, changed ones are written anew, removed ones are followed to their end."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from functools import cache

import pytest

from stowgate.deident.derive import uid
from stowgate.deident.rules import Node, rules_for_iod
from stowgate.deident.sequences import dummy_item
from stowgate.dicom.budget import Budget
from stowgate.dicom.limits import Limits
from stowgate.dicom.walk import Elements, check_structure, walk
from stowgate.policy import Option, Override, Policy
from stowgate.standard import dictionary, iods
from stowgate.standard.profile import row_of
from tests.builder import (
    ENHANCED_CT,
    IMPLICIT,
    MG,
    Element,
    Item,
    el,
    encode,
    instance,
    item,
    nested,
    part10,
    small,
    tag_of,
)
from tests.deident.engine_view import KEY, cleaned, code_of

HARMLESS = (el("CodeValue", "T-D1100"), el("CodingSchemeDesignator", "SRT"), el("CodeMeaning", "Head"))
KEPT, REMOVED, EMPTIED = "AnatomicRegionSequence", "RequestAttributesSequence", "ReferencedPatientSequence"
BOTH = pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", IMPLICIT], ids=["explicit", "implicit"])


def bytes_of(element: Element, syntax: str) -> bytes:
    return encode([element], implicit=syntax == IMPLICIT)


class TestKept:
    @BOTH
    @pytest.mark.parametrize("open_sequence", [True, False])
    @pytest.mark.parametrize("open_items", [True, False])
    def test_an_untouched_sequence_keeps_its_bytes_however_it_is_written(
        self, syntax: str, open_sequence: bool, open_items: bool
    ) -> None:
        inner = el("AnatomicRegionModifierSequence", item(*HARMLESS, undefined=open_items), undefined=open_sequence)
        both = Item((*HARMLESS, inner), open_items), Item((), open_items)
        sequence = el(KEPT, both, undefined=open_sequence)
        assert bytes_of(sequence, syntax) in cleaned(sequence, syntax=syntax).data

    @BOTH
    def test_a_changed_one_has_defined_lengths_and_its_untouched_items_keep_their_bytes(self, syntax: str) -> None:
        untouched = item(*HARMLESS, undefined=True)
        changed = item(*HARMLESS, el("StudyInstanceUID", "1.2.3.4"), undefined=True)
        found = cleaned(el(KEPT, (untouched, changed), undefined=True), syntax=syntax)
        place = "(0008,2218)"
        assert found.value(place) == 2
        assert found.value(f"{place}[1].(0008,0104)") == b"Head"
        assert str(found.value(f"{place}[1].(0020,000D)")).startswith("b'2.25.")
        at = found.data.index(struct.pack("<HH", 0x0008, 0x2218))
        length = found.data[at + 8 : at + 12] if syntax != IMPLICIT else found.data[at + 4 : at + 8]
        assert length != b"\xff\xff\xff\xff"
        body = encode(untouched.elements, implicit=syntax == IMPLICIT)
        assert b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + body + b"\xfe\xff\x0d\xe0\0\0\0\0" in found.data

    @BOTH
    def test_a_change_at_the_bottom_rewrites_every_level_above_and_nothing_beside(self, syntax: str) -> None:
        deep = el("PatientName", "Vandermeer^Liselotte")
        for level in range(20):
            both = item(*HARMLESS), item(*HARMLESS, deep, undefined=level % 2 == 0)
            deep = el(KEPT, both, undefined=level % 3 == 0)
        found = cleaned(deep, syntax=syntax)
        place = ".".join(["(0008,2218)[1]"] * 20)
        assert found.value(f"{place}.(0010,0010)") == b"XG3RSPS2VFHHSE33"
        assert found.value(".".join(["(0008,2218)[1]"] * 19 + ["(0008,2218)[0]"]) + ".(0008,0104)") == b"Head"

    @BOTH
    def test_an_item_that_loses_everything_stays_as_an_empty_item(self, syntax: str) -> None:
        found = cleaned(el(KEPT, (item(el("PatientAddress", "Street 1")), item(*HARMLESS))), syntax=syntax)
        assert found.value("(0008,2218)") == 2
        assert found.value("(0008,2218)[0].(0010,1040)") is None
        assert found.value("(0008,2218)[1].(0008,0104)") == b"Head"

    def test_an_empty_sequence_stays_empty(self) -> None:
        for undefined in (True, False):
            assert cleaned(el(KEPT, (), undefined=undefined)).value("(0008,2218)") == 0

    def test_group_lengths_inside_items_go(self) -> None:
        found = cleaned(el(KEPT, Item((Element(0x00080000, "UL", b"\4\0\0\0"), *HARMLESS))))
        assert found.value("(0008,2218)[0].(0008,0000)") is None
        assert found.value("(0008,2218)[0].(0008,0100)") == b"T-D1100 "


class TestRemoved:
    @pytest.mark.parametrize(("keyword", "tag"), [(REMOVED, 0x00400275), (EMPTIED, 0x00081120)])
    def test_the_table_is_as_these_tests_take_it(self, keyword: str, tag: int) -> None:
        row = row_of(tag)
        assert row is not None
        assert row.basic == {REMOVED: "X", EMPTIED: "X"}[keyword]
        assert row_of(0x00082218) is None

    @BOTH
    @pytest.mark.parametrize("undefined", [True, False])
    def test_a_removed_sequence_leaves_nothing(self, syntax: str, undefined: bool) -> None:
        secret = item(el("ScheduledProcedureStepID", "SECRET-1"), undefined=undefined)
        found = cleaned(el(REMOVED, secret, undefined=undefined), syntax=syntax)
        assert found.value("(0040,0275)") is None
        assert b"SECRET-1" not in found.data

    def test_an_emptied_one_has_no_items_left(self) -> None:
        mine = Override("00082218", "empty")
        assert cleaned(el(KEPT, item(*HARMLESS)), overrides=(mine,)).value("(0008,2218)") == 0

    @BOTH
    @pytest.mark.parametrize("keyword", [KEPT, REMOVED])
    def test_what_goes_unseen_must_be_sound_like_what_stays(self, keyword: str, syntax: str) -> None:
        sound = item(*HARMLESS, el("ConceptNameCodeSequence", item(*HARMLESS)))
        body = encode([el(keyword, sound)], implicit=syntax == IMPLICIT)
        start = 12 if syntax != IMPLICIT else 8
        for value in (
            body[start:-2],  # an inner length that reaches past its item
            body[start:] + b"\xfe\xff\x0d\xe0\0\0\0\0",  # a delimiter that ends nothing
            b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + body[start + 8 :],  # an item that never ends
        ):
            broken = Element(tag_of(keyword), "SQ", value)
            assert code_of(small(broken, syntax=syntax)) == "bad_structure"

    @pytest.mark.parametrize("keyword", [KEPT, REMOVED])
    def test_duplicates_inside_are_refused_too(self, keyword: str) -> None:
        twice = Item((el("CodeValue", "A"), el("CodeValue", "B")))
        assert code_of(small(el(keyword, twice))) == "duplicate_element"


class TestDepth:
    def nested(self, depth: int, undefined: bool, tag: int, syntax: str) -> bytes:
        """A file with one attribute nested in itself so many times."""
        before = [e for e in instance() if e.tag < tag]
        return part10(before, syntax) + nested(tag, depth, undefined=undefined, implicit=syntax == IMPLICIT)

    @BOTH
    @pytest.mark.parametrize("undefined", [True, False], ids=["undefined", "defined"])
    @pytest.mark.parametrize(
        "tag", [0x00082218, 0x00400275, 0x00191001], ids=["in a kept one", "in a removed one", "in a private one"]
    )
    def test_ten_thousand_levels_are_refused_in_no_time(self, tag: int, undefined: bool, syntax: str) -> None:
        opaque = tag & 0x10000 and syntax == IMPLICIT and not undefined  # nobody knows that this is a sequence: it goes
        assert code_of(self.nested(64, undefined, tag, syntax)) == "cleaned"
        assert code_of(self.nested(65, undefined, tag, syntax)) == ("cleaned" if opaque else "limit_depth")
        deep = self.nested(10_000, undefined, tag, syntax)
        began = time.process_time()
        assert code_of(deep) == ("cleaned" if opaque else "limit_depth")
        assert time.process_time() - began < 1

    def test_a_safe_private_sequence_is_no_way_around_it(self) -> None:
        policy = Policy(options=frozenset((Option.SAFE_PRIVATE,)))
        assert code_of(self.nested(65, False, 0x00191001, "1.2.840.10008.1.2.1"), policy) == "limit_depth"

    def test_many_items_count_as_elements_whether_they_stay_or_go(self) -> None:
        for keyword in (KEPT, REMOVED):
            data = small(el(keyword, (item(),) * 1000))
            assert code_of(data, limits=Limits(elements=900)) == "limit_elements"
            assert code_of(data) == "cleaned"


class TestDummyItems:
    """A sequence that may neither go nor be empty: PS3.15 E.1 action D."""

    def test_it_holds_one_item_with_a_dummy_for_each_type_1_attribute(self) -> None:
        """Mammography: Referenced Performed Procedure Step Sequence is X/Z/D and Type 1C, so D."""
        step = item(el("ReferencedSOPClassUID", "1.2.840.10008.3.1.2.3.3"), el("ReferencedSOPInstanceUID", "1.2.3.4"))
        found = cleaned(el("ReferencedPerformedProcedureStepSequence", (step, step)), sop_class=MG, modality="MG")
        inside = {place: value for place, value in found.flat.items() if place.startswith("(0008,1111)")}
        assert inside == {
            "(0008,1111)": ("SQ", 1),
            "(0008,1111)[0].(0008,1150)": ("UI", padded(uid(KEY, b"00081150"))),
            "(0008,1111)[0].(0008,1155)": ("UI", padded(uid(KEY, b"00081155"))),
        }

    @BOTH
    def test_sequences_inside_it_and_binary_values_are_dummies_too(self, syntax: str) -> None:
        """ECG: Waveform Annotation Sequence is X/D and Type 1; its items ask for Referenced Waveform Channels."""
        annotation = item(el("UnformattedTextValue", "Vandermeer"), el("ReferencedWaveformChannels", (1, 1), "US"))
        found = cleaned(
            el("WaveformAnnotationSequence", annotation),
            sop_class="1.2.840.10008.5.1.4.1.1.9.1.1",
            modality="ECG",
            drop=["PixelData"],
            syntax=syntax,
        )
        assert found.value("(0040,B020)") == 1
        assert found.value("(0040,B020)[0].(0040,A0B0)") == bytes(4)  # VM 2-2n
        assert found.value("(0040,B020)[0].(0070,0006)") is None
        assert b"Vandermeer" not in found.data

    def test_replaced_by_the_user_it_has_the_same_form(self) -> None:
        found = cleaned(el(KEPT, (item(*HARMLESS), item(*HARMLESS))), overrides=(Override("00082218", "replace"),))
        inside = {place: value for place, value in found.flat.items() if place.startswith("(0008,2218)")}
        assert inside == {"(0008,2218)": ("SQ", 1), "(0008,2218)[0].(0008,0104)": ("LO", b"REMOVED ")}

    @pytest.mark.parametrize("explicit", [True, False])
    def test_every_dummy_item_of_every_iod_is_sound_and_in_order(self, explicit: bool) -> None:
        made = 0
        for node, tag in dummy_sequences():
            body = dummy_item(node.child(tag), explicit, KEY)
            found: Elements = {}
            assert walk(memoryview(body), 0, len(body), explicit, found, Budget(Limits())) == len(body)
            assert list(found) == sorted(tag for tag, _ in node.child(tag).required())
            for vr, _, value, stop in found.values():
                if vr == b"SQ":
                    check_structure(memoryview(body), value, stop, explicit, False, Budget(Limits()), 1)
            made += bool(body)
        assert made > 20


def padded(value: bytes) -> bytes:
    return value + b"\0" * (len(value) % 2)


@cache
def dummy_sequences() -> tuple[tuple[Node, int], ...]:
    """Every place of every IOD at which a sequence becomes a dummy under the plain profile."""

    def below(node: Node, depth: int) -> Iterator[tuple[Node, int]]:
        for tag in node._place.types():
            if dictionary.vr_of(tag) == "SQ":
                action = node.rule(tag).action
                if action == "D":
                    yield node, tag
                elif action in ("K", "C", "U") and depth < 2:
                    yield from below(node.child(tag), depth + 1)

    return tuple(found for iod in iods.iod_names() for found in below(rules_for_iod(Policy(), iod), 0))


class TestWrongVr:
    """A sequence that is written as something else cannot be followed: it goes as far as its type allows."""

    @pytest.mark.parametrize("tag", [0x00082218, 0x00400275])
    def test_text_where_a_sequence_should_be_goes(self, tag: int) -> None:
        found = cleaned(Element(tag, "LO", b"LISELOTTE "))
        assert found.value(f"({tag >> 16:04X},{tag & 0xFFFF:04X})") is None
        assert "wrong_vr" in found.clean.findings
        assert b"LISELOTTE" not in found.data

    def test_one_that_has_to_be_there_becomes_a_dummy_or_empty(self) -> None:
        found = cleaned(
            Element(0x0040B020, "LT", b"LISELOTTE "), sop_class="1.2.840.10008.5.1.4.1.1.9.1.1", drop=["PixelData"]
        )
        assert found.value("(0040,B020)") == 1
        frame = Element(0x52009229, "LT", b"LISELOTTE ")  # Type 1 in Enhanced CT
        assert cleaned(frame, sop_class=ENHANCED_CT).value("(5200,9229)") == 1

    def test_a_sequence_where_text_should_be_goes_and_has_to_be_sound(self) -> None:
        found = cleaned(el("ImageComments", item(*HARMLESS), "SQ"))
        assert found.value("(0020,4000)") is None
        broken = Element(0x00204000, "SQ", b"no items here   ")
        assert code_of(small(broken)) == "bad_structure"
