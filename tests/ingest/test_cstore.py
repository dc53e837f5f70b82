"""A DIMSE source among real and hostile senders: what is answered with success is here, and nobody is kept waiting."""

from __future__ import annotations

import gc
import os
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from stowgate import events
from stowgate.errors import Misconfigured
from stowgate.ingest.cstore import CStoreSource
from stowgate.ingest.dimse_settings import Caller, Dimse, DimseTls
from stowgate.ingest.memory import MemoryIntake
from stowgate.ingest.source import Announced, Arrival, Outcome, Refused
from tests.builder import CT, DEFLATED, EXPLICIT, IMPLICIT, MR, encode, instance, part10
from tests.ingest.dimse import (
    ECHOSCU,
    Peer,
    Served,
    associate,
    command,
    data_set_of,
    eventually,
    needs_dcmtk,
    pdu,
    pdv,
    served,
    settings,
    storescu,
)

pytestmark = needs_dcmtk
ROOT = Path(__file__).parents[2]
soak = pytest.mark.skipif("STOWGATE_SOAK" not in os.environ, reason="long: STOWGATE_SOAK=1 runs it")


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture
def ct(intake: MemoryIntake) -> Iterator[Served]:
    with served(intake) as found:
        yield found


def objects(folder: Path, count: int, **how: object) -> list[Path]:
    paths = []
    for n in range(1, count + 1):
        paths.append(folder / f"{n}.dcm")
        paths[-1].write_bytes(part10(instance(uid=f"1.2.3.4.{n}"), **how))  # type: ignore[arg-type]
    return paths


class TestRealSenders:
    @pytest.mark.parametrize("nagle", [False, True])
    def test_every_data_set_arrives_byte_for_byte(
        self, intake: MemoryIntake, ct: Served, tmp_path: Path, nagle: bool
    ) -> None:
        paths = objects(tmp_path, 20)
        done = storescu(ct.port, *paths, nagle=nagle)
        assert done.returncode == 0, done
        assert [data_set_of(one.data) for one in intake.taken] == [data_set_of(path.read_bytes()) for path in paths]
        first = intake.taken[0].announced
        assert (first.source, first.sop_class, first.transfer_syntax) == ("ct", CT, EXPLICIT)

    def test_a_sender_that_waits_for_acknowledgements_gets_them_at_once(self, ct: Served, tmp_path: Path) -> None:
        """Nagle's algorithm against delayed acknowledgements costs 40 ms for each object; 30 would take 1.2 s."""
        paths = objects(tmp_path, 30)
        seconds = []
        for _ in range(3):
            began = time.monotonic()
            assert storescu(ct.port, *paths, nagle=True).returncode == 0
            seconds.append(time.monotonic() - began)
        assert min(seconds) < 0.9

    @pytest.mark.parametrize("syntax", [IMPLICIT, DEFLATED])
    def test_other_transfer_syntaxes_are_taken(
        self, intake: MemoryIntake, ct: Served, tmp_path: Path, syntax: str
    ) -> None:
        paths = objects(tmp_path, 1, syntax=syntax)
        more = ["-xi"] if syntax == IMPLICIT else ["-xd"]
        assert storescu(ct.port, *paths, more=more).returncode == 0
        assert intake.taken[0].announced.transfer_syntax == syntax

    def test_an_object_of_64_mb_needs_a_few_megabytes(self, tmp_path: Path) -> None:
        _flat(tmp_path, 64 << 20)

    @soak
    def test_an_object_of_2_gb_needs_a_few_megabytes(self, tmp_path: Path) -> None:
        _flat(tmp_path, 2_000_000_000)

    def test_an_echo_is_answered(self, ct: Served) -> None:
        done = subprocess.run(
            [ECHOSCU, "-v", "-aet", "ECHOSCU", "-aec", "STOWGATE", "127.0.0.1", str(ct.port)],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("disk_full", "0xa700"),
            ("announced_differs", "0xa900"),
            ("not_dicom", "0xc000"),
            ("sop_class_not_taken", "0x0122"),
        ],
    )
    def test_what_is_refused_is_answered_by_the_standard(self, tmp_path: Path, code: str, status: str) -> None:
        for intake in (MemoryIntake(closed=code), MemoryIntake(refuse=lambda _: code)):
            with served(intake) as ct:
                done = storescu(ct.port, *objects(tmp_path, 1))
            assert status[2:] in done.stdout.lower() + done.stderr.lower() or _means(status, done), done
            assert done.returncode != 0 or "Success" not in done.stdout + done.stderr
            assert not intake.taken

    def test_classes_and_syntaxes_that_are_not_taken_are_refused_and_told(self, intake: MemoryIntake) -> None:
        with served(intake, sop_classes=(MR,)) as ct:
            peer = Peer.associated(ct.port)
            assert peer.store(encode(instance())) == 0x0122
            peer.close()
        assert [one.code for one in ct.events if isinstance(one, events.Refused)] == ["sop_class_not_taken"]
        with served(intake, transfer_syntaxes=(IMPLICIT,)) as ct:
            peer = Peer.associated(ct.port, contexts=[(1, CT, [EXPLICIT])])
            assert peer.store(encode(instance())) == 0xC000
            peer.close()
        assert not intake.taken

    def test_of_the_syntaxes_that_are_offered_one_that_is_taken_is_chosen(
        self, intake: MemoryIntake, tmp_path: Path
    ) -> None:
        """DCMTK offers its own order in one context; a sender that has a choice of contexts is shown which will do."""
        with served(intake, transfer_syntaxes=(IMPLICIT,)) as ct:
            assert storescu(ct.port, *objects(tmp_path, 1)).returncode == 0
            peer = Peer.associated(ct.port, contexts=[(1, CT, [EXPLICIT]), (3, CT, [IMPLICIT]), (5, MR, [EXPLICIT])])
            assert _results(peer.accepted) == {1: 4, 3: 0, 5: 0}
            peer.close()
        assert [one.announced.transfer_syntax for one in intake.taken] == [IMPLICIT]

    def test_nothing_but_storage_and_verification_is_offered(self, ct: Served) -> None:
        """PS3.4 C.6: Patient Root FIND, MOVE and GET, Storage Commitment, Modality Worklist."""
        root = "1.2.840.10008.5.1.4.1.2.1."
        others = [root + "1", root + "2", root + "3", "1.2.840.10008.1.20.2", "1.2.840.10008.5.1.4.31"]
        contexts = [(2 * n + 1, uid, [EXPLICIT]) for n, uid in enumerate([CT, *others])]
        peer = Peer.associated(ct.port, contexts=contexts)
        assert _results(peer.accepted) == {1: 0} | {2 * n + 1: 3 for n in range(1, 6)}
        peer.values(pdv(3, command(sop_class=root + "1", field=0x20)), pdv(2, encode(instance())))
        assert peer.answer()[0] == 7, "a C-FIND all the same, over the context for CT"
        peer.close()
        retired, later = "1.2.840.10008.5.1.1.30", "1.2.840.10008.5.1.4.1.1.99999"
        other = Peer.associated(ct.port, contexts=[(1, retired, [EXPLICIT]), (3, later, [EXPLICIT])])
        assert _results(other.accepted) == {1: 0, 3: 0}
        other.close()

    def test_private_classes_and_syntaxes_to_come_are_taken_as_well(self, intake: MemoryIntake, ct: Served) -> None:
        private = "1.3.12.2.1107.5.9.1"
        peer = Peer.associated(ct.port, contexts=[(1, private, [EXPLICIT])])
        peer.values(pdv(3, command(sop_class=private)), pdv(2, encode(instance(private))))
        assert peer.status() == 0
        peer.close()
        assert intake.taken[0].announced.sop_class == private

    def test_an_intake_that_fails_answers_no_success_and_the_next_one_is_served(
        self, ct: Served, intake: MemoryIntake
    ) -> None:
        def fail(_: bytes) -> str:
            raise RuntimeError("a bug")

        intake.refuse = fail
        peer = Peer.associated(ct.port)
        assert peer.store(encode(instance())) == 0x0110
        intake.refuse = lambda _: ""
        assert peer.store(encode(instance()), message=2) == 0
        peer.close()


def _results(answer: bytes) -> dict[int, int]:
    """Result of each presentation context of an A-ASSOCIATE-AC (PS3.8 9.3.3.2)."""
    found, at = {}, 68
    while at + 4 <= len(answer):
        if answer[at] == 0x21:
            found[answer[at + 4]] = answer[at + 6]
        at += 4 + int.from_bytes(answer[at + 2 : at + 4], "big")
    return found


def _means(status: str, done: subprocess.CompletedProcess[str]) -> bool:
    """DCMTK puts known codes in words."""
    words = {
        "0xa700": "OutOfResources",
        "0xa900": "DataSetDoesNotMatchSOPClass",
        "0xc000": "CannotUnderstand",
        "0x0122": "SOPClassNotSupported",
    }
    said = (done.stdout + done.stderr).replace(" ", "").replace("Refused:", "")
    return words[status].lower() in said.lower()


def _flat(folder: Path, size: int) -> None:
    """Nothing of the object may pile up: our own memory grows by less than 40 MB while it passes through."""
    path = folder / "large.dcm"
    head = part10(instance()[:-1])
    with path.open("wb") as file:
        file.write(head)
        file.write(b"\xe0\x7f\x10\0OW\0\0" + size.to_bytes(4, "little"))
        file.truncate(file.tell() + size)
    length = path.stat().st_size - len(head) + len(data_set_of(head))
    counting = Counting()
    with served(counting) as ct:
        gc.collect()
        before = _resident()
        assert storescu(ct.port, path, seconds=900).returncode == 0
    assert abs(counting.bytes - length) < 400  # file meta information of our own
    assert counting.most - before < 40 << 20, counting.most - before


class Counting:
    """An intake that keeps nothing, and is slower than the sender."""

    bytes, most = 0, 0

    def may_accept(self, _: Announced) -> Refused | None:
        return None

    def receive(self, arrival: Arrival) -> Outcome:
        from stowgate.ingest.source import Accepted

        while data := arrival.read(1 << 18):
            self.bytes += len(data)
            self.most = max(self.most, _resident())
        return Accepted("0" * 32)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


_ODD = """
from stowgate.ingest.memory import MemoryIntake
from tests.builder import encode, instance
from tests.ingest.dimse import Peer, associate, served
with served(MemoryIntake()) as ct:
    peer = Peer.associated(ct.port)
    print(hex(peer.store(encode(instance()), uid="CANARY^JOHN")))
    peer.close()
    peer = Peer(ct.port, associate(contexts=[(1, "CANARY.CLASS", ["CANARY.SYNTAX"])]))
    print(peer.answer()[0])
    peer.close()
"""


class TestWhoMayCall:
    def test_a_caller_that_is_not_on_the_list_is_rejected_and_listed(self, ct: Served) -> None:
        peer = Peer(ct.port, associate(calling="STRANGER"))
        kind, body = peer.answer()
        assert (kind, tuple(body[1:4])) == (3, (1, 1, 3))
        peer.close()
        eventually(lambda: ct.turned_away == [("ct", "STRANGER", "127.0.0.1")])
        assert [one.code for one in ct.events if isinstance(one, events.CallerTurnedAway)] == ["caller_not_allowed"]

    def test_the_right_title_from_the_wrong_address_is_a_stranger(self, intake: MemoryIntake) -> None:
        with served(intake, allow=(Caller(ae="STORESCU", ip="192.168.5.0/24"),)) as ct:
            peer = Peer(ct.port, associate())
            assert tuple(peer.answer()[1][1:4]) == (1, 1, 3)
            peer.close()
            eventually(lambda: ct.turned_away == [("ct", "STORESCU", "127.0.0.1")])

    def test_nobody_is_on_an_empty_list(self, intake: MemoryIntake) -> None:
        with served(intake, allow=()) as ct:
            peer = Peer(ct.port, associate())
            assert peer.answer()[0] == 3
            peer.close()

    def test_a_call_to_another_title_is_rejected_as_that_but_not_listed(self, ct: Served, tmp_path: Path) -> None:
        peer = Peer(ct.port, associate(called="OTHER"))
        assert tuple(peer.answer()[1][1:4]) == (1, 1, 7)
        peer.close()
        assert ct.turned_away == []
        assert events.CallerTurnedAway("ct", "called_otherwise") in ct.events
        assert storescu(ct.port, *objects(tmp_path, 1), called="OTHER").returncode != 0

    def test_a_flood_of_strangers_and_a_ledger_that_waits_for_its_disk_keep_nobody_waiting(
        self, intake: MemoryIntake, tmp_path: Path
    ) -> None:
        """A megabyte of items cost pynetdicom seconds of everybody's time before anybody asked who sent it."""
        waiting = threading.Event()
        stop = threading.Event()
        source = CStoreSource(settings(), lambda *_: waiting.wait(20), lambda _: None)
        thread = threading.Thread(target=source.run, args=(intake, stop))
        thread.start()
        large = pdu(1, associate(calling="STRANGER")[6:] + b"\x54\0\0\4\0\0\0\0" * 125_000)
        strangers = [Peer(source.port, large if n % 50 == 0 else associate(calling="STRANGER")) for n in range(400)]
        began = time.monotonic()
        assert storescu(source.port, *objects(tmp_path, 3)).returncode == 0
        assert time.monotonic() - began < 3
        assert len(intake.taken) == 3
        waiting.set()
        for peer in strangers:
            peer.close()
        stop.set()
        thread.join(20)
        assert not thread.is_alive()

    def test_no_value_of_a_request_is_written_to_standard_error(self) -> None:
        """pydicom warns about odd UIDs, and quotes them."""
        done = subprocess.run(
            [sys.executable, "-c", _ODD], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done
        assert done.stdout.split() == ["0xa900", "2"]
        assert "CANARY" not in done.stderr

    def test_a_ledger_that_cannot_write_makes_nobody_welcome(self, intake: MemoryIntake) -> None:
        from stowgate.errors import Temporary

        def full(*_: str) -> None:
            raise Temporary("disk_full")

        stop = threading.Event()
        source = CStoreSource(Dimse(kind="dimse", name="ct", listen="127.0.0.1:0", allow=()), full, lambda _: None)
        thread = threading.Thread(target=source.run, args=(intake, stop))
        thread.start()
        for _ in range(2):
            peer = Peer(source.port, associate())
            assert peer.answer()[0] == 3
            peer.close()
        stop.set()
        thread.join(20)

    @pytest.mark.parametrize("address", ["192.168.5.20", "::ffff:192.168.5.20", "192.168.5.0"])
    def test_an_address_is_looked_for_in_networks(self, address: str) -> None:
        settings = Dimse(
            kind="dimse",
            name="ct",
            listen="[::]:104",
            allow=(Caller(ae="CT1", ip="192.168.5.0/24"), Caller(ae="CT2", ip="fe80::/10")),
        )
        assert settings.address == ("::", 104)
        assert settings.allows("CT1", address)
        assert not settings.allows("CT2", address)
        assert settings.allows("CT2", "fe80::1%eth0")
        assert not settings.allows("CT1", "192.168.6.1")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"ae": ""},
            {"ae": "A" * 17},
            {"ae": "BACK\\SLASH"},
            {"listen": "11112"},
            {"allow": ({"ae": "A", "ip": "300.1.1.1"},)},
            {"name": "Patient Name"},
            {"max_associations": 0},
            {"colour": "blue"},
        ],
    )
    def test_settings_that_make_no_sense_are_refused(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            Dimse.model_validate({"kind": "dimse", "name": "ct", "listen": "127.0.0.1:0"} | wrong)

    def test_a_port_that_is_taken_is_said_at_once(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(Misconfigured) as refusal:
                CStoreSource(Dimse(kind="dimse", name="ct", listen=f"127.0.0.1:{port}"))
        assert refusal.value.code == "port_unavailable"


class TestBrokenSenders:
    def test_an_abort_after_some_keeps_those_and_nothing_of_the_next(self, intake: MemoryIntake, ct: Served) -> None:
        sent = [encode(instance(uid=f"1.2.{n}")) for n in range(1, 8)]
        for how in ("abort", "reset", "close"):
            intake.taken.clear()
            peer = Peer.associated(ct.port)
            for n, data in enumerate(sent, 1):
                assert peer.store(data, f"1.2.{n}", n) == 0
            peer.values(pdv(3, command("1.2.99")), pdv(0, sent[0][:300]))
            if how == "abort":
                peer.send(pdu(7, bytes(4)))
                peer.close()
            else:
                getattr(peer, how)()
            eventually(lambda: intake.broken_off, 5)
            intake.broken_off = 0
            assert [data_set_of(one.data) for one in intake.taken] == sent

    def test_a_cut_at_every_place_of_an_object_leaves_nothing(self, intake: MemoryIntake, ct: Served) -> None:
        whole = (
            pdu(4, pdv(3, command()))
            + pdu(4, pdv(0, encode(instance())[:400]))
            + pdu(4, pdv(2, encode(instance())[400:]))
        )
        for cut in range(1, len(whole), 97):
            peer = Peer.associated(ct.port)
            peer.send(whole[:cut])
            peer.reset()
        eventually(lambda: not _associations(), 20)
        assert not intake.taken

    def test_a_claim_of_4_gib_ends_the_association_and_costs_nothing(self, ct: Served) -> None:
        for head in (b"\x04\0\xff\xff\xff\xff", b"\x04\0\x7f\xff\xff\xff", b"\x05\0\x00\x10\x00\x01"):
            peer = Peer.associated(ct.port)
            before = _resident()
            peer.send(head + bytes(100))
            assert peer.answer()[0] in (0, 7)
            assert _resident() - before < 8 << 20
            peer.close()

    def test_a_value_of_one_pdu_that_claims_4_gib_ends_the_association(self, ct: Served) -> None:
        peer = Peer.associated(ct.port)
        peer.send(pdu(4, b"\xff\xff\xff\xff\1\3" + bytes(50)))
        assert peer.answer()[0] in (0, 7)
        peer.close()

    def test_ten_thousand_contexts_are_refused_while_others_are_served(self, ct: Served, tmp_path: Path) -> None:
        many = associate(contexts=[(n * 2 % 256 + 1, CT, [EXPLICIT]) for n in range(10_000)])
        began = time.monotonic()
        peer = Peer(ct.port)
        with suppress(OSError):
            peer.send(many)
        assert peer.answer()[0] == 0
        assert time.monotonic() - began < 2
        peer.close()
        assert storescu(ct.port, *objects(tmp_path, 1)).returncode == 0

    @pytest.mark.parametrize("seed", range(3))
    def test_noise_ends_the_association_and_nothing_else(self, intake: MemoryIntake, ct: Served, seed: int) -> None:
        import random

        noise = random.Random(seed)
        for _ in range(15):
            request = bytearray(associate())
            for _ in range(noise.randrange(4)):
                request[noise.randrange(len(request))] = noise.randrange(256)
            peer = Peer(ct.port, bytes(request))
            peer.socket.settimeout(0.05)
            with suppress(OSError):
                for _ in range(3):
                    peer.send(pdu(noise.randrange(9), noise.randbytes(noise.randrange(200))))
                peer.answer()
            peer.close()
        assert not intake.taken
        after = Peer.associated(ct.port)
        assert after.store(encode(instance())) == 0
        after.close()


class TestCrowds:
    def test_a_modality_is_served_while_200_are_silent_and_20_drip(self, intake: MemoryIntake, tmp_path: Path) -> None:
        crowd: list[socket.socket] = []
        stop = threading.Event()
        with served(intake) as ct:
            crowd.extend(socket.create_connection(("127.0.0.1", ct.port), 5) for _ in range(220))

            def drip() -> None:
                request = associate()
                for at in range(len(request)):
                    for one in crowd[200:]:
                        with suppress(OSError):
                            one.send(request[at : at + 1])
                    if stop.wait(1):
                        return

            dripping = threading.Thread(target=drip)
            dripping.start()
            threads = threading.active_count()
            began = time.monotonic()
            done = storescu(ct.port, *objects(tmp_path, 50))
            assert done.returncode == 0, done.stderr[-500:]
            assert time.monotonic() - began < 5
            assert len(intake.taken) == 50
            assert threading.active_count() - threads < 5
            stop.set()
            dripping.join()
        for one in crowd:
            one.close()

    def test_dripping_associations_do_not_keep_a_modality_waiting(self, intake: MemoryIntake, tmp_path: Path) -> None:
        """Inside of an association a PDU may come a byte a second: it costs its own place only."""
        with served(intake) as ct:
            slow = [Peer.associated(ct.port) for _ in range(10)]
            for one in slow:
                one.values(pdv(3, command()))
                one.send(b"\x04\0\0\0\x10\0")
            done = storescu(ct.port, *objects(tmp_path, 20))
            assert done.returncode == 0
            for one in slow:
                one.close()
        assert len(intake.taken) == 20

    def test_50_half_open_peers_do_not_take_the_places(self, intake: MemoryIntake, tmp_path: Path) -> None:
        """Peers that vanish without a word; keepalive ends them within a minute, and until then there is room."""
        with served(intake, max_associations=60) as ct:
            peers = [Peer.associated(ct.port) for _ in range(50)]
            assert storescu(ct.port, *objects(tmp_path, 5)).returncode == 0
            for one in peers:
                one.reset()
            eventually(lambda: not _associations(), 20)
        opened = [one.opened for one in ct.events if isinstance(one, events.Association)]
        assert opened.count(True) == opened.count(False) == 51

    def test_one_too_many_is_told_so_and_may_come_again(self, intake: MemoryIntake) -> None:
        with served(intake, max_associations=3) as ct:
            peers = [Peer.associated(ct.port) for _ in range(3)]
            late = Peer(ct.port, associate())
            assert tuple(late.answer()[1][1:4]) == (2, 3, 2)
            late.close()
            peers.pop().close()
            eventually(lambda: len(_associations()) <= 3)
            again = Peer.associated(ct.port)
            assert again.store(encode(instance())) == 0
            for one in (*peers, again):
                one.close()

    def test_300_connections_at_256_descriptors_are_turned_away_and_a_modality_is_served(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", FEW_DESCRIPTORS], capture_output=True, text=True, timeout=60, check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.split() == ["20", "True"]


FEW_DESCRIPTORS = """
import resource, socket, subprocess, sys, threading
from pathlib import Path
from tests.ingest.dimse import served, Peer
from tests.builder import encode, instance
from stowgate.ingest.memory import MemoryIntake
crowd = subprocess.Popen([sys.executable, "-c", '''
import socket, sys, time
port = int(sys.stdin.readline())
crowd = []
for _ in range(300):
    crowd.append(socket.create_connection(("127.0.0.1", port), 5))
print("there", flush=True)
sys.stdin.read()
'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
intake = MemoryIntake()
with served(intake, max_per_ip=1000) as ct:
    crowd.stdin.write(f"{ct.port}\\n"); crowd.stdin.flush()
    assert crowd.stdout.readline() == "there\\n"
    peers = [Peer.associated(ct.port) for _ in range(20)]
    for n, peer in enumerate(peers):
        assert peer.store(encode(instance(uid=f"1.2.{n}")), f"1.2.{n}") == 0
    for peer in peers:
        peer.close()
    few = len(list(Path("/proc/self/fd").iterdir())) < 200
crowd.stdin.close(); crowd.wait()
print(len(intake.taken), few)
"""


def _associations() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("AcceptorThread")]


class TestStop:
    def test_twenty_open_associations_are_ended_in_a_moment(self, intake: MemoryIntake) -> None:
        ct = Served(intake)
        peers = [Peer.associated(ct.port) for _ in range(20)]
        for n, one in enumerate(peers):
            assert one.store(encode(instance(uid=f"1.2.{n}")), f"1.2.{n}") == 0
        assert ct.stop() < 3
        assert all(one.answer()[0] in (0, 7) for one in peers)
        assert len(intake.taken) == 20
        for one in peers:
            one.close()
        assert not _associations()

    def test_an_instance_that_is_on_its_way_is_finished_and_answered(self, intake: MemoryIntake) -> None:
        ct = Served(intake)
        peer = Peer.associated(ct.port)
        data = encode(instance())
        peer.values(pdv(3, command()), pdv(0, data[:300]))
        stopping = threading.Thread(target=ct.stop)
        eventually(lambda: any(one.name.startswith("cstore-ct") for one in threading.enumerate()))
        stopping.start()
        time.sleep(0.5)
        peer.values(pdv(2, data[300:]))
        assert peer.status() == 0
        stopping.join(10)
        peer.close()
        assert [data_set_of(one.data) for one in intake.taken] == [data]

    def test_an_instance_that_is_being_made_durable_is_answered(
        self, intake: MemoryIntake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its sender would send it again otherwise."""
        receive, read, go_on = intake.receive, threading.Event(), threading.Event()

        def slow(arrival: Arrival) -> Outcome:
            outcome = receive(arrival)
            read.set()
            go_on.wait(10)
            return outcome

        monkeypatch.setattr(intake, "receive", slow)
        ct = Served(intake)
        peer = Peer.associated(ct.port)
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(peer.store(encode(instance()))))
        thread.start()
        assert read.wait(5)
        time.sleep(0.2)
        threading.Timer(1, go_on.set).start()
        ct.stop()
        thread.join()
        assert answers == [0]
        peer.close()

    def test_those_who_never_finish_are_cut_off_in_time(
        self, intake: MemoryIntake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("stowgate.ingest.cstore._DRAIN", 1.0)
        ct = Served(intake)
        peers = [Peer.associated(ct.port) for _ in range(20)]
        for one in peers:
            one.values(pdv(3, command()))
            one.send(b"\x04\0\0\0\x10\0half")
        eventually(lambda: len([one for one in threading.enumerate() if one.name.startswith("cstore-ct")]) == 20)
        assert ct.stop() < 6
        eventually(lambda: not _associations(), 3)
        assert not intake.taken
        for one in peers:
            one.close()

    def test_the_port_is_free_again_and_it_can_run_again(self, intake: MemoryIntake) -> None:
        ct = Served(intake)
        port = ct.port
        ct.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)
        ct.source.settings = ct.source.settings.model_copy(update={"listen": f"127.0.0.1:{port}"})
        stop = threading.Event()
        again = threading.Thread(target=ct.source.run, args=(intake, stop))
        again.start()
        eventually(lambda: _connects(port))
        peer = Peer.associated(port)
        assert peer.store(encode(instance())) == 0
        peer.close()
        stop.set()
        again.join(20)

    def test_a_stopped_source_leaves_no_thread_and_no_descriptor(self, intake: MemoryIntake) -> None:
        with served(intake):
            pass  # what is imported and made once
        gc.collect()
        threads, descriptors = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(3):
            with served(intake) as ct:
                peers = [Peer.associated(ct.port) for _ in range(5)]
                Peer(ct.port, associate(calling="STRANGER")).close()
                for one in peers:
                    one.close()
        eventually(lambda: threading.active_count() <= threads, 15)
        gc.collect()
        assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 1


def _connects(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


Certified = Callable[[str], tuple[Path, Path]]


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """Self-signed certificates for 127.0.0.1, made by name."""
    folder = tmp_path_factory.mktemp("tls")

    def make(name: str) -> tuple[Path, Path]:
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        if not certificate.exists():
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                 "-keyout", key, "-out", certificate],
                check=True, capture_output=True,
            )  # fmt: skip
        return certificate, key

    return make


class TestTls:
    def settings(self, certified: Certified, mutual: bool = True) -> DimseTls:
        certificate, key = certified("gateway")
        return DimseTls(certificate=certificate, key=key, ca=certified("scanner")[0], mutual=mutual)

    def test_a_sender_with_the_right_certificate_is_served(
        self, intake: MemoryIntake, certified: Certified, tmp_path: Path
    ) -> None:
        certificate, key = certified("scanner")
        paths = objects(tmp_path, 5)
        with served(intake, tls=self.settings(certified)) as ct:
            more = ["+tls", str(key), str(certificate), "+cf", str(certified("gateway")[0])]
            done = storescu(ct.port, *paths, more=more)
        assert done.returncode == 0, done.stderr
        assert [data_set_of(one.data) for one in intake.taken] == [data_set_of(path.read_bytes()) for path in paths]

    @pytest.mark.parametrize("who", ["nobody", "stranger", "in clear"])
    def test_others_are_not(self, intake: MemoryIntake, certified: Certified, tmp_path: Path, who: str) -> None:
        with served(intake, tls=self.settings(certified)) as ct:
            more = {
                "nobody": ["+tla", "-ic"],
                "stranger": ["+tls", *map(str, reversed(certified("stranger"))), "-ic"],
                "in clear": [],
            }[who]
            assert storescu(ct.port, *objects(tmp_path, 1), more=more).returncode != 0
        assert not intake.taken

    def test_without_mutual_certificates_the_senders_needs_none(
        self, intake: MemoryIntake, certified: Certified, tmp_path: Path
    ) -> None:
        with served(intake, tls=self.settings(certified, mutual=False)) as ct:
            more = ["+tla", "+cf", str(certified("gateway")[0])]
            assert storescu(ct.port, *objects(tmp_path, 1), more=more).returncode == 0

    def test_a_large_object_arrives_whole(self, intake: MemoryIntake, certified: Certified) -> None:
        """Decrypted bytes wait inside the TLS layer, where poll(2) does not see them."""
        with served(intake, tls=self.settings(certified)) as ct:
            context = ssl.create_default_context(cafile=str(certified("gateway")[0]))
            context.load_cert_chain(*certified("scanner"))
            peer = Peer(ct.port)
            peer.socket = context.wrap_socket(peer.socket, server_hostname="127.0.0.1")
            peer.send(associate())
            assert peer.answer()[0] == 2
            data = encode(instance()) + os.urandom(3_000_001)
            assert peer.store(data) == 0
            peer.close()
        assert data_set_of(intake.taken[0].data) == data

    def test_a_silent_handshake_costs_a_place_in_the_waiting_room_only(
        self, intake: MemoryIntake, certified: Certified, tmp_path: Path
    ) -> None:
        certificate, key = certified("scanner")
        with served(intake, tls=self.settings(certified)) as ct:
            silent = [socket.create_connection(("127.0.0.1", ct.port)) for _ in range(50)]
            for one in silent[:25]:
                one.sendall(b"\x16\x03\x01\x02")
            more = ["+tls", str(key), str(certificate), "+cf", str(certified("gateway")[0])]
            assert storescu(ct.port, *objects(tmp_path, 1), more=more).returncode == 0
            for one in silent:
                one.close()

    @pytest.mark.parametrize("broken", ["certificate", "key", "ca", "swapped"])
    def test_files_that_make_no_sense_are_said_at_once(self, certified: Certified, tmp_path: Path, broken: str) -> None:
        certificate, key = certified("gateway")
        ca = certified("scanner")[0]
        nothing = tmp_path / "nothing.pem"
        nothing.write_text("")
        told = {
            "certificate": (nothing, key, ca),
            "key": (certificate, tmp_path / "absent", ca),
            "ca": (certificate, key, nothing),
            "swapped": (key, certificate, ca),
        }[broken]
        tls = DimseTls(certificate=told[0], key=told[1], ca=told[2])
        with pytest.raises(Misconfigured) as refusal:
            CStoreSource(Dimse(kind="dimse", name="ct", listen="127.0.0.1:0", tls=tls))
        assert refusal.value.code == "web_certificate"
