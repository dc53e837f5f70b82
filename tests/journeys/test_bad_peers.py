"""The whole process with peers that break off, are away for days, are slow, or take one object and not the other."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import _config

from stowgate.reasons import REASONS
from stowgate.store.custody_view import read_custody
from tests.builder import CT, EXPLICIT, IMPLICIT, MR, RLE, Fragments, el
from tests.deliver.dcmtk import STORESCP, needs_dcmtk, server
from tests.deliver.node import Node, data_set
from tests.deliver.web import uid_of
from tests.ingest.dimse import eventually
from tests.journeys.answers import Mixed
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


def pacs(port: int, setting: str = "") -> str:
    """A node as the way out, with one more setting."""
    return PACS.format(port=port).replace('called = "NODE"', f'called = "NODE"\n{setting}')


@pytest.fixture
def web() -> Iterator[Mixed]:
    made = Mixed()
    yield made
    made.stop()


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(_config, "UNRESTRICTED_STORAGE_SERVICE", False)  # a source in this process sets it
    made = Node()
    yield made
    with suppress(Exception):
        made.stop()


def all_verified(unit: Unit, number: int) -> None:
    """By what `status` and `queue` say."""
    line, there = unit.status(), unit.place()
    assert line["delivered"] == line["received"] == number and unit.rows("queue", "list") == []
    assert [there[step] for step in ("queued", "sent", "acknowledged", "verified")] == [0, 0, 0, number]
    assert there["code"] == there["paused"] == ""


@pytest.mark.parametrize("kind", ["stow", "dimse"])
def test_what_a_peer_resets_cuts_and_never_answers_is_told_and_arrives_once(
    units: Units, web: Mixed, node: Node, kind: str
) -> None:
    """C6. Three objects in, cut; then reset in the middle of each; then everything taken and nothing answered."""
    faults = [Fault(420_000, How.CUT), Fault(60_000, How.RESET, lasts=True)]
    with Breaking(web.port if kind == "stow" else node.port, faults) as way:
        ways = {"stow": WEB.format(url=f"http://127.0.0.1:{way.port}/dicom-web"), "dimse": pacs(way.port)}
        unit = units(ways[kind])
        objects = series(unit.root / "in", range(8), 256)
        with unit.running() as life:
            assert len(told(send(life.ports["ct"], [*objects]))) == 8
            sentence = REASONS["peer_broke_off"].sentence
            eventually(lambda: any(sentence in row["reason"] for row in unit.rows("queue", "list")), 60)
            eventually(lambda: unit.place()["code"] == "peer_broke_off", 60)
            eventually(lambda: How.RESET in way.broke, 60)
            assert delivered(unit) < 8
            way.faults[0] = Fault(60_000, How.NO_ANSWER)
            unit.command("queue", "retry", "--now")
            eventually(lambda: delivered(unit) == 8, 120)
        assert set(way.broke) == {*How}
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
    """C10. The clocks that the process looks at are moved a day at a time, see `Unit.later`; it is restarted twice.

    Those of the machine stay: what moves them for a whole process (libfaketime) leaves locks of Python waiting.
    """
    unit = units(pacs(node.port, "workers = 1") + URGENT)
    unit.later(0)
    node.stop()
    objects: dict[Path, bytes] = {}

    def day(number: int, life_port: int, *more: Any) -> list[Path]:
        study = el("StudyInstanceUID", f"1.2.3.4.5.6.{number}.1")
        made = series(unit.root / "in", range(number * 10, number * 10 + 2), more=(study, *more))
        objects.update(made)
        assert len(told(send(life_port, [*made]))) == 2
        return [*made]

    def failures() -> int:
        with read_custody(unit.spool / "ledger.db") as view:
            return view.deliveries.destinations()["pacs"].failures if outages(unit) else 0

    for days in (range(1, 6), range(6, 11)):
        with unit.running() as life:
            for number in days:
                tried = failures()
                unit.later(DAY)
                day(number, life.ports["ct"])
                eventually(lambda tried=tried: failures() > tried, 60)  # type: ignore[misc]
    unit.later(DAY)
    with unit.running() as life:
        urgent = day(11, life.ports["ct"], el("RequestedProcedurePriority", "HIGH"))
        line = unit.settled()
        assert (line["waiting"], line["delivered"], line["quarantined"]) == (22, 0, 0), "nothing is given up"
        assert {row["who_acts"] for row in unit.rows("queue", "list")} == {"the gateway"}
        assert unit.place()["code"] == "peer_unreachable" and unit.place()["next_try"]
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


LIMIT = 128 << 10
NIGHT = """
[[dest]]
name = "night"
kind = "stow"
url = "{url}"
hours = ["{hours}"]
[[route]]
dest = ["night"]
"""


def test_no_byte_comes_faster_than_the_limit_and_none_outside_the_hours(units: Units, web: Mixed, node: Node) -> None:
    """C12. What the peer has at any moment since it was resumed is no more than the limit; a clock is moved to open."""
    hour = time.localtime().tm_hour
    hours = f"{(hour + 10) % 24:02}:00-{(hour + 16) % 24:02}:00"
    with Breaking(node.port) as way:
        unit = units(pacs(way.port, 'bwlimit = "128K"') + NIGHT.format(url=web.url, hours=hours))
        unit.later(0)
        objects = series(unit.root / "in", range(7), 256)
        with unit.running() as life:
            assert unit.command("dest", "pause", "pacs")[0] == 0
            assert len(told(send(life.ports["ct"], [*objects]))) == 7
            unit.settled()
            began = time.monotonic()
            assert unit.command("dest", "resume", "pacs")[0] == 0
            eventually(lambda: unit.place()["verified"] == 7, 180)
            came, ended = way.passed[-1][1], way.passed[-1][0]
            assert ended - began > 5 and came > sum(map(len, objects.values()))
            too_fast = [(at, size) for at, size in way.passed if size > LIMIT * 1.1 * (at - began) + LIMIT / 4]
            assert too_fast == []
            stands = {row["name"]: row["stands"] for row in unit.rows("dest", "list")}
            assert stands["night"] == "outside its hours" and stands["pacs"].startswith("open")
            assert web.posts == [] and web.questions == [] and delivered(unit) == 0
            assert all("at other hours" in row["reason"] for row in unit.rows("queue", "list"))
            unit.later(12 * 3600)
            eventually(lambda: delivered(unit) == 7, 60)
            assert all(row["stands"].startswith("open") for row in unit.rows("dest", "list"))
    wanted = unit.expected(*objects.values())
    assert sorted(web.held.values()) == wanted
    assert sorted(node.held.values()) == sorted(map(data_set, wanted))


@pytest.mark.parametrize("code", [200, 202, 409, 400])
def test_each_object_of_a_batch_ends_as_the_answer_says_of_it_whatever_the_code_is(
    units: Units, web: Mixed, code: int
) -> None:
    """D4."""
    unit = units(WEB.format(url=web.url))
    objects = series(unit.root / "in", range(10))
    with unit.running() as life:
        unit.command("dest", "pause", "pacs")
        assert len(told(send(life.ports["ct"], [*objects]))) == 10
        eventually(lambda: unit.place()["queued"] == 10, 60)
        ids = [row["id"] for row in unit.rows("queue", "list")]
        files = [unit.expected(one)[0] for one in objects.values()]
        uids = [uid_of(one) for one in files]
        _, web.warned, room, bad, unknown, known, silent, lost, web.both, broken = uids
        web.mixes, web.code, web.silent, web.held[known] = True, code, {silent}, files[5]
        web.reasons = {room: 0xA700, bad: 0xC000, unknown: 0x0122, known: 0x0111, web.both: 0xA700, broken: 0x0110}
        web.reasons[lost] = 0
        unit.command("dest", "resume", "pacs")
        there, later, never = ("verified", ""), ("queued", "peer_busy"), ("refused", "peer_refused_object")
        alone = {409: ("queued", "peer_refuses"), 400: never}.get(code, ("queued", "peer_said_nothing"))
        wanted = [there, there, later, never, never, there, there, alone, later, later]

        def stand() -> list[tuple[str, str]]:
            with read_custody(unit.spool / "ledger.db") as view:
                ways = view.deliveries.of_items(ids)
            return [(str(ways[id][0].state), ways[id][0].code) for id in ids]

        eventually(lambda: stand() == wanted, 60)
        unit.command("dest", "pause", "pacs")  # who refuses five times in the same way is believed
        assert sorted(web.posts[0]) == sorted(uids)
        gone = [id for id, (state, _) in zip(ids, wanted, strict=True) if state == "refused"]
        left = [id for id, (state, _) in zip(ids, wanted, strict=True) if state == "queued"]
        assert unit.refused() == dict.fromkeys(gone, "peer_refused_object")
        assert [row["id"] for row in unit.rows("queue", "list")] == left
        web.code, web.reasons = 200, {}
        unit.command("dest", "resume", "pacs")
        unit.command("queue", "retry", "--now")
        eventually(lambda: delivered(unit) == 10 - len(gone), 60)
        line, said = unit.status(), unit.place()
    assert (line["delivered"], line["quarantined"], line["waiting"]) == (10 - len(gone), len(gone), 0)
    assert (said["verified"], said["refused"], said["queued"]) == (10 - len(gone), len(gone), 0)
    assert sorted(web.held.values()) == sorted(one for id, one in zip(ids, files, strict=True) if id not in gone)
    assert set(web.came) <= set(files)


def strange(folder: Path) -> dict[Path, bytes]:
    """Objects of another SOP class, and in another transfer syntax."""
    rle = el("PixelData", Fragments((b"", bytes(64))), "OB")
    found = {"mr.dcm": scan(20, sop_class=MR, modality="MR"), "rle.dcm": scan(21, more=(rle,), syntax=RLE)}
    for name, data in found.items():
        (folder / name).write_bytes(data)
    return {folder / name: data for name, data in found.items()}


def test_what_a_node_takes_no_context_for_is_set_aside_with_its_reason_and_the_others_go_on(
    units: Units, node: Node
) -> None:
    """D8. When the node was taught to, it gets them."""
    unit = units(pacs(node.port))
    objects = series(unit.root / "in", range(3))
    others = strange(unit.root / "in")
    with unit.running() as life:
        assert len(told(send(life.ports["ct"], [*objects][:1]))) == 1
        assert len(told(send(life.ports["ct"], [*others], "-xr"))) == 2
        assert len(told(send(life.ports["ct"], [*objects][1:]))) == 2
        eventually(lambda: delivered(unit) == 3 and len(unit.refused()) == 2, 60)
        assert set(unit.refused().values()) == {"peer_takes_no_such_object"}
        assert unit.place()["refused"] == 2 and unit.place()["code"] == unit.place()["paused"] == ""
        assert len(node.came) == 3
        node.stop()
        node._entity.add_supported_context(MR, [EXPLICIT], scu_role=True, scp_role=True)
        node._entity.add_supported_context(CT, [EXPLICIT, IMPLICIT, RLE], scu_role=True, scp_role=True)
        node.start()
        assert unit.command("quarantine", "release", *unit.refused())[0] == 0
        eventually(lambda: delivered(unit) == 5, 60)
        all_verified(unit, 5)
    wanted = unit.expected(*objects.values(), *others.values())
    assert sorted(node.held.values()) == sorted(map(data_set, wanted))


@needs_dcmtk
def test_another_ones_node_that_takes_no_compressed_objects_gets_all_others(units: Units, tmp_path: Path) -> None:
    """D8."""
    there = tmp_path / "there"
    there.mkdir()
    with server(there, STORESCP, "+B") as port:
        unit = units(pacs(port, 'evidence = "status"'))
        objects = series(unit.root / "in", range(3))
        others = strange(unit.root / "in")
        with unit.running() as life:
            assert len(told(send(life.ports["ct"], [*others, *objects], "-xr"))) == 5
            eventually(lambda: delivered(unit) == 4 and len(unit.refused()) == 1, 60)
            assert set(unit.refused().values()) == {"peer_takes_no_such_object"}
    taken = [data for path, data in (objects | others).items() if path.name != "rle.dcm"]
    came = [data_set(path.read_bytes()) for path in there.iterdir()]
    assert sorted(came) == sorted(map(data_set, unit.expected(*taken)))
