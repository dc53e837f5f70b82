"""What somebody who is new to a gateway is told, where a thing is not as it should be."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from stowgate.faces.cli.exits import Exit
from stowgate.faces.service import running
from stowgate.observe.audit import ANCHOR, LOG
from stowgate.settings import load
from tests.faces.conftest import Stowgate
from tests.faces.gateway_stage import OBJECTS, configured, gateway_of, take_in
from tests.faces.test_gateway_edges import says, typed
from tests.journeys.stage import COMMAND, Done, files


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """The configuration of a gateway that ran and holds something."""
    config = configured(tmp_path)
    with gateway_of(config) as gateway:
        take_in(gateway, *OBJECTS)
    return config


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The folder of another gateway, with keys of its own."""
    config = configured(tmp_path / "other")
    with gateway_of(config, work=False):
        pass
    return config.parent


def problems(done: Done) -> dict[str, str]:
    return {line["what"]: line["code"] for line in done.lines if line["mark"] == "problem"}


# ------------------------------------------------------------------------------------------------- keys


def test_check_finds_a_unit_key_that_does_not_open_the_spool(stowgate: Stowgate, ran: Path, other: Path) -> None:
    (ran.parent / "unit.key").write_bytes((other / "unit.key").read_bytes())
    done = stowgate("check", "--json")
    assert (done.code, problems(done)) == (Exit.KEY, {"keys": "wrong_key"})


def test_a_project_key_that_is_anothers_is_said_and_used_for_nothing(
    stowgate: Stowgate, ran: Path, other: Path
) -> None:
    spool = ran.parent / "spool"
    (spool / "project.key").write_bytes((other / "spool" / "project.key").read_bytes())
    before = files(ran.parent)
    done = stowgate("check", "--json")
    assert (done.code, problems(done)) == (Exit.KEY, {"project key": "wrong_key"})
    for command in (("audit", "verify"), ("audit", "show"), ("audit", "export"), ("keys", "rotate")):
        says(stowgate(*command), "wrong_key", Exit.KEY)
    assert files(ran.parent) == before


def test_no_key_is_rotated_that_the_audit_log_cannot_tell_of(stowgate: Stowgate, ran: Path) -> None:
    (ran.parent / "spool" / "project.key").unlink()
    before = (ran.parent / "unit.key").read_bytes()
    says(stowgate("keys", "rotate"), "key_missing", Exit.KEY)
    assert (ran.parent / "unit.key").read_bytes() == before


@pytest.mark.parametrize("place", ["nonsense", "file:", "env:", "systemd:a/b"])
def test_a_place_of_a_key_that_is_none_is_no_command_line(stowgate: Stowgate, ran: Path, place: str) -> None:
    done = stowgate("keys", "rotate", "--to", place)
    assert done.code == Exit.USAGE
    assert "file:PATH, env:NAME, systemd:NAME, passphrase" in done.err
    assert "keys_rotate" not in stowgate("audit", "show").out


def test_a_key_that_was_made_is_told_of_although_the_start_fails(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with socket.create_server(("127.0.0.1", int(config.read_text().partition("127.0.0.1:")[2].partition('"')[0]))):
        done = typed(tmp_path, "", "run")
    assert done.code == Exit.CONFIGURATION, done
    unit, project, failed = done.err.splitlines()
    assert unit == (
        f"The unit's key was made: {tmp_path}/unit.key. Back this up: without it what this unit holds cannot be read."
    )
    assert project.startswith("A project key was made: spool/project.key. Back this up: without it no more objects")
    assert failed.startswith("port_unavailable: ")
    made: list[Path] = []
    with running(load(config, environ={}), tmp_path, made=made.append):
        assert made == []


# ------------------------------------------------------------------------------------------------- audit


def test_no_copy_of_a_broken_audit_log_looks_whole(stowgate: Stowgate, ran: Path) -> None:
    for number in range(3):
        assert stowgate("queue", "export", f"out{number}").code == Exit.DONE
    log = ran.parent / "spool" / LOG
    whole = log.read_bytes().splitlines(keepends=True)
    for lines, number in ((whole[:-1], len(whole)), ([whole[0].replace(b"export", b"import"), *whole[1:]], 1)):
        log.write_bytes(b"".join(lines))
        for command in (("show",), ("export",), ("export", f"copy{number}"), ("export", "--format", "csv")):
            done = stowgate("audit", *command)
            assert done.code == Exit.AUDIT_BROKEN, command
            assert f"record {number}" in done.err
            assert f"the {number - 1} before it are sound" in done.err
        assert len((ran.parent / f"copy{number}").read_text().splitlines()) == number - 1


def test_an_anchor_that_is_gone_is_said_in_words(stowgate: Stowgate, ran: Path) -> None:
    assert stowgate("queue", "export", "out").code == Exit.DONE
    (ran.parent / "spool" / ANCHOR).unlink()
    done = stowgate("audit", "verify")
    assert done.code == Exit.AUDIT_BROKEN
    assert "audit_broken: what vouches for record 1, the last one, is gone; the 0 before it are sound." in done.err


# ------------------------------------------------------------------------------------------------- init


def test_a_folder_below_home_is_made_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "at").mkdir()
    assert typed(tmp_path / "at", "U\nA\n104\n\n~/scans\n", "init").code == Exit.DONE
    assert (tmp_path / "home" / "scans").is_dir()
    assert load(tmp_path / "at" / "stowgate.toml", environ={}).source[1].path == tmp_path / "home" / "scans"  # type: ignore[union-attr]


@pytest.mark.parametrize("folder", ["file", "file/in"])
def test_init_writes_nothing_where_the_folder_cannot_be_made(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    done = typed(tmp_path, f"U\nA\n104\n\n{folder}\n", "init")
    assert done.code == Exit.USAGE, done
    assert f"output_unwritable: This place cannot be written to. ({tmp_path / folder}) " in done.err
    assert done.out.strip() == ""
    assert set(files(tmp_path)) == {"file"}


@pytest.mark.parametrize(
    "answers", ['U\nA"B\n104\n\nin\n', 'U\nA\n104\nC"T\n10.0.0.1\nin\n', "U\nA\n104\n\n\U0001f69a\n"]
)
def test_an_answer_is_taken_as_it_is_typed(tmp_path: Path, answers: str) -> None:
    assert typed(tmp_path, answers, "init").code == Exit.DONE
    scanner, drop, _ = load(tmp_path / "stowgate.toml", environ={}).source
    _, ae, _, calling, *_, folder = answers.splitlines()
    assert (scanner.ae, drop.path.name) == (ae, folder)  # type: ignore[union-attr]
    assert [one.ae for one in scanner.allow] == [calling][: bool(calling)]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ("{}\nU\nA\n104\n\nin\n".format("n" * 24), "it has at most 16 characters"),
        ("a\x07b\nU\nA\n104\n\nin\n", "control characters cannot be part of it"),
        ("U\n{}\nA\n104\n\nin\n".format("A" * 17), "it has at most 16 characters"),
        ("U\nA\nabc\n104\n\nin\n", "a port that a scanner could call is a number from 1 to 65535"),
        ("U\nA\n00\n104\n\nin\n", "a port that a scanner could call is a number from 1 to 65535"),
        ("U\nA\n99999\n104\n\nin\n", "a port that a scanner could call is a number from 1 to 65535"),
        ("U\nA\n104\nCT\n10.1.1.300\n10.1.1.30\nin\n", "it is an address or a network such as"),
        ("U\nA\n104\n\ni\x1bn\nin\n", "control characters cannot be part of it"),
    ],
)
def test_an_answer_that_cannot_be_is_asked_for_again_at_once_with_the_reason(
    tmp_path: Path, answers: str, reason: str
) -> None:
    done = typed(tmp_path, answers, "init")
    assert done.code == Exit.DONE, done
    assert f"Error: {reason}" in done.err and done.err.count("Error: ") == 1
    settings = load(tmp_path / "stowgate.toml", environ={})
    scanner, drop, _ = settings.source
    assert (settings.unit.name, scanner.ae, drop.path) == ("U", "A", tmp_path / "in")  # type: ignore[union-attr]
    assert scanner.listen.endswith(":104")  # type: ignore[union-attr]


def test_init_says_what_to_do_where_nobody_answers(tmp_path: Path) -> None:
    done = typed(tmp_path, "", "init")
    assert done.code == Exit.INTERRUPTED
    assert "\nNothing was written. `stowgate init --yes` asks nothing" in done.err
    assert files(tmp_path) == {}


def test_who_lets_the_scanner_call_first_is_told_where_to_listen(stowgate: Stowgate, tmp_path: Path) -> None:
    assert stowgate("init", "--yes").code == Exit.DONE
    assert "0.0.0.0 lets scanners call over the network" in (tmp_path / "stowgate.toml").read_text()
    told = {line["what"]: line for line in stowgate("check", "--json").lines}
    assert told["callers of scanner"]["fix"].startswith('Set listen = "0.0.0.0:11112" if it is another machine. Let')
    text = (tmp_path / "stowgate.toml").read_text()
    (tmp_path / "stowgate.toml").write_text(text.replace("127.0.0.1:11112", "0.0.0.0:11112"))
    told = {line["what"]: line for line in stowgate("check", "--json").lines}
    assert told["callers of scanner"]["fix"].startswith("Let the scanner call once")
    assert "Only this machine" not in told["port of scanner"]["said"]


# ------------------------------------------------------------------------------------------------- check and others


def test_what_a_gateway_lacks_is_one_problem_each(stowgate: Stowgate, tmp_path: Path) -> None:
    (tmp_path / "stowgate.toml").write_text('[unit]\nname = "x"\n')
    done = stowgate("check")
    assert done.code == Exit.CONFIGURATION
    assert done.out.count("PROBLEM") == 2
    assert "A gateway needs [spool] path" in done.out
    assert "A gateway needs at least one [[source]]" in done.out
    assert "2 problems" in done.out


def test_a_spool_that_is_no_folder_is_one_problem(stowgate: Stowgate, tmp_path: Path) -> None:
    configured(tmp_path)
    (tmp_path / "spool").touch()
    assert problems(stowgate("check", "--json")) == {"spool": "spool_unwritable"}


def test_a_watched_folder_that_is_gone_is_a_matter_of_the_configuration(stowgate: Stowgate, tmp_path: Path) -> None:
    configured(tmp_path)
    (tmp_path / "in").rmdir()
    assert stowgate("check").code == Exit.CONFIGURATION
    done = typed(tmp_path, "", "run")
    assert done.code == Exit.CONFIGURATION
    assert "folder_missing: A watched folder is not there, or cannot be entered. (in)" in done.err


def test_a_study_that_is_not_there_is_said_with_the_command_that_lists_them(stowgate: Stowgate, ran: Path) -> None:
    done = stowgate("study", "show", "000000")
    assert done.code == Exit.USAGE
    assert "at least 6 digits" in done.err
    assert "`study list`" in done.err


def test_nothing_refused_is_said_where_that_was_asked(stowgate: Stowgate, tmp_path: Path) -> None:
    config = configured(tmp_path)
    with gateway_of(config, work=False):
        pass
    assert stowgate("quarantine", "list", "--rejected").err == "Nothing is quarantined, and nothing was refused.\n"
    assert stowgate("quarantine", "list").err == "Nothing is quarantined.\n"


WITHOUT_RIGHTS = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
"""A process that is root in name only."""


def unprivileged(folder: Path, *argv: str) -> Done:
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv")
    begin = WITHOUT_RIGHTS if os.geteuid() == 0 else []
    run = subprocess.run([*begin, COMMAND, *argv], capture_output=True, text=True, cwd=folder, timeout=60, check=False)
    return Done(run.returncode, run.stdout, run.stderr)


@pytest.mark.parametrize(
    "command",
    ["status", "queue list", "queue hold abcdef", "study list", "source list", "audit verify", "keys rotate"],
)
def test_who_may_not_look_into_the_spool_is_told_so(ran: Path, command: str) -> None:
    spool = ran.parent / "spool"
    spool.chmod(0)
    try:
        says(unprivileged(ran.parent, *command.split()), "spool_closed", Exit.CONFIGURATION)
    finally:
        spool.chmod(0o700)


def test_a_spool_that_is_closed_is_one_problem(ran: Path) -> None:
    spool = ran.parent / "spool"
    spool.chmod(0)
    try:
        assert problems(unprivileged(ran.parent, "check", "--json")) == {"spool": "spool_unwritable"}
    finally:
        spool.chmod(0o700)


def test_a_folder_that_cannot_be_entered_does_not_pass_its_test(ran: Path) -> None:
    (ran.parent / "in").chmod(0)
    done = unprivileged(ran.parent, "source", "test", "drop")
    assert done.code == Exit.PARTLY
    assert done.out.startswith("drop: A watched folder is not there, or cannot be entered.")


def test_a_configuration_that_cannot_be_read_is_said_as_one_that_is_not_there(ran: Path) -> None:
    ran.chmod(0)
    says(unprivileged(ran.parent, "status"), "settings_unreadable", Exit.CONFIGURATION)
