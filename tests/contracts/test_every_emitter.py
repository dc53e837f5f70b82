"""What every emitter does: all pieces in order, ranges from the source, the count of bytes, and one clear failure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stowgate.dicom import emit
from stowgate.dicom.emit import Emitter, FileEmitter, MemoryEmitter
from stowgate.dicom.source import ByteSource, FileSource, MemorySource
from stowgate.errors import Rejected, Temporary
from stowgate.objects import Piece, Range
from stowgate.store import sealed_header
from stowgate.store.sealed import SealedWriter, open_sealed
from stowgate.store.sealed_header import Kind
from stowgate.store.spool import Facts
from stowgate.vault.epochs import Epoch

DATA = bytes(range(256)) * 300


@dataclass(frozen=True)
class Output:
    """An emitter under test and how to read back what it wrote."""

    emitter: Emitter
    written: Callable[[], bytes]


def _file(folder: Path) -> Output:
    path = folder / "written"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    return Output(FileEmitter(descriptor), path.read_bytes)


def _memory(_: Path) -> Output:
    emitter = MemoryEmitter()
    return Output(emitter, lambda: bytes(emitter.data))


def _sealed(folder: Path) -> Output:
    path, epoch = folder / "sealed", Epoch(bytes(16), bytes(32))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    writer = SealedWriter(descriptor, sealed_header.make(Kind.CLEAN, "0" * 32, epoch, Facts("")))

    def written() -> bytes:
        writer.finish()
        os.close(descriptor)
        with open_sealed(path, Kind.CLEAN, "0" * 32, lambda _: epoch.key) as source:
            return source.read(0, source.size)

    return Output(writer, written)


MEMBERS: dict[str, Callable[[Path], Output]] = {"file": _file, "memory": _memory, "sealed": _sealed}
"""Every emitter: how it is made. A new one is one line here."""

SOURCES: dict[str, Callable[[Path], ByteSource]] = {
    "from a file": FileSource,
    "from memory": lambda path: MemorySource(path.read_bytes()),
}


@pytest.fixture(params=sorted(MEMBERS))
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Output]:
    return lambda: MEMBERS[request.param](tmp_path)


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ByteSource]:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    made = SOURCES[request.param](path)
    yield made
    made.close()


def plain(pieces: Sequence[Piece]) -> bytes:
    return b"".join(
        DATA[piece.offset : piece.offset + piece.length] if isinstance(piece, Range) else bytes(piece)
        for piece in pieces
    )


RANGES = st.builds(
    lambda ends: Range(min(ends), abs(ends[0] - ends[1])),
    st.tuples(st.integers(0, len(DATA)), st.integers(0, len(DATA))),
)
PIECES = st.lists(st.one_of(st.binary(max_size=40), st.binary(max_size=40).map(memoryview), RANGES), max_size=12)


class TestEveryEmitter:
    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(pieces=PIECES)
    def test_writes_all_pieces_in_order_and_counts_them(
        self, make: Callable[[], Output], source: ByteSource, pieces: list[Piece]
    ) -> None:
        output = make()
        assert output.emitter.emit(pieces, source) == len(plain(pieces))
        assert output.written() == plain(pieces)

    def test_writes_nothing_for_no_pieces(self, make: Callable[[], Output], source: ByteSource) -> None:
        output = make()
        assert output.emitter.emit([], source) == 0
        assert output.written() == b""

    def test_takes_thousands_of_small_pieces(self, make: Callable[[], Output], source: ByteSource) -> None:
        pieces = [b"%05d" % number for number in range(5000)]
        output = make()
        assert output.emitter.emit(iter(pieces), source) == 25_000
        assert output.written() == b"".join(pieces)

    def test_goes_on_behind_what_it_wrote_before(self, make: Callable[[], Output], source: ByteSource) -> None:
        output = make()
        output.emitter.emit([b"one"], source)
        assert output.emitter.emit([Range(0, 4), b"two"], source) == 7
        assert output.written() == b"one" + DATA[:4] + b"two"

    def test_copies_a_range_larger_than_a_chunk(
        self, make: Callable[[], Output], source: ByteSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(emit, "CHUNK", 1000)
        output = make()
        assert output.emitter.emit([Range(3, 70_001)], source) == 70_001
        assert output.written() == DATA[3:70_004]

    def test_says_that_the_source_changed_when_it_ends_before_the_range(
        self, make: Callable[[], Output], source: ByteSource
    ) -> None:
        with pytest.raises(Rejected) as stop:
            make().emitter.emit([b"header", Range(len(DATA) - 10, 11)], source)
        assert stop.value.code == "source_changed"

    def test_passes_on_that_the_source_cannot_be_read(self, make: Callable[[], Output]) -> None:
        class Broken(MemorySource):
            def read(self, offset: int, length: int) -> bytes:
                raise Rejected("unreadable", f"{offset} {length}")

        with pytest.raises(Rejected):
            make().emitter.emit([Range(0, 4)], Broken(DATA))


class TestFileEmitter:
    """What only a file does."""

    @pytest.mark.parametrize(("number", "code"), [(28, "disk_full"), (122, "disk_full"), (5, "cannot_write")])
    def test_says_why_the_place_to_write_to_fails(
        self, number: int, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object) -> int:
            raise OSError(number, "/a/secret/path")

        for pieces in ([b"bytes"], [Range(0, 9)]):
            with monkeypatch.context() as patch, FileSource(Path(__file__)) as source:
                output = _file(tmp_path)
                patch.setattr(os, "writev", fails)
                patch.setattr(os, "sendfile", fails)
                with pytest.raises(Temporary) as stop:
                    output.emitter.emit(pieces, source)
            assert stop.value.code == code
            assert "secret" not in str(stop.value)

    def test_copies_by_hand_where_the_kernel_will_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """And so it is known whether the source or the place to write to has failed."""

        def fails(*_: object) -> int:
            raise OSError(22, "")

        (tmp_path / "source").write_bytes(DATA)
        output = _file(tmp_path)
        monkeypatch.setattr(os, "sendfile", fails)
        with FileSource(tmp_path / "source") as source:
            assert output.emitter.emit([b"head", Range(3, 70_000)], source) == 70_004
            assert output.written() == b"head" + DATA[3:70_003]
            monkeypatch.setattr(os, "pread", fails)
            with pytest.raises(Rejected) as stop:
                output.emitter.emit([Range(0, 9)], source)
        assert stop.value.code == "unreadable"

    def test_writes_on_after_a_short_write(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        writev, write, sendfile = os.writev, os.write, os.sendfile
        monkeypatch.setattr(os, "writev", lambda fd, pieces: writev(fd, [b"".join(pieces)[:3]]))
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:5]))
        monkeypatch.setattr(os, "sendfile", lambda to, of, at, count: sendfile(to, of, at, min(count, 11)))
        source_path = tmp_path / "source"
        source_path.write_bytes(DATA[:100])
        output = _file(tmp_path)
        with FileSource(source_path) as source:
            assert output.emitter.emit([b"0123", b"456789", b"abcdef", Range(0, 100), b"tail"], source) == 120
        assert output.written() == b"0123456789abcdef" + DATA[:100] + b"tail"

    def test_a_full_device_is_a_full_disk(self) -> None:
        descriptor = os.open("/dev/full", os.O_WRONLY)
        try:
            with pytest.raises(Temporary) as stop:
                FileEmitter(descriptor).emit([b"bytes"], MemorySource(b""))
        finally:
            os.close(descriptor)
        assert stop.value.code == "disk_full"
