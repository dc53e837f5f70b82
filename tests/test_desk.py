"""A desk takes every object through, with a witness beside it or without, and both end alike."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from stowgate import desk as desks
from stowgate.desk import Desk
from stowgate.dicom.scanner import BUFFER
from stowgate.errors import Temporary
from stowgate.lifecycle import State
from stowgate.objects import Raw
from stowgate.policy import Policy
from stowgate.store.shelf import ScratchShelf
from stowgate.verify.witness import Witness
from stowgate.way import Begun, Passed, Way
from tests.builder import BIG_ENDIAN, Element, small

KEY = bytes(range(32))


@pytest.fixture
def way(tmp_path: Path) -> Way:
    return Way(Policy(), KEY, ScratchShelf(), tmp_path)


def inputs(folder: Path) -> list[tuple[int, Raw]]:
    """Twenty objects: most plain, some odd, damaged, missing."""
    jobs = []
    for number in range(20):
        path = folder / str(number)
        data = small(syntax=BIG_ENDIAN) if number == 3 else small()
        if number != 7:
            path.write_bytes(data[:200] if number == 5 else data)
        jobs.append((number, Raw(f"{number}", str(path))))
    return jobs


def ready(desk: Desk) -> Witness:
    """Call the witness and wait until it listens."""
    list(desk.take([], 1000))
    assert desk._witness
    started = time.monotonic()
    while not desk._witness.is_ready():
        assert time.monotonic() - started < 30
        time.sleep(0.01)
    return desk._witness


def plain(passed: Passed) -> tuple[State, str | None, str, dict[str, int]]:
    return passed.item.state, passed.item.code, passed.item.study or "", passed.counts


def test_with_a_witness_and_without_all_end_alike(way: Way, tmp_path: Path) -> None:
    alone, beside = Desk(way), Desk(way)
    ready(beside)
    jobs = inputs(tmp_path)
    first = {job: plain(passed) for job, passed in alone.take(jobs, 1)}
    second = {job: plain(passed) for job, passed in beside.take(jobs, 1)}
    assert first == second
    assert set(first) == set(range(20))
    assert {first[5][1], first[7][1]} == {"truncated", "unreadable"}
    beside.close()


def test_a_few_objects_are_not_worth_a_second_interpreter(way: Way, tmp_path: Path) -> None:
    desk = Desk(way)
    assert len(list(desk.take(inputs(tmp_path), 20))) == 20
    assert desk._witness is None


def test_what_the_witness_stops_is_gone_from_the_shelf(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody changes the written object before the witness reads it."""
    honest = desks.set_down

    def sabotaged(*arguments: object) -> object:
        done = honest(*arguments)  # type: ignore[arg-type]
        if not isinstance(done, Passed):
            with Path(done.claim.written).open("r+b") as file:
                file.write(b"preamble")
        return done

    monkeypatch.setattr(desks, "set_down", sabotaged)
    desk = Desk(way)
    ready(desk)
    ((_, passed),) = desk.take(inputs(tmp_path)[:1], 1)
    desk.close()
    assert (passed.item.state, passed.item.code, passed.ref) == (State.QUARANTINED, "gate_preamble", None)
    folder = Path(way.shelf._aside.name)  # type: ignore[attr-defined]
    assert not any(folder.iterdir())


def test_a_witness_that_dies_loses_nothing(way: Way, tmp_path: Path) -> None:
    desk = Desk(way)
    process = ready(desk).process
    jobs = [job for job in inputs(tmp_path) if job[0] not in (3, 5, 7)]
    ended = []
    for number, found in enumerate(desk.take(jobs, 1)):
        if number == 0:
            os.kill(process, 9)
        ended.append(found[1].item.state)
    assert ended == [State.CLEANED] * len(jobs)
    desk.close()


@pytest.mark.parametrize("broken_off", ["raised", "left"])
def test_after_a_round_was_cut_short_no_object_gets_the_verdict_on_another(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_off: str
) -> None:
    jobs = [(number, Raw(f"{number}", str(tmp_path / f"{number}"))) for number in range(32)]
    for _, raw in jobs:
        Path(raw.path).write_bytes(small())
    honest = desks.set_down

    def failing(begun: Begun, way: Way) -> object:
        if begun.raw.id == "18":
            raise Temporary("disk_full")
        return honest(begun, way)

    monkeypatch.setattr(desks, "set_down", failing)
    desk = Desk(way)
    ready(desk)
    first = desk.take(jobs[:24], 1)
    if broken_off == "raised":
        with pytest.raises(Temporary):
            list(first)
    else:
        next(first)
        first.close()  # type: ignore[attr-defined]
    ready(desk)
    told = [(job, passed.item.id, passed.ref) for job, passed in desk.take(jobs[24:], 1)]
    desk.close()
    assert [(job, id) for job, id, _ in told] == [(number, f"{number}") for number in range(24, 32)]
    lie_at = {ref.path for _, _, ref in told if ref}
    assert len(lie_at) == 8
    folder = Path(way.shelf._aside.name)  # type: ignore[attr-defined]
    assert lie_at == {f"{folder}/{name}" for name in sorted(int(p.name) for p in folder.iterdir())[-8:]}


def test_no_original_stays_open_when_a_round_breaks_off(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_begun: Begun, _way: Way) -> object:
        raise Temporary("disk_full")

    monkeypatch.setattr(desks, "set_down", failing)
    desk = Desk(way)
    ready(desk)
    with pytest.raises(Temporary):
        list(desk.take([job for job in inputs(tmp_path) if job[0] not in (3, 5, 7)], 1))
    open_ = [os.path.realpath(number) for number in Path("/proc/self/fd").iterdir()]
    assert not [name for name in open_ if name.startswith(str(tmp_path))]


def test_headers_of_hostile_length_are_not_in_memory_at_the_same_time(way: Way, tmp_path: Path) -> None:
    long = Element(0x00181400, "UT", b"x" * (2 * BUFFER))
    jobs = []
    for number in range(8):
        path = tmp_path / f"{number}"
        path.write_bytes(small(long))
        jobs.append((number, Raw(f"{number}", str(path))))
    desk = Desk(way)
    ready(desk)
    assert [passed.item.state for _, passed in desk.take(jobs, 1)] == [State.CLEANED] * 8
    assert all(len(buffer.data) <= BUFFER for buffer in desk._buffers)
    desk.close()
