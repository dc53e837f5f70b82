"""Through a real gateway: what a header calls urgent overtakes the rest, and the queue says why, in no word of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stowgate.faces.service import Running, running
from stowgate.ingest.scanner import Called, send
from stowgate.outbox.policy import Urgency
from stowgate.settings import load
from tests.builder import el, small
from tests.faces.conftest import Stowgate
from tests.faces.gateway_stage import eventually
from tests.faces.test_delivery_cli import TEXT, delivered

RULES = """
[[triage]]
id = "clinic_word"
score = 60
because = "The clinic's own word."
words = ["*lyse*"]
[[triage]]
id = "trauma_words"
score = 0
"""
CANARY = "Vandermeer"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "stowgate.toml"
    path.write_text(TEXT + RULES, encoding="utf-8")
    (tmp_path / "out").mkdir()
    return path


@pytest.fixture
def gateway(config: Path) -> Iterator[Running]:
    with running(load(config, environ={}), config.parent) as now:
        yield now


def came(now: Running, folder: Path, study: int, description: str, number: int = 2, **more: str) -> list[str]:
    """A study is sent; the ids of its items, once they are queued."""
    folder.mkdir(exist_ok=True)
    files = []
    for n in range(number):
        path = folder / f"{study}-{n}.dcm"
        named = el("StudyDescription", description), el("SOPInstanceUID", f"1.2.{study}.{n + 1}")
        path.write_bytes(small(el("StudyInstanceUID", f"1.2.{study}"), *named, *(el(*one) for one in more.items())))
        files.append(path)
    ledger = now.gateway.ledger
    before = {row.id for row in ledger.rows(most=1000)}
    assert send(Called("127.0.0.1", now.ports["ct"], "STOWGATE", "CT1"), files) == number
    ids = [row.id for row in ledger.rows(most=1000) if row.id not in before]
    eventually(lambda: len(ledger.deliveries.of_items(ids)) == number)
    return ids


def written(now: Running, ids: list[str], out: Path) -> list[int]:
    """When each of these was written at its destination."""
    made = now.gateway.ledger.deliveries.made_of(ids)
    return [(out / f"{made[id][0].instance}.dcm").stat().st_mtime_ns for id in ids]


def test_what_is_urgent_overtakes_what_came_before_it_at_a_destination_that_was_paused(
    gateway: Running, tmp_path: Path, stowgate: Stowgate
) -> None:
    assert stowgate("dest", "pause", "nas").code == 0
    screening = came(gateway, tmp_path / "in", 1, f"Mammography screening {CANARY}")
    routine = came(gateway, tmp_path / "in", 2, f"Knee {CANARY}")
    stroke = came(gateway, tmp_path / "in", 3, f"CT head, STROKE? {CANARY}")
    own = came(gateway, tmp_path / "in", 4, f"Lyse {CANARY}")
    off = came(gateway, tmp_path / "in", 5, f"Polytrauma {CANARY}", RequestedProcedurePriority="ROUTINE")
    ways = gateway.gateway.ledger.deliveries.of_items([*screening, *routine, *stroke, *own, *off])
    assert [ways[ids[0]][0].urgency for ids in (screening, routine, stroke, own, off)] == [
        Urgency.LOW, Urgency.MEDIUM, Urgency.HIGH, Urgency.HIGH, Urgency.MEDIUM,
    ]  # fmt: skip

    listed = {line["id"]: line for line in map(json.loads, stowgate("queue", "list", "--json").out.splitlines())}
    assert listed[stroke[0]]["triage"] == ["stroke_words"] and listed[own[0]]["triage"] == ["clinic_word"]
    assert listed[routine[0]]["triage"] == listed[off[0]]["triage"] == []
    shown = json.loads(stowgate("queue", "show", screening[0], "--json").out)
    assert shown["triage"] == ["screening_words"] and shown["deliveries"][0]["urgency"] == "low"
    plain = stowgate("queue", "show", stroke[0]).out
    assert (
        "triage     stroke_words" in plain
        and "to nas: queued, evidence none." in plain
        and "Its urgency is high." in plain
    )

    assert stowgate("dest", "resume", "nas").code == 0
    eventually(lambda: delivered(gateway) == 10)
    times = [written(gateway, ids, tmp_path / "out") for ids in (stroke, own, routine, off, screening)]
    assert max(times[0] + times[1]) < min(times[2] + times[3]), "urgent ones went before the rest"
    assert max(times[2] + times[3]) < min(times[4]), "and a screening last"
    spool = b"".join(path.read_bytes() for path in (tmp_path / "spool").rglob("ledger.db*"))
    assert b"stroke_words" in spool and CANARY.encode() not in spool and b"Polytrauma" not in spool


def test_a_picture_that_is_urgent_lets_its_study_overtake_while_it_is_queued(
    gateway: Running, tmp_path: Path, stowgate: Stowgate
) -> None:
    assert stowgate("dest", "pause", "nas").code == 0
    first, second = (came(gateway, tmp_path / "in", study, "Head") for study in (1, 2))
    ledger = gateway.gateway.ledger
    row = ledger.row(second[0])
    assert row and ledger.deliveries.raise_study(row.study, Urgency.HIGH, ["measured_hyperdense"]) == 2
    third = came(gateway, tmp_path / "in", 3, "Head")
    assert json.loads(stowgate("queue", "show", second[1], "--json").out)["triage"] == ["measured_hyperdense"]
    assert stowgate("dest", "resume", "nas").code == 0
    eventually(lambda: delivered(gateway) == 6)
    times = [written(gateway, ids, tmp_path / "out") for ids in (second, first, third)]
    assert max(times[0]) < min(times[1] + times[2])
