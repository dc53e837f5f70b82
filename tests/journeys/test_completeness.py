"""A study whose headers say how large it is, sent by a real sender to the gateway as a process."""

from __future__ import annotations

import http.client
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.builder import el
from tests.journeys.unit import STORESCU, Life, Server, Unit, send, series, told

pytestmark = pytest.mark.skipif(shutil.which(STORESCU) is None, reason="dcmtk is absent: no real sender")

NUMBER = (el("NumberOfStudyRelatedInstances", "3"), el("PatientName", "ZQCANARY^Foster"))


def study(unit: Unit, seconds: float = 30) -> dict[str, Any]:
    """The one study, once it is complete."""
    deadline = time.monotonic() + seconds
    while True:
        code, said = unit.command("study", "list", "--json")
        found: dict[str, Any] = json.loads(said)
        assert code == 0
        if found["complete"]:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def noticed(unit: Unit) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (unit.root / "log").read_text().splitlines()]
    return [line for line in lines if line["event"] == "noticed"]


def metrics(life: Life) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", life.ports["web"], timeout=10)
    connection.request("GET", "/metrics")
    try:
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_all_that_was_announced_is_complete_long_before_the_idle_time(unit: Unit) -> None:
    files = series(unit.root / "in", range(3), more=NUMBER)
    with unit.running() as life:
        began = time.monotonic()
        assert len(told(send(life.ports["ct"], list(files)))) == 3
        found = study(unit)
        assert (found["expected"], found["missing"], found["instances"]) == (3, 0, 3)
        assert time.monotonic() - began < 60, "complete_after is 600"
        assert noticed(unit) == []


def test_a_study_that_stays_short_is_told_in_codes_and_counts(tmp_path: Path, gateways: Server) -> None:
    unit = Unit(tmp_path, gateways, more="complete_after = 1\n")
    files = list(series(unit.root / "in", range(3), more=NUMBER))
    with unit.running() as life:
        assert len(told(send(life.ports["ct"], files[:2]))) == 2
        found = study(unit)
        assert (found["expected"], found["missing"], found["instances"]) == (3, 1, 2)
        (line,) = noticed(unit)
        assert (line["code"], line["count"], line["study"], line["source"]) == ("study_short", 1, found["alias"], "ct")
        assert 'stowgate_noticed_total{code="study_short"} 1.0' in metrics(life)
        assert unit.command("study", "show", found["alias"])[0] == 0
        assert len(told(send(life.ports["ct"], files[2:]))) == 1, "it is taken all the same"
        deadline = time.monotonic() + 30
        while (found := study(unit))["missing"]:
            assert time.monotonic() < deadline
        assert len(noticed(unit)) == 1
        unit.settled()
        assert unit.exported() == unit.expected(*(file.read_bytes() for file in files))
    assert "ZQCANARY" not in (unit.root / "log").read_text() + life.err.read_text()
