"""The installed command on a terminal, in a pipe and in a shell: a bar or plain lines, colour or none, completion."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from contextlib import suppress
from pathlib import Path

import pytest

from tests.journeys.stage import COMMAND, files, scan


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(45):
        (folder / f"{number:02}.dcm").write_bytes(scan(number))
    return folder


def on_a_terminal(*argv: object, **env: str) -> tuple[int, str]:
    """Exit code, and everything that was written to a terminal of 120 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    variables = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        [COMMAND, *map(str, argv)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**variables, "TERM": "xterm", **env},
    )
    os.close(theirs)
    said = b""
    with suppress(OSError):  # EIO: how Linux says that nobody is at the other end any more
        while piece := os.read(ours, 65536):
            said += piece
    os.close(ours)
    return process.wait(), said.decode()


def test_a_terminal_shows_a_bar_that_is_gone_at_the_end_and_then_the_summary(many: Path, tmp_path: Path) -> None:
    code, said = on_a_terminal("deid", many, "-o", tmp_path / "out", "--state", tmp_path / "state")
    assert code == 0
    assert "De-identifying" in said
    assert re.search(r"\d+/45", said)
    assert "\x1b[" in said
    bar, _, summary = said.rpartition("\x1b[2K")
    assert "De-identifying" in bar
    assert "45 received = 45 cleaned" in summary
    assert str(many) not in said.replace(str(tmp_path / "state"), "")


def test_no_color_keeps_the_bar_and_drops_the_colours(many: Path, tmp_path: Path) -> None:
    colour = re.compile(r"\x1b\[(?:\d+;)*3[0-9](?:;\d+)*m")
    _, said = on_a_terminal("deid", many, "-o", tmp_path / "a", "--state", tmp_path / "state")
    assert colour.search(said)
    _, said = on_a_terminal("deid", many, "-o", tmp_path / "b", "--state", tmp_path / "state", NO_COLOR="1")
    assert "De-identifying" in said
    assert not colour.search(said)


@pytest.mark.parametrize("flag", ["--json", "-q", "-v"])
def test_a_terminal_shows_no_bar_where_lines_are_asked_for(many: Path, tmp_path: Path, flag: str) -> None:
    _, said = on_a_terminal("deid", many, "-o", tmp_path / "out", "--state", tmp_path / "state", flag)
    assert "De-identifying" not in said
    assert "\x1b" not in said


def test_a_pipe_gets_plain_text_and_data_apart_from_talk(many: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [COMMAND, "deid", many, "-o", tmp_path / "out", "--state", tmp_path / "state"],
        check=True, capture_output=True, text=True, env={**os.environ, "FORCE_COLOR": ""},
    )  # fmt: skip
    assert "\x1b" not in done.stdout + done.stderr
    assert "45 received = 45 cleaned" in done.stdout
    assert done.stderr.startswith("A project key was made")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_goes_away_ends_the_run_without_a_traceback(many: Path, tmp_path: Path) -> None:
    line = [COMMAND, "deid", many, "-o", tmp_path / "out", "--state", tmp_path / "state", "--json"]
    ours, theirs = os.pipe()
    os.close(ours)
    process = subprocess.run(line, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    os.close(theirs)
    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    assert "Error" not in process.stderr
    assert subprocess.run(line, capture_output=True, check=False).returncode == 0
    assert len(files(tmp_path / "out")) == 45


def test_ctrl_c_at_the_terminal_leaves_with_130_and_one_sentence(tmp_path: Path) -> None:
    """The signal goes to the whole group, as a terminal sends it, children included."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(400):
        (folder / f"{number:03}.dcm").write_bytes(scan(number, syntax="1.2.840.10008.1.2.2"))
    line = [COMMAND, "deid", folder, "-o", tmp_path / "out", "--state", tmp_path / "state", "-v"]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        assert process.stderr
        assert " cleaned" in process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        said = process.stderr.read()
        process.stdout.read()
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("Stopped. What was finished stays")
    assert len(said.splitlines()) == 2
    assert {Path(name).suffix for name in files(tmp_path / "out")} == {".dcm"}


@pytest.mark.parametrize("terminal", [True, False])
def test_status_that_is_watched_has_the_time_and_is_drawn_in_place_on_a_terminal(
    tmp_path: Path, terminal: bool
) -> None:
    (tmp_path / "stowgate.toml").write_text('[spool]\npath = "spool"\n')
    ours, theirs = pty.openpty() if terminal else os.pipe()
    if terminal:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    watching = subprocess.Popen(
        [COMMAND, "status", "--watch"], cwd=tmp_path, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while said.count(b"does not run") < 2:
        said += os.read(ours, 65536)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(20) == 0
    os.close(ours)
    assert len(re.findall(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", said)) == 2
    assert (b"\x1b[1A" in said) is terminal, "the cursor goes up again"


def test_completion_is_offered_and_knows_the_commands() -> None:
    shown = subprocess.run(
        [COMMAND], env={**os.environ, "_STOWGATE_COMPLETE": "source_bash"}, capture_output=True, text=True, check=False
    )
    assert "complete -o default -F _stowgate_completion stowgate" in shown.stdout
    typed = {"_STOWGATE_COMPLETE": "complete_bash", "COMP_WORDS": "stowgate ", "COMP_CWORD": "1"}
    offered = subprocess.run([COMMAND], env={**os.environ, **typed}, capture_output=True, text=True, check=False)
    assert offered.stdout.split() == [
        *(
            "deid",
            "explain",
            "inspect",
            "scan",
            "view",
            "cluster",
            "triage",
            "qc",
            "run",
            "status",
            "init",
            "check",
            "conformance",
            "demo",
            "link",
        ),
        *("send", "verify", "queue", "quarantine", "study", "source", "dest", "audit", "profile", "keys"),
    ]
    help_text = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--install-completion" in help_text
    assert "--show-completion" in help_text


def test_the_demonstration_has_a_page_of_numbers_and_a_key_that_cuts_the_link() -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    variables = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    demo = subprocess.Popen(
        [COMMAND, "demo", "--seconds", "60"], stdin=theirs, stdout=theirs, stderr=theirs,
        env={**variables, "TERM": "xterm", "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(theirs)
    said = b""

    def until(word: bytes) -> None:
        nonlocal said
        said = b""
        while word not in said:
            said += os.read(ours, 65536)

    until(b"link up")
    os.write(ours, b"c")
    until(b"link CUT")
    assert b"\x1b[31m" not in said and b"\x1b[32m" not in said
    os.write(ours, b" ")
    until(b"link up")
    os.write(ours, b"q")
    with suppress(OSError):  # EIO: it has ended
        while piece := os.read(ours, 65536):
            said += piece
    os.close(ours)
    assert demo.wait() == 0
    assert b"equal byte for byte" in said or b"nothing has been proved to have arrived yet" in said
