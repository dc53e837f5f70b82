"""The reader of multipart bodies: the same parts whatever the chunks, strict, and never more than asked for."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.errors import Rejected
from stowgate.ingest.multipart import Body, Bounds, End, Head, Splitter, boundary_of, media_type
from stowgate.ingest.source import BrokenOff

DEFAULT = Bounds()
Parts = list[tuple[dict[str, str], bytes]]


def parts_of(chunks: Iterable[bytes], boundary: bytes = b"b", bounds: Bounds = DEFAULT, read: int = 1000) -> Parts:
    """All parts, pulled."""
    waiting = iter(chunks)
    body = Body(lambda: next(waiting, b""), Splitter(boundary, bounds))
    found = []
    for part in body.parts():
        data = b""
        while piece := part.read(read):
            assert len(piece) <= read
            data += piece
        found.append((dict(part.fields), data))
    return found


def refused(data: bytes, bounds: Bounds = DEFAULT, boundary: bytes = b"b") -> str:
    """The code that a body is refused with, in one piece and in single bytes alike."""
    codes = set()
    for chunks in ([data], [data[at : at + 1] for at in range(len(data))]):
        splitter = Splitter(boundary, bounds)
        waiting = iter(chunks)
        body = Body(lambda waiting=waiting: next(waiting, b""), splitter)  # type: ignore[misc]
        with pytest.raises(Rejected) as told:
            for _ in body.parts():
                pass
        codes.add(told.value.code)
    (code,) = codes
    return code


def written(parts: Parts, boundary: bytes = b"b", padding: bytes = b"") -> bytes:
    pieces = []
    for fields, data in parts:
        head = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in fields.items())
        pieces.append(b"--" + boundary + padding + b"\r\n" + head + b"\r\n" + data + b"\r\n")
    return b"".join(pieces) + b"--" + boundary + b"--\r\n"


BOUNDARIES = st.text("0aZ'()+_,-./:=?", min_size=1, max_size=200)
NEAR = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n", b"\r\n-", b"\r\n--", b"\0", b"x"]), max_size=30)


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from(["a", "b-c"]), st.text("xyz=/ ", max_size=9)), NEAR), max_size=5
    ),
    BOUNDARIES,
    st.lists(st.integers(1, 90), max_size=60),
    st.integers(1, 50),
)
def test_any_chunks_give_the_same_parts(
    drawn: list[tuple[dict[str, str], list[bytes]]], boundary: str, cuts: list[int], read: int
) -> None:
    name = boundary.encode()
    parts = [
        ({key: value.strip() for key, value in fields.items()}, b"".join(data).replace(b"--" + name, b"!"))
        for fields, data in drawn
    ]
    body = written(parts, name)
    chunks, at = [], 0
    for length in cuts:
        chunks.append(body[at : at + length])
        at += length
    chunks.append(body[at:])
    assert parts_of([chunk for chunk in chunks if chunk], name, read=read) == parts


def test_a_part_is_handed_on_while_it_comes_and_never_held() -> None:
    chunk = bytes(65536)
    splitter = Splitter(b"b")
    list(splitter.feed(b"--b\r\n\r\n"))
    tracemalloc.start()
    passed = sum(len(found) for _ in range(1600) for found in splitter.feed(chunk) if isinstance(found, bytes))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert passed > 100_000_000
    assert peak < 1 << 20


def test_what_looks_like_a_boundary_but_is_none_belongs_to_the_part() -> None:
    data = b"x--b\r\n--\n--b\r--b--\r\r\n-b\r\n--B"
    assert parts_of([written([({}, data)])]) == [({}, data)]


def test_a_part_may_have_no_bytes_no_fields_or_neither() -> None:
    assert parts_of([b"--b\r\n\r\n--b\r\nA: x\r\n\r\n--b\r\n\r\nx\r\n--b--"]) == [
        ({}, b""),
        ({"a": "x"}, b""),
        ({}, b"x"),
    ]


def test_text_before_and_after_the_parts_and_padding_mean_nothing() -> None:
    assert parts_of([b"hello\r\n" + written([({}, b"x")], padding=b" \t") + b"bye"]) == [({}, b"x")]


def test_a_body_without_parts_is_empty() -> None:
    assert parts_of([b"--b--"]) == []


WHOLE = b"--b\r\nContent-Type: application/dicom\r\n\r\ndata\r\n--b--\r\n"


@pytest.mark.parametrize("length", range(len(WHOLE) - 2))
def test_a_body_that_ends_early_is_refused_wherever_it_ends(length: int) -> None:
    assert refused(WHOLE[:length]) == "upload_syntax"


@pytest.mark.parametrize(
    "head",
    [
        b"A: x\r\n folded", b"A: x\r\n\tfolded", b" A: x", b"A: x\r\na: y", b"A : x", b"A", b": x", b"A: x\0y",
        b"A: x\ry", b"A: x\ny", b"A: x\x7f", b"A: \x1b[2J", b"A\0: x", b"A: x\r\n\rB: y", b"\xff: x", b"A(: x",
        b"Content-Type: application/dicom\r\nContent-Type: text/plain",
    ],
)  # fmt: skip
def test_header_fields_that_readers_differ_about_are_refused(head: bytes) -> None:
    assert refused(b"--b\r\n" + head + b"\r\n\r\ndata\r\n--b--\r\n") == "upload_syntax"


@pytest.mark.parametrize(
    "body",
    [
        b"--b\n\ndata\n--b--\n",
        b"--bb\r\n\r\ndata\r\n--bb--\r\n",
        b"--b\r\r\n\r\ndata\r\n--b--",
        b"--b-\r\n\r\ndata\r\n--b--",
        b"--b" + b" " * 70 + b"\r\n\r\ndata\r\n--b--",
        b"no boundary at all",
        b"x" * 9000 + b"\r\n--b\r\n\r\n\r\n--b--",
        b"--b--\r\n" + b"x" * 9000,
        b"",
    ],
)
def test_other_delimiters_than_the_standards_are_refused(body: bytes) -> None:
    assert refused(body) == "upload_syntax"


def test_each_bound_holds_to_the_byte() -> None:
    body = written([({}, b"x" * 10)] * 3)
    parts_of([body], bounds=Bounds(body=len(body), part=10, parts=3))
    for bounds in (Bounds(body=len(body) - 1), Bounds(part=9), Bounds(parts=2)):
        assert refused(body, bounds) == "upload_too_large"
    assert refused(b"--b\r\nA: " + b"x" * 8192 + b"\r\n\r\n\r\n--b--") == "upload_too_large"


def test_a_header_without_end_is_refused_at_the_bound() -> None:
    endless = itertools.chain([b"--b\r\n"], itertools.repeat(b"A: x\r\n"))
    with pytest.raises(Rejected):
        parts_of(endless)


def test_a_million_parts_are_refused_at_the_bound_and_not_counted_to_the_end() -> None:
    chunks = iter([b"--b\r\n\r\n\r\n" * 1000] * 1000)
    with pytest.raises(Rejected) as told:
        parts_of(chunks)
    assert told.value.code == "upload_too_large"
    assert len(list(chunks)) >= 989


def test_who_reads_a_part_is_told_that_it_broke_off_and_the_body_knows_why() -> None:
    chunks = iter([b"--b\r\n\r\ndata\r\n--bx"])
    body = Body(lambda: next(chunks, b""), Splitter(b"b"))
    part = next(body.parts())
    assert part.read(100) == b"data"
    with pytest.raises(BrokenOff):
        part.read(100)
    assert body.fault is not None and body.fault.code == "upload_syntax"


def test_events_are_whole_however_they_come() -> None:
    found = list(Splitter(b"b").feed(WHOLE))
    assert [type(one) for one in found] == [Head, bytes, End]
    assert "application" not in repr(found[0])


def test_a_media_type_is_read_as_the_standard_writes_it() -> None:
    assert media_type("text/plain") == ("text/plain", {})
    written_type = 'Multipart/Related; TYPE="application/dicom" ;boundary="a b"; start="<\\"x>"'
    parameters = {"type": "application/dicom", "boundary": "a b", "start": '<"x>'}
    assert media_type(written_type) == ("multipart/related", parameters)


@pytest.mark.parametrize(
    "text",
    ["", "text", "text/", "/plain", "a/b; c", "a/b; c=", 'a/b; c="d', "a/b; c=d; C=e", "a/b c=d", "a/b; c=d e", "a/b;",
     'a/b; c="\x00"', "a/b\r\nX: y", 'a/b; c="d"e'],
)  # fmt: skip
def test_a_media_type_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        media_type(text)


@pytest.mark.parametrize("boundary", ["", "x" * 201, "ends ", "a\tb", "a;b", "ü", 'a"b', "a\r\nb"])
def test_a_boundary_the_standard_does_not_know_is_refused(boundary: str) -> None:
    with pytest.raises(Rejected):
        boundary_of({"boundary": boundary})
    with pytest.raises(Rejected):
        boundary_of({})
