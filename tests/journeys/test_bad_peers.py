"""The whole process with peers that break off, are away for days, are slow, or take one object and not the other."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import _config

from stowgate.lifecycle import Delivery
from stowgate.reasons import REASONS
from stowgate.store.custody_view import read_custody
from tests.builder import JPEG_BASELINE, MR, RLE, Fragments, el
from tests.deliver.dcmtk import STORESCP, needs_dcmtk, server
from tests.deliver.node import Node, data_set
from tests.deliver.web import JSON, Reply, Web, uid_of
from tests.ingest.dimse import eventually
from tests.journeys.breaking import Breaking, Fault, How
from tests.journeys.stage import scan
from tests.journeys.test_bad_link import PACS, WEB, Units, outages, units
from tests.journeys.test_delivery import delivered
from tests.journeys.unit import STORESCU, Unit, send, series, told

__all__ = ["units"]
pytestmark = [
    pytest.mark.skipif(shutil.which(STORESCU) is None, reason="dcmtk is absent: no real sender"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]
"""A node of pynetdicom stumbles in a thread of its own over connections that end early."""

DAY = 86_400.0
Row = dict[str, Any]


class Kept(Web):
    """Remembers every file that it was to store, however often it came."""

    def __init__(self) -> None:
        self.came: list[bytes] = []
        super().__init__()
        self.keeps = lambda file: self.came.append(file) or file  # type: ignore[func-returns-value]


@pytest.fixture
def web() -> Iterator[Kept]:
    made = Kept()
    yield made
    made.stop()


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(_config, "UNRESTRICTED_STORAGE_SERVICE", False)  # a source in this process sets it
    made = Node()
    yield made
    with suppress(Exception):
        made.stop()


def rows(unit: Unit, *what: str) -> list[Row]:
    """What a command lists, in the order of arrival."""
    code, said = unit.command(*what, "--json")
    assert code == 0
    return [json.loads(line) for line in said.splitlines()]


def place(unit: Unit, name: str = "pacs") -> Row:
    """What `status` says of a destination."""
    found: Row = rows(unit, "status")[0]["destinations"][name]
    return found


def codes(unit: Unit) -> dict[str, str]:
    """Why each of those in quarantine is there, by id."""
    return {row["id"]: row["code"] for row in rows(unit, "quarantine", "list")}


def all_verified(unit: Unit, number: int) -> None:
    """By what `status` and `queue` say."""
    line, there = unit.status(), place(unit)
    assert line["delivered"] == line["received"] == number and rows(unit, "queue", "list") == []
    assert {step: there[step] for step in map(str, Delivery)} == dict.fromkeys(map(str, Delivery), 0) | {
        "verified": number
    }
    assert there["code"] == there["paused"] == ""


@pytest.mark.parametrize("kind", ["stow", "dimse"])
def test_what_a_peer_resets_cuts_and_never_answers_is_told_and_arrives_once(
    units: Units, web: Kept, node: Node, kind: str
) -> None:
    """C6. Three objects in, cut; then reset in the middle of each; then everything taken and nothing answered."""
    faults = [Fault(420_000, How.CUT), Fault(60_000, How.RESET, lasts=True)]
    with Breaking(web.port if kind == "stow" else node.port, faults) as way:
        ways = {"stow": WEB.format(url=f"http://127.0.0.1:{way.port}/dicom-web"), "dimse": PACS.format(port=way.port)}
        unit = units(ways[kind])
        objects = series(unit.root / "in", range(8), 256)
        with unit.running() as life:
            assert len(told(send(life.ports["ct"], [*objects]))) == 8
            sentence = REASONS["peer_broke_off"].sentence
            eventually(lambda: any(sentence in row["reason"] for row in rows(unit, "queue", "list")), 60)
            eventually(lambda: place(unit)["code"] == "peer_broke_off", 60)
            eventually(lambda: How.RESET in way.broke, 60)
            assert delivered(unit) < 8
            way.faults.append(Fault(60_000, How.NO_ANSWER))
            way.faults.popleft()
            unit.command("queue", "retry", "--now")
            eventually(lambda: delivered(unit) == 8, 120)
        assert set(way.broke) == {*How} and way.broke.count(How.NO_ANSWER) == 1
        all_verified(unit, 8)
        assert {one.code for one in outages(unit)} == {"peer_broke_off"} and all(one.ended for one in outages(unit))
    wanted = unit.expected(*objects.values())
    if kind == "stow":
        assert sorted(web.held.values()) == wanted
        assert set(web.came) == set(wanted), "whatever came twice was the same"
    else:
        assert sorted(node.held.values()) == sorted(map(data_set, wanted))
        assert sorted(node.came) == sorted(node.held), "no object came whole twice"


URGENT = """
[[route]]
priority = ["high"]
urgency = "high"
dest = ["pacs"]
"""


def test_ten_days_without_a_link_lose_nothing_and_the_most_urgent_of_the_backlog_goes_first(
    units: Units, node: Node
) -> None:
    """C10. All clocks of the process are moved, a day at a time, and it is stopped and started again on the fifth."""
    unit = units(PACS.format(port=node.port).replace('called = "NODE"', 'called = "NODE"\nworkers = 1') + URGENT)
    unit.later(0)
    node.stop()
    objects: dict[Path, bytes] = {}

    def day(number: int, life_port: int, *more: Any) -> list[Path]:
        study = el("StudyInstanceUID", f"1.2.3.4.5.6.{number}.1")
        made = series(unit.root / "in", range(number * 10, number * 10 + 2), more=(study, *more))
        objects.update(made)
        assert len(told(send(life_port, [*made]))) == 2
        return [*made]

    for days in (range(1, 6), range(6, 11)):
        with unit.running() as life:
            for number in days:
                day(number, life.ports["ct"])
                unit.settled()
                unit.later(DAY)
                unit.command("queue", "retry", "--now")
    with unit.running() as life:
        urgent = day(11, life.ports["ct"], el("RequestedProcedurePriority", "HIGH"))
        line = unit.settled()
        assert (line["waiting"], line["delivered"], line["quarantined"]) == (22, 0, 0), "nothing is given up"
        assert {row["who_acts"] for row in rows(unit, "queue", "list")} == {"the gateway"}
        eventually(lambda: place(unit)["code"] == "peer_unreachable", 60)
        node.start()
        back = time.monotonic()
        eventually(lambda: node.came, 60)
        assert time.monotonic() - back <= 10 + 5, "and what this machine is late by"
        eventually(lambda: delivered(unit) == 22, 60)
        all_verified(unit, 22)
        (outage,) = outages(unit)
        assert outage.ended - outage.began >= 10 * DAY and outage.code == "peer_unreachable"
    mine = {uid_of(one) for one in unit.expected(*(objects[path] for path in urgent))}
    assert mine <= set(node.came[:4]), "but for one turn in eight, which is the oldest's"
    assert sorted(node.came) == sorted(node.held)
    assert sorted(node.held.values()) == sorted(map(data_set, unit.expected(*objects.values())))


SLOW, LIMIT = "128K", 128 << 10
NIGHT = """
[[dest]]
name = "night"
kind = "stow"
url = "{url}"
hours = ["{hours}"]
[[route]]
dest = ["night"]
"""


def test_no_byte_comes_faster_than_the_limit_and_none_outside_the_hours(units: Units, web: Kept, node: Node) -> None:
    """C12. What the peer has at any moment since it was resumed is no more than the limit; a clock is moved to open."""
    hour = time.localtime().tm_hour
    hours = f"{(hour + 10) % 24:02}:00-{(hour + 16) % 24:02}:00"
    with Breaking(node.port) as way:
        slow = PACS.format(port=way.port).replace('called = "NODE"', f'called = "NODE"\nbwlimit = "{SLOW}"')
        unit = units(slow + NIGHT.format(url=web.url, hours=hours))
        unit.later(0)
        objects = series(unit.root / "in", range(7), 256)
        with unit.running() as life:
            assert unit.command("dest", "pause", "pacs")[0] == 0
            assert len(told(send(life.ports["ct"], [*objects]))) == 7
            unit.settled()
            began = time.monotonic()
            assert unit.command("dest", "resume", "pacs")[0] == 0
            eventually(lambda: place(unit)["verified"] == 7, 180)
            came, ended = way.passed[-1][1], way.passed[-1][0]
            assert ended - began > 5 and came > sum(map(len, objects.values()))
            too_fast = [(at, size) for at, size in way.passed if size > LIMIT * 1.1 * (at - began) + LIMIT / 4]
            assert too_fast == []
            stands = {row["name"]: row["stands"] for row in rows(unit, "dest", "list")}
            assert stands["night"] == "outside its hours" and stands["pacs"].startswith("open")
            assert web.posts == [] and web.questions == [] and delivered(unit) == 0
            assert all("at other hours" in row["reason"] for row in rows(unit, "queue", "list"))
            unit.later(12 * 3600)
            eventually(lambda: delivered(unit) == 7, 60)
            assert {row["stands"] for row in rows(unit, "dest", "list")} != {"outside its hours"}
    wanted = unit.expected(*objects.values())
    assert sorted(web.held.values()) == wanted
    assert sorted(node.held.values()) == sorted(map(data_set, wanted))
