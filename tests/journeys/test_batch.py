"""A folder as it comes: every input ends in exactly one state, runs can be repeated, and nothing else is touched."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stowgate.store.sqlite import open_ledger
from stowgate.store.store import Start
from stowgate.vault.key import Key, load, render, write
from tests.builder import BASIC_TEXT_SR, BIG_ENDIAN, DEFLATED, IMPLICIT, US, el
from tests.journeys.stage import (
    QUIET,
    Done,
    Servers,
    Stage,
    Stop,
    at_call,
    files,
    needs_root,
    needs_strace,
    scan,
    tree,
)

NOBODY = 65534


def messy(stage: Stage) -> dict[str, tuple[str, str | None]]:
    """A folder with one of everything; what the issue says has to become of each."""
    stage.put("a.dcm", scan(1))
    stage.put("b/a again.dcm", scan(1))
    stage.put("b/a implicit", scan(1, syntax=IMPLICIT))
    stage.put("b/a swapped", scan(1, syntax=BIG_ENDIAN))
    stage.put("b/a changed.dcm", scan(1, more=(el("KVP", "80"),)))
    stage.put("c/deflated.dcm", scan(2, syntax=DEFLATED))
    stage.put("c/DICOMDIR", scan(3))
    stage.put("c/.hidden.dcm", scan(4))
    stage.put("c/.trash/x.dcm", scan(5))
    stage.put("c/empty.dcm", b"")
    stage.put("c/notes.txt", b"call Mrs Vandermeer back\n")
    stage.put("d/cut.dcm", scan(6)[:-10])
    stage.put("d/ultrasound.dcm", scan(7, sop_class=US, modality="US"))
    stage.put("d/report.dcm", scan(8, sop_class=BASIC_TEXT_SR, modality="SR", drop=["PixelData"]))
    stage.put("d/private.dcm", scan(9, sop_class="1.2.840.113619.4.26"))
    (stage.inputs / "d/one.link").symlink_to(stage.inputs / "a.dcm")
    (stage.inputs / "d/nowhere.link").symlink_to(stage.inputs / "gone")
    (stage.inputs / "d/loop").symlink_to(stage.inputs)
    os.mkfifo(stage.inputs / "d/pipe.dcm")
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        folder = os.open(stage.inputs / "d", os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{folder}/socket.dcm")  # a socket's own path may be no longer than 107 bytes
        os.close(folder)
    return {
        "a.dcm": ("cleaned", None),
        "a again.dcm": ("already_done", None),
        "a implicit": ("already_done", None),
        "a swapped": ("already_done", None),
        "a changed.dcm": ("quarantined", "uid_reuse"),
        "deflated.dcm": ("cleaned", None),
        "DICOMDIR": ("rejected", "dicomdir"),
        ".hidden.dcm": ("rejected", "hidden_file"),
        ".trash": ("rejected", "hidden_file"),
        "empty.dcm": ("rejected", "empty_file"),
        "notes.txt": ("rejected", "not_dicom"),
        "cut.dcm": ("quarantined", "truncated"),
        "ultrasound.dcm": ("quarantined", "burned_in_risk"),
        "report.dcm": ("quarantined", "structured_content"),
        "private.dcm": ("quarantined", "unknown_sop_class"),
        "one.link": ("rejected", "symbolic_link"),
        "nowhere.link": ("rejected", "symbolic_link"),
        "loop": ("rejected", "symbolic_link"),
        "pipe.dcm": ("rejected", "special_file"),
        "socket.dcm": ("rejected", "special_file"),
    }


def adds_up(done: Done) -> Counter[str]:
    """The states of the lines, which the summary has to repeat, and which have to sum up to what was received."""
    states = Counter(item["state"] for item in done.items)
    summary = dict(done.summary)
    assert summary.pop("received") == len(done.items) == sum(summary.values())
    assert summary == {state: states[state] for state in ("cleaned", "quarantined", "rejected", "already_done")}
    assert len({item["source"] for item in done.items}) == len(done.items)
    return states


def with_key_of(stage: Stage, root: Path) -> Stage:
    """Another stage for the same project: its inputs are the first one's, its state folder starts with its key."""
    other = Stage(root, stage.servers)
    other.state.mkdir(mode=0o700, parents=True)
    write(load(f"file:{stage.state / 'project.key'}"), other.state / "project.key")
    other.inputs.symlink_to(stage.inputs)
    return other


@pytest.fixture
def open_stage(servers: Servers) -> Iterator[Stage]:
    """A stage that every user may enter, as the tests' own folders may not be."""
    with tempfile.TemporaryDirectory(prefix="stowgate-test-") as name:
        Path(name).chmod(0o777)
        yield Stage(Path(name), servers)


# ------------------------------------------------------------------------------------------------- one run


def test_every_input_of_a_messy_folder_ends_in_exactly_one_state(stage: Stage) -> None:
    expected = messy(stage)
    done = stage.deid()
    assert done.by_name() == expected
    adds_up(done)
    assert done.code == 3
    assert len(files(stage.out)) == 2
    assert sorted(files(stage.out).values()) == stage.expected(scan(1), scan(2, syntax=DEFLATED))


def test_a_json_line_has_the_agreed_keys_and_nothing_else(stage: Stage) -> None:
    messy(stage)
    done = stage.deid()
    for item in done.items:
        assert list(item) == ["kind", "source", "output", "state", "code", "reason"]
        assert Path(item["source"]).is_absolute()
        assert (item["output"] is not None) is (item["state"] == "cleaned")
        assert (item["code"] is None) is (item["reason"] is None) is (item["state"] in ("cleaned", "already_done"))
    assert list(done.lines[-1]) == ["kind", "received", "cleaned", "quarantined", "rejected", "already_done"]
    outputs = {item["output"] for item in done.items if item["output"]}
    assert outputs == {str(stage.out / name) for name in files(stage.out)}


def test_a_second_run_does_nothing_twice_and_judges_the_rest_again(stage: Stage) -> None:
    expected = messy(stage)
    stage.deid()
    before = tree(stage.out)
    done = stage.deid()
    again = {
        name: ("already_done", None) if state == "cleaned" else (state, code)
        for name, (state, code) in expected.items()
    }
    assert done.by_name() == again
    assert adds_up(done)["already_done"] == 5
    assert done.code == 3
    assert tree(stage.out) == before


def test_files_that_are_no_dicom_do_not_make_a_run_fail(stage: Stage) -> None:
    stage.put("a.dcm", scan(1))
    stage.put("readme.txt", b"hello")
    stage.put("DICOMDIR", b"x")
    assert stage.deid().code == 0


def test_a_file_and_a_folder_that_cannot_be_read_are_rejected_and_the_rest_goes_on(open_stage: Stage) -> None:
    open_stage.put("a.dcm", scan(1))
    open_stage.put("b.dcm", scan(2)).chmod(0)
    open_stage.put("closed/c.dcm", scan(3))
    (open_stage.inputs / "closed").chmod(0)
    try:
        done = open_stage.deid(user=NOBODY if os.geteuid() == 0 else None)
        assert done.by_name() == {
            "a.dcm": ("cleaned", None),
            "b.dcm": ("rejected", "unreadable"),
            "closed": ("rejected", "unreadable"),
        }
        assert done.code == 3
        adds_up(done)
    finally:
        (open_stage.inputs / "closed").chmod(0o755)


def test_a_file_that_becomes_readable_is_taken_by_the_next_run(open_stage: Stage) -> None:
    closed = open_stage.put("a.dcm", scan(1))
    closed.chmod(0)
    user = NOBODY if os.geteuid() == 0 else None
    assert open_stage.deid(user=user).by_name() == {"a.dcm": ("rejected", "unreadable")}
    closed.chmod(0o644)
    assert open_stage.deid(user=user).by_name() == {"a.dcm": ("cleaned", None)}


def test_an_input_named_twice_or_also_below_a_folder_is_taken_once(stage: Stage) -> None:
    one = stage.put("a.dcm", scan(1))
    stage.put("b.dcm", scan(2))
    (stage.root / "other name").symlink_to(stage.inputs)
    done = stage.deid(inputs=(one, stage.inputs, one, stage.inputs / "..", stage.root / "other name"))
    assert done.by_name()["a.dcm"] == ("cleaned", None)
    assert done.by_name()["b.dcm"] == ("cleaned", None)
    assert adds_up(done)["cleaned"] == 2


def test_a_link_named_by_itself_is_no_reason_to_leave_out_what_it_points_to(stage: Stage) -> None:
    one = stage.put("a.dcm", scan(1))
    (stage.root / "link").symlink_to(one)
    done = stage.deid(inputs=(stage.root / "link", stage.inputs))
    assert done.by_name() == {"link": ("rejected", "symbolic_link"), "a.dcm": ("cleaned", None)}


def test_names_that_are_no_text_or_hold_line_ends_do_not_break_the_lines(stage: Stage) -> None:
    stage.inputs.mkdir()
    strange = [b"\xff\xfe.dcm", b"a\nb.dcm", b'"quoted".dcm', b"-o", b"\xe2\x80\xae.dcm"]
    for number, name in enumerate(strange):
        Path(os.fsdecode(os.fsencode(stage.inputs) + b"/" + name)).write_bytes(scan(number))
    done = stage.deid()
    assert done.code == 0
    assert {os.fsencode(Path(item["source"]).name) for item in done.items} == set(strange)
    assert len(done.out.splitlines()) == len(strange) + 1


def test_out_inside_of_in_and_the_state_folder_are_never_taken_as_input(stage: Stage) -> None:
    stage.put("a.dcm", scan(1))
    inside = ["deid", stage.inputs, "-o", stage.inputs / "clean", "--state", stage.inputs / "state", "--json"]
    assert stage.run(*inside).summary == {
        "received": 1,
        "cleaned": 1,
        "quarantined": 0,
        "rejected": 0,
        "already_done": 0,
    }
    assert stage.run(*inside).summary == {
        "received": 1,
        "cleaned": 0,
        "quarantined": 0,
        "rejected": 0,
        "already_done": 1,
    }


def test_an_output_folder_that_is_an_input_itself_is_refused_before_anything_happens(stage: Stage) -> None:
    stage.put("a.dcm", scan(1))
    before = tree(stage.inputs)
    (stage.root / "same").symlink_to(stage.inputs)
    for out in (stage.inputs, stage.root / "same"):
        done = stage.run("deid", stage.inputs, "-o", out, "--state", stage.state)
        assert done.code == 2
        assert done.err.startswith("output_is_input: ")
    assert tree(stage.inputs) == before
    assert not stage.state.exists()


def test_limit_takes_so_many_inputs_and_the_next_run_the_others(stage: Stage) -> None:
    for number in range(5):
        stage.put(f"{number}.dcm", scan(number))
    first, second = stage.deid("--limit", 2), stage.deid("--limit", 4)
    assert (first.summary["received"], first.summary["cleaned"]) == (2, 2)
    assert (second.summary["cleaned"], second.summary["already_done"]) == (2, 2)
    assert stage.deid().summary["cleaned"] == 1


# ------------------------------------------------------------------------------------------------- run after run


def test_an_output_that_is_gone_or_has_another_size_is_made_again(stage: Stage) -> None:
    for number in range(3):
        stage.put(f"{number}.dcm", scan(number))
    first = stage.deid()
    before = tree(stage.out)
    Path(first.items[0]["output"]).unlink()
    Path(first.items[1]["output"]).write_bytes(b"spoilt")
    states = [item["state"] for item in stage.deid().items]
    assert sorted(states) == ["already_done", "cleaned", "cleaned"]
    assert tree(stage.out) == before
    shutil.rmtree(stage.out)
    assert stage.deid().summary["cleaned"] == 3
    assert tree(stage.out) == before


def test_a_changed_policy_is_done_again_and_back_again(stage: Stage) -> None:
    """Two policies that differ in a word of equal length: the size alone must not pass for the other's work."""
    stage.put("a.dcm", scan(1))
    stage.put("copy of a.dcm", scan(1))
    for name in ("TRUCK1", "TRUCK2"):
        (stage.root / name).write_text(f'[unit]\nname = "{name}"\n', encoding="utf-8")
    for name in ("TRUCK1", "TRUCK2", "TRUCK1"):
        done = stage.deid("-c", stage.root / name)
        assert done.by_name() == {"a.dcm": ("cleaned", None), "copy of a.dcm": ("already_done", None)}
        assert all(name.encode() in data for data in files(stage.out).values())
    assert stage.deid("-c", stage.root / "TRUCK1").summary["already_done"] == 2


def test_another_policy_changes_the_bytes_of_every_output(stage: Stage) -> None:
    stage.put("a.dcm", scan(1))
    stage.deid()
    plain = sorted(files(stage.out).values())
    assert stage.deid("--retain", "patient-characteristics").summary["cleaned"] == 1
    kept = sorted(files(stage.out).values())
    assert kept != plain
    assert kept == stage.expected(scan(1), retain=("patient-characteristics",))


def test_an_input_that_was_only_touched_is_the_same_object_and_a_changed_one_is_not(stage: Stage) -> None:
    one = stage.put("a.dcm", scan(1))
    stage.deid()
    before = tree(stage.out)
    os.utime(one, (1, 1))
    assert stage.deid().by_name() == {"a.dcm": ("already_done", None)}
    stage.put("a.dcm", scan(1, more=(el("KVP", "80"),)))
    done = stage.deid()
    assert done.by_name() == {"a.dcm": ("quarantined", "uid_reuse")}
    assert done.code == 3
    assert tree(stage.out) == before


def test_what_was_held_is_judged_again_when_a_person_has_decided(stage: Stage) -> None:
    stage.put("us.dcm", scan(1, sop_class=US, modality="US"))
    assert stage.deid().by_name() == {"us.dcm": ("quarantined", "burned_in_risk")}
    settings = stage.root / "stowgate.toml"
    settings.write_text('[pixels]\nrisk = "pass"\n', encoding="utf-8")
    assert stage.deid("-c", settings).by_name() == {"us.dcm": ("cleaned", None)}
    assert stage.deid().by_name() == {"us.dcm": ("quarantined", "burned_in_risk")}


def test_a_state_folder_of_another_key_is_refused_and_nothing_is_written(stage: Stage) -> None:
    stage.put("a.dcm", scan(1))
    stage.deid()
    before = tree(stage.inputs) | tree(stage.out)
    rows = stage.ledger()
    other = {"STOWGATE_STATE__KEY": "env:OTHER", "OTHER": render(Key(b"o" * 32))}
    done = stage.run("deid", stage.inputs, "-o", stage.root / "out2", "--state", stage.state, env=other)
    assert done.code == 12
    assert done.err.startswith("wrong_key: ")
    (stage.state / "project.key").rename(stage.root / "kept.key")
    done = stage.deid()
    assert done.code == 12
    assert done.err.startswith("key_missing: ")
    (stage.root / "kept.key").rename(stage.state / "project.key")
    assert tree(stage.inputs) | tree(stage.out) == before
    assert stage.ledger() == rows
    assert not (stage.root / "out2").exists()


def test_a_state_folder_in_use_is_refused_and_the_holder_is_named(stage: Stage) -> None:
    stage.put("a.dcm", scan(1))
    stage.deid()
    with open_ledger(stage.state, load(f"file:{stage.state / 'project.key'}")):
        done = stage.deid()
    assert done.code == 11
    assert done.err.startswith("state_in_use: ")
    assert f"held by process {os.getpid()}" in done.err
    assert done.out == ""
    assert stage.deid().code == 0


def test_shuffled_arguments_two_workers_and_two_runs_make_the_same_bytes(stage: Stage, tmp_path: Path) -> None:
    for number in range(45):
        stage.put(
            f"{number % 7}/{number}.dcm", scan(number, syntax=[IMPLICIT, ""][number % 9 > 0] or "1.2.840.10008.1.2.1")
        )
    assert stage.deid().code == 0
    wanted = tree(stage.out)
    assert len(files(stage.out)) == 45
    places = sorted(stage.inputs.rglob("*.dcm"))
    random.Random(3).shuffle(places)
    shuffled, twice = with_key_of(stage, tmp_path / "shuffled"), with_key_of(stage, tmp_path / "twice")
    assert shuffled.deid("--workers", 2, inputs=tuple(places)).code == 0
    assert tree(shuffled.out) == wanted
    assert twice.deid("--limit", 20, "--workers", 2).summary["cleaned"] == 20
    assert twice.deid("--workers", 3).summary == {
        "received": 45, "cleaned": 25, "quarantined": 0, "rejected": 0, "already_done": 20,
    }  # fmt: skip
    assert tree(twice.out) == wanted


# ------------------------------------------------------------------------------------------------- dry run


def everything(*folders: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Names, modes, sizes, times of change and bytes of all that lies below."""
    found = {}
    for folder in folders:
        for path in (folder, *sorted(folder.rglob("*"))):
            status = path.lstat()
            data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns, data)
    return found


DIES_WITH_AN_OPEN_LEDGER = """
import os, sys
from pathlib import Path
from stowgate.store.sqlite import open_ledger
from stowgate.vault.key import load
state = Path(sys.argv[1])
ledger = open_ledger(state, load(f"file:{state / 'project.key'}"))
ledger.start_run(ledger.target("0" * 64, "/out", ""))
os._exit(0)
"""


@pytest.mark.parametrize("before", ["never run", "run", "killed"])
def test_a_dry_run_writes_nothing_at_all_and_says_what_the_run_then_does(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory, before: str
) -> None:
    expected = messy(stage)
    scratch = tmp_path_factory.mktemp("tmp")
    said = tmp_path_factory.mktemp("said")
    if before != "never run":
        stage.deid("--limit", 4)
    if before == "killed":
        subprocess.run([sys.executable, "-c", DIES_WITH_AN_OPEN_LEDGER, stage.state], check=True)
        assert (stage.state / "ledger.db-wal").stat().st_size
    talking = Stage(said, stage.servers)
    seen = everything(stage.root, scratch)
    dry = talking.run(*stage.line("-n"), env={"TMPDIR": str(scratch)})
    assert everything(stage.root, scratch) == seen
    assert dry.code == 3
    wet = stage.deid()
    assert dry.by_name() == wet.by_name()
    if before == "never run":
        assert dry.by_name() == expected
        assert not dry.err
    else:
        assert dry.out == wet.out


# ------------------------------------------------------------------------------------------------- things that go wrong


def test_a_third_start_without_an_end_is_quarantined_and_its_neighbours_are_not(stage: Stage) -> None:
    """The starts are counted in the ledger's own way, by runs that never came back."""
    paths = [stage.put(f"{number}.dcm", scan(number)) for number in range(3)]
    key, made = Key(b"k" * 32), stage.state
    made.mkdir(mode=0o700)
    write(key, made / "project.key")
    with open_ledger(made, key) as ledger:
        status = paths[1].stat()
        id = ledger.fingerprint(paths[1], status.st_size, status.st_mtime_ns)
        for _ in range(3):
            ledger.begin([Start(id, str(paths[1]), status.st_size)])
    done = stage.deid()
    assert done.by_name() == {
        "0.dcm": ("cleaned", None),
        "1.dcm": ("quarantined", "third_start"),
        "2.dcm": ("cleaned", None),
    }
    assert done.code == 3


@needs_strace
@pytest.mark.parametrize("workers", [1, 2])
def test_an_object_that_kills_every_run_is_isolated_after_three_and_nobody_else_suffers(
    stage: Stage, workers: int
) -> None:
    for number in range(45):
        stage.put(f"{number:02}.dcm", scan(number))
    poison = stage.inputs / "21.dcm"
    deadly = (*QUIET, "-o", os.devnull, "-P", str(poison), "-e", "trace=openat", "-e", "inject=openat:signal=SIGKILL")
    for _ in range(3):
        assert stage.deid("--workers", workers, tracer=deadly).code == -signal.SIGKILL
    done = stage.deid("--workers", workers, tracer=deadly)
    assert done.by_name()["21.dcm"] == ("quarantined", "third_start")
    assert done.code == 3
    assert len(files(stage.out)) == 44
    assert done.summary["cleaned"] + done.summary["already_done"] == 44


@needs_strace
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_run_leaves_with_130_and_the_next_one_goes_on(stage: Stage, workers: int) -> None:
    for number in range(30):
        stage.put(f"{number:02}.dcm", scan(number))
    done = stage.deid("--workers", workers, tracer=at_call("writev", 7, "signal=SIGINT"))
    assert done.code == 130
    assert done.err.splitlines()[-1].startswith("Stopped. ")
    assert "Traceback" not in done.err
    assert {Path(name).suffix for name in files(stage.out)} <= {".dcm"}
    assert all(attempts == 0 for _, _, attempts in stage.ledger())  # an orderly stop is no fault of the objects
    again = stage.deid("--workers", workers)
    assert again.code == 0
    assert again.summary["cleaned"] + again.summary["already_done"] == 30
    assert sorted(files(stage.out).values()) == stage.expected(*map(scan, range(30)))


def test_a_run_that_is_told_to_end_leaves_nothing_half_done(stage: Stage) -> None:
    for number in range(30):
        stage.put(f"{number:02}.dcm", scan(number))
    done = stage.deid(stop=Stop(signal.SIGTERM, 0.05))
    assert done.code in (0, -signal.SIGTERM)
    assert stage.deid().code == 0
    assert sorted(files(stage.out).values()) == stage.expected(*map(scan, range(30)))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB, which root can make larger."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "stowgate-test", place], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here: a full disk is only simulated elsewhere")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@needs_root
@pytest.mark.parametrize("full", ["out", "state"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_ends_the_run_with_one_line_and_room_lets_it_go_on(
    servers: Servers, tmp_path: Path, small_disk: Path, full: str, workers: int
) -> None:
    stage = Stage(tmp_path, servers)
    (stage.root / full).symlink_to(small_disk)
    small_disk.chmod(0o700)
    data = [scan(number, bytes(2 * 64 * 64)) for number in range(60)]
    for number, one in enumerate(data):
        stage.put(f"{number:02}", one)
    if full == "state":  # only a ledger that has to grow fills it
        (small_disk / "ballast").write_bytes(bytes(120 * 1024))
    done = stage.deid("--workers", workers)
    assert done.code == 15
    *_, last = done.err.splitlines()
    assert last.startswith(("disk_full: ", "ledger_io: "))
    assert "Traceback" not in done.err
    assert {Path(name).suffix for name in files(stage.out)} <= {".dcm"} if stage.out.exists() else True
    assert all(item["state"] == "cleaned" for item in done.items)
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    again = stage.deid("--workers", workers)
    assert again.code == 0
    assert sorted(files(stage.out).values()) == stage.expected(*data)
