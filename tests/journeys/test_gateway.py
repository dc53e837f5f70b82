"""The gateway as a process: real senders in front, and everything that was answered is there, clean, exactly once."""

from __future__ import annotations

import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.builder import DEFLATED, IMPLICIT, el
from tests.ingest.dimse import Peer, command, data_set_of, pdu, pdv
from tests.journeys.gateway_server import POISON
from tests.journeys.stage import needs_root, scan
from tests.journeys.test_spool_survives import mount, mounted
from tests.journeys.unit import SOAK, STORESCU, Server, Unit, send, series, told

pytestmark = pytest.mark.skipif(shutil.which(STORESCU) is None, reason="dcmtk is absent: no real sender")

CANARY = "ZQCANARY"


def test_everything_that_was_sent_waits_clean_with_the_bytes_that_deid_would_make(unit: Unit) -> None:
    objects = series(unit.root / "in", range(50))
    with unit.running() as life:
        assert len(told(send(life.ports["ct"], [*objects]))) == 50
        line = unit.settled()
        assert (line["received"], line["waiting"]) == (50, 50)
        assert unit.exported() == unit.expected(*objects.values())
        assert life.stop() == 0
    assert unit.status() == line


def test_what_is_sent_again_is_a_success_and_nothing_new_however_it_is_encoded(unit: Unit) -> None:
    """D3. The copy that is encoded in another way is found to be one after it was cleaned."""
    objects = series(unit.root / "in", range(5))
    again = series(unit.root / "implicit", range(5), syntax=IMPLICIT)
    with unit.running() as life:
        for files in (objects, objects, again):
            assert len(told(send(life.ports["ct"], [*files]))) == 5
        line = unit.settled()
        assert (line["received"], line["waiting"], line["duplicates"]) == (15, 5, 10)
        assert unit.exported() == unit.expected(*objects.values())
        assert len(unit.raw_objects()) == 5


def test_of_two_objects_with_one_uid_the_first_goes_on_and_the_second_needs_a_person(unit: Unit) -> None:
    """D3."""
    first, other = scan(1, bytes(2 * 64 * 64)), scan(1, b"\1" * (2 * 64 * 64))
    files = [unit.root / name for name in ("first", "other")]
    with unit.running() as life:
        for path, data in zip(files, (first, other), strict=True):
            path.write_bytes(data)
            assert told(send(life.ports["ct"], [path])) == [path]
            line = unit.settled()
        assert (line["waiting"], line["quarantined"]) == (1, 1)
        assert unit.quarantined() == ["uid_reuse"]
        assert unit.exported() == unit.expected(first)


def test_a_stop_with_20_associations_open_leaves_what_was_answered_and_nothing_half(unit: Unit) -> None:
    """A11. Half of the senders stop in the middle of an object."""
    data = bytes(100_000)
    with unit.running() as life:
        objects = series(unit.root / "in", range(3))
        assert len(told(send(life.ports["ct"], [*objects]))) == 3
        peers = [Peer.associated(life.ports["ct"]) for _ in range(20)]
        for number, peer in enumerate(peers[:10]):
            peer.send(pdu(4, pdv(3, command(f"1.2.3.{number}")) + pdv(0, data[:16_000])))
        life.signal(signal.SIGTERM)
        began = time.monotonic()
        if not SOAK:  # those that stay are aborted after 20 s
            time.sleep(1)
            for peer in peers:
                peer.reset()
        assert life.wait() == 0
        assert time.monotonic() - began < 30
        for peer in peers:
            peer.close()
    assert unit.parts() == []
    line = unit.status()
    assert (line["received"], line["waiting"], line["rejected"]) == (3, 3, 0)
    assert len(unit.raw_objects()) == 3


def test_a_second_gateway_on_the_same_spool_is_told_who_holds_it(unit: Unit) -> None:
    """A10."""
    with unit.running() as life:
        second = unit.start()
        assert second.wait() == 11
        assert str(life.pid) in second.err.read_text()
        assert life.runs()


@needs_root
def test_a_full_disk_refuses_with_a700_and_the_gateway_goes_on_by_itself_when_there_is_room(
    tmp_path: Path, gateways: Server
) -> None:
    """B1, B2."""
    objects = series(tmp_path / "in", range(60), side=512)
    (tmp_path / "disk").mkdir()
    with mounted("-t", "tmpfs", "-o", "size=200M,mode=700", "tmpfs", tmp_path / "disk"):
        unit = Unit(tmp_path / "disk", gateways, reserve="180MiB")
        with unit.running() as life:
            answers = send(life.ports["ct"], [*objects])
            kept = told(answers)
            assert 3 < len(kept) < 60
            assert next(said for _, said in answers if said != "Success") == "Refused: OutOfResources"
            line = unit.settled()  # the rest goes on
            assert (line["received"], line["waiting"]) == (len(kept), len(kept))
            mount("-o", "remount,size=400M", str(unit.root))
            left = [path for path in objects if path not in kept]
            assert told(send(life.ports["ct"], left)) == left
            assert unit.settled()["waiting"] == 60
            assert unit.exported() == unit.expected(*objects.values())


def test_a_bug_holds_one_object_and_its_text_is_told_to_nobody(unit: Unit) -> None:
    """F4p."""
    objects = series(unit.root / "in", range(4))
    poison = unit.root / "poison.dcm"
    poison.write_bytes(scan(99, more=(el("ImageComments", POISON.decode()),)))
    with unit.running("raises") as life:
        assert len(told(send(life.ports["ct"], [poison, *objects]))) == 5
        line = unit.settled()
        assert (line["waiting"], line["quarantined"]) == (4, 1)
        assert unit.quarantined() == ["internal_error"]
    assert POISON not in (unit.root / "log").read_bytes() + life.err.read_bytes()


def test_nothing_of_a_patient_is_in_clear_anywhere_on_the_disk(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    """F2p, F6p: logs at DEBUG, answers of commands, the spool, temporary folders; also after a kill in the midst."""
    temporary = unit.root / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    names = [
        el("PatientName", f"{CANARY}^NAME"), el("PatientID", f"{CANARY}ID"), el("InstitutionName", f"{CANARY} CLINIC"),
        el("StationName", f"{CANARY}ST"), el("ProtocolName", f"{CANARY} PROTOCOL"), el("StudyID", f"{CANARY}SID"),
        el("AccessionNumber", f"{CANARY}ACC"), el("StudyDescription", f"{CANARY} STUDY"),
    ]  # fmt: skip
    sent = unit.root / "in"
    series(sent, range(4), more=names)
    series(sent, [10, 11], more=names, syntax=DEFLATED)
    series(sent, [12], more=[*names, el("BurnedInAnnotation", "YES")])
    series(sent, [13], more=[*names, el("ImageComments", POISON.decode())])
    pixels = bytes(2 * 64 * 64)
    cut, reused = scan(1, pixels, more=names)[:-300], scan(2, pixels, more=names)
    life = unit.start("raises").ready()
    assert len(told(send(life.ports["ct"], sorted(sent.iterdir()), "-xd"))) == 8  # all of it deflated by the sender
    life.kill()
    with unit.running("raises") as life:
        assert len(told(send(life.ports["ct"], sorted(sent.iterdir())))) == 8
        peer = Peer.associated(life.ports["ct"])
        assert peer.store(data_set_of(cut), "1.2.3.4.5.6.7.1") == 0xC000
        assert peer.store(data_set_of(reused), "1.2.3.4.5.6.7.2") == 0
        peer.close()
        line = unit.settled()
        assert (line["waiting"], line["held"], line["rejected"]) == (7, 2, 1)
        assert sorted(unit.quarantined()) == ["internal_error", "uid_reuse"]
        core = re.search(r"Max core file size +(\d+)", Path(f"/proc/{life.pid}/limits").read_text())
        assert core
        assert core[1] == "0"
        for asked in (("queue", "list"), ("quarantine", "list"), ("study", "list"), ("audit", "show")):
            unit.command(*asked, "--json")
        shown = found_in(unit, sent)
        assert shown == []
    shutil.rmtree(sent)
    assert found_in(unit, sent) == []
    assert list(temporary.iterdir()) == []


def found_in(unit: Unit, but: Path) -> list[Path]:
    """Files of the unit that hold a canary or a UID of an input in clear, inputs aside."""
    forms = [CANARY.encode(), CANARY.encode("utf-16-le"), b"1.2.3.4.5.6", POISON]
    return [
        path
        for path in unit.root.rglob("*")
        if path.is_file() and but not in path.parents and any(form in path.read_bytes() for form in forms)
    ]
