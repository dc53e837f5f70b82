"""The gate in a process of its own: it says what the gate here says, and when it is gone the gate here speaks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stowgate.deident.memo import Memo
from stowgate.dicom.scanner import Buffer
from stowgate.dicom.source import FileSource
from stowgate.errors import Rejected
from stowgate.objects import CleanRef, Raw
from stowgate.pipeline import begin, set_down
from stowgate.policy import Option, Override, Policy
from stowgate.store.shelf import ScratchShelf
from stowgate.verify import witness
from stowgate.verify.witness import Claim, Witness, judge
from stowgate.way import Begun, Bench, Way, Written
from tests.builder import small

KEY = bytes(range(32))
POLICY = Policy(
    options=frozenset({Option.PATIENT_CHARACTERISTICS}), overrides=(Override("00081030", "replace", "CHEST"),)
)


@pytest.fixture
def called() -> Iterator[Witness]:
    made = Witness(POLICY, KEY)
    started = time.monotonic()
    while not made.is_ready():
        assert time.monotonic() - started < 30
        time.sleep(0.01)
    yield made
    made.close()


@pytest.fixture
def claim(tmp_path: Path) -> Iterator[Claim]:
    """A clean object that lies aside, as the engine leaves it."""
    original = tmp_path / "original"
    original.write_bytes(small())
    shelf = ScratchShelf()
    way = Way(POLICY, KEY, shelf, tmp_path)
    begun = begin(Raw("0", str(original)), way, Bench(Memo()), Buffer())
    assert isinstance(begun, Begun)
    done = set_down(begun, way)
    assert isinstance(done, Written)
    yield done.claim
    shelf.close()


def told(verdict: object) -> tuple[str, str]:
    assert isinstance(verdict, Rejected)
    return verdict.code, verdict.place


def spoilt(claim: Claim) -> Claim:
    """The same output with one letter of Patient's Sex changed, which is kept here."""
    data = bytearray(Path(claim.written).read_bytes())
    at = data.index(b"\x10\x00\x40\x00CS") + 8
    data[at] = ord("O")
    Path(claim.written).write_bytes(data)
    return claim


def test_a_clean_object_passes_with_what_the_gate_here_says_of_it(called: Witness, claim: Claim) -> None:
    called.ask([claim, claim])
    here = judge(claim, POLICY, KEY)
    assert isinstance(here, CleanRef)
    assert called.answer() == [here, here]


def test_what_the_gate_stops_comes_back_with_its_code_and_place(called: Witness, claim: Claim) -> None:
    called.ask([spoilt(claim)])
    (verdict,) = called.answer()
    assert told(verdict) == told(judge(claim, POLICY, KEY)) == ("gate_value", "(0010,0040)")


def test_rounds_are_answered_in_the_order_they_were_asked_in(called: Witness, claim: Claim) -> None:
    gone = claim._replace(written=f"{claim.written}-gone")
    called.ask([claim])
    called.ask([gone, claim])
    assert isinstance(called.answer()[0], CleanRef)
    first, second = called.answer()
    assert told(first) == ("unreadable", "")
    assert isinstance(second, CleanRef)


def test_an_original_that_changed_since_it_was_read_is_noticed(called: Witness, claim: Claim) -> None:
    os.utime(claim.original, ns=(1, 1))
    called.ask([claim])
    assert told(called.answer()[0]) == ("source_changed", "")


def test_an_original_that_was_replaced_by_another_file_is_noticed(called: Witness, claim: Claim) -> None:
    Path(claim.original).unlink()
    Path(claim.original).write_bytes(small() + b"\0\0")
    called.ask([claim])
    assert told(called.answer()[0]) == ("source_changed", "")


def test_when_it_is_killed_the_gate_here_judges_what_was_asked(called: Witness, claim: Claim) -> None:
    os.kill(called.process, signal.SIGKILL)
    called.ask([claim])
    called.ask([spoilt(claim)])
    assert told(called.answer()[0]) == ("gate_value", "(0010,0040)")  # both are judged after the spoiling
    assert told(called.answer()[0]) == ("gate_value", "(0010,0040)")
    assert not called.is_ready()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_or_a_stop_of_the_whole_unit_is_the_askers_business(
    called: Witness, claim: Claim, number: int
) -> None:
    os.kill(called.process, number)
    called.ask([claim])
    assert isinstance(called.answer()[0], CleanRef)
    assert called.is_ready()


def test_where_no_second_process_can_be_had_it_is_never_ready_and_still_judges(
    claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    alone = Witness(POLICY, KEY)
    assert not alone.is_ready()
    alone.ask([claim])
    assert isinstance(alone.answer()[0], CleanRef)
    alone.close()


def test_closing_it_twice_does_no_harm_and_leaves_no_process(called: Witness) -> None:
    process = called.process
    called.close()
    called.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_fault_of_our_own_stops_one_object_and_tells_no_value(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> CleanRef:
        raise RuntimeError("DOE^JANE")

    monkeypatch.setattr(witness.gate, "check", broken)
    assert told(judge(claim, POLICY, KEY)) == ("internal_error", "")


def test_its_process_never_loads_the_engine() -> None:
    script = "import stowgate.verify.witness, sys; print(*[name for name in sys.modules if 'stowgate.deident' in name])"
    root = str(Path(witness.__file__).parents[2])
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONPATH": root}
    )
    assert ran.stdout.strip() == ""


def test_the_key_is_not_on_its_command_line(called: Witness) -> None:
    command = Path(f"/proc/{called.process}/cmdline").read_bytes()
    assert KEY.hex().encode() not in command
    assert b"witness" in command


def test_a_source_is_stamped_by_its_size_and_time(claim: Claim) -> None:
    with FileSource(claim.original) as source:
        assert source.stamp() == claim.stamp
