"""The whole process delivers to a folder and to a node, is killed at any time, and its peers come and go."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stowgate.store.custody_view import read_custody
from tests.deliver.node import Node, data_set
from tests.ingest.dimse import eventually
from tests.journeys.test_gateway_dies import Scanner
from tests.journeys.unit import STORESCU, Server, Unit, send, series, told

pytestmark = pytest.mark.skipif(shutil.which(STORESCU) is None, reason="dcmtk is absent: no real sender")

KILLS, INSTANCES = 6, 60
"""The long one is in test_bad_link."""
WAYS = """
[[dest]]
name = "nas"
kind = "folder"
path = "out"
layout = "{{instance}}.dcm"
[[dest]]
name = "pacs"
kind = "dimse"
host = "127.0.0.1"
port = {port}
called = "NODE"
[[route]]
dest = ["nas", "pacs"]
"""


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    yield made
    made.stop()


@pytest.fixture
def unit(tmp_path: Path, gateways: Server, node: Node) -> Unit:
    (tmp_path / "out").mkdir()
    return Unit(tmp_path, gateways, reserve="0B", more=WAYS.format(port=node.port))


def delivered(unit: Unit) -> int:
    with read_custody(unit.spool / "ledger.db") as view:
        return sum(sum(states.values()) for states in view.deliveries.delivered().values())


def out(unit: Unit) -> list[bytes]:
    return sorted(path.read_bytes() for path in (unit.root / "out").glob("*.dcm"))


def test_no_kill_at_any_time_loses_doubles_or_alters_what_is_delivered(unit: Unit, node: Node) -> None:
    """A1, A4. Killed while it takes in, cleans, sends, asks and writes down; the node restarts meanwhile."""
    luck = random.Random(11)
    objects = series(unit.root / "in", range(INSTANCES))
    scanner = Scanner([*objects], at_once=INSTANCES // 3)
    for kill in range(KILLS):
        life = unit.start().ready()
        threads = scanner.send_to(life)
        time.sleep(luck.uniform(0.1, 1.0))
        assert life.kill() == -signal.SIGKILL, life.err.read_text()
        for thread in threads:
            thread.join()
        scanner.note()
        if kill % 3 == 2:
            node.stop()
            node.start()
    with unit.running() as life:
        while scanner.open:
            for thread in scanner.send_to(life):
                thread.join()
            scanner.note()
        line = unit.settled(600)
        innocent = unit.quarantined()  # worked on while two of the kills came: nobody can tell it from poison
        assert set(innocent) <= {"third_start"}
        for id in unit.suspects():
            unit.command("quarantine", "release", id)
        eventually(lambda: delivered(unit) == INSTANCES, 600)
    wanted = unit.expected(*objects.values())
    assert out(unit) == wanted
    assert sorted(node.held.values()) == sorted(map(data_set, wanted))
    line = unit.status()
    assert line["delivered"] == INSTANCES and line["waiting"] == line["held"] == line["quarantined"] == 0


def test_a_node_that_is_away_and_a_folder_that_is_unplugged_get_everything_when_they_are_back(
    unit: Unit, node: Node
) -> None:
    (unit.root / "out").rename(unit.root / "unplugged")
    node.stop()
    objects = series(unit.root / "in", range(5))
    with unit.running() as life:
        assert len(told(send(life.ports["ct"], [*objects]))) == 5
        unit.settled()
        code, said = unit.command("queue", "list", "--json")
        assert code == 0 and said.count('"who_acts": "the gateway"') == 5
        assert unit.status()["delivered"] == 0
        node.start()
        (unit.root / "unplugged").rename(unit.root / "out")
        began = time.monotonic()
        eventually(lambda: node.held and out(unit), 30)
        assert time.monotonic() - began < 10 + 5, "within ten seconds of its return, and what this machine is late by"
        eventually(lambda: delivered(unit) == 5, 30)
    assert out(unit) == unit.expected(*objects.values())


def test_nothing_that_leaves_names_anybody_and_neither_does_the_log(unit: Unit, node: Node) -> None:
    """F1p, F7p: what came out at the other end, and what was told of it."""
    from tests.builder import el

    names = (el("PatientName", "Zwicker^Quendolin"), el("PatientID", "MRN-88172"), el("StudyDescription", "Zwickers"))
    objects = series(unit.root / "in", range(3), more=names)
    with unit.running() as life:
        assert len(told(send(life.ports["ct"], [*objects]))) == 3
        eventually(lambda: delivered(unit) == 3, 60)
        _, listed = unit.command("dest", "list", "--json")
    seen = [*out(unit), *node.held.values(), (unit.root / "log").read_bytes(), listed.encode()]
    for canary in (b"Zwicker", b"Quendolin", b"MRN-88172"):
        assert not any(canary in one for one in seen)
