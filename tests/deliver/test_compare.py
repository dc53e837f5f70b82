"""What counts as the same data set at a peer: lengths may be written in its own way, every value has to be ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.deliver.compare import is_same
from stowgate.deliver.part10 import data_set_at
from tests.builder import CT, EXPLICIT, IMPLICIT, RLE, Element, Fragments, Item, el, encode, item, meta
from tests.deliver.parcels import letter

DEFLATED = "1.2.840.10008.1.2.1.99"
CODE = item(el("CodeValue", "T1"), el("CodeMeaning", "odd"))
HEAD = (
    el("SOPClassUID", CT),
    el("SOPInstanceUID", "2.25.1"),
    el("ReferencedStudySequence", (item(el("ReferencedSOPInstanceUID", "2.25.77")), item())),
    el("ProcedureCodeSequence", (CODE, item(el("ConceptNameCodeSequence", (CODE,)), el("CodeValue", "X")))),
    el("PatientID", "ONE"),
    el(0x00091010, b"\1\2\3\4", "UN"),
)
PLAIN = (*HEAD, el("PixelData", bytes(range(256)) * 40, "OW"))
FRAMED = (*HEAD, el("PixelData", Fragments((b"", b"abcd" * 20, b"efgh")), "OB"))


def open_ended(elements: Sequence[Element], *, undefined: bool = True) -> tuple[Element, ...]:
    """The same with every sequence and item of undefined, or defined, length."""

    def of(one: Element) -> Element:
        if not isinstance(one.value, tuple):
            return one
        inside = tuple(Item(open_ended(each.elements, undefined=undefined), undefined) for each in one.value)
        return replace(one, value=inside, undefined=undefined)

    return tuple(of(one) for one in elements)


def same(ours: Sequence[Element], theirs: bytes, syntax: str = EXPLICIT, step: int = 100) -> bool | None:
    data = bytes(128) + b"DICM" + meta(ours, syntax) + encode(ours, implicit=syntax == IMPLICIT)
    assert data_set_at(data)
    pieces: Iterator[bytes] = (theirs[at : at + step] for at in range(0, len(theirs), step))
    return is_same(letter(data, "2.25.1", syntax=syntax), pieces)


def said(elements: Sequence[Element], syntax: str = EXPLICIT) -> bytes:
    return encode(elements, implicit=syntax == IMPLICIT)


@pytest.mark.parametrize("step", [1, 3, 100, 1 << 20])
@pytest.mark.parametrize(("elements", "syntax"), [(PLAIN, EXPLICIT), (PLAIN, IMPLICIT), (FRAMED, RLE)])
def test_a_peer_that_writes_the_lengths_of_sequences_anew_has_the_same(
    elements: tuple[Element, ...], syntax: str, step: int
) -> None:
    open_, closed = open_ended(elements), open_ended(elements, undefined=False)
    assert same(open_, said(closed, syntax), syntax, step) is True
    assert same(closed, said(open_, syntax), syntax, step) is True


def test_group_lengths_and_padding_behind_text_are_the_writers_own() -> None:
    more = (el(0x00080000, 99, "UL"), *PLAIN, el(0xFFFCFFFC, bytes(64), "OB"))
    assert same(PLAIN, said(more)) is True and same(more, said(PLAIN)) is True
    padded = [replace(one, value=b"ONE ") if one.tag == 0x00100020 else one for one in PLAIN]
    assert same(padded, said([replace(o, value=b"ONE   ") if o.tag == 0x00100020 else o for o in PLAIN])) is True


@pytest.mark.parametrize("hidden", [el(0x00080000, b"secret", "UN"), el(0x00080000, b"abcdefgh", "UL")])
def test_nothing_is_hidden_where_a_group_length_stands(hidden: Element) -> None:
    assert not same(PLAIN, said((hidden, *PLAIN)))


@pytest.mark.parametrize("elements", [PLAIN, FRAMED])
def test_a_changed_value_is_found_behind_rewritten_lengths_wherever_it_is(elements: tuple[Element, ...]) -> None:
    syntax = RLE if elements is FRAMED else EXPLICIT
    for place, one in enumerate(elements):
        if isinstance(one.value, bytes) and one.value:
            other = replace(one, value=bytes((one.value[0] ^ 1,)) + one.value[1:])
        elif isinstance(one.value, Fragments):
            other = replace(one, value=Fragments((b"", b"abcd" * 20, b"efgi")))
        else:
            other = replace(one, value=(*one.value, Item()))  # type: ignore[misc]
        theirs = (*elements[:place], other, *elements[place + 1 :])
        assert same(open_ended(elements), said(open_ended(theirs, undefined=False)), syntax) is False


def test_an_element_more_or_less_and_another_vr_are_other_bytes() -> None:
    ours = open_ended(PLAIN)
    for place, one in enumerate(PLAIN):
        less = open_ended((*PLAIN[:place], *PLAIN[place + 1 :]), undefined=False)
        assert not same(ours, said(less)) and not same(less, said(ours))
        if isinstance(one.value, bytes):
            vr = "UT" if one.vr != "UT" else "UN"
            other = (*PLAIN[:place], replace(one, vr=vr), *PLAIN[place + 1 :])
            assert not same(ours, said(open_ended(other, undefined=False)))


def test_fragments_that_are_cut_elsewhere_and_pixels_that_are_longer_are_other_bytes() -> None:
    cut = (*HEAD, el("PixelData", Fragments((b"", b"abcd" * 10, b"abcd" * 10, b"efgh")), "OB"))
    assert same(FRAMED, said(cut), RLE) is False
    longer = (*HEAD, el("PixelData", bytes(range(256)) * 40 + b"\0\0", "OW"))
    assert same(PLAIN, said(longer)) is False


def test_what_cannot_be_followed_is_the_same_only_byte_for_byte() -> None:
    ours, theirs = open_ended(PLAIN), said(open_ended(PLAIN, undefined=False))
    assert same(ours, said(ours), DEFLATED) is True
    assert same(ours, theirs, DEFLATED) is False
    assert same(ours, theirs + b"\0") is not True
    assert same(ours, theirs[:40] + b"\xfe\xff\x0d\xe0" + theirs[44:]) is not True


def test_what_ends_early_behind_rewritten_lengths_may_be_a_break() -> None:
    ours, theirs = open_ended(PLAIN), said(open_ended(PLAIN, undefined=False))
    assert {same(ours, theirs[:at]) for at in range(1, len(theirs), 7)} == {None}


VALUES = st.binary(max_size=6).map(lambda data: data * 2)
LEAVES = st.builds(lambda tag, value: el(tag, value, "UN"), st.integers(0x00091001, 0x00091010), VALUES)


def _items(inner: st.SearchStrategy[tuple[Element, ...]]) -> st.SearchStrategy[Element]:
    made = st.lists(inner.map(lambda elements: item(*elements)), max_size=3).map(tuple)
    return st.builds(lambda tag, items: Element(tag, "SQ", items), st.integers(0x00091020, 0x00091023), made)


SETS = st.recursive(
    st.lists(LEAVES, max_size=3).map(lambda some: item(*some).elements),
    lambda inner: st.lists(st.one_of(LEAVES, _items(inner)), max_size=3).map(lambda some: item(*some).elements),
    max_leaves=12,
)


@given(SETS, SETS, st.integers(1, 50))
def test_two_data_sets_are_the_same_exactly_if_their_elements_are(
    one: tuple[Element, ...], two: tuple[Element, ...], step: int
) -> None:
    uid = (el("SOPInstanceUID", "2.25.1"),)
    ours, theirs = open_ended((*uid, *one)), open_ended((*uid, *two), undefined=False)
    assert same(ours, said(open_ended((*uid, *one), undefined=False)), step=step) is True
    assert (same(ours, said(theirs), step=step) is True) == (one == two)
