"""`stowgate check` finds out whether what a gateway wrote down is still what it wrote."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stowgate.faces.checkup_records import audit_log, ledger
from stowgate.faces.cli.exits import Exit
from stowgate.observe.audit import LOG
from stowgate.observe.record import Entry
from stowgate.settings import load
from tests.faces.conftest import Stowgate
from tests.faces.gateway_stage import OBJECTS, configured, gateway_of, take_in


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """The configuration of a gateway that ran, took some objects in, and was stopped."""
    config = configured(tmp_path)
    with gateway_of(config) as gateway:
        take_in(gateway, *OBJECTS)
        for number in range(3):
            gateway.audit.append(Entry("started", count=number))
    return config


def said(config: Path) -> dict[str, str]:
    settings = load(config, environ={})
    looks = (*ledger(settings, config.parent), *audit_log(settings, config.parent))
    return {one.what: one.said for one in looks}


def lines(stowgate: Stowgate) -> dict[str, dict[str, object]]:
    return {str(line["what"]): line for line in stowgate("check", "--json").lines}


def test_before_the_first_start_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert said(configured(tmp_path)) == {}


def test_at_rest_every_page_and_every_record_is_looked_at(ran: Path) -> None:
    found = said(ran)
    assert found["ledger"] == "Every page is as it was written, and the counts add up."
    assert found["audit log"].endswith("records, all as they were written.")


def test_while_a_gateway_runs_its_ledger_is_looked_at_and_left_alone(ran: Path) -> None:
    with gateway_of(ran, work=False) as gateway:
        assert said(ran)["ledger"] == "Its shape is sound, and the counts add up."
        assert gateway.ledger.counts()


def test_a_bit_that_flipped_in_the_ledger_is_a_problem_and_does_not_hide_the_audit_log(
    ran: Path, stowgate: Stowgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ran.parent)
    ledger = ran.parent / "spool" / "ledger.db"
    kept = ledger.stat()
    with ledger.open("r+b") as file:
        data = bytearray(file.read())
        at = data.index(b"deliveries_stay")  # inside a text of the schema, where no shape is broken
        file.seek(at)
        file.write(bytes([data[at] ^ 1]))
    os.utime(ledger, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    found = lines(stowgate)
    assert (found["ledger"]["mark"], found["ledger"]["code"]) == ("problem", "ledger_damaged")
    assert found["audit log"]["mark"] == "ok"


def test_an_audit_log_that_was_edited_is_a_problem(
    ran: Path, stowgate: Stowgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ran.parent)
    log = ran.parent / "spool" / LOG
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    found = lines(stowgate)
    assert (found["audit log"]["mark"], found["audit log"]["code"]) == ("problem", "audit_broken")
    assert found["ledger"]["mark"] == "ok"
    assert stowgate("check").code == Exit.AUDIT_BROKEN
    log.unlink()
    assert lines(stowgate)["audit log"]["said"] == "It is gone."
