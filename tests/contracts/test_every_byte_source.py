"""What every byte source does: the same bytes from any place, any number of times, and never past the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stowgate.dicom.source import ByteSource, DescriptorSource, FileSource, MemorySource
from stowgate.store import sealed, sealed_header
from stowgate.store.sealed import SealedWriter, open_sealed
from stowgate.store.sealed_header import Kind, make
from stowgate.store.spool import Facts
from stowgate.vault.epochs import Epoch

DATA = bytes(range(256)) * 40 + b"the end"


class _OwnedDescriptor(DescriptorSource):
    """A descriptor source whose owner, the test, closes the descriptor with it."""

    def __init__(self, path: Path) -> None:
        self.owned = os.open(path, os.O_RDONLY)
        super().__init__(self.owned)

    def __del__(self) -> None:
        os.close(self.owned)


def _sealed(path: Path) -> ByteSource:
    """The file's bytes, encrypted; 256 plain bytes to a chunk, so that reads cross their borders."""
    epoch, file = Epoch(bytes(16), bytes(32)), path.with_name("sealed")
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    writer = SealedWriter(descriptor, make(Kind.RAW, "0" * 32, epoch, Facts("ct")))
    writer.write(path.read_bytes())
    writer.finish()
    os.close(descriptor)
    return open_sealed(file, Kind.RAW, "0" * 32, lambda _: epoch.key)


MEMBERS: dict[str, Callable[[Path], ByteSource]] = {
    "sealed": _sealed,
    "file": FileSource,
    "descriptor": _OwnedDescriptor,
    "memory": lambda path: MemorySource(path.read_bytes()),
    "memory over a bytearray": lambda path: MemorySource(bytearray(path.read_bytes())),
}
"""Every byte source: how it is made from a file. A new one is one line here."""


@pytest.fixture(params=sorted(MEMBERS))
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ByteSource]:
    for module in (sealed, sealed_header):
        monkeypatch.setattr(module, "CHUNK", 256)
    path = tmp_path / "object"
    path.write_bytes(DATA)
    made = MEMBERS[request.param](path)
    yield made
    made.close()


class TestEveryByteSource:
    def test_knows_its_length(self, source: ByteSource) -> None:
        assert source.size == len(DATA)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(offset=st.integers(0, len(DATA) + 300), length=st.integers(0, len(DATA) + 300))
    def test_reads_what_lies_there_in_any_order(self, source: ByteSource, offset: int, length: int) -> None:
        assert source.read(offset, length) == DATA[offset : offset + length]

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(offset=st.integers(0, len(DATA) + 300), length=st.integers(0, len(DATA) + 300))
    def test_fills_a_buffer_and_touches_nothing_behind_what_it_read(
        self, source: ByteSource, offset: int, length: int
    ) -> None:
        buffer = bytearray(b"\xaa" * length)
        expected = DATA[offset : offset + length]
        assert source.read_into(offset, memoryview(buffer)) == len(expected)
        assert buffer == expected + b"\xaa" * (length - len(expected))

    def test_reads_into_a_part_of_a_buffer(self, source: ByteSource) -> None:
        buffer = bytearray(30)
        assert source.read_into(5, memoryview(buffer)[10:20]) == 10
        assert buffer == bytes(10) + DATA[5:15] + bytes(10)

    def test_gives_bytes_that_are_its_readers_own(self, source: ByteSource) -> None:
        assert type(source.read(0, 4)) is bytes

    def test_names_a_descriptor_of_exactly_these_bytes_or_none(self, source: ByteSource) -> None:
        descriptor = source.fileno()
        if descriptor is not None:
            assert os.fstat(descriptor).st_size == source.size
            assert os.pread(descriptor, len(DATA), 0) == DATA

    def test_can_be_closed_twice(self, source: ByteSource) -> None:
        source.close()
        source.close()
