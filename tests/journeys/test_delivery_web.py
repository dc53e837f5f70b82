"""The whole process delivers to a DICOMweb server behind a proxy: TLS both ways, tokens, content, a stranger."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.deliver.dicomweb_server import Orthanc, has_nginx, has_orthanc, nginx
from tests.deliver.test_cstore import Certificates
from tests.deliver.token_server import TokenServer
from tests.ingest.dimse import eventually
from tests.ingest.orthanc import free_port
from tests.journeys.test_delivery import delivered
from tests.journeys.unit import STORESCU, Server, Unit, send, series, told

pytestmark = pytest.mark.skipif(
    shutil.which(STORESCU) is None or not (has_orthanc and has_nginx), reason="dcmtk, Orthanc or nginx is absent"
)

SECRET = "open-sesame-4711"
WAY = """
[[dest]]
name = "archive"
kind = "stow"
url = "https://127.0.0.1:{port}/dicom-web"
token_url = "{tokens}"
client_id = "unit-7"
auth = "file:{folder}/secret"
evidence = "content"
tls = {{ ca = "{folder}/ca.pem", certificate = "{folder}/gateway.pem", key = "{folder}/gateway.key" }}
[[route]]
dest = ["archive"]
"""


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    made = TokenServer("unit-7", SECRET)
    yield made
    made.stop()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Orthanc]:
    made = Orthanc(tmp_path / "orthanc")
    yield made
    with suppress(Exception):
        made.kill()


def test_it_arrives_through_a_proxy_that_asks_for_everything_and_a_stranger_gets_nothing(
    tmp_path: Path, gateways: Server, archive: Orthanc, tokens: TokenServer
) -> None:
    folder, port = tmp_path / "tls", free_port()
    folder.mkdir()
    authority, stranger = Certificates(folder), tmp_path / "other"
    stranger.mkdir()
    authority.of("gateway")
    (folder / "secret").write_text(SECRET)
    (folder / "secret").chmod(0o600)
    (tmp_path / "unit").mkdir()
    way = WAY.format(port=port, tokens=tokens.url, folder=folder)
    unit = Unit(tmp_path / "unit", gateways, reserve="0B", more=way)
    objects = series(tmp_path / "in", range(6))

    def front(name: str, by: Certificates) -> str:
        own, key = by.of(name)
        return (
            f"ssl_certificate {own}; ssl_certificate_key {key};"
            f"ssl_client_certificate {authority.ca}; ssl_verify_client on; client_max_body_size 100m;"
            'if ($http_authorization !~ "^Bearer token-") { return 401; }'
        )

    def stands() -> str:
        _, said = unit.command("dest", "list", "--json")
        return said

    with unit.running() as life:
        with nginx(tmp_path / "intercepted", archive.port, front("portal", Certificates(stranger)), port):
            assert len(told(send(life.ports["ct"], [*objects]))) == 6
            eventually(lambda: '"peer_certificate"' in stands(), 60)
            assert archive.client.get("/instances").json() == [] and delivered(unit) == 0
        with nginx(tmp_path / "right", archive.port, front("proxy", authority), port):
            code, _ = unit.command("dest", "resume", "archive")
            assert code == 0
            eventually(lambda: delivered(unit) == 6, 60)
        said = stands()
    files = [archive.client.get(f"/instances/{id}/file").content for id in archive.client.get("/instances").json()]
    assert sorted(files) == unit.expected(*objects.values())
    heard = [said.encode(), (unit.root / "log").read_bytes(), json.dumps(unit.status()).encode()]
    for secret in (SECRET, *tokens.given):
        assert not any(secret.encode() in one for one in heard)
