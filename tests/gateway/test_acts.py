"""What a person does to items: whatever goes on beside it, a file that was told of as written is whole."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from stowgate.errors import Misconfigured
from stowgate.gateway.acts import Hands, export_originals
from stowgate.observe.audit import AuditLog
from stowgate.store.sealed import SealedSource
from tests.builder import el, small
from tests.gateway.parts import KEY, Parts, flip, raw_file


def test_two_who_export_the_same_at_once_do_not_write_into_one_file(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small()
    id = parts.accept(data)
    hands = Hands(parts.ledger, parts.spool.raw, parts.spool.clean, AuditLog(parts.spool.folder, KEY.sub(b"audit")))
    read, replace, begun, over = SealedSource.read, os.replace, threading.Event(), threading.Event()
    failed: list[str] = []

    def fails_late(source: SealedSource, offset: int, length: int) -> bytes:
        if threading.current_thread().name != "second":
            return read(source, offset, length)
        begun.set()
        over.wait(10)
        raise OSError

    def second() -> None:
        try:
            export_originals(hands, [id], tmp_path / "out", "other")
        except Misconfigured as error:
            failed.append(error.code)

    thread = threading.Thread(target=second, name="second")

    def replaces_late(part: Path, place: Path) -> None:
        thread.start()
        assert begun.wait(5)
        replace(part, place)

    monkeypatch.setattr(SealedSource, "read", fails_late)
    monkeypatch.setattr(os, "replace", replaces_late)
    assert export_originals(hands, [id], tmp_path / "out", "one").ids == (id,)
    over.set()
    thread.join()
    assert failed == ["output_unwritable"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{id}.dcm"]
    assert (tmp_path / "out" / f"{id}.dcm").read_bytes() == data


def test_what_is_found_damaged_while_it_is_exported_leaves_nothing_of_a_patient(parts: Parts, tmp_path: Path) -> None:
    id = parts.accept(small(el("PixelData", bytes(3 << 20), "OW")))
    flip(raw_file(parts, id), 2 << 20)
    hands = Hands(parts.ledger, parts.spool.raw, parts.spool.clean, AuditLog(parts.spool.folder, KEY.sub(b"audit")))
    assert export_originals(hands, [id], tmp_path / "out", "one").left == (id,)
    assert list((tmp_path / "out").iterdir()) == []
