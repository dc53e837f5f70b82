"""A worker's thread and the process beside it make the same of every object, and what kills one kills nothing else."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from stowgate.child import Child
from stowgate.errors import Temporary
from stowgate.gateway import hand
from stowgate.gateway.hand import Job
from stowgate.gateway.hands import WORTH_A_PROCESS, Beside, Hands
from stowgate.gateway.workers import Workers
from stowgate.lifecycle import State
from stowgate.objects import Raw
from stowgate.store.lent_shelf import LentShelf
from stowgate.store.loan import loan_from
from stowgate.way import Passed
from tests.builder import BIG_ENDIAN, US, el, instance, part10, small
from tests.gateway import deadly_hand
from tests.gateway.parts import POLICY, Parts, expected, flip, raw_file
from tests.ingest.dimse import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture
def called(parts: Parts) -> Iterator[Hands]:
    """Hands with a process that listens."""
    with closing(call(parts)) as hands:
        yield hands


def call(parts: Parts) -> Hands:
    hands = Hands(parts.ways, parts.spool)
    beside = beside_of(hands)
    beside.is_there(call=True)
    assert beside._child
    assert beside._child.wait_until_ready()
    return hands


def beside_of(hands: Hands) -> Beside:
    assert hands._beside
    return hands._beside


def raws(*ids: str) -> list[Job]:
    return [Job(Raw(id, "")) for id in ids]


def ends(passed: Passed) -> tuple[Any, ...]:
    ref = passed.ref
    clean = (ref.size, ref.names, ref.sop_class, ref.transfer_syntax, ref.policy) if ref else None
    return (passed.item, passed.place, clean)


def no_parts(parts: Parts) -> bool:
    return not [name for name in parts.files if name.startswith("parts")]


def test_a_process_and_a_thread_end_every_object_alike(parts: Parts, called: Hands) -> None:
    ids = [
        parts.accept(one)
        for one in (
            small(uid="1.2.1"), small(uid="1.2.2"), part10(instance(), BIG_ENDIAN), small(sop_class=US, modality="US"),
            small(el("PixelData", bytes(6), "OW"), uid="1.2.3"),
        )
    ]  # fmt: skip
    flip(raw_file(parts, ids[1]))
    there = list(called.take(raws(*ids), 0))
    here = list(Hands(parts.ways).take(raws(*ids), 0))
    assert [ends(one) for one in there] == [ends(one) for one in here]
    assert {one.item.state for one in there} == {State.CLEANED, State.QUARANTINED, State.HELD}
    for one, other in zip(there, here, strict=True):
        if one.ref and other.ref:
            mine, theirs = (parts.spool.clean.keep(passed.ref.path) for passed in (one, other) if passed.ref)
            assert (mine.size, mine.digest) == (theirs.size, theirs.digest)
    assert no_parts(parts)


def test_what_a_process_wrote_is_what_the_engine_makes(parts: Parts, called: Hands) -> None:
    data = small()
    (passed,) = called.take(raws(parts.accept(data)), 0)
    assert passed.ref
    kept = parts.spool.clean.keep(passed.ref.path)
    with parts.spool.clean.open(kept.id) as source:
        assert source.read(0, source.size) == expected(data)


def test_only_much_to_do_calls_a_process_and_until_it_listens_the_thread_works(parts: Parts) -> None:
    ids = [parts.accept(small(uid=f"1.2.{n}")) for n in range(2)]
    with closing(Hands(parts.ways, parts.spool)) as hands:
        assert len(list(hands.take(raws(ids[0]), WORTH_A_PROCESS - 2))) == 1
        assert not beside_of(hands).process
        assert len(list(hands.take(raws(ids[1]), WORTH_A_PROCESS - 2))) == 1, "two were done"
        assert beside_of(hands).process


def test_a_process_is_told_no_key_but_the_projects_and_the_objects(parts: Parts) -> None:
    id = parts.accept(small())
    lent = parts.spool.raw.loan(id)
    sheet = parts.spool.clean.lend()
    told = repr((hand.beginning(parts.ways), hand.request(Job(Raw(id, "")), lent, sheet.part.loan)))
    for epoch in parts.spool.epochs.ids():
        assert parts.spool.epochs.key(epoch).hex() not in told
    assert parts.way.key.hex() in told
    parts.spool.clean.drop(sheet.place)


def test_nothing_it_is_told_is_on_its_command_line(called: Hands, parts: Parts) -> None:
    command = Path(f"/proc/{beside_of(called).process}/cmdline").read_bytes()
    assert parts.way.key.hex().encode() not in command
    assert b"stowgate.gateway.hand" in command


def test_no_variable_that_may_hold_a_key_is_handed_on(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand, "__name__", deadly_hand.__name__)  # which may be looked at
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("UNIT_KEY", "the-key-of-the-spool")
    with closing(call(parts)) as hands:
        assert b"the-key-of-the-spool" not in Path(f"/proc/{beside_of(hands).process}/environ").read_bytes()


def test_no_image_of_a_process_is_left_when_it_dies() -> None:
    """An object and its keys are in it, and a codec may kill it."""
    script = """
import ctypes, resource, runpy, stowgate.child
said = lambda _: print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
stowgate.child.serve = said
runpy.run_module("stowgate.gateway.hand", run_name="__main__")
"""
    line, environment = [sys.executable, "-c", script], os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "0 (0, 0)\n"  # prctl(2): PR_GET_DUMPABLE


def test_a_descriptor_above_a_thousand_is_as_good_as_any(parts: Parts) -> None:
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1030)]
    try:
        with closing(call(parts)) as hands:
            assert [one.ref is not None for one in hands.take(raws(parts.accept(small())), 0)] == [True]
            assert beside_of(hands).process
    finally:
        for one in held:
            os.close(one)


def test_without_descriptors_there_is_no_process_and_none_stays_open(parts: Parts) -> None:
    id = parts.accept(small())
    limits, before = resource.getrlimit(resource.RLIMIT_NOFILE), len(list(Path("/proc/self/fd").iterdir()))
    held: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(3):  # enough for the thread, and for one pipe of the two
            os.close(held.pop())
        with closing(Hands(parts.ways, parts.spool)) as hands:
            assert [one.ref is not None for one in hands.take(raws(id), WORTH_A_PROCESS)] == [True]
            assert not beside_of(hands).process
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            eventually(lambda: beside_of(hands).is_there(call=True))  # it was a moment
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for one in held:
            os.close(one)
    parts.way.shelf.drop(next((parts.spool.folder / "parts").iterdir()))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_process_that_cannot_start_is_not_called_again_and_again(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand, "__name__", "stowgate.no_such_module")
    with closing(Hands(parts.ways, parts.spool)) as hands:
        beside = beside_of(hands)
        assert not beside.is_there(call=True)
        child = beside._child
        eventually(lambda: not beside.is_there(call=True) and not beside.process)
        assert not beside.is_there(call=True)
        assert beside._child is child
        assert [one.ref is not None for one in hands.take(raws(parts.accept(small())), WORTH_A_PROCESS)] == [True]


def test_an_object_that_kills_its_process_is_held_and_the_others_go_on(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand, "__name__", deadly_hand.__name__)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    poison = small(el("ImageComments", deadly_hand.POISON.decode()))
    ids = [parts.accept(one) for one in (small(uid="1.2.1"), poison, small(uid="1.2.2"), small(uid="1.2.3"))]
    with closing(call(parts)) as hands:
        ended = list(hands.take(raws(*ids), 0))
    assert [one.item.id for one in ended] == ids
    assert [(one.item.state, one.item.code) for one in ended] == [
        (State.CLEANED, None), (State.QUARANTINED, "third_start"), (State.CLEANED, None), (State.CLEANED, None),
    ]  # fmt: skip
    for one in ended:
        if one.ref:
            parts.spool.clean.keep(one.ref.path)
    assert no_parts(parts)


def each_is_itself(parts: Parts, data: Mapping[str, bytes], ended: list[Passed]) -> None:
    """Keep what is clean: it lies where it was written, and is what the engine makes of that very object."""
    kept = [(one, parts.spool.clean.keep(one.ref.path), Path(one.ref.path).stem) for one in ended if one.ref]
    for one, what, id in kept:
        assert what.id == id
        with parts.spool.clean.open(id) as source:
            assert source.read(0, source.size) == expected(data[one.item.id])


@pytest.mark.parametrize("place", [0, 1, 5])
def test_after_a_death_in_a_group_no_answer_is_taken_for_anothers(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.setattr(hand, "__name__", deadly_hand.__name__)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    objects = [small(uid=f"1.2.{n}") for n in range(7)]
    objects.insert(place, small(el("ImageComments", deadly_hand.POISON.decode())))
    data = {parts.accept(one): one for one in objects}
    with closing(call(parts)) as hands:
        ended = list(hands.take(raws(*data), 0))
    assert [one.item.id for one in ended] == list(data)
    assert [one.item.code for one in ended] == [None] * place + ["third_start"] + [None] * (7 - place)
    each_is_itself(parts, data, ended)
    assert no_parts(parts)


def test_after_a_death_between_two_groups_no_answer_is_taken_for_anothers(parts: Parts, called: Hands) -> None:
    data = {parts.accept(one): one for one in (small(uid=f"1.2.{n}") for n in range(8))}
    os.kill(beside_of(called).process, signal.SIGKILL)
    ended = list(called.take(raws(*data), 0))
    assert [one.item.id for one in ended] == list(data)
    assert all(one.ref for one in ended)
    each_is_itself(parts, data, ended)


def test_a_process_that_speaks_of_another_object_is_believed_nothing(
    parts: Parts, called: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, first = Child.answer, [True]

    def mixed_up(child: Child, *within: float) -> Any:
        said = answer(child, *within)
        return said | {hand.ID: "another"} if first and first.pop() else said

    monkeypatch.setattr(Child, "answer", mixed_up)
    before = beside_of(called).process
    data = {parts.accept(one): one for one in (small(uid=f"1.2.{n}") for n in range(4))}
    ended = list(called.take(raws(*data), 0))
    assert all(one.ref for one in ended)
    each_is_itself(parts, data, ended)
    assert beside_of(called).process not in (0, before)
    assert no_parts(parts)


def test_another_process_is_called_after_one_that_died_of_an_object(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand, "__name__", deadly_hand.__name__)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    poison = parts.accept(small(el("ImageComments", deadly_hand.POISON.decode())))
    with closing(call(parts)) as hands:
        assert [one.item.code for one in hands.take(raws(poison), 0)] == ["third_start"]
        assert not beside_of(hands).process
        assert not beside_of(hands).is_there(call=False)
        eventually(lambda: beside_of(hands).is_there(call=True))


def test_a_process_that_is_killed_between_two_groups_is_replaced(parts: Parts, called: Hands) -> None:
    ids = [parts.accept(small(uid=f"1.2.{n}")) for n in range(4)]
    before = beside_of(called).process
    assert all(one.ref for one in called.take(raws(*ids[:2]), 0))
    os.kill(before, signal.SIGKILL)
    assert all(one.ref for one in called.take(raws(*ids[2:]), 0))
    assert beside_of(called).process not in (0, before)


def test_where_no_process_can_be_had_the_thread_does_it(
    parts: Parts, called: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = parts.accept(small())
    os.kill(beside_of(called).process, signal.SIGKILL)
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert [one.ref is not None for one in called.take(raws(id), 0)] == [True]
    assert not beside_of(called).process
    assert [one.ref is not None for one in called.take(raws(id), 0)] == [True]


def test_whoever_stops_listening_leaves_nothing_behind_and_answers_are_not_mixed_up(
    parts: Parts, called: Hands
) -> None:
    ids = [parts.accept(small(uid=f"1.2.{n}")) for n in range(5)]
    taken = called.take(raws(*ids), 0)
    first = next(taken)
    taken.close()
    assert first.ref
    parts.spool.clean.drop(first.ref.path)
    assert no_parts(parts)
    assert [one.item.id for one in called.take(raws(*ids[3:]), 0)] == ids[3:]


def test_a_disk_that_fails_for_the_process_is_told_as_for_the_thread(parts: Parts, called: Hands) -> None:
    id = parts.accept(small())
    (parts.spool.folder / "parts").rename(parts.spool.folder / "gone")
    with pytest.raises(Temporary) as failed:
        list(called.take(raws(id), 0))
    assert failed.value.code == "spool_failed"
    (parts.spool.folder / "gone").rename(parts.spool.folder / "parts")
    assert [one.ref is not None for one in called.take(raws(id), 0)] == [True]


def test_what_is_written_under_a_key_is_written_once(parts: Parts) -> None:
    sheet = parts.spool.clean.lend()
    shelf = LentShelf(loan_from(sheet.part.loan.plain()))
    shelf.new()
    with pytest.raises(Temporary):
        shelf.new()
    assert shelf.is_worn
    shelf.close()
    parts.spool.clean.drop(sheet.place)
    assert no_parts(parts)


def test_an_object_that_a_process_cannot_do_with_what_it_has_is_done_in_the_thread(
    parts: Parts, called: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = parts.accept(small())
    monkeypatch.setattr(Child, "answer", lambda *_: {hand.ID: id, hand.AGAIN: ""})
    (passed,) = called.take(raws(id), 0)
    assert passed.ref


def test_a_process_outlives_an_interruption_and_ends_with_its_owner(called: Hands, parts: Parts) -> None:
    process = beside_of(called).process
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(process, number)
    assert [one.ref is not None for one in called.take(raws(parts.accept(small())), 0)] == [True]
    assert beside_of(called).process == process
    called.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_its_words_are_those_of_the_policy(parts: Parts) -> None:
    answered: Callable[[Any], dict[str, Any]] = hand.begin(hand.beginning(parts.ways))
    id = parts.accept(small())
    sheet = parts.spool.clean.lend()
    raw = Raw(id, "")
    answer = answered(hand.request(Job(raw), parts.spool.raw.loan(id), sheet.part.loan))
    passed, kept = hand.heard(raw, answer, str(sheet.place), parts.way)
    assert passed.ref
    assert passed.ref.policy == POLICY.digest
    assert kept
    assert kept.id == sheet.part.id
    parts.spool.clean.drop(sheet.place)


def test_workers_with_much_to_do_call_processes_and_take_all_through(parts: Parts) -> None:
    count = WORTH_A_PROCESS + 30
    data = {parts.accept(one): one for one in (small(uid=f"1.2.{n}") for n in range(count))}
    parts.station_with_processes()
    workers = Workers(parts.station, 2)
    workers.start()
    eventually(lambda: parts.counts() == {"waiting": count}, 60)
    assert workers.stop(20)
    for id, original in data.items():
        assert parts.clean_bytes(id) == expected(original)
    assert no_parts(parts)
