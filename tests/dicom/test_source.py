"""What only one kind of byte source does: links, pipes, folders, short reads and disks that fail."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from stowgate.dicom.source import DescriptorSource, FileSource, MemorySource
from stowgate.errors import Rejected


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"bytes")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(Rejected, match="could not be read") as stop:
        FileSource(tmp_path / "link")
    assert stop.value.code == "unreadable"


def test_a_missing_file_and_a_socket_are_unreadable_and_no_path_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for name in ("missing", "socket"):
            with pytest.raises(Rejected) as stop:
                FileSource(tmp_path / name)
            assert (stop.value.code, stop.value.place) == ("unreadable", "")
            assert str(tmp_path) not in str(stop.value)


def test_a_pipe_nobody_writes_to_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with FileSource(tmp_path / "pipe") as source:
        assert source.size == 0


def test_a_folder_is_unreadable(tmp_path: Path) -> None:
    with FileSource(tmp_path) as source, pytest.raises(Rejected) as stop:
        source.read(0, 1)
    assert stop.value.code == "unreadable"


def test_the_owner_of_a_descriptor_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123")
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    try:
        with DescriptorSource(descriptor) as source:
            assert source.read(0, 9) == b"0123"
        assert os.pread(descriptor, 4, 0) == b"0123"
    finally:
        os.close(descriptor)


def test_a_file_gives_its_descriptor_back_when_the_block_ends(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123")
    with FileSource(tmp_path / "file") as source:
        descriptor = source.fileno()
    assert descriptor is not None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_reading_does_not_move_the_position_of_the_descriptor(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with FileSource(tmp_path / "file") as source:
        descriptor = source.fileno()
        assert descriptor is not None
        source.read(4, 3)
        source.read_into(2, memoryview(bytearray(5)))
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0


def test_short_reads_are_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(bytes(range(100)))
    pread, preadv = os.pread, os.preadv
    monkeypatch.setattr(os, "pread", lambda fd, length, at: pread(fd, min(length, 7), at))
    monkeypatch.setattr(os, "preadv", lambda fd, buffers, at: preadv(fd, [buffers[0][:7]], at))
    with FileSource(tmp_path / "file") as source:
        assert source.read(10, 80) == bytes(range(10, 90))
        assert source.read(90, 80) == bytes(range(90, 100))
        buffer = bytearray(120)
        assert source.read_into(0, memoryview(buffer)) == 100
        assert buffer == bytes(range(100)) + bytes(20)


def test_a_disk_that_fails_makes_the_object_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> int:
        raise OSError(errno.EIO, "secret path")

    (tmp_path / "file").write_bytes(b"0123")
    with FileSource(tmp_path / "file") as source:
        monkeypatch.setattr(os, "pread", fails)
        monkeypatch.setattr(os, "preadv", fails)
        for read in (lambda: source.read(0, 4), lambda: source.read_into(0, memoryview(bytearray(4)))):
            with pytest.raises(Rejected) as stop:
                read()
            assert stop.value.code == "unreadable"
            assert stop.value.__cause__ is None
            assert "secret" not in str(stop.value)


def test_memory_is_not_copied() -> None:
    data = bytearray(b"0123")
    source = MemorySource(data)
    data[0:1] = b"9"
    assert source.read(0, 4) == b"9123"
