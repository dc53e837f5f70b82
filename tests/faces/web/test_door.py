"""Who gets through the door of the web server, and where it refuses to stand open (rows G2, G6)."""

from __future__ import annotations

import datetime
import shutil
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stowgate import events
from stowgate.errors import Misconfigured
from stowgate.faces.web.server import Listen, WebServer
from stowgate.vault.secret import Secret
from tests.builder import small
from tests.ingest.taking import RELATED, Taking, multipart, served

TOKEN = Secret("correct-horse-battery-staple")
STUDIES = "/dicom-web/studies"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(7).not_valid_before(now - datetime.timedelta(1))
    made = made.not_valid_after(now + datetime.timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    how = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *how))
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "gateway.example:0", "127.0.0.1.example:0"])
@pytest.mark.parametrize("given", ["nothing", "token", "certificate", "half a certificate"])
def test_it_refuses_to_listen_beyond_loopback_without_certificate_and_token(
    tmp_path: Path, address: str, given: str
) -> None:
    files = certificate(tmp_path)
    how = {
        "nothing": Listen(address),
        "token": Listen(address, TOKEN),
        "certificate": Listen(address, None, *files),
        "half a certificate": Listen(address, TOKEN, files[0]),
    }
    with pytest.raises(Misconfigured) as told:
        WebServer(how[given])
    assert told.value.code == "web_exposed"


def test_with_certificate_and_token_it_listens_everywhere_and_speaks_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    listen = Listen("0.0.0.0:0", TOKEN, cert, key, hosts=())
    with served(Taking(), listen=listen) as stow:
        trust = ssl.create_default_context(cafile=str(cert))
        url = f"https://localhost:{stow.server.port}"
        assert httpx.get(f"{url}/metrics", verify=trust).status_code == 401
        known = {"Authorization": f"Bearer {TOKEN.text}"}
        assert httpx.get(f"{url}/metrics", verify=trust, headers=known).status_code == 200
        with pytest.raises(httpx.HTTPError):
            httpx.get(stow.url)


def test_whoever_never_shakes_hands_is_hung_up_on(tmp_path: Path) -> None:
    listen = Listen("127.0.0.1:0", TOKEN, *certificate(tmp_path), head_seconds=0.5)
    with served(Taking(), listen=listen) as stow:
        with socket.create_connection(("127.0.0.1", stow.server.port), timeout=5) as peer:
            peer.sendall(b"\x16\x03\x01")
            begun = time.monotonic()
            assert peer.recv(100) == b""
        assert time.monotonic() - begun < 3


@pytest.mark.parametrize("wrong", ["missing", "not pem", "of another key", "behind a password"])
def test_a_certificate_that_cannot_be_used_is_said_before_anything_starts(tmp_path: Path, wrong: str) -> None:
    cert, key = certificate(tmp_path)
    if wrong == "missing":
        key.unlink()
    elif wrong == "not pem":
        cert.write_text("secret")
    elif wrong == "behind a password":
        made = serialization.load_pem_private_key(key.read_bytes(), None)
        locked = serialization.BestAvailableEncryption(b"secret")
        how = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked
        key.write_bytes(made.private_bytes(*how))
    else:
        (tmp_path / "other").mkdir()
        key = certificate(tmp_path / "other")[1]
    with pytest.raises(Misconfigured) as told:
        WebServer(Listen("127.0.0.1:0", TOKEN, cert, key))
    assert told.value.code == "web_certificate"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "no.such.host.invalid:0"]
)
def test_an_address_that_cannot_be_used_is_said_before_anything_starts(address: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as told:
        WebServer(Listen(address, TOKEN, *certificate(tmp_path)))
    assert told.value.code == "web_unavailable"


def test_a_port_in_use_is_said_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Misconfigured) as told:
            WebServer(Listen(f"127.0.0.1:{taken.getsockname()[1]}"))
    assert told.value.code == "web_unavailable"


def test_whoever_does_not_know_the_token_gets_nothing_but_a_word() -> None:
    with served(taking := Taking(), listen=Listen("127.0.0.1:0", TOKEN)) as stow:
        for given in (
            "",
            "Bearer",
            "Bearer wrong",
            f"Basic {TOKEN.text}",
            f"Bearer {TOKEN.text}x",
            TOKEN.text,
            "Bearer ü",
        ):
            fields = {**RELATED, "Authorization": given.encode()}
            answer = httpx.post(stow.url + STUDIES, content=multipart(small()), headers=fields)
            assert answer.status_code == 401, given
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
            assert "wrong" not in answer.text and TOKEN.text not in answer.text
        assert httpx.get(stow.url + "/metrics").status_code == 401
        assert httpx.get(stow.url + "/nothing").status_code == 401, "who may not enter does not learn what is there"
        assert httpx.get(stow.url + "/healthz").json() == {"status": "ok"}
        assert httpx.get(stow.url + "/readyz").json() == {"status": "ready"}
        assert taking.digests == []
        fields = {**RELATED, "Authorization": f"bearer {TOKEN.text}"}
        assert httpx.post(stow.url + STUDIES, content=multipart(small()), headers=fields).status_code == 200
        assert events.CallerTurnedAway("web", "web_refused") in stow.events


def test_readiness_says_whether_anything_is_taken_in_and_tells_no_more() -> None:
    with served(Taking(), ready=lambda: ("spool_failed",)) as stow:
        answer = httpx.get(stow.url + "/readyz")
        assert (answer.status_code, answer.json()) == (503, {"status": "not ready"})
        assert httpx.get(stow.url + "/healthz").status_code == 200


HOSTS = {
    "127.0.0.1": 200, "localhost:8104": 200, "LOCALHOST": 200, "[::1]:80": 200, "evil.example": 421, "": 421,
    "evil.example:8104": 421, "127.0.0.1.evil.example": 421, "localhost@evil.example": 421, "[::2]": 421,
}  # fmt: skip


def test_only_names_of_its_own_are_answered_to() -> None:
    with served(Taking()) as stow:
        for host, status in HOSTS.items():
            answer = httpx.get(stow.url + "/healthz", headers={"Host": host})
            assert answer.status_code == status, host
            assert "evil" not in answer.text


def test_every_answer_carries_the_security_headers() -> None:
    with served(Taking(), ready=lambda: 1 / 0) as stow:
        for path, status in (("/healthz", 200), ("/nothing", 404), ("/readyz", 500), (STUDIES, 405)):
            answer = httpx.get(stow.url + path)
            assert answer.status_code == status
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["cache-control"] == "no-store"
            assert "server" not in answer.headers


def test_a_token_or_address_is_in_no_repr() -> None:
    listen = Listen("127.0.0.1:0", TOKEN, Path("c"), Path("k"))
    assert TOKEN.text not in repr(listen) + repr(TOKEN) + str(TOKEN) + repr([TOKEN])


def test_it_stops_while_connections_are_open() -> None:
    with served(Taking()) as stow:
        peer = socket.create_connection(("127.0.0.1", stow.server.port))
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert peer.recv(100).startswith(b"HTTP/1.1 200")
        silent = socket.create_connection(("127.0.0.1", stow.server.port))
    peer.close()
    silent.close()


def test_an_upload_under_way_is_finished_before_it_stops() -> None:
    taking = Taking(hold=threading.Event())
    assert taking.hold
    answers: list[int] = []
    with served(taking) as stow:

        def send() -> None:
            answers.append(httpx.post(stow.url + STUDIES, content=multipart(small()), headers=RELATED).status_code)

        thread = threading.Thread(target=send)
        thread.start()
        while not taking.largest_read:
            time.sleep(0.01)
        threading.Timer(0.5, taking.hold.set).start()
    thread.join()
    assert answers == [200] and len(taking.digests) == 1


def test_an_upload_that_takes_too_long_is_broken_off_when_it_stops() -> None:
    taking = Taking()
    with served(taking, listen=Listen("127.0.0.1:0", drain_seconds=1)) as stow:
        peer = socket.create_connection(("127.0.0.1", stow.server.port))
        body = multipart(small() + bytes(200_000))
        head = f"POST {STUDIES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {RELATED['Content-Type']}\r\n"
        peer.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-9])
        while not taking.largest_read:
            time.sleep(0.01)
        begun = time.monotonic()
    assert 0.8 < time.monotonic() - begun < 5
    peer.close()
    assert (taking.broken_off, taking.digests) == (1, [])


def test_who_is_refused_in_full_swing_gets_to_read_why() -> None:
    large = multipart(bytes(20 << 20))
    with served(Taking(), listen=Listen("127.0.0.1:0", TOKEN), body_bytes=10 << 20) as stow:
        known = {"Authorization": f"Bearer {TOKEN.text}"}
        for fields, status in (({}, 401), (known, 413), ({**known, "Accept": "text/html"}, 406)):
            chunks = (large[at : at + 65536] for at in range(0, len(large), 65536))
            answer = httpx.post(stow.url + STUDIES, content=chunks, headers={**RELATED, **fields})
            assert answer.status_code == status


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_who_asks_first_is_refused_before_sending_anything(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(multipart(bytes(5 << 20)))
    with served(Taking(), listen=Listen("127.0.0.1:0", TOKEN)) as stow:
        command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}", "-H", "Expect: 100-continue"]
        command += ["-H", f"Content-Type: {RELATED['Content-Type']}", "--data-binary", f"@{tmp_path}/body"]
        ran = subprocess.run([*command, stow.url + STUDIES], capture_output=True, text=True, check=True, timeout=20)
    assert ran.stdout == "401 0"
