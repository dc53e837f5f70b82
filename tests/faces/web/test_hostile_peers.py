"""Peers that lie, stall and smuggle over raw sockets (rows E5, E11, C3): refused or reaped, nothing is kept."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from stowgate.faces.web.server import Listen
from tests.builder import small
from tests.ingest.taking import RELATED, ServedStow, Taking, multipart, served

STUDIES = "/dicom-web/studies"
HEAD = b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\n"
TYPE = f"Content-Type: {RELATED['Content-Type']}\r\n".encode()
BODY = multipart(small(uid="1.2.3"))


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[ServedStow, Taking]]:
    taking = Taking()
    listen = Listen("127.0.0.1:0", head_seconds=1.0)
    with served(taking, listen=listen, silence=1.0, slowest=100_000, body_bytes=50 << 20) as stow:
        yield stow, taking


@pytest.fixture
def stow(running: tuple[ServedStow, Taking]) -> ServedStow:
    running[1].digests.clear()
    running[1].broken_off = 0
    return running[0]


@pytest.fixture
def taking(running: tuple[ServedStow, Taking]) -> Taking:
    return running[1]


def talk(stow: ServedStow, *pieces: bytes, pause: float = 0.0, half: bool = False) -> bytes:
    """Send pieces as they are; everything that comes back until the server hangs up."""
    with closing(socket.create_connection(("127.0.0.1", stow.server.port), timeout=8)) as peer:
        answer = b""
        try:
            for piece in pieces:
                peer.sendall(piece)
                time.sleep(pause)
            if half:
                peer.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            while data := peer.recv(65536):
                answer += data
        except OSError:
            pass
        return answer


def status(answer: bytes) -> int:
    """The status of the only answer there is; 0 for a connection that was closed without one."""
    found = re.findall(rb"HTTP/1\.1 (\d{3})", answer)
    assert len(found) <= 1, "one request must not become two"
    return int(found[0]) if found else 0


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 10\r\nContent-Length: 11\r\n",
        b"Content-Length: 10\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Content-Length: +10\r\n",
        b"Content-Length: 1 0\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x10\r\n",
        b"X: a\r\n folded\r\nContent-Length: 3\r\n",
        b"X: a\0b\r\nContent-Length: 3\r\n",
        b"X: a\rb\r\nContent-Length: 3\r\n",
        b"Host: evil.example\r\nContent-Length: 3\r\n",
        b"Content-Type: text/plain\r\nContent-Length: 3\r\n",
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\n",
        b"X: " + b"a" * 20_000 + b"\r\n",
        b"".join(b"X%d: a\r\n" % number for number in range(3000)),
    ],
)
def test_smuggling_shapes_and_huge_headers_get_one_refusal_and_the_connection_is_closed(
    stow: ServedStow, taking: Taking, fields: bytes
) -> None:
    behind = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = talk(stow, HEAD + TYPE + fields + b"\r\n", behind)
    assert status(answer) in (400, 415, 431, 501)
    assert taking.digests == []


@pytest.mark.parametrize(
    "line",
    [b"POST /dicom-web/../healthz HTTP/1.1", b"POST //dicom-web/studies HTTP/1.1", b"POST /dicom-web/.. HTTP/1.1",
     b"POST /dicom-web%2fstudies HTTP/1.1", b"POST /dicom-web/studies/1.2%00 HTTP/1.1", b"POST \\dicom-web HTTP/1.1",
     b"POST http://evil.example/dicom-web/studies HTTP/1.1", b"POST /dicom-web/studies", b"\x16\x03\x01\x02\x00\x01"],
)  # fmt: skip
def test_odd_targets_are_refused(stow: ServedStow, taking: Taking, line: bytes) -> None:
    answer = talk(stow, line + b"\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
    assert status(answer) in (0, 400, 404)
    assert taking.digests == []


def test_a_body_shorter_than_announced_is_not_taken_for_whole(stow: ServedStow, taking: Taking) -> None:
    for sent in (len(BODY) // 2, len(BODY) - 30):
        announced = b"Content-Length: %d\r\n\r\n" % (len(BODY) + 100)
        assert status(talk(stow, HEAD + TYPE + announced + BODY[:sent], half=True)) in (0, 400, 408)
    assert taking.digests == []


def test_a_body_longer_than_announced_ends_where_it_was_announced(stow: ServedStow, taking: Taking) -> None:
    announced = b"Content-Length: %d\r\n\r\n" % (len(BODY) - 20)
    assert status(talk(stow, HEAD + TYPE + announced + BODY)) == 400
    assert taking.digests == []


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\n", b"-5\r\nhello\r\n", b"5\r\nhelloworld\r\n", b"ffffffffffffffffffff\r\n", b"5;" + b"x" * 70_000,
     b"5\nhello\n", b"%x\r\n%s" % (len(BODY), BODY[:50])],
)  # fmt: skip
def test_lying_chunks_are_not_taken_for_whole(stow: ServedStow, taking: Taking, chunks: bytes) -> None:
    head = HEAD + TYPE + b"Transfer-Encoding: chunked\r\n\r\n"
    assert status(talk(stow, head + chunks, half=True)) in (0, 400)
    assert taking.digests == []


def test_chunks_of_one_byte_are_one_body(stow: ServedStow, taking: Taking) -> None:
    head = HEAD + TYPE + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY)
    assert status(talk(stow, head + chunks + b"0\r\n\r\n")) == 200
    assert len(taking.digests) == 1


def test_a_million_parts_are_refused_at_the_limit(stow: ServedStow, taking: Taking) -> None:
    part = b"--8c1f\r\n\r\n\r\n"
    announced = b"Content-Length: %d\r\n\r\n" % (len(part) * 1_000_000)
    answer = talk(stow, HEAD + TYPE + announced, *([part * 10_000] * 100))
    assert status(answer) == 413
    assert taking.digests == []


@pytest.mark.parametrize(
    "trick",
    ['Content-Disposition: attachment; filename="../../../etc/cron.d/x"', "Content-Location: file:///etc/passwd",
     "Content-ID: <../../x>", 'Content-Type: application/dicom; name="..\\..\\x"', "X-File-Name: /etc/shadow"],
)  # fmt: skip
def test_paths_in_part_headers_mean_nothing(stow: ServedStow, taking: Taking, trick: str) -> None:
    head = trick if trick.startswith("Content-Type") else f"Content-Type: application/dicom\r\n{trick}"
    answer = httpx.post(stow.url + STUDIES, content=multipart(small(), head=head), headers=RELATED)
    assert answer.status_code == 200 and len(taking.digests) == 1
    assert "etc" not in answer.text


def test_slow_headers_are_cut_off(stow: ServedStow) -> None:
    begun = time.monotonic()
    talk(stow, *(bytes([byte]) for byte in HEAD), pause=0.1)
    assert time.monotonic() - begun < 8
    second = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", stow.server.port), timeout=8)) as peer:
        peer.sendall(second)
        told = peer.recv(65536)
        peer.sendall(b"GET /he")
        begun = time.monotonic()
        while data := peer.recv(65536):
            told += data
        assert status(told) == 200, "the deadline holds for a second request, too"
        assert time.monotonic() - begun < 4


def test_slow_bodies_are_cut_off(stow: ServedStow, taking: Taking) -> None:
    head = HEAD + TYPE + b"Content-Length: 1000000\r\n\r\n"
    assert status(talk(stow, head)) == 408, "silent from the beginning"
    assert status(talk(stow, head + BODY[:-10])) == 408, "silent in the middle"
    answer = talk(stow, head, BODY[:200], *(bytes([byte]) for byte in BODY[200:300]), pause=0.05)
    assert status(answer) == 408, "a byte now and then"
    assert taking.digests == []


def test_two_hundred_silent_and_slow_peers_do_not_keep_an_upload_out(stow: ServedStow, taking: Taking) -> None:
    starts = [b"", b"POST /dicom", HEAD + TYPE + b"Content-Length: 9999\r\n\r\n"]
    peers = [socket.create_connection(("127.0.0.1", stow.server.port)) for _ in range(200)]
    threads_before = threading.active_count()
    for number, peer in enumerate(peers):
        peer.sendall(starts[number % 3])
    begun = time.monotonic()
    answer = httpx.post(stow.url + STUDIES, content=BODY, headers=RELATED, timeout=10)
    assert answer.status_code == 200 and time.monotonic() - begun < 2
    assert threading.active_count() - threads_before < 40, "silence gets no thread"
    for peer in peers:
        peer.settimeout(8)
        while peer.recv(65536):
            pass
        peer.close()
    assert time.monotonic() - begun < 8
    assert len(taking.digests) == 1


def test_a_sender_that_goes_away_leaves_nothing(stow: ServedStow, taking: Taking) -> None:
    large = multipart(small() + bytes(200_000))
    for _ in range(40):  # more than may upload at once: one that lingered would keep the next one out
        peer = socket.create_connection(("127.0.0.1", stow.server.port))
        peer.sendall(HEAD + TYPE + b"Content-Length: 900000\r\n\r\n" + large[:-10])
        peer.close()
    deadline = time.monotonic() + 5
    while taking.broken_off < 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert taking.broken_off and taking.digests == []
    while (answer := httpx.post(stow.url + STUDIES, content=BODY, headers=RELATED)).status_code == 503:
        assert time.monotonic() < deadline, "those who went away still take up room"
        time.sleep(0.02)
    assert answer.status_code == 200 and len(taking.digests) == 1
