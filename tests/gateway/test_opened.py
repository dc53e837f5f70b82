"""A gateway opens whole or not at all, works, and gives everything back."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from stowgate import events
from stowgate.errors import Misconfigured
from stowgate.gateway.opened import Ears, opened
from stowgate.gateway.plan import Plan
from stowgate.ingest.source import Accepted
from stowgate.lifecycle import State
from tests.builder import BIG_ENDIAN, instance, part10, small
from tests.gateway.parts import POLICY, arrival
from tests.ingest.dimse import eventually


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(tmp_path / "spool", POLICY, base=tmp_path, reserve=1)


def refusal(plan: Plan) -> Misconfigured:
    with pytest.raises(Misconfigured) as found, opened(plan):
        pass
    return found.value


def test_keys_are_made_once_and_told_so_that_they_are_backed_up(plan: Plan, tmp_path: Path) -> None:
    with opened(plan) as gateway:
        assert set(gateway.made) == {tmp_path / "unit.key", plan.spool / "project.key"}
        for path in gateway.made:
            assert path.stat().st_mode & 0o777 == 0o600
        first = gateway.key
    with opened(plan) as gateway:
        assert gateway.made == ()
        assert gateway.key.id == first.id


def test_what_is_taken_in_waits_clean_soon_after(plan: Plan) -> None:
    ears = Ears()
    told: list[events.GatewayEvent] = []
    ears.add(told.append)
    with opened(plan, ears) as gateway:
        outcome = gateway.intake.receive(arrival(small()))
        assert isinstance(outcome, Accepted)
        eventually(lambda: gateway.ledger.counts()["ct"][State.WAITING] == 1)
        clean = gateway.ledger.clean_of_item(outcome.item)
        assert clean
        with gateway.spool.clean.open(clean.id) as source:
            from stowgate.api import deidentify_bytes

            assert source.read(0, source.size) == deidentify_bytes(small(), POLICY, gateway.key.secret)
    assert [type(one).__name__ for one in told] == ["Received", "Settled"]


def test_the_same_key_and_policy_make_the_same_bytes_as_the_batch(plan: Plan, tmp_path: Path) -> None:
    inputs, out = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    with opened(plan) as gateway:
        for n in range(3):
            data = small(uid=f"1.2.3.{n}")
            (inputs / f"{n}.dcm").write_bytes(data)
            gateway.intake.receive(arrival(data))
        eventually(lambda: gateway.ledger.counts()["ct"][State.WAITING] == 3)
        cleans = [gateway.ledger.clean_of_item(row.id) for row in gateway.ledger.rows()]
        made = set()
        for clean in cleans:
            assert clean
            with gateway.spool.clean.open(clean.id) as source:
                made.add(source.read(0, source.size))
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "project.key").write_bytes((plan.spool / "project.key").read_bytes())
    (state / "project.key").chmod(0o600)
    command = Path(sys.executable).with_name("stowgate")
    subprocess.run([command, "deid", inputs, "-o", out, "--state", state], check=True, capture_output=True)
    assert {path.read_bytes() for path in out.rglob("*.dcm")} == made


def test_what_a_dead_process_left_is_worked_on(plan: Plan) -> None:
    with opened(plan, work=False) as gateway:
        for n in range(3):
            gateway.intake.receive(arrival(small(uid=f"1.2.{n}")))
        gateway.ledger.lease("dead", 3)
    with opened(plan) as gateway:
        assert (gateway.found.leases, gateway.found.received) == (3, 3)
        eventually(lambda: gateway.ledger.counts()["ct"][State.WAITING] == 3)


def test_a_second_process_is_told_who_holds_the_spool(plan: Plan) -> None:
    script = (
        "import sys; from pathlib import Path; from stowgate.gateway.opened import opened;"
        "from stowgate.gateway.plan import Plan; from stowgate.deident.profile import policy_from\n"
        "from stowgate.errors import Misconfigured\n"
        "try:\n"
        "    with opened(Plan(Path(sys.argv[1]), policy_from('basic', (), ()), base=Path(sys.argv[2]))): pass\n"
        "except Misconfigured as error: print(error.code, error)"
    )
    with opened(plan) as gateway:
        gateway.intake.receive(arrival(small()))
        done = subprocess.run(
            [sys.executable, "-c", script, plan.spool, plan.base], capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert done.stdout.startswith("spool_in_use")
        assert str(os.getpid()) in done.stdout
        assert len(list(gateway.spool.raw.ids())) == 1


def test_it_closes_what_it_opened_and_its_place_is_free(plan: Plan) -> None:
    before = tempfile.gettempdir(), os.environ.get("TMPDIR"), threading.active_count()
    with opened(plan) as gateway:
        assert tempfile.gettempdir() == str(plan.spool / "scratch") == os.environ["TMPDIR"]
        gateway.intake.receive(arrival(part10(instance(), BIG_ENDIAN)))
        eventually(lambda: gateway.ledger.counts()["ct"][State.WAITING] == 1)
    eventually(lambda: threading.active_count() <= before[2])
    assert (tempfile.gettempdir(), os.environ.get("TMPDIR")) == before[:2]
    assert not (plan.spool / "scratch").exists()
    with opened(plan):
        pass


def test_what_a_dead_process_left_in_the_scratch_folder_is_swept(plan: Plan) -> None:
    with opened(plan):
        pass
    scratch = plan.spool / "scratch"
    scratch.mkdir()
    (scratch / "tmpabc").write_bytes(small())
    with opened(plan):
        assert list(scratch.iterdir()) == []


class TestRefusals:
    def test_a_lost_project_key_is_not_replaced(self, plan: Plan) -> None:
        with opened(plan):
            pass
        (plan.spool / "project.key").unlink()
        assert refusal(plan).code == "key_missing"

    def test_a_lost_unit_key_is_not_replaced(self, plan: Plan, tmp_path: Path) -> None:
        with opened(plan) as gateway:
            gateway.intake.receive(arrival(small()))
        (tmp_path / "unit.key").unlink()
        assert refusal(plan).code in ("key_missing", "wrong_key", "unit_key_missing")
        assert len(list((plan.spool / "raw").rglob("*"))) > 1

    def test_another_unit_key_opens_nothing(self, plan: Plan, tmp_path: Path) -> None:
        with opened(plan) as gateway:
            gateway.intake.receive(arrival(small()))
        (tmp_path / "unit.key").unlink()
        with opened(Plan(tmp_path / "other", POLICY, base=tmp_path)):
            pass
        assert refusal(plan).code == "wrong_key"

    def test_a_spool_that_others_may_look_into_is_refused(self, plan: Plan) -> None:
        with opened(plan):
            pass
        plan.spool.chmod(0o755)
        assert refusal(plan).code == "spool_permissions"

    def test_a_refusal_gives_everything_back(self, plan: Plan) -> None:
        with opened(plan):
            pass
        ledger = plan.spool / "ledger.db"
        whole = ledger.read_bytes()
        ledger.write_bytes(b"no ledger" * 1000)
        temporary = tempfile.gettempdir()
        with pytest.raises(Misconfigured), opened(plan):
            pass
        assert tempfile.gettempdir() == temporary
        ledger.write_bytes(whole)
        with opened(plan):
            pass


class TestEars:
    def test_one_that_fails_does_not_keep_the_others_from_hearing(self) -> None:
        ears, heard = Ears(), list[Any]()

        def fail(_: object) -> None:
            raise RuntimeError

        for one in (fail, heard.append, fail):
            ears.add(one)
        ears.tell(events.Stopping())
        assert heard == [events.Stopping()]
        assert ears.missed == 2

    def test_the_audit_log_hears_of_a_lost_payload(self, plan: Plan) -> None:
        with opened(plan) as gateway:
            outcome = gateway.intake.receive(arrival(small()))
            assert isinstance(outcome, Accepted)
            eventually(lambda: gateway.ledger.counts()["ct"][State.WAITING] == 1)
        next(path for path in (plan.spool / "raw").rglob(outcome.item)).unlink()
        with opened(plan) as gateway:
            assert gateway.found.lost == 1
        log = "".join(path.read_text() for path in plan.spool.rglob("*audit*") if path.is_file())
        assert "payload_lost" in log
