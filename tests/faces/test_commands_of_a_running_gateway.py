"""The gateway's commands, against a real spool that was filled over the network and from a folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stowgate.faces.sample import make_series
from stowgate.faces.service import Running, running
from stowgate.ingest.scanner import Called, echo, send
from stowgate.settings import load
from tests.builder import small
from tests.faces.conftest import Stowgate

TEXT = """
[spool]
path = "spool"
reserve = "0B"
[log]
file = "gateway.log"
[[source]]
name = "ct"
kind = "dimse"
listen = "127.0.0.1:0"
allow = [{ ae = "CT1", ip = "127.0.0.1" }]
[[source]]
name = "drop"
kind = "folder"
path = "in"
settle = 0.2
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Running]:
    """A gateway that runs and holds three slices, a copy, and something that is no DICOM."""
    (tmp_path / "in").mkdir()
    config = tmp_path / "stowgate.toml"
    config.write_text(TEXT, encoding="utf-8")
    with running(load(config, environ={}), tmp_path) as now:
        files = make_series(tmp_path / "series", 3)
        assert send(Called("127.0.0.1", now.ports["ct"], "STOWGATE", "CT1"), files) == 3
        (tmp_path / "in" / "copy.dcm").write_bytes(files[0].read_bytes())
        (tmp_path / "in" / "notes.txt").write_bytes(b"no DICOM at all" * 20)
        until(lambda: sum(map(sum, (s.values() for s in now.gateway.ledger.counts().values()))) == 5)
        until(lambda: now.gateway.ledger.counts()["ct"]["waiting"] == 3)  # type: ignore[index]
        yield now


def until(holds: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():  # type: ignore[operator]
                return
        except KeyError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_line_adds_up_and_everything_can_be_asked(gateway: Running, stowgate: Stowgate) -> None:
    status = json.loads(stowgate("status", "--json").out)
    assert (status["received"], status["waiting"], status["duplicates"], status["rejected"]) == (5, 3, 1, 1)
    assert status["received"] == sum(
        status[place] for place in ("waiting", "delivered", "held", "quarantined", "rejected", "duplicates", "dropped")
    )
    assert set(status["sources"]) == {"ct", "drop"}
    assert "The gateway runs." in stowgate("status").out
    rows = [json.loads(line) for line in stowgate("queue", "list", "--json").out.splitlines()]
    assert len(rows) == 3
    assert {row["state"] for row in rows} == {"waiting"}
    assert "no DICOM" not in stowgate("queue", "list").out
    assert stowgate("quarantine", "list").code == 0
    assert len(stowgate("study", "list", "--json").out.splitlines()) == 2
    alias = rows[0]["study"]
    assert stowgate("study", "show", alias[:8]).code == 0
    assert stowgate("source", "list").code == 0
    assert stowgate("conformance").out.startswith("# DICOM conformance statement")
    assert stowgate("check").code == 0


def test_acts_are_done_by_the_gateway_that_runs_and_are_on_record(
    gateway: Running, stowgate: Stowgate, tmp_path: Path
) -> None:
    id = json.loads(stowgate("queue", "list", "--json", "--limit", "1").out)["id"]
    assert stowgate("queue", "hold", id[:8]).code == 0
    assert json.loads(stowgate("status", "--json").out)["held"] == 1
    assert "held_by_person" in stowgate("queue", "show", id).out
    assert json.loads(stowgate("queue", "show", id, "--json").out)["who_acts"] == "a person"
    assert stowgate("quarantine", "export", "out", id, "--yes").code == 0
    assert (tmp_path / "out" / f"{id}.dcm").stat().st_mode & 0o777 == 0o600
    assert stowgate("queue", "release", id).code == 0
    until(lambda: json.loads(stowgate("status", "--json").out)["held"] == 0)
    until(lambda: gateway.gateway.ledger.counts()["ct"]["waiting"] == 3)  # type: ignore[index]
    assert stowgate("queue", "export", "clean").code == 0
    clean = list((tmp_path / "clean").rglob("*.dcm"))
    assert len(clean) == 3
    assert not any(b"Foster" in path.read_bytes() or b"MRN-004417" in path.read_bytes() for path in clean)
    kinds = [json.loads(line)["kind"] for line in stowgate("audit", "show", "--json").out.splitlines()]
    assert {"hold", "release", "export", "quarantine_export"} <= set(kinds)
    assert "all as they were written" in stowgate("audit", "verify").out
    assert stowgate("audit", "export").out.count("\n") == len(kinds)


def test_a_held_item_that_is_dropped_leaves_its_row_and_nothing_else(gateway: Running, stowgate: Stowgate) -> None:
    id = json.loads(stowgate("queue", "list", "--json", "--limit", "1").out)["id"]
    stowgate("queue", "hold", id)
    assert stowgate("quarantine", "drop", id, "--yes").code == 0
    assert json.loads(stowgate("status", "--json").out)["dropped"] == 1
    assert id not in set(gateway.gateway.spool.raw.ids())


def test_bad_input_is_one_clear_line_with_its_exit_code(gateway: Running, stowgate: Stowgate) -> None:
    for words, code in (
        (("queue", "hold", "abcdef"), 2),
        (("queue", "show", "abcdef"), 2),
        (("study", "show", "abcdef"), 2),
        (("source", "test", "nowhere"), 2),
        (("status", "-c", "other.toml"), 10),
        (("keys", "rotate"), 11),
        (("run",), 11),
        (("init", "--yes"), 10),
    ):
        done = stowgate(*words)
        assert done.code == code, words
        assert "Traceback" not in done.err
        assert done.err.strip()


def test_nothing_of_the_patient_is_in_a_log_or_in_clear_on_disk(gateway: Running, tmp_path: Path) -> None:
    for path in [*(tmp_path / "spool").rglob("*"), tmp_path / "gateway.log"]:
        if path.is_file():
            data = path.read_bytes()
            assert not any(word in data for word in (b"Foster", b"MRN-004417", b"Northmoor", b"Adeyemi")), path.name


def test_a_stranger_is_rejected_and_listed(gateway: Running, stowgate: Stowgate) -> None:
    assert echo(Called("127.0.0.1", gateway.ports["ct"], "STOWGATE", "CT1")) == ""
    assert echo(Called("127.0.0.1", gateway.ports["ct"], "STOWGATE", "STRANGER")) == "rejected"
    until(lambda: "STRANGER" in stowgate("source", "list").err)


def test_without_a_running_gateway_commands_own_the_spool_themselves(
    tmp_path: Path, stowgate: Stowgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.dcm").write_bytes(small())
    config = tmp_path / "stowgate.toml"
    config.write_text(TEXT, encoding="utf-8")
    assert stowgate("status").code == 0  # zeros: nothing has come yet
    with running(load(config, environ={}), tmp_path) as now:
        until(lambda: now.gateway.ledger.counts()["drop"]["waiting"] == 1)  # type: ignore[index]
    assert "does not run" in stowgate("status").out
    id = json.loads(stowgate("queue", "list", "--json").out)["id"]
    assert stowgate("queue", "hold", id).code == 0
    assert stowgate("queue", "release", id).code == 0
    assert stowgate("keys", "rotate").code == 0
    with running(load(config, environ={}), tmp_path) as now:
        until(lambda: now.gateway.ledger.counts()["drop"]["waiting"] == 1)  # type: ignore[index]


def test_the_demonstration_moves_and_leaves_nothing(stowgate: Stowgate) -> None:
    done = stowgate("demo", "--seconds", "1")
    assert done.code == 0
    last = [line for line in done.out.splitlines() if line.startswith("received")][-1]
    assert int(last.split()[1]) >= 12
