"""Reading back by C-GET: what a node really has is compared as it comes, and a node that gives nothing says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pynetdicom import _config

from stowgate.deliver.cget import read_back
from stowgate.deliver.connection import Peer
from stowgate.deliver.cstore import CStoreSink
from stowgate.deliver.sink import Found, Instance
from stowgate.errors import Temporary
from stowgate.lifecycle import Evidence
from tests.deliver.dcmtk import archive, free_port, needs_dcmtk
from tests.deliver.node import Node
from tests.deliver.parcels import Notebook, bytes_of, letter, parcel
from tests.ingest.orthanc import is_installed, orthanc

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
"""A node of pynetdicom stumbles in a thread of its own over connections that end early."""

CONTENT, LOST, OTHER = Found(Evidence.CONTENT), Found(code="peer_lost_object"), Found(code="peer_has_other_bytes")


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    yield made
    with suppress(Exception):
        made.stop()


def peer(port: int) -> Peer:
    return Peer("127.0.0.1", port, "NODE", "STOWGATE")


def one(n: int = 1, size: int = 1000) -> Instance:
    return letter(bytes_of(n, size), f"2.25.{n}")


def put(port: int, *numbers: int, size: int = 1000) -> None:
    sink = CStoreSink(peer(port))
    sink.deliver(parcel(*numbers, size=size), Notebook())
    sink.close()


def test_what_is_there_is_the_same_byte_for_byte(node: Node) -> None:
    put(node.port, 1, 2)
    assert read_back(peer(node.port), one(1)) == read_back(peer(node.port), one(2)) == CONTENT


def test_a_large_object_comes_in_many_pieces(node: Node) -> None:
    put(node.port, 1, size=3_000_001)
    assert read_back(peer(node.port), one(1, 3_000_001)) == CONTENT
    node.held["2.25.1"] = node.held["2.25.1"][:-1] + b"!"
    assert read_back(peer(node.port), one(1, 3_000_001)) == OTHER


@pytest.mark.parametrize("at", [-1, -1_000_000, 200])
def test_one_byte_that_is_another_is_found_wherever_it_is(node: Node, at: int) -> None:
    put(node.port, 1, size=2_000_000)
    data = bytearray(node.held["2.25.1"])
    data[at] ^= 1
    node.held["2.25.1"] = bytes(data)
    assert read_back(peer(node.port), one(1, 2_000_000)) in (OTHER, Found())
    assert read_back(peer(node.port), one(1, 2_000_000)) != CONTENT


def test_what_is_longer_there_is_another(node: Node) -> None:
    put(node.port, 1, size=1000)
    assert read_back(peer(node.port), one(1, 998)) == OTHER
    assert read_back(peer(node.port), one(1, 1002)) == OTHER


def test_what_is_gone_is_said_to_be_lost(node: Node) -> None:
    assert read_back(peer(node.port), one()) == LOST


def test_a_node_that_gives_nothing_back_says_nothing() -> None:
    node = Node(gives_back=False)
    try:
        put(node.port, 1)
        assert read_back(peer(node.port), one()) == Found()
    finally:
        node.stop()


def test_a_node_that_has_no_time_is_asked_again_later(node: Node) -> None:
    put(node.port, 1)
    node.busy.add("2.25.1")
    with pytest.raises(Temporary) as failed:
        read_back(peer(node.port), one())
    assert failed.value.code == "peer_busy"


def test_a_node_that_is_away_or_breaks_off_says_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_config, "LOG_HANDLER_LEVEL", "none")
    put(node.port, 1)
    node.breaks_gets = True
    with pytest.raises(Temporary) as failed:
        read_back(peer(node.port), one())
    assert failed.value.code == "peer_broke_off"
    node.stop()
    with pytest.raises(Temporary):
        read_back(peer(node.port), one())


@needs_dcmtk
def test_dcmqrscp_gives_back_what_it_stored_and_what_was_altered_on_its_disk(tmp_path: Path) -> None:
    with archive(tmp_path) as port:
        put(port, 1, 2, size=300_000)
        assert read_back(peer(port), one(1, 300_000)) == CONTENT
        for path in (tmp_path / "db").glob("CT*"):
            path.write_bytes(path.read_bytes()[:-1] + b"!")
        assert read_back(peer(port), one(2, 300_000)) == OTHER
        assert read_back(peer(port), one(9)) == LOST


@pytest.mark.skipif(not is_installed, reason="Orthanc is absent")
def test_orthanc_gives_back_what_it_stored(tmp_path: Path) -> None:
    port = free_port()
    with orthanc(
        tmp_path, DicomServerEnabled=True, DicomPort=port, DicomAet="NODE", DicomAlwaysAllowStore=True,
        DicomAlwaysAllowGet=True, DicomCheckCalledAet=False,
    ):  # fmt: skip
        put(port, 1, size=300_000)
        assert read_back(peer(port), one(1, 300_000)) == CONTENT
        assert read_back(peer(port), one(1, 300_002)) == OTHER
        assert read_back(peer(port), one(9)) in (LOST, Found())
