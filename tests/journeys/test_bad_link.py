"""The whole process over a link that is cut, silent, slow or false: nothing lost, nothing done early, reasons said."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from stowgate.link.profiles import PROFILES, Profile
from stowgate.link.relay import Relay
from stowgate.link.thread import relayed
from stowgate.link.trace import State, cycle, trace_of
from stowgate.store.custody_view import read_custody
from tests.builder import el
from tests.deliver.node import Node, data_set
from tests.deliver.test_cstore import Certificates
from tests.deliver.web import Web
from tests.ingest.dimse import eventually
from tests.journeys.test_delivery import delivered
from tests.journeys.test_gateway_dies import Scanner
from tests.journeys.unit import SOAK, STORESCU, Server, Unit, send, series, told

pytestmark = pytest.mark.skipif(shutil.which(STORESCU) is None, reason="dcmtk is absent: no real sender")

KILLS, INSTANCES = (200, 10_000) if SOAK else (20, 120)
PACS = """
[[dest]]
name = "pacs"
kind = "dimse"
host = "127.0.0.1"
port = {port}
called = "NODE"
[[route]]
dest = ["pacs"]
"""
WEB = """
[[dest]]
name = "pacs"
kind = "stow"
url = "{url}"
[[route]]
dest = ["pacs"]
"""
CANARIES = (b"Zwicker", b"Quendolin", b"MRN-88172", b"1.2.3.4.5.6.7.")
"""Name and number of each patient, and how every original UID begins."""


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    yield made
    with suppress(Exception):
        made.stop()


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    made.stop()


Units = Callable[[str], Unit]


@pytest.fixture
def units(tmp_path: Path, gateways: Server) -> Units:
    """Makes a unit with these ways out."""
    return lambda more: Unit(tmp_path, gateways, reserve="0B", more=more)


def named(number: int) -> tuple[Any, ...]:
    """What only a patient of this number has."""
    return (el("PatientName", f"Zwicker^Quendolin{number}"), el("PatientID", f"MRN-88172-{number}"))


def planted(unit: Unit, numbers: range, side: int = 64) -> dict[Path, bytes]:
    found: dict[Path, bytes] = {}
    for number in numbers:
        found |= series(unit.root / "in", [number], side, more=named(number))
    return found


def clear(relay: Relay) -> None:
    """Every byte that came from the gateway over this link names nobody."""
    passed = b"".join(bytes(one.up) for one in relay.passed)
    assert len(passed) > 10_000
    assert [canary for canary in CANARIES if canary in passed] == []


def of_dest(unit: Unit) -> dict[str, Any]:
    code, said = unit.command("dest", "show", "pacs", "--json")
    assert code == 0
    found: dict[str, Any] = json.loads(said)
    return found


def outages(unit: Unit) -> list[Any]:
    with read_custody(unit.spool / "ledger.db") as view:
        return view.deliveries.outages("pacs", 1000)


def test_no_kill_loses_doubles_or_alters_anything_over_a_link_that_flaps(units: Units, node: Node) -> None:
    """A1, A4, C11, F1p: killed at any time, the link gone every three seconds, the node restarted now and then."""
    luck = random.Random(5)
    flaps = Profile(cycle(None, 0.02, 6.0, 3.0, State.RESET))
    with relayed(("127.0.0.1", node.port), flaps, record=True) as relay:
        unit = units(PACS.format(port=relay.port))
        objects = planted(unit, range(INSTANCES))
        scanner = Scanner([*objects], at_once=max(10, INSTANCES // 12))
        for kill in range(KILLS):
            life = unit.start().ready()
            threads = scanner.send_to(life)
            time.sleep(luck.uniform(0.1, 1.2))
            assert life.kill() == -signal.SIGKILL, life.err.read_text()
            for thread in threads:
                thread.join()
            scanner.note()
            if kill % 5 == 4:
                node.stop()
                node.start()
        with unit.running() as life:
            while scanner.open:
                for thread in scanner.send_to(life):
                    thread.join()
                scanner.note()
            unit.settled(3600 if SOAK else 600)
            assert set(unit.quarantined()) <= {"third_start"}, "worked on while two of the kills came"
            if suspects := unit.suspects():
                unit.command("quarantine", "release", *suspects)
            eventually(lambda: delivered(unit) == INSTANCES, 3600 if SOAK else 600)
        assert relay.counts.outages > 3
        clear(relay)
    wanted = sorted(map(data_set, unit.expected(*objects.values())))
    assert sorted(node.held.values()) == wanted
    assert {len(versions) for versions in node.versions.values()} == {1}, "whatever came twice was the same"
    line = unit.status()
    assert line["delivered"] == INSTANCES and line["waiting"] == line["held"] == line["quarantined"] == 0
    assert all(one.ended for one in outages(unit)), "the log of outages has an end of each"


def test_a_link_that_flaps_every_three_seconds_is_tried_no_more_than_every_two_and_gets_on(
    units: Units, node: Node
) -> None:
    """C11."""
    with relayed(("127.0.0.1", node.port), PROFILES["flapping"]) as relay:
        unit = units(PACS.format(port=relay.port))
        objects = series(unit.root / "in", range(6), 256)
        began = time.monotonic()
        with unit.running() as life:
            assert len(told(send(life.ports["ct"], [*objects]))) == 6
            eventually(lambda: delivered(unit) == 6, 120)
        tries = node.associations
        assert tries <= 2 + (time.monotonic() - began) / 2
    assert sorted(node.held.values()) == sorted(map(data_set, unit.expected(*objects.values())))


def test_a_link_that_goes_silent_is_noticed_in_half_a_minute_and_used_soon_after_it_is_back(
    units: Units, node: Node
) -> None:
    """C1. In the middle of an object."""
    with relayed(("127.0.0.1", node.port), PROFILES["steady"]) as relay:
        unit = units(PACS.format(port=relay.port))
        objects = series(unit.root / "in", range(3), 1024)
        with unit.running() as life:
            assert len(told(send(life.ports["ct"], [*objects]))) == 3
            eventually(lambda: relay.counts.up > 300_000, 60)
            relay.cut(State.DOWN)
            cut = time.time()
            eventually(lambda: outages(unit), 60)
            noticed = outages(unit)[0].began - cut
            assert noticed <= 30 + 3, "and what this machine is late by"
            assert of_dest(unit)["left"]["least"] is None, "nobody knows when"
            before = relay.counts.up
            back = time.monotonic()
            relay.mend()
            eventually(lambda: relay.counts.up > before, 30)
            assert time.monotonic() - back <= 10 + 3
            eventually(lambda: delivered(unit) == 3, 120)
            state = of_dest(unit)
            assert state["up"] and state["rate"] > 0 and state["left"]["bytes"] == 0
            (one,) = state["outages"]
            assert one["ended"] > one["began"] and one["code"]
    assert sorted(node.held.values()) == sorted(map(data_set, unit.expected(*objects.values())))


DRIVE = """
0   4000  60   up
4   500   300  up
7   -     0    down   # a tunnel
9   2000  90   up
12  -     0    reset  # another cell
13  3000  80   up
16  end
"""


def test_a_drive_with_dead_zones_and_changing_cells_brings_everything_home(units: Units, web: Web) -> None:
    """C4, C5: a trace replayed, over STOW-RS."""
    with relayed(("127.0.0.1", web.port), Profile(trace_of(DRIVE), jitter=0.04), record=True) as relay:
        unit = units(WEB.format(url=f"http://127.0.0.1:{relay.port}/dicom-web"))
        objects = planted(unit, range(20), 256)
        with unit.running() as life:
            assert len(told(send(life.ports["ct"], [*objects]))) == 20
            eventually(lambda: delivered(unit) == 20, 180)
        clear(relay)
        assert relay.counts.outages >= 2
    assert sorted(web.held.values()) == unit.expected(*objects.values())


def waiting(unit: Unit) -> dict[str, Any]:
    """What is said of the one that waits."""
    _, said = unit.command("queue", "list", "--json")
    found: dict[str, Any] = json.loads(said)
    return found


def html(_: list[str]) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "text/html"}, b"<html>Welcome to our hotel. Log in.</html>"


def test_a_captive_portal_gets_nothing_counted_as_delivered_and_is_said(units: Units, web: Web) -> None:
    """C7."""
    web.replies = [html] * 50
    unit = units(WEB.format(url=web.url))
    objects = series(unit.root / "in", [1])
    with unit.running() as life:
        send(life.ports["ct"], [*objects])
        eventually(lambda: outages(unit), 60)
        assert unit.status()["delivered"] == 0 and not web.held
        said = waiting(unit)
        assert said["who_acts"] == "the gateway" and "DICOM" in said["reason"] and said["next_try"]
        web.replies.clear()
        unit.command("queue", "retry", "--now")
        eventually(lambda: delivered(unit) == 1, 60)


@pytest.mark.parametrize("where", ["http://nowhere.invalid:80/x", "http://127.0.0.1:1/x"])
def test_a_name_that_nobody_knows_and_an_address_where_nobody_listens_are_said(units: Units, where: str) -> None:
    """C7."""
    unit = units(WEB.format(url=where))
    objects = series(unit.root / "in", [1])
    with unit.running() as life:
        send(life.ports["ct"], [*objects])
        eventually(lambda: outages(unit), 60)
        assert "cannot be reached" in waiting(unit)["reason"]
        assert unit.status()["delivered"] == 0


def test_who_lets_nobody_in_pauses_the_destination_until_a_person_resumes_it(units: Units, web: Web) -> None:
    """C8."""
    web.token = "Bearer right"
    unit = units(WEB.format(url=web.url))
    objects = series(unit.root / "in", [1])
    with unit.running() as life:
        send(life.ports["ct"], [*objects])
        eventually(lambda: of_dest(unit)["paused"] == "peer_unauthorised", 60)
        assert waiting(unit)["who_acts"] == "a person"
        web.token = ""
        assert unit.command("dest", "resume", "pacs")[0] == 0
        eventually(lambda: delivered(unit) == 1, 60)


def test_who_says_when_to_come_again_is_not_called_before(units: Units, web: Web) -> None:
    """C8: 429 and 503 with Retry-After."""
    calls: list[float] = []

    def busy(code: int) -> Any:
        def reply(_: list[str]) -> tuple[int, dict[str, str], bytes]:
            calls.append(time.monotonic())
            return code, {"Retry-After": "4"}, b""

        return reply

    web.replies = [busy(429), busy(503)]
    unit = units(WEB.format(url=web.url))
    objects = series(unit.root / "in", [1])
    with unit.running() as life:
        send(life.ports["ct"], [*objects])
        eventually(lambda: delivered(unit) == 1, 60)
    assert len(calls) == 2 and calls[1] - calls[0] >= 4
    assert len(web.posts) == 3


@pytest.mark.parametrize("wrong", ["expired", "other host", "unknown authority"])
def test_a_certificate_that_is_not_right_stops_everything_before_a_byte_of_an_object(
    units: Units, tmp_path: Path, wrong: str
) -> None:
    """C9; and C7: a proxy that breaks TLS open shows one of an authority that nobody trusts."""
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    ours, theirs = Certificates(tmp_path / "ours"), Certificates(tmp_path / "theirs")
    how = {"expired": {"days": -1}, "other host": {"address": "192.0.2.1"}}.get(wrong, {})
    web = Web((theirs if wrong == "unknown authority" else ours).server("web", **how))
    try:
        tls = f'[dest.tls]\nca = "{ours.ca}"\n[[route]]'
        unit = units(WEB.format(url=web.url).replace("[[route]]", tls))
        objects = series(unit.root / "in", [1])
        with unit.running() as life:
            send(life.ports["ct"], [*objects])
            eventually(lambda: of_dest(unit)["paused"] == "peer_certificate", 60)
            said = waiting(unit)
            assert said["who_acts"] == "a person" and "certificate" in said["reason"]
            assert web.posts == [] and unit.status()["delivered"] == 0
    finally:
        web.stop()


def broken_off(port: int, files: list[Path], after: int) -> list[Path]:
    """Files that a sender was told "success" of before it died; it dies soon after so many."""
    line = [STORESCU, "-v", "-aec", "STOWGATE", "127.0.0.1", str(port), *map(str, files)]
    sender = subprocess.Popen(line, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True)
    assert sender.stdout
    sent: list[Path] = []
    answered: list[Path] = []
    for said in sender.stdout:
        if said.startswith("I: Sending file: "):
            sent.append(Path(said.partition(": ")[2].partition(": ")[2].strip()))
        elif "Store Response (Success)" in said:
            answered.append(sent[-1])
            if len(answered) == after:
                sender.kill()
    sender.wait()
    return answered


def test_what_was_answered_before_a_sender_broke_off_is_delivered(units: Units, node: Node) -> None:
    """D1: the second half of it, where it arrives."""
    unit = units(PACS.format(port=node.port))
    objects = series(unit.root / "in", range(40))
    with unit.running() as life:
        answered = broken_off(life.ports["ct"], [*objects], 7)
        line = unit.settled()
        eventually(lambda: delivered(unit) == unit.status()["received"], 60)
    assert 7 <= len(answered) <= line["received"] <= len(objects)
    mine = {data_set(one) for one in unit.expected(*(objects[path] for path in answered))}
    assert mine <= set(node.held.values()) <= {data_set(one) for one in unit.expected(*objects.values())}


class Once(set[str]):
    """What says "yes" once."""

    def __contains__(self, _: object) -> bool:
        was, self.asked = getattr(self, "asked", False), True
        return not was


def test_a_peer_that_says_yes_and_does_not_store_is_found_out_and_gets_it_again(units: Units, node: Node) -> None:
    """D5."""
    unit = units(PACS.format(port=node.port))
    objects = series(unit.root / "in", [1, 2])
    with unit.running() as life:
        node.forgets = Once()
        send(life.ports["ct"], [*objects])
        eventually(lambda: delivered(unit) == 2, 180)
    assert sorted(node.held.values()) == sorted(map(data_set, unit.expected(*objects.values())))
    assert len(node.came) == 3


def test_a_study_that_comes_in_pieces_from_two_senders_arrives_whole_under_one_name(units: Units, node: Node) -> None:
    """D10."""
    unit = units(PACS.format(port=node.port))
    objects = planted(unit, range(12))
    pieces = [[*objects][:4], [*objects][4:8], [*objects][8:]]
    with unit.running() as life:
        send(life.ports["ct"], pieces[0])
        eventually(lambda: delivered(unit) == 4, 60)
    with unit.running() as life:  # the next day
        both = [threading.Thread(target=send, args=(life.ports["ct"], piece)) for piece in pieces[1:]]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        eventually(lambda: delivered(unit) == 12, 60)
        _, said = unit.command("study", "list", "--json")
    studies = [json.loads(line) for line in said.splitlines()]
    assert [(one["instances"], one["line"]["delivered"], one["gone_in"]) for one in studies] == [(12, 12, "")]
    assert sorted(node.held.values()) == sorted(map(data_set, unit.expected(*objects.values())))
