"""C-STORE as a sender: every answer a node can give means the right thing, over TLS and to real nodes, too."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pynetdicom import _config

from stowgate.deliver.connection import Peer
from stowgate.deliver.cstore import CStoreSink, DimseDest
from stowgate.deliver.dest_tls import DestTls
from stowgate.deliver.sink import Answer, Parcel
from stowgate.deliver.status import answer_of
from stowgate.errors import Misconfigured, Temporary
from stowgate.lifecycle import Delivery, Evidence
from tests.builder import CT, MG, MR
from tests.deliver.dcmtk import STORESCP, archive, free_port, needs_dcmtk, server
from tests.deliver.node import Node, data_set
from tests.deliver.parcels import STUDY, Notebook, bytes_of, letter, parcel
from tests.ingest.orthanc import is_installed, orthanc

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
"""A node of pynetdicom stumbles in a thread of its own over connections that end early."""

ACKNOWLEDGED, NOTES = Answer(Delivery.ACKNOWLEDGED), Notebook()
Sinks = Callable[..., CStoreSink]


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    yield made
    with suppress(Exception):
        made.stop()


@pytest.fixture
def sinks() -> Iterator[Sinks]:
    made: list[CStoreSink] = []

    def make(port: int, called: str = "NODE", calling: str = "STOWGATE", tls: DestTls | None = None) -> CStoreSink:
        made.append(CStoreSink(Peer("127.0.0.1", port, called, calling), tls))
        made[-1].open()
        return made[-1]

    yield make
    for one in made:
        one.close()


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "state"),
        [(0x0000, Delivery.ACKNOWLEDGED), (0xB000, Delivery.ACKNOWLEDGED), (0xB006, Delivery.ACKNOWLEDGED),
         (0xB007, Delivery.ACKNOWLEDGED), (0xA700, Delivery.QUEUED), (0xA7FF, Delivery.QUEUED),
         (0x0110, Delivery.QUEUED), (0x0122, Delivery.REFUSED), (0xA900, Delivery.REFUSED),
         (0xC000, Delivery.REFUSED), (0xCFFF, Delivery.REFUSED), (0x0117, Delivery.REFUSED),
         (0x0111, Delivery.SENT), (0x9999, Delivery.QUEUED)],
    )  # fmt: skip
    def test_a_status_means_what_happens_next(self, status: int, state: Delivery) -> None:
        assert answer_of(status).state is state

    def test_not_authorised_is_for_a_person(self) -> None:
        with pytest.raises(Misconfigured) as refused:
            answer_of(0x0124)
        assert refused.value.code == "peer_unauthorised"

    def test_one_that_is_refused_does_not_stop_the_others(self, node: Node, sinks: Sinks) -> None:
        node.status = {"2.25.2": 0xC000, "2.25.3": 0xA700}
        answers = sinks(node.port).deliver(parcel(1, 2, 3, 4), NOTES)
        assert [one.state for one in answers.values()] == [
            Delivery.ACKNOWLEDGED, Delivery.REFUSED, Delivery.QUEUED, Delivery.ACKNOWLEDGED,
        ]  # fmt: skip
        assert sorted(node.held) == ["2.25.1", "2.25.4"]

    def test_what_it_takes_no_context_for_is_refused_with_its_reason(
        self, node: Node, sinks: Sinks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_config, "UNRESTRICTED_STORAGE_SERVICE", False)  # a source in this process sets it
        others = (letter(bytes_of(2), "2.25.2", MR), letter(bytes_of(3), "2.25.3", CT, "1.2.840.10008.1.2.4.90"))
        answers = sinks(node.port).deliver(Parcel((*parcel(1).instances, *others)), NOTES)
        refused = Answer(Delivery.REFUSED, "peer_takes_no_such_object")
        assert list(answers.values()) == [ACKNOWLEDGED, refused, refused]


class TestAssociation:
    def test_one_association_serves_parcel_after_parcel_and_the_question(self, node: Node, sinks: Sinks) -> None:
        sink = sinks(node.port)
        for n in range(1, 4):
            sink.deliver(parcel(n), NOTES)
            assert sink.verify(parcel(n), NOTES)[f"2.25.{n}"].evidence is Evidence.PRESENCE
        assert node.associations == 1

    def test_a_new_kind_of_object_gets_an_association_that_knows_both(self, node: Node, sinks: Sinks) -> None:
        sink = sinks(node.port)
        sink.deliver(parcel(1), NOTES)
        assert sink.deliver(Parcel((letter(bytes_of(2), "2.25.2", MG),)), NOTES) == {"2.25.2": ACKNOWLEDGED}
        sink.deliver(parcel(3), NOTES)
        assert node.associations == 2

    def test_an_association_that_the_node_ended_meanwhile_is_made_anew(self, node: Node, sinks: Sinks) -> None:
        sink = sinks(node.port)
        sink.deliver(parcel(1), NOTES)
        node.stop()
        node.start()
        assert sink.deliver(parcel(2), NOTES) == {"2.25.2": ACKNOWLEDGED}

    def test_a_node_that_goes_away_before_it_answers_is_asked_and_the_rest_is_queued(
        self, node: Node, sinks: Sinks
    ) -> None:
        node.aborts = {"2.25.2"}
        sink = sinks(node.port)
        answers = sink.deliver(parcel(1, 2, 3), NOTES)
        assert [(one.state, one.code) for one in answers.values()] == [
            (Delivery.ACKNOWLEDGED, ""), (Delivery.SENT, "peer_broke_off"), (Delivery.QUEUED, "peer_broke_off"),
        ]  # fmt: skip
        assert node.came == ["2.25.1", "2.25.2"], "what comes behind the break is not sent"
        assert sink.deliver(parcel(2, 3), NOTES) == dict.fromkeys(["2.25.2", "2.25.3"], ACKNOWLEDGED)

    def test_an_object_that_breaks_off_half_way_is_none_and_needs_no_question(self, sinks: Sinks) -> None:
        with _answering(_cut_after(200_000)) as port:
            answers = sinks(port).deliver(parcel(1, 2, size=20_000_000), NOTES)  # more than any socket holds
        assert set(answers.values()) == {Answer(Delivery.QUEUED, "peer_broke_off")}

    def test_small_pdus_are_respected(self, sinks: Sinks) -> None:
        small = Node(maximum_pdu_size=4096)
        try:
            sink = sinks(small.port)
            assert sink.deliver(Parcel((letter(bytes_of(1, 100_000), "2.25.1"),)), NOTES) == {"2.25.1": ACKNOWLEDGED}
            assert small.held["2.25.1"] == data_set(bytes_of(1, 100_000))
        finally:
            small.stop()

    def test_the_socket_notices_a_dead_link_in_half_a_minute_and_does_not_wait_to_send(
        self, node: Node, sinks: Sinks
    ) -> None:
        sink = sinks(node.port)
        sink.deliver(parcel(1), NOTES)
        assert sink._held
        told = sink._held._socket
        assert told.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert told.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 25_000
        assert told.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


class TestRefusals:
    def test_a_name_it_does_not_know_is_for_a_person(self, sinks: Sinks) -> None:
        strict = Node(require_called_aet=True, require_calling_aet=["SOMEBODY"])
        try:
            with pytest.raises(Misconfigured) as refused:
                sinks(strict.port, called="OTHER").deliver(parcel(1), NOTES)
        finally:
            strict.stop()
        assert refused.value.code == "peer_unauthorised" and "STOWGATE at OTHER" in str(refused.value)

    def test_a_node_that_is_full_of_associations_is_tried_again(self, sinks: Sinks) -> None:
        crowded = Node(maximum_associations=1)
        try:
            sinks(crowded.port).deliver(parcel(1), NOTES)
            with pytest.raises(Temporary) as busy:
                sinks(crowded.port).deliver(parcel(2), NOTES)
        finally:
            crowded.stop()
        assert busy.value.code == "peer_busy"

    def test_nobody_there_is_unreachable(self, sinks: Sinks) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            sink = sinks(taken.getsockname()[1])
            assert not sink.reachable()
            with pytest.raises(Temporary) as failed:
                sink.deliver(parcel(1), NOTES)
        assert failed.value.code == "peer_unreachable"

    @pytest.mark.parametrize(
        "said",
        [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", b"\x02\x00\x00\x00\x00\x10" + b"x" * 16,
         b"\x02\x00\xff\xff\xff\xff", b"\x04\x00\x00\x00\x00\x02ab", b"\x02\x00\x00\x00\x00\x00"],
    )  # fmt: skip
    def test_what_speaks_no_dicom_stores_nothing_and_is_tried_again(self, sinks: Sinks, said: bytes) -> None:
        with _answering(lambda connection: (connection.recv(1 << 16), connection.sendall(said))) as port:
            with pytest.raises(Temporary) as failed:
                sinks(port).deliver(parcel(1), NOTES)
            assert failed.value.code in ("peer_not_dicom", "peer_unreachable")

    def test_a_node_without_queries_is_said_before_anything_is_taken_for_delivered(self, sinks: Sinks) -> None:
        dumb = Node(queries=False)
        try:
            sink = sinks(dumb.port)
            assert sink.deliver(parcel(1), NOTES) == {"2.25.1": ACKNOWLEDGED}
            with pytest.raises(Misconfigured) as refused:
                sink.verify(parcel(1), NOTES)
            assert refused.value.code == "peer_cannot_be_asked"
            assert 'evidence = "status"' in list(sink.trial())[-1].said
        finally:
            dumb.stop()


class TestQuestions:
    def test_a_list_finds_all_in_one_go_and_what_is_missing_is_asked_for_by_itself(
        self, node: Node, sinks: Sinks
    ) -> None:
        sink = sinks(node.port)
        sink.deliver(parcel(1, 2, 3), NOTES)
        assert {one.evidence for one in sink.verify(parcel(1, 2, 3), NOTES).values()} == {Evidence.PRESENCE}
        assert node.asked == ["list"]
        found = sink.verify(parcel(1, 2, 9), NOTES)
        assert found["2.25.9"].code == "peer_lost_object"
        assert node.asked == ["list", "list", "one"]

    def test_a_node_that_understands_no_list_is_asked_one_by_one(self, node: Node, sinks: Sinks) -> None:
        node.lists = False
        sink = sinks(node.port)
        sink.deliver(parcel(1, 2), NOTES)
        assert {one.evidence for one in sink.verify(parcel(1, 2), NOTES).values()} == {Evidence.PRESENCE}

    def test_a_node_that_says_yes_and_does_not_store_is_found_out(self, node: Node, sinks: Sinks) -> None:
        node.forgets = {"2.25.1"}
        sink = sinks(node.port)
        assert sink.deliver(parcel(1), NOTES) == {"2.25.1": ACKNOWLEDGED}
        assert sink.verify(parcel(1), NOTES)["2.25.1"].code == "peer_lost_object"


class Certificates:
    """An authority and what it signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.authority = self._made("authority", self.key, self.key, None, 1, ca=True)
        self.ca = self._write("ca.pem", self.authority.public_bytes(serialization.Encoding.PEM))

    def of(self, name: str, address: str = "127.0.0.1", days: float = 1) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._made(name, key, self.key, address, days)
        how = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return (
            self._write(f"{name}.pem", made.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{name}.key", key.private_bytes(serialization.Encoding.PEM, *how)),
        )

    def server(self, name: str, mutual: bool = False, **how: object) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.ca))
        context.load_cert_chain(*self.of(name, **how))  # type: ignore[arg-type]
        context.verify_mode = ssl.CERT_REQUIRED if mutual else ssl.CERT_NONE
        return context

    def _write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def _made(
        self, name: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, address: str | None,
        days: float, ca: bool = False,
    ) -> x509.Certificate:  # fmt: skip
        import ipaddress

        now = datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = subject if ca else self.authority.subject
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(30))
        made = made.not_valid_after(now + datetime.timedelta(days))
        made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        if address:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            made = made.add_extension(names, critical=False)
        return made.sign(signer, hashes.SHA256())


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


class TestTls:
    @pytest.fixture
    def serving(self) -> Iterator[Callable[[ssl.SSLContext], int]]:
        nodes: list[Node] = []

        def serve(context: ssl.SSLContext) -> int:
            nodes.append(Node(tls=context))
            return nodes[-1].port

        yield serve
        for one in nodes:
            with suppress(Exception):
                one.stop()

    def test_both_show_what_they_are_and_it_arrives(
        self, certificates: Certificates, sinks: Sinks, serving: Callable[[ssl.SSLContext], int]
    ) -> None:
        own, key = certificates.of("gateway")
        port = serving(certificates.server("node", mutual=True))
        sink = sinks(port, tls=DestTls(ca=certificates.ca, certificate=own, key=key))
        sent = parcel(1, 2, size=400_000)
        assert sink.deliver(sent, NOTES) == dict.fromkeys(["2.25.1", "2.25.2"], ACKNOWLEDGED)
        assert sink.verify(sent, NOTES)["2.25.2"].evidence is Evidence.PRESENCE

    @pytest.mark.parametrize("wrong", ["expired", "other host", "unknown authority", "ours is missing"])
    def test_a_certificate_that_is_not_right_stops_everything_before_a_byte_is_sent(
        self, certificates: Certificates, tmp_path: Path, sinks: Sinks, wrong: str,
        serving: Callable[[ssl.SSLContext], int],
    ) -> None:  # fmt: skip
        ca, how = certificates.ca, {}
        if wrong == "expired":
            how = {"days": -1}
        elif wrong == "other host":
            how = {"address": "192.0.2.1"}
        elif wrong == "unknown authority":
            ca = Certificates(tmp_path).ca
        port = serving(certificates.server(wrong.replace(" ", "-"), mutual=wrong == "ours is missing", **how))
        with pytest.raises(Misconfigured) as refused:
            sinks(port, tls=DestTls(ca=ca)).deliver(parcel(1), NOTES)
        assert refused.value.code == "peer_certificate"

    def test_a_node_that_speaks_in_clear_is_not_spoken_to(self, certificates: Certificates, sinks: Sinks) -> None:
        heard: list[bytes] = []

        def speak(connection: socket.socket) -> None:
            heard.append(connection.recv(1 << 16))
            connection.sendall(b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00")  # an A-ABORT

        with _answering(speak) as port, pytest.raises(Misconfigured) as refused:
            sinks(port, tls=DestTls(ca=certificates.ca)).deliver(parcel(1), NOTES)
        assert refused.value.code == "peer_certificate" and b"STOWGATE" not in heard[0]

    def test_files_that_cannot_be_read_are_said(self, tmp_path: Path, sinks: Sinks) -> None:
        with pytest.raises(Misconfigured) as refused:
            sinks(1, tls=DestTls(ca=tmp_path / "none.pem"))
        assert refused.value.code == "peer_certificate"


def test_the_settings_make_the_sink() -> None:
    made = DimseDest(kind="dimse", name="pacs", host="10.0.0.5", port=104, called="PACS")
    assert made.where == "PACS@10.0.0.5:104" and made.evidence == "presence"
    assert isinstance(made.sink(), CStoreSink)


@needs_dcmtk
class TestRealNodes:
    def test_storescp_gets_the_exact_data_set(self, tmp_path: Path, sinks: Sinks) -> None:
        out = tmp_path / "out"
        out.mkdir()
        with server(tmp_path, STORESCP, "-aet", "NODE", "-od", str(out), "+B") as port:
            sent = parcel(1, 2, size=300_000)
            assert sinks(port).deliver(sent, NOTES) == dict.fromkeys(["2.25.1", "2.25.2"], ACKNOWLEDGED)
        stored = sorted(data_set(path.read_bytes()) for path in out.iterdir())
        assert stored == sorted(data_set(bytes_of(n, 300_000)) for n in (1, 2))

    def test_dcmqrscp_stores_and_says_what_it_has(self, tmp_path: Path, sinks: Sinks) -> None:
        with archive(tmp_path) as port:
            sink = sinks(port)
            sent = parcel(1, 2, 3)
            assert sink.deliver(sent, NOTES) == dict.fromkeys([one.uid for one in sent.instances], ACKNOWLEDGED)
            found = sink.verify(Parcel((*sent.instances, *parcel(9).instances)), NOTES)
        assert [one.evidence for one in found.values()] == [Evidence.PRESENCE] * 3 + [Evidence.NONE]


@pytest.mark.skipif(not is_installed, reason="Orthanc is absent")
def test_orthanc_stores_keeps_its_own_and_says_what_it_has(tmp_path: Path, sinks: Sinks) -> None:
    port = free_port()
    with orthanc(
        tmp_path, DicomServerEnabled=True, DicomPort=port, DicomAet="NODE", DicomAlwaysAllowStore=True,
        DicomAlwaysAllowFind=True, DicomCheckCalledAet=False,
    ) as client:  # fmt: skip
        sink = sinks(port)
        sent = parcel(1, 2)
        for _ in range(2):
            assert sink.deliver(sent, NOTES) == dict.fromkeys(["2.25.1", "2.25.2"], ACKNOWLEDGED)
        found = sink.verify(Parcel((*sent.instances, *parcel(9).instances)), NOTES)
        assert [one.evidence for one in found.values()] == [Evidence.PRESENCE] * 2 + [Evidence.NONE]
        ids = client.get("/instances").json()
        files = [client.get(f"/instances/{id}/file").content for id in ids]
        assert sorted(map(data_set, files)) == sorted(data_set(bytes_of(n)) for n in (1, 2))
        client.delete(f"/studies/{client.get('/studies').json()[0]}")
        assert {one.code for one in sink.verify(sent, NOTES).values()} == {"peer_lost_object"}
        sink.close()  # it waits for its associations to end


def test_what_is_sent_has_the_uids_that_were_asked_for() -> None:
    (one,) = parcel(1).instances
    assert (one.uid, one.ref.names.study) == ("2.25.1", STUDY)
    assert replace(one, digest="x").uid == one.uid


class _answering:  # noqa: N801 - used as a word in a `with`
    """A server that does one thing with each connection."""

    def __init__(self, act: Callable[[socket.socket], object]) -> None:
        self._act = act

    def __enter__(self) -> int:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return int(self._listening.getsockname()[1])

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with connection, suppress(OSError):
                    self._act(connection)

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


def _cut_after(size: int) -> Callable[[socket.socket], object]:
    """A node that takes the association and then goes away in the middle of a data set."""
    accepting = Node()

    def act(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", accepting.port)) as behind:
            behind.sendall(connection.recv(1 << 16))
            connection.sendall(behind.recv(1 << 16))
            left = size
            while left > 0 and (data := connection.recv(min(left, 1 << 16))):
                left -= len(data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        threading.Thread(target=accepting.stop, daemon=True).start()

    return act
