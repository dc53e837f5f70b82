"""Storage commitment as its SCU: what a peer vouches for is there; a report that nobody asked for changes nothing."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stowgate.deliver import commitment
from stowgate.deliver.commitment import UNKNOWN_TRANSACTION, committed
from stowgate.deliver.connection import Peer
from stowgate.deliver.cstore import CStoreSink, DimseDest
from stowgate.deliver.report_listener import ReportListener
from stowgate.deliver.reports import REPORTS, Reports
from stowgate.deliver.sink import Found
from stowgate.errors import Misconfigured, Temporary
from stowgate.ingest.cstore import tls_context
from stowgate.ingest.dimse_settings import DimseTls
from stowgate.lifecycle import Evidence
from tests.deliver.dcmtk import free_port
from tests.deliver.node import Node
from tests.deliver.parcels import Notebook, parcel
from tests.deliver.test_cstore import Certificates, certificates
from tests.deliver.vouching import Vouching
from tests.ingest.orthanc import is_installed, orthanc

__all__ = ["certificates"]

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
"""A node of pynetdicom stumbles in a thread of its own over connections that end early."""

PRESENT, LOST = Found(Evidence.PRESENCE), Found(code="peer_lost_object")


@pytest.fixture
def listener() -> Iterator[ReportListener]:
    made = ReportListener("127.0.0.1", 0, ["STOWGATE"])
    yield made
    made.close()


@pytest.fixture
def node(listener: ReportListener) -> Iterator[Callable[..., Vouching]]:
    made: list[Vouching] = []

    def begin(*holds: str, **how: str) -> Vouching:
        made.append(Vouching(*holds, caller=listener.port, **how))  # type: ignore[arg-type]
        return made[-1]

    yield begin
    for one in made:
        one.stop()


def peer(port: int) -> Peer:
    return Peer("127.0.0.1", port, "NODE", "STOWGATE")


def ask(node: Vouching, notes: Notebook, *numbers: int) -> dict[str, Found]:
    return committed(peer(node.port), parcel(*numbers), notes)


def until_said(node: Vouching, notes: Notebook, *numbers: int) -> dict[str, Found]:
    for _ in range(100):
        found = ask(node, notes, *numbers)
        if all(one.wait is None for one in found.values()):
            return found
        time.sleep(0.1)
    raise AssertionError("it never reported")


def test_what_it_vouches_for_at_once_is_there_at_once(node: Callable[..., Vouching]) -> None:
    at = node("2.25.1", "2.25.2")
    assert ask(at, Notebook(), 1, 2, 3) == {"2.25.1": PRESENT, "2.25.2": PRESENT, "2.25.3": LOST}
    ((_, uids),) = at.asked
    assert uids == ["2.25.1", "2.25.2", "2.25.3"] and at.answers == [0]


def test_what_it_reports_by_an_association_of_its_own_is_heard_at_the_next_look(
    node: Callable[..., Vouching], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment, "_HERE", 0.0)
    at, notes = node("2.25.1", reports="there"), Notebook()
    first = ask(at, notes, 1, 2)
    assert all(one.wait and one.evidence is Evidence.NONE for one in first.values())
    assert until_said(at, notes, 1, 2) == {"2.25.1": PRESENT, "2.25.2": LOST}
    assert len(at.asked) == 1, "it was asked once"


def test_one_that_never_reports_is_waited_for_and_then_asked_anew(
    node: Callable[..., Vouching], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment, "_HERE", 0.0)
    at, notes, now = node("2.25.1", reports="never"), Notebook(), [0.0]
    reports = Reports(lambda: now[0])
    for now[0], asked in ((0.0, 1), (599.0, 1), (601.0, 2)):
        found = committed(peer(at.port), parcel(1), notes, reports)
        assert found["2.25.1"].wait and len(at.asked) == asked


def test_after_a_new_start_it_is_asked_anew_and_a_late_report_changes_nothing(
    node: Callable[..., Vouching], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment, "_HERE", 0.0)
    at, notes = node("2.25.1", reports="never"), Notebook()
    committed(peer(at.port), parcel(1), notes, Reports())
    old = at.asked[0][0]
    committed(peer(at.port), parcel(1), notes, Reports())
    assert len(at.asked) == 2 and notes.read("2.25.1") == at.asked[1][0] != old
    assert at.report(old, ["2.25.1"]) == UNKNOWN_TRANSACTION


def test_a_forged_report_and_one_about_others_change_nothing(
    node: Callable[..., Vouching], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment, "_HERE", 0.0)
    at, notes = node(reports="never"), Notebook()
    ask(at, notes, 1)
    at.holds = {"2.25.1"}
    assert at.report("2.25.4711", ["2.25.1"]) == UNKNOWN_TRANSACTION
    assert ask(at, notes, 1)["2.25.1"].wait
    at.lies = {"2.25.9"}
    assert at.report(at.asked[0][0], []) == 0
    known = REPORTS.of(at.asked[0][0])
    assert known and known[0].stored == frozenset()
    assert ask(at, notes, 1)["2.25.1"] == LOST, "it reported, and not of this one"


def test_its_first_word_counts(node: Callable[..., Vouching]) -> None:
    at, notes = node("2.25.1"), Notebook()
    at.twice = True
    assert ask(at, notes, 1) == {"2.25.1": PRESENT}
    time.sleep(0.5)
    assert ask(at, notes, 1) == {"2.25.1": PRESENT}


@pytest.mark.parametrize("reason", [0x0110, 0x0213])
def test_a_failure_of_its_own_says_nothing_of_the_object(
    node: Callable[..., Vouching], reason: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, notes = node(), Notebook()
    at.reasons["2.25.1"] = reason
    assert ask(at, notes, 1)["2.25.1"].wait
    monkeypatch.setattr(commitment, "_AGAIN", 0.0)
    at.holds.add("2.25.1")
    assert ask(at, notes, 1) == {"2.25.1": PRESENT}, "asked anew"


def test_what_is_lost_is_asked_for_anew_once_it_was_sent_again(node: Callable[..., Vouching]) -> None:
    at, notes = node(), Notebook()
    assert ask(at, notes, 1) == {"2.25.1": LOST}
    at.holds.add("2.25.1")
    assert ask(at, notes, 1) == {"2.25.1": PRESENT}


def test_one_that_is_busy_away_or_knows_no_commitment_is_said_to_be_so(node: Callable[..., Vouching]) -> None:
    at = node()
    at.status = 0x0213
    with pytest.raises(Temporary) as failed:
        ask(at, Notebook(), 1)
    assert failed.value.code == "peer_busy"
    at.stop()
    with pytest.raises(Temporary):
        ask(at, Notebook(), 1)
    plain = Node()
    try:
        with pytest.raises(Misconfigured) as cannot:
            committed(peer(plain.port), parcel(1), Notebook())
        assert cannot.value.code == "peer_cannot_be_asked"
        assert (
            "cannot be asked by storage commitment" in list(CStoreSink(peer(plain.port), None, True).trial())[-1].said
        )
    finally:
        plain.stop()


def test_the_setting_chooses_it(node: Callable[..., Vouching]) -> None:
    at = node("2.25.1")
    dest = DimseDest(name="pacs", kind="dimse", host="127.0.0.1", port=at.port, called="NODE", ask="commitment")
    sink = dest.sink()
    assert sink.verify(parcel(1), Notebook()) == {"2.25.1": PRESENT}


def test_a_port_that_is_taken_is_said_to_be_so(listener: ReportListener) -> None:
    with pytest.raises(Misconfigured) as failed:
        ReportListener("127.0.0.1", listener.port, ["STOWGATE"])
    assert failed.value.code == "port_unavailable"


class TestReportsOverTls:
    @pytest.fixture
    def listener(self, certificates: Certificates) -> Iterator[ReportListener]:
        own, key = certificates.of("gateway")
        tls = tls_context(DimseTls(certificate=own, key=key, ca=certificates.ca))
        made = ReportListener("127.0.0.1", 0, ["STOWGATE"], tls=tls)
        yield made
        made.close()

    @pytest.fixture
    def theirs(self, certificates: Certificates) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(certificates.ca))
        context.load_cert_chain(*certificates.of("node"))
        return context

    def test_who_shows_a_certificate_is_heard_while_another_keeps_silent(
        self, node: Callable[..., Vouching], listener: ReportListener, theirs: ssl.SSLContext,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(commitment, "_HERE", 0.0)
        with socket.create_connection(("127.0.0.1", listener.port)) as silent:
            silent.sendall(b"\x16")  # the first byte of a handshake, and no more
            at, notes = node("2.25.1", reports="there", tls=theirs), Notebook()
            ask(at, notes, 1, 2)
            assert until_said(at, notes, 1, 2) == {"2.25.1": PRESENT, "2.25.2": LOST}

    @pytest.mark.parametrize("how", ["in clear", "without a certificate"])
    def test_who_reports_otherwise_is_not_heard(
        self, node: Callable[..., Vouching], certificates: Certificates, how: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(commitment, "_HERE", 0.0)
        plain = None if how == "in clear" else ssl.create_default_context(cafile=str(certificates.ca))
        at, notes = node("2.25.1", reports="never", tls=plain), Notebook()
        ask(at, notes, 1)
        with pytest.raises(AssertionError):
            at.report(at.asked[0][0], ["2.25.1"])
        assert ask(at, notes, 1)["2.25.1"].wait


@pytest.mark.skipif(not is_installed, reason="Orthanc is absent")
def test_orthanc_vouches_for_what_it_holds(
    tmp_path: Path, listener: ReportListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    with orthanc(
        tmp_path, DicomServerEnabled=True, DicomPort=port, DicomAet="NODE", DicomAlwaysAllowStore=True,
        DicomCheckCalledAet=False, DicomModalities={"truck": ["STOWGATE", "127.0.0.1", listener.port]},
    ):  # fmt: skip
        sink, notes = CStoreSink(peer(port), None, True), Notebook()
        sink.deliver(parcel(1, 2), notes)
        for _ in range(100):
            found = sink.verify(parcel(1, 2, 9), notes)
            if all(one.wait is None for one in found.values()):
                break
            time.sleep(0.2)
        assert found == {"2.25.1": PRESENT, "2.25.2": PRESENT, "2.25.9": LOST}
        sink.close()
