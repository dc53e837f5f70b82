"""The walk over one data set: what is sound, what is sent to be normalised, what is refused, and what it costs."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.dicom.budget import MOST_IN_ONE, Budget, NeedMore, OddEncoding
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.dicom.walk import (
    ITEM,
    ITEM_END,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    Elements,
    Walked,
    check_structure,
    fragments_end,
    is_undefined,
    items,
    walk,
)
from stowgate.errors import Rejected
from tests.builder import Element, Fragments, Item, el, encode, item, nested

BOTH = pytest.mark.parametrize("explicit", [True, False], ids=["explicit", "implicit"])


def walked(data: bytes, explicit: bool = True, limits: Limits = DEFAULT) -> Elements:
    """The elements of a whole data set."""
    found: Elements = {}
    assert walk(memoryview(data), 0, len(data), explicit, found, Budget(limits)) == len(data)
    return found


def outcome(data: bytes, explicit: bool = True, limits: Limits = DEFAULT) -> str:
    """Which way a walk ends: a code, "odd", "more" or "sound". Sequences of defined length are followed as well."""
    try:
        for vr, _, value, stop in walked(data, explicit, limits).values():
            if vr == b"SQ":
                undefined = is_undefined(memoryview(data), value)
                check_structure(memoryview(data), value, stop, explicit, undefined, Budget(limits), 1)
    except Rejected as error:
        return error.code
    except OddEncoding:
        return "odd"
    except NeedMore:
        return "more"
    return "sound"


def delimiter(tag: int, length: int = 0) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length)


def raw(tag: int, vr: bytes, length: int, value: bytes = b"") -> bytes:
    """An explicit element with any header one likes."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    return head + (struct.pack("<H", length) if vr in SHORT_VRS else struct.pack("<HI", 0, length)) + value


def levels(depth: int, undefined: bool, explicit: bool = True) -> bytes:
    return nested(0x0040A730, depth, undefined=undefined, implicit=not explicit)


class TestElements:
    @BOTH
    def test_every_element_is_listed_with_vr_and_place(self, explicit: bool) -> None:
        elements = [el("PatientID", "P1"), el("Rows", 3), el("ICCProfile", b"\1\2\3\4"), el(0x00291001, b"ab", "UN")]
        data = encode(elements, implicit=not explicit)
        found = walked(data, explicit)
        assert list(found) == [e.tag for e in elements]
        for element in elements:
            vr, start, value, stop = found[element.tag]
            assert vr == element.vr.encode()
            assert data[start : start + 4] == struct.pack("<HH", element.tag >> 16, element.tag & 0xFFFF)
            assert data[value:stop] == element.value

    def test_implicit_private_and_unknown_attributes_are_un(self) -> None:
        data = encode([el(0x00091001, b"ab", "LO"), el(0x00980001, b"cd", "LO")], implicit=True)
        assert [vr for vr, *_ in walked(data, explicit=False).values()] == [b"UN", b"UN"]

    def test_an_unknown_vr_in_capitals_has_a_long_length(self) -> None:
        found = walked(raw(0x00091001, b"QQ", 70_000, bytes(70_000)) + encode([el("Rows", 1)]))
        assert [vr for vr, *_ in found.values()] == [b"QQ", b"US"]

    @pytest.mark.parametrize("vr", [b"us", b"\0\0", b"1A", b"L ", b"\xff\xff"])
    def test_a_vr_that_is_no_two_capitals_is_odd(self, vr: bytes) -> None:
        assert outcome(raw(0x00100020, b"LO", 0) + raw(0x00280010, vr, 2, b"\1\0")) == "odd"

    @BOTH
    def test_an_empty_data_set_is_sound(self, explicit: bool) -> None:
        assert walked(b"", explicit) == {}

    @BOTH
    def test_the_same_tag_twice_in_a_row_is_a_duplicate(self, explicit: bool) -> None:
        data = encode([el("PatientID", "P1"), el("PatientID", "P2")], implicit=not explicit)
        assert outcome(data, explicit) == "duplicate_element"

    @BOTH
    def test_disorder_is_odd_so_that_it_is_sorted_and_looked_through_for_duplicates(self, explicit: bool) -> None:
        data = encode([el("Rows", 1), el("PatientID", "P2"), el("Rows", 2)], implicit=not explicit)
        assert outcome(data, explicit) == "odd"

    @BOTH
    def test_disorder_and_duplicates_are_found_inside_items_too(self, explicit: bool) -> None:
        for undefined in (True, False):
            twice = Item((el("CodeValue", "A"), el("CodeValue", "B")), undefined)
            turned = Item((el("CodeMeaning", "A"), el("CodeValue", "B")), undefined)
            for inner, expected in ((twice, "duplicate_element"), (turned, "odd")):
                data = encode([el("ProcedureCodeSequence", inner, undefined=undefined)], implicit=not explicit)
                assert outcome(data, explicit) == expected

    @BOTH
    def test_tags_start_anew_in_every_item(self, explicit: bool) -> None:
        codes = [item(el("CodeValue", "A")), item(el("CodeValue", "A"), undefined=True)]
        data = encode([el("ProcedureCodeSequence", codes), el("PatientID", "P")], implicit=not explicit)
        assert outcome(data, explicit) == "sound"

    @BOTH
    def test_odd_lengths_are_odd_at_every_depth(self, explicit: bool) -> None:
        odd = Element(0x00100020, "LO", b"abc")
        assert outcome(encode([odd], implicit=not explicit), explicit) == "odd"
        data = encode([el("ProcedureCodeSequence", Item((odd,)))], implicit=not explicit)
        assert outcome(data, explicit) == "odd"

    @BOTH
    def test_a_length_beyond_the_end_asks_for_more_and_says_which_value(self, explicit: bool) -> None:
        data = encode([el("PatientID", "P1"), el("ICCProfile", bytes(100))], implicit=not explicit)
        with pytest.raises(NeedMore) as need:
            walked(data[:-1], explicit)
        assert (need.value.tag, need.value.vr, need.value.length) == (0x00282000, b"OB", 100)
        assert need.value.value == len(data) - 100

    @BOTH
    @pytest.mark.parametrize("tag", [ITEM, ITEM_END, SEQUENCE_END, 0xFFFEFFFF])
    def test_a_delimiter_at_the_top_level_is_refused(self, tag: int, explicit: bool) -> None:
        data = encode([el("PatientID", "P1")], implicit=not explicit) + delimiter(tag)
        assert outcome(data, explicit) == "bad_structure"

    def test_un_of_undefined_length_is_odd_when_explicit_and_a_sequence_when_implicit(self) -> None:
        inside = encode([el("CodeValue", "A")], implicit=True)
        value = delimiter(ITEM, len(inside)) + inside + delimiter(SEQUENCE_END)
        assert outcome(raw(0x00091001, b"UN", UNDEFINED, value)) == "odd"
        found = walked(struct.pack("<HHI", 0x0009, 0x1001, UNDEFINED) + value, explicit=False)
        assert found[0x00091001][0] == b"SQ"

    @pytest.mark.parametrize("vr", [b"UT", b"QQ", b"OF", b"UC"])
    def test_undefined_length_where_there_can_be_none_is_refused(self, vr: bytes) -> None:
        assert outcome(raw(0x00091001, vr, UNDEFINED, delimiter(SEQUENCE_END))) == "bad_structure"

    def test_implicit_text_of_undefined_length_is_refused(self) -> None:
        data = struct.pack("<HHI", 0x0010, 0x4000, UNDEFINED) + delimiter(SEQUENCE_END)
        assert outcome(data, explicit=False) == "bad_structure"

    @given(st.binary(max_size=120), st.booleans())
    def test_arbitrary_bytes_end_in_one_of_the_known_ways(self, data: bytes, explicit: bool) -> None:
        outcome(data, explicit)

    @given(st.data(), st.booleans())
    def test_a_sound_data_set_with_a_byte_changed_ends_in_one_of_the_known_ways(
        self, data: st.DataObject, explicit: bool
    ) -> None:
        inner = item(el("CodeValue", "A"), el("ConceptNameCodeSequence", item(el("CodeMeaning", "b"))), undefined=True)
        sound = encode(
            [el("ProcedureCodeSequence", (inner, inner), undefined=True), el("Rows", 1), el("ICCProfile", b"abcd")],
            implicit=not explicit,
        )
        at, byte = data.draw(st.integers(0, len(sound) - 1)), data.draw(st.integers(0, 255))
        outcome(sound[:at] + bytes([byte]) + sound[at + 1 :], explicit)


class TestSequences:
    @BOTH
    @pytest.mark.parametrize("open_sequence", [True, False])
    @pytest.mark.parametrize("open_items", [True, False])
    def test_items_are_found_with_their_elements(self, explicit: bool, open_sequence: bool, open_items: bool) -> None:
        parts = [item(el("CodeValue", str(n)), el("CodeMeaning", "x" * n), undefined=open_items) for n in range(3)]
        parts.append(item(undefined=open_items))
        data = encode([el("ProcedureCodeSequence", parts, undefined=open_sequence)], implicit=not explicit)
        ((_, _, value, stop),) = walked(data, explicit).values()
        assert is_undefined(memoryview(data), value) is open_sequence
        end = Walked()
        found = list(items(memoryview(data), value, stop, explicit, open_sequence, Budget(DEFAULT), 1, end))
        assert end.stop == stop == len(data)
        assert [len(elements) for _, _, elements in found] == [2, 2, 2, 0]
        for (start, after, elements), part in zip(found, parts, strict=True):
            assert data[start : start + 4] == b"\xfe\xff\x00\xe0"
            assert [data[slice(*place[2:])] for place in elements.values()] == [e.value for e in part.elements]
            assert (data[after - 8 : after] == delimiter(ITEM_END)) is open_items

    @BOTH
    def test_an_empty_sequence_is_sound_in_both_forms(self, explicit: bool) -> None:
        for undefined in (True, False):
            data = encode([el("ProcedureCodeSequence", (), undefined=undefined)], implicit=not explicit)
            assert outcome(data, explicit) == "sound"

    @BOTH
    @pytest.mark.parametrize(
        "value",
        [
            delimiter(ITEM, 6) + bytes(6),  # an item that ends inside an element
            delimiter(ITEM, 100),  # longer than its sequence
            delimiter(ITEM, UNDEFINED),  # without an end
            delimiter(ITEM, UNDEFINED) + delimiter(ITEM_END, 4),  # a delimiter with a length
            delimiter(ITEM, UNDEFINED) + delimiter(SEQUENCE_END),  # the wrong delimiter
            delimiter(ITEM, 8) + delimiter(ITEM_END),  # a delimiter where there is none to be
            delimiter(ITEM_END),  # no item at all
            delimiter(SEQUENCE_END),  # the end of a sequence of defined length
            b"\x10\x00\x20\x00LO\x00\x00",  # an element without an item
            delimiter(ITEM, 0) + bytes(4),  # half a header behind the last item
        ],
    )
    def test_what_is_no_row_of_items_is_refused(self, value: bytes, explicit: bool) -> None:
        head = struct.pack("<HH", 0x0040, 0xA730) + (b"SQ\0\0" if explicit else b"")
        data = head + struct.pack("<I", len(value)) + value
        assert outcome(data, explicit) == "bad_structure"

    @BOTH
    def test_a_value_that_looks_like_a_delimiter_ends_no_item(self, explicit: bool) -> None:
        inside = encode([el("ImageComments", b"\xfe\xff\x0d\xe0\0\0\0\0", "LT")], implicit=not explicit)
        value = delimiter(ITEM, UNDEFINED) + inside
        head = struct.pack("<HH", 0x0040, 0xA730) + (b"SQ\0\0" if explicit else b"")
        assert outcome(head + struct.pack("<I", len(value)) + value, explicit) == "bad_structure"
        assert outcome(head + struct.pack("<I", UNDEFINED) + value, explicit) == "more"
        value += delimiter(ITEM_END)
        assert outcome(head + struct.pack("<I", len(value)) + value, explicit) == "sound"

    @BOTH
    def test_an_open_sequence_without_an_end_asks_for_more(self, explicit: bool) -> None:
        data = levels(3, True, explicit)
        for length in range(1, len(data)):
            assert outcome(data[:length], explicit) == "more"
        assert outcome(data, explicit) == "sound"

    def test_the_end_of_a_sequence_has_no_length(self) -> None:
        head = struct.pack("<HH", 0x0040, 0xA730) + b"SQ\0\0" + struct.pack("<I", UNDEFINED)
        assert outcome(head + delimiter(SEQUENCE_END, 2) + bytes(2)) == "bad_structure"

    @BOTH
    @pytest.mark.parametrize("undefined", [True, False])
    def test_the_limit_of_depth_is_exact_and_ten_thousand_levels_cost_nothing(
        self, undefined: bool, explicit: bool
    ) -> None:
        limits = Limits(depth=64)
        assert outcome(levels(64, undefined, explicit), explicit, limits) == "sound"
        assert outcome(levels(65, undefined, explicit), explicit, limits) == "limit_depth"
        deep = levels(10_000, undefined, explicit)
        began = time.process_time()
        assert outcome(deep, explicit, limits) == "limit_depth"
        assert time.process_time() - began < 0.5


class TestFragments:
    def fragments(self, *pieces: bytes) -> bytes:
        return encode([el("PixelData", Fragments(pieces), "OB")])

    def test_the_end_is_behind_the_delimiter(self) -> None:
        for pieces in ((), (b"",), (b"", b"ab", b"cdef"), (bytes(8), b"\xfe\xff\xdd\xe0\0\0\0\0")):
            data = self.fragments(*pieces)
            assert fragments_end(memoryview(data + b"behind"), 12, len(data) + 6) == len(data)
            assert walked(data)[0x7FE00010][3] == len(data)

    def test_every_cut_asks_for_more(self) -> None:
        data = self.fragments(b"", b"abcd", b"ef")
        for length in range(12, len(data)):
            with pytest.raises(NeedMore):
                fragments_end(memoryview(data), 12, length)

    @pytest.mark.parametrize(
        "value", [delimiter(ITEM, UNDEFINED), delimiter(ITEM_END), b"\x10\x00\x20\x00\x00\x00\x00\x00"]
    )
    def test_anything_but_plain_fragments_is_refused(self, value: bytes) -> None:
        data = raw(0x7FE00010, b"OB", UNDEFINED, value + delimiter(SEQUENCE_END))
        assert outcome(data) == "bad_structure"

    def test_there_are_none_in_implicit_vr(self) -> None:
        data = struct.pack("<HHI", 0x7FE0, 0x0010, UNDEFINED) + delimiter(ITEM, 0) + delimiter(SEQUENCE_END)
        assert outcome(data, explicit=False) == "bad_structure"


class TestBudget:
    def test_elements_are_counted_at_every_depth(self) -> None:
        data = encode([el("ProcedureCodeSequence", [item(el("CodeValue", "A")), item()]), el("Rows", 1)])
        # two at the top, then, when the sequence is followed: two items and one element
        view, budget, found = memoryview(data), Budget(Limits(elements=5)), Elements()
        walk(view, 0, len(data), True, found, budget)
        _, _, value, stop = found[0x00081032]
        check_structure(view, value, stop, True, False, budget, 1)
        assert budget.elements == 0
        with pytest.raises(Rejected, match="more elements"):
            budget.spend(1)

    @BOTH
    def test_too_many_elements_are_refused(self, explicit: bool) -> None:
        data = encode([el(0x00090000 | n, b"", "LO") for n in range(0x1000, 0x1064)], implicit=not explicit)
        assert outcome(data, explicit, Limits(elements=100)) == "sound"
        assert outcome(data, explicit, Limits(elements=99)) == "limit_elements"

    def test_empty_items_are_counted_too(self) -> None:
        data = encode([el("ProcedureCodeSequence", [item()] * 100)])
        assert outcome(data, limits=Limits(elements=99)) == "limit_elements"

    def test_time_that_is_up_is_refused(self) -> None:
        assert outcome(encode([el("Rows", 1)]), limits=Limits(seconds=-1)) == "limit_time"

    @BOTH
    def test_a_data_set_of_more_elements_than_memory_should_hold_is_refused_early(self, explicit: bool) -> None:
        group = b"".join(
            struct.pack("<HHI", 0x0009, n, 0) if not explicit else raw(0x00090000 | n, b"LO", 0)
            for n in range(0x1000, 0x10000)
        )
        many = b"".join(group.replace(b"\x09\x00", struct.pack("<H", odd)) for odd in range(0x11, 0x25, 2))
        found: Elements = {}
        with pytest.raises(Rejected, match="more elements"):
            walk(memoryview(many), 0, len(many), explicit, found, Budget(Limits(elements=10**9)))
        assert len(found) < MOST_IN_ONE + 40_000

    def test_time_is_looked_up_inside_a_long_data_set(self) -> None:
        many = encode([el(0x00090000 | n, b"", "LO") for n in range(0x1000, 0xA000)])
        found: Elements = {}
        with pytest.raises(Rejected, match="took longer"):
            walk(memoryview(many), 0, len(many), True, found, Budget(Limits(seconds=-1)))
        assert len(found) < 0x9000
