"""`stowgate link`: a bad link in front of any peer, by a profile or a trace."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.faces.conftest import Stowgate
from tests.journeys.stage import COMMAND


def test_what_is_sent_passes_and_is_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as peer:
        line = [COMMAND, "link", f"127.0.0.1:{peer.getsockname()[1]}", "--like", "steady"]
        run = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert run.stderr and run.stdout
        found = re.search(r"listens on 127\.0\.0\.1:(\d+)\.", run.stderr.readline())
        assert found
        with socket.create_connection(("127.0.0.1", int(found[1])), 20) as caller:
            caller.sendall(b"hello")
            peer.settimeout(20)
            with peer.accept()[0] as taken:
                taken.settimeout(20)
                assert taken.recv(5) == b"hello"
        counted = next(said for said in run.stdout if "up 5 B" in said)
        assert "link up" in counted and "connections 1" in counted
        run.send_signal(signal.SIGINT)
        assert run.wait(20) == 0


@pytest.mark.parametrize(
    "words",
    [("nowhere",), ("x:99999",), ("x:1", "--like", "moon"), ("x:1", "--listen", "5"), ("x:1", "--trace", "none.txt")],
)
def test_what_cannot_be_done_is_said(stowgate: Stowgate, words: tuple[str, ...]) -> None:
    done = stowgate("link", *words, "--seconds", "0")
    assert done.code == 2 and "Invalid value for" in done.err


def test_a_trace_of_ones_own_is_read_and_a_wrong_line_is_named(stowgate: Stowgate, tmp_path: Path) -> None:
    trace = tmp_path / "trace.txt"
    trace.write_text("0 2000 80 up\n3 - 0 gone\n", encoding="utf-8")
    assert "line 2" in stowgate("link", "127.0.0.1:9", "--trace", trace, "--seconds", "0").err
    trace.write_text("0 - 0 down\n", encoding="utf-8")
    assert "link down" in stowgate("link", "127.0.0.1:9", "--trace", trace, "--seconds", "0.3").out


def test_a_port_that_is_taken_is_said(stowgate: Stowgate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        done = stowgate("link", "127.0.0.1:9", "--listen", place, "--seconds", "0")
    assert done.code == 10 and "port_unavailable" in done.err
