"""kill -9, a full disk and a failing disk at every single system call: one of two legal states, and a rerun goes on."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from stowgate.reasons import REASONS
from tests.journeys.stage import CHANGES, COMMAND, QUIET, Done, Servers, Stage, Stop, at_call, files, needs_strace, scan

LARGE = bytes(2 * 192 * 192)
"""More than one write takes with the header: its end is copied inside the kernel."""
SYNCS = ("fsync", "fdatasync", "syncfs")
WRITES = ("write", "writev", "pwrite64", "sendfile", "mkdir", "link", "rename", "ftruncate")
LEFT = {"ledger.db", "lock", "project.key"}
"""What a state folder holds when nothing runs."""


@dataclass(frozen=True)
class Step:
    """The n-th call of a kind in a run, and what it was done to."""

    call: str
    number: int
    said: str

    def __str__(self) -> str:
        return f"{self.call} {self.number}: {self.said[:160]}"

    def injected(self, what: str) -> tuple[str, ...]:
        """strace's arguments to make `what` happen there."""
        return at_call(self.call, self.number, what)


def objects(count: int) -> list[bytes]:
    return [scan(number, LARGE if number == 1 else b"") for number in range(count)]


def filled(root: Path, servers: Servers, data: list[bytes]) -> Stage:
    stage = Stage(root, servers)
    for number, one in enumerate(data):
        stage.put(f"{number:03}", one)
    return stage


def steps_of(stage: Stage) -> list[Step]:
    """Every call of an undisturbed run that changes the output or the state folder."""
    counted: Counter[str] = Counter()
    steps = []
    for call, said in calls_of(stage):
        counted[call] += 1
        if f"{stage.out}" in said or f"{stage.state}" in said:
            steps.append(Step(call, counted[call], said.replace(str(stage.root), "")))
    return steps


def calls_of(stage: Stage) -> list[tuple[str, str]]:
    """Every call that changes something in an undisturbed run, in order: its name, and what was said of it."""
    log = stage.root / "log"
    done = stage.deid(tracer=(*QUIET, "-y", "-o", str(log), "-e", f"trace={CHANGES}"))
    assert done.code == 0, done
    found = (re.match(r"\d+ +(\w+)\((.*)", line) for line in log.read_text("utf-8", "replace").splitlines())
    return [(call[1], call[2]) for call in found if call]


def half_done(stage: Stage, data: list[bytes]) -> list[str]:
    """Files in OUT that are neither whole clean objects under their names nor set aside."""
    found = files(stage.out) if stage.out.exists() else {}
    named = {name: one for name, one in found.items() if not re.match(r"\.stowgate-\w+\.part/", name)}
    whole = stage.expected(*data) if named else []
    return [name for name, one in named.items() if not name.endswith(".dcm") or one not in whole]


def said_too_early(done: Done) -> list[str]:
    """Outputs that a script was told of before they were under their names."""
    return [item["output"] for item in done.items if item["output"] and not Path(item["output"]).is_file()]


def finishes(stage: Stage, data: list[bytes], *more: str) -> None:
    """The same command again: every input in one state, the right bytes, and nothing left over."""
    done = stage.deid(*more)
    assert done.code == 0, done
    assert done.err in ("", f"A project key was made: {stage.state}/project.key. {BACK_IT_UP}\n")
    assert sorted(item["source"] for item in done.items) == [str(path) for path in sorted(stage.inputs.iterdir())]
    assert {item["state"] for item in done.items} <= {"cleaned", "already_done"}
    assert done.summary["received"] == len(data) == done.summary["cleaned"] + done.summary["already_done"]
    assert {Path(name).suffix for name in files(stage.out)} == {".dcm"}
    assert sorted(files(stage.out).values()) == stage.expected(*data)
    assert [path.name for path in stage.out.rglob(".*")] == []
    assert stage.ledger() == [("cleaned", None, 0)] * len(data)
    assert {path.name for path in stage.state.iterdir()} == LEFT


BACK_IT_UP = "Back this up: without it no more objects join these."


def for_each(steps: list[Step], attempt: Callable[[Step], None]) -> None:
    """Try every step, two at a time; all that went wrong is told at once."""

    def told(step: Step) -> str:
        try:
            attempt(step)
        except AssertionError as error:
            return f"{step}\n{error}"
        return ""

    with ThreadPoolExecutor(2) as pool:
        failed = [text for text in pool.map(told, steps) if text]
    assert not failed, f"{len(failed)} of {len(steps)}:\n" + "\n\n".join(failed[:5])


def kill_at_each(root: Path, servers: Servers, data: list[bytes], steps: list[Step]) -> None:
    def killed(step: Step) -> None:
        stage = filled(root / f"{step.call}-{step.number}", servers, data)
        done = stage.deid(tracer=step.injected("signal=SIGKILL"))
        assert done.code == -signal.SIGKILL
        assert said_too_early(done) == []
        assert half_done(stage, data) == []
        finishes(stage, data)

    for_each(steps, killed)


@needs_strace
def test_a_kill_at_any_call_for_one_object_leaves_nothing_half_done_and_the_next_run_finishes(
    tmp_path: Path, servers: Servers
) -> None:
    data = objects(2)[1:]
    steps = steps_of(filled(tmp_path / "whole", servers, data))
    kinds = Counter(step.call for step in steps)
    assert {"writev", "sendfile", "syncfs", "rename", "link", "unlink", "fdatasync", "pwrite64"} <= set(kinds)
    assert kinds["fsync"] >= 5  # the key, its folder, and every folder on the way to the object
    kill_at_each(tmp_path, servers, data, steps)


@needs_strace
def test_a_kill_at_any_call_for_a_group_leaves_nothing_half_done_and_the_next_run_finishes(
    tmp_path: Path, servers: Servers
) -> None:
    data = objects(3)
    steps = steps_of(filled(tmp_path / "whole", servers, data))
    first = next(at for at, step in enumerate(steps) if step.call == "writev")
    assert sum(step.call == "rename" for step in steps[first:]) == len(data)
    kill_at_each(tmp_path, servers, data, steps[first:])  # what comes before is the same for one object


@needs_strace
def test_bytes_reach_the_disk_before_their_names_and_names_before_anything_is_said(
    tmp_path: Path, servers: Servers
) -> None:
    """A power cut is not a kill: what counts then is the order of the syncs."""
    data = objects(3)
    stage = filled(tmp_path / "stage", servers, data)
    calls = calls_of(stage)

    def at(call: str, part: str) -> list[int]:
        return [number for number, (name, said) in enumerate(calls) if name == call and part in said]

    written = at("writev", ".part/") + at("sendfile", ".part/")
    named = at("rename", ".dcm")
    committed = at("fdatasync", "ledger.db-wal")
    told = at("write", r"\"cleaned\"") or at("write", "{")
    (synced,) = at("syncfs", str(stage.out))
    assert len(named) == len(data)
    assert any(commit < min(written) for commit in committed)  # the start is counted before the work
    assert max(written) < synced < min(named)
    folders = {path for path in [stage.out, *stage.out.rglob("*")] if path.is_dir()}
    entries = {folder: at("fsync", f"<{folder}>") for folder in folders}
    assert all(len(found) == 1 and found[0] > max(named) for found in entries.values())
    last_entry = max(found[0] for found in entries.values())
    assert any(last_entry < commit < min(number for number in told if number > last_entry) for commit in committed)


def fails_clearly(done: Done, full: bool, in_ledger: bool) -> None:
    """One line with a code and the exit code that belongs to it; or the run did not need that call."""
    if done.code == 0:
        return
    said = [line for line in done.err.splitlines() if not line.startswith("A project key was made")]
    assert len(said) == 1, done
    code, _, sentence = said[0].partition(": ")
    assert sentence.startswith(REASONS[code].sentence)
    if full:
        assert done.code == 15
        assert code in ({"disk_full", "ledger_io"} if in_ledger else {"disk_full"}), done
    else:
        wanted = {"state_unwritable": 10, "key_unwritable": 12, "cannot_write": 15, "ledger_io": 15}
        assert done.code == wanted[code], done
    assert "summary" not in done.out


def first_of_rows(steps: list[Step]) -> list[Step]:
    """One of each row of like calls for one file: SQLite writes a transaction page by page."""
    kinds = [(step.call, step.said.partition(",")[0]) for step in steps]
    return [step for at, step in enumerate(steps) if step.call != "pwrite64" or kinds[at] != kinds[at - 1]]


def fail_at_each(root: Path, servers: Servers, error: str, calls: tuple[str, ...]) -> int:
    data = objects(2)
    steps = first_of_rows([step for step in steps_of(filled(root / "whole", servers, data)) if step.call in calls])
    codes: Counter[int] = Counter()

    def failed(step: Step) -> None:
        stage = filled(root / f"{step.call}-{step.number}", servers, data)
        done = stage.deid(tracer=step.injected(f"error={error}"))
        fails_clearly(done, error == "ENOSPC", "/ledger.db" in step.said)
        codes[done.code] += 1
        assert half_done(stage, data) == []
        assert said_too_early(done) == []
        finishes(stage, data)

    for_each(steps, failed)
    return codes.total() - codes[0]


@needs_strace
def test_a_disk_that_fails_at_any_sync_ends_the_run_with_one_line_and_the_next_run_finishes(
    tmp_path: Path, servers: Servers
) -> None:
    assert fail_at_each(tmp_path, servers, "EIO", SYNCS) >= 10


@needs_strace
def test_a_disk_that_is_full_at_any_write_ends_the_run_with_one_line_and_the_next_run_finishes(
    tmp_path: Path, servers: Servers
) -> None:
    assert fail_at_each(tmp_path, servers, "ENOSPC", (*WRITES, *SYNCS)) >= 30


def test_twenty_kills_at_any_time_of_a_batch_with_two_workers_lose_and_spoil_nothing(
    tmp_path: Path, servers: Servers
) -> None:
    data = objects(60)
    undisturbed = filled(tmp_path / "whole", servers, data)
    started = time.monotonic()
    assert undisturbed.deid("--workers", "2").code == 0
    whole = time.monotonic() - started
    chance = random.Random(20)

    def killed_twice(number: int) -> int:
        stage = filled(tmp_path / str(number), servers, data)
        kills = 0
        for _ in range(2):
            done = stage.deid("--workers", "2", stop=Stop(signal.SIGKILL, chance.uniform(0.02, whole)))
            kills += done.code == -signal.SIGKILL
            assert done.code in (0, -signal.SIGKILL)
            assert half_done(stage, data) == []
        finishes(stage, data, "--workers", "2")
        return kills

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(killed_twice, range(10))) >= 10


@pytest.mark.parametrize("call", ["rename", "syncfs"])
@needs_strace
def test_the_installed_command_itself_survives_a_kill(tmp_path: Path, servers: Servers, call: str) -> None:
    data = objects(3)
    stage = filled(tmp_path, servers, data)
    traced = ["strace", *QUIET, "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when=1"]
    killed = subprocess.run([*traced, COMMAND, *stage.line()], check=False, capture_output=True)
    assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert half_done(stage, data) == []
    finishes(stage, data)
