"""The DICOMweb destination against Orthanc behind nginx: TLS both ways, tokens, limits, content that is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from stowgate.deliver.dest_tls import DestTls
from stowgate.deliver.login import Access
from stowgate.deliver.sink import Answer, Found, Parcel
from stowgate.deliver.stow import StowSink
from stowgate.errors import Misconfigured, Temporary
from stowgate.lifecycle import Delivery, Evidence
from tests.deliver.dicomweb_server import Orthanc, has_nginx, has_orthanc, nginx
from tests.deliver.parcels import Notebook, bytes_of, letter, parcel
from tests.deliver.test_cstore import Certificates, certificates

__all__ = ["certificates"]
pytestmark = pytest.mark.skipif(not (has_orthanc and has_nginx), reason="Orthanc with DICOMweb, or nginx, is absent")
ACKNOWLEDGED, CONTENT = Answer(Delivery.ACKNOWLEDGED), Found(Evidence.CONTENT)
TOKEN = "correct-horse-battery"
Front = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    made = Orthanc(tmp_path_factory.mktemp("orthanc"))
    yield made
    made.kill()


@pytest.fixture
def front(server: Orthanc, certificates: Certificates, tmp_path: Path) -> Front:
    for id in server.client.get("/instances").json():
        server.client.delete(f"/instances/{id}")

    def make(more: str = "", name: str = "nginx", **how: object) -> AbstractContextManager[str]:
        own, key = certificates.of(name, **how)  # type: ignore[arg-type]
        return nginx(tmp_path / name, server.port, f"ssl_certificate {own}; ssl_certificate_key {key}; {more}")

    return make


@pytest.fixture
def tls(certificates: Certificates) -> DestTls:
    own, key = certificates.of("gateway")
    return DestTls(ca=certificates.ca, certificate=own, key=key)


def refused(sink: StowSink) -> str:
    with pytest.raises(Misconfigured) as failed:
        sink.deliver(parcel(1), Notebook())
    sink.close()
    return failed.value.code


def test_with_certificates_and_a_token_it_arrives_is_listed_and_given_back(
    server: Orthanc, certificates: Certificates, front: Front, tls: DestTls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", TOKEN)
    more = (
        f"ssl_client_certificate {certificates.ca}; ssl_verify_client on; client_max_body_size 100m;"
        f'if ($http_authorization != "Bearer {TOKEN}") {{ return 401; }}'
    )
    with front(more) as url:
        sink = StowSink(url, Access("env:TOKEN"), tls, content=True)
        sent = parcel(*range(1, 31), size=100_000)
        assert set(sink.deliver(sent, Notebook()).values()) == {ACKNOWLEDGED}
        assert set(sink.verify(sent, Notebook()).values()) == {CONTENT}
        assert [server.held(f"2.25.{n}") for n in (1, 30)] == [bytes_of(n, 100_000) for n in (1, 30)]
        assert set(StowSink(url, Access("env:TOKEN"), tls).verify(sent, Notebook()).values()) == {
            Found(Evidence.PRESENCE)
        }
        assert [step.code for step in sink.trial()] == ["", ""]
        sink.close()
        monkeypatch.setenv("TOKEN", "another-token")
        assert refused(StowSink(url, Access("env:TOKEN"), tls)) == "peer_unauthorised"
        assert refused(StowSink(url, Access(), tls)) == "peer_unauthorised"
        assert refused(StowSink(url, Access("env:TOKEN"), DestTls(ca=certificates.ca))) == "peer_certificate"


@pytest.mark.parametrize("wrong", ["expired", "other host", "unknown authority", "not ours", "too old"])
def test_a_certificate_that_is_not_right_is_for_a_person_and_nothing_arrives(
    server: Orthanc, certificates: Certificates, front: Front, tmp_path: Path, wrong: str
) -> None:
    """Expired by its date, for another host, intercepted by another authority, ours unknown there, TLS 1.1."""
    how = {"expired": {"days": -1}, "other host": {"address": "192.0.2.1"}}.get(wrong, {})
    other = Certificates(tmp_path)
    more, trust = "", DestTls(ca=certificates.ca)
    if wrong == "unknown authority":
        trust = DestTls(ca=other.ca)
    elif wrong == "not ours":
        more = f"ssl_client_certificate {certificates.ca}; ssl_verify_client on;"
        own, key = other.of("stranger")
        trust = DestTls(ca=certificates.ca, certificate=own, key=key)
    elif wrong == "too old":
        more = "ssl_protocols TLSv1.1;"
    with front(more, wrong.replace(" ", "_"), **how) as url:
        assert refused(StowSink(url, tls=trust)) == "peer_certificate"
    assert server.client.get("/instances").json() == []


def test_a_proxy_with_a_limit_gets_what_fits_and_names_what_never_will(
    server: Orthanc, front: Front, tls: DestTls
) -> None:
    with front("client_max_body_size 1m;") as url:
        sink = StowSink(url, tls=tls)
        large = letter(bytes_of(9, 2_000_000), "2.25.9")
        sent = Parcel((*parcel(*range(1, 9), size=300_000).instances, large))
        answers = sink.deliver(sent, Notebook())
        assert answers.pop("2.25.9") == Answer(Delivery.REFUSED, "peer_object_too_large")
        assert set(answers.values()) == {ACKNOWLEDGED}
        sink.close()
    assert len(server.client.get("/instances").json()) == 8


def test_a_server_behind_the_proxy_that_is_away_is_waited_for(server: Orthanc, front: Front, tls: DestTls) -> None:
    with front() as url:
        sink = StowSink(url, tls=tls)
        server.kill()
        try:
            with pytest.raises(Temporary) as away:
                sink.deliver(parcel(1), Notebook())
            assert away.value.code == "peer_busy"
        finally:
            server.start()
        assert sink.deliver(parcel(1), Notebook()) == {"2.25.1": ACKNOWLEDGED}
        sink.close()


def test_old_bytes_that_it_keeps_and_bytes_that_change_on_its_disk_are_found(
    server: Orthanc, front: Front, tls: DestTls
) -> None:
    with front() as url:
        sink = StowSink(url, tls=tls, content=True)
        sink.deliver(parcel(1, 2, 3), Notebook())
        other = letter(bytes_of(1, 999), "2.25.1")
        assert sink.deliver(Parcel((other,)), Notebook()) == {"2.25.1": ACKNOWLEDGED}, "it says so, and keeps the old"
        server.alter("2.25.2")
        found = sink.verify(Parcel((other, *parcel(2, 3, 4).instances)), Notebook())
        assert list(found.values()) == [
            Found(code="peer_has_other_bytes"), Found(code="peer_has_other_bytes"), CONTENT,
            Found(code="peer_lost_object"),
        ]  # fmt: skip
        sink.close()


def test_an_object_that_it_cannot_read_is_refused_and_the_rest_of_the_batch_is_there(
    server: Orthanc, front: Front, tls: DestTls
) -> None:
    with front() as url:
        sink = StowSink(url, tls=tls)
        junk = letter(b"no object at all" * 40, "2.25.3")
        answers = sink.deliver(Parcel((*parcel(1).instances, junk, *parcel(2).instances)), Notebook())
        assert [one.state for one in answers.values()] == [
            Delivery.ACKNOWLEDGED, Delivery.REFUSED, Delivery.ACKNOWLEDGED,
        ]  # fmt: skip
        sink.close()


def test_plain_http_to_a_port_of_tls_is_for_a_person(front: Front) -> None:
    with front() as url:
        assert refused(StowSink(url.replace("https:", "http:"))) == "peer_not_dicom"
