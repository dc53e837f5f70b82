"""A DICOMweb peer in the test's own process, which gives every answer that no real server gives on demand."""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydicom.filebase import DicomBytesIO
from pydicom.filereader import dcmread

Reply = tuple[int, dict[str, str], bytes]


class Web:
    """What it holds is each file as it came, by UID.

    reasons  -- Failure Reason by UID: listed as failed, and not stored
    silent   -- UIDs it stores and does not speak of
    forgets  -- UIDs it says it stored, and did not
    replies  -- answers to the next requests to store, instead of its own; called with the UIDs that came
    says     -- what it answers every question with, instead of its own
    code     -- of its own answers to a request to store
    token    -- what callers have to show
    lists    -- whether it understands a list of UIDs
    gives    -- how it gives an object back: multipart, single; or the code it says instead, such as 405
    keeps    -- what it makes of a file it stores
    cut      -- bytes of a request after which it goes away, as often as `cuts` says
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.held: dict[str, bytes] = {}
        self.reasons: dict[str, int] = {}
        self.silent: set[str] = set()
        self.forgets: set[str] = set()
        self.replies: list[Callable[[list[str]], Reply]] = []
        self.says: Reply | None = None
        self.code = 200
        self.token = ""
        self.lists = True
        self.gives: str | int = "multipart"
        self.keeps: Callable[[bytes], bytes] = bytes
        self.retrieved: list[str] = []
        self.cut: int | None = None
        self.cuts = 1
        self.posts: list[list[str]] = []
        self.questions: list[str] = []
        self.port, self._tls = 0, tls
        self.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/dicom-web"

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self._server.daemon_threads = True
        if self._tls:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def stored(self, body: bytes, kind: str) -> Reply:
        """The answer to a request to store."""
        boundary = re.search(r"boundary=(\S+)", kind)
        assert boundary
        parts = body.split(f"\r\n--{boundary[1]}".encode())[1:-1]
        files = {uid_of(part): part for part in (part.partition(b"\r\n\r\n")[2] for part in parts)}
        self.posts.append(list(files))
        if self.replies:
            return self.replies.pop(0)(list(files))
        good = [uid for uid in files if uid not in self.reasons]
        for uid in good:
            if uid not in self.forgets:
                self.held.setdefault(uid, self.keeps(files[uid]))
        said = [uid for uid in good if uid not in self.silent]
        failed = {uid: self.reasons[uid] for uid in files if self.reasons.get(uid, 0)}
        return self.code, JSON, answer(said, failed)

    def asked(self, address: str) -> Reply:
        """The answer to a question, or to a wish to have an object back."""
        retrieved = re.search(r"/studies/[^/]+/series/[^/]+/instances/([0-9.]+)$", address)
        if retrieved:
            return self.given(retrieved[1])
        query = parse_qs(urlsplit(address).query)
        wanted = query.get("SOPInstanceUID", [""])[0].split(",")
        self.questions.append("list" if len(wanted) > 1 else "one")
        if self.says:
            return self.says
        if len(wanted) > 1 and not self.lists:
            return 400, {}, b""
        found = [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in wanted if uid in self.held]
        return (200, JSON, json.dumps(found).encode()) if found else (204, {}, b"")

    def given(self, uid: str) -> Reply:
        """The answer to WADO-RS."""
        self.retrieved.append(uid)
        if isinstance(self.gives, int):
            return self.gives, {}, b""
        if uid not in self.held:
            return 404, {}, b""
        return single(self.held[uid]) if self.gives == "single" else multipart(self.held[uid])


def single(file: bytes) -> Reply:
    """An object as the whole answer."""
    return 200, {"Content-Type": "application/dicom"}, file


def multipart(*files: bytes) -> Reply:
    """Objects as PS3.18 8.7.1 has it, with a boundary as long as Orthanc's."""
    boundary = "b" * 73
    parts = b"".join(
        f"--{boundary}\r\nContent-Type: application/dicom\r\nMIME-Version: 1.0\r\n\r\n".encode() + file + b"\r\n"
        for file in files
    )
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return 200, {"Content-Type": kind}, parts + f"--{boundary}--".encode()


JSON = {"Content-Type": "application/dicom+json"}


def answer(stored: list[str], failed: dict[str, int]) -> bytes:
    """A body as PS3.18 10.5.3 has it."""

    def item(uid: str) -> dict[str, Any]:
        return {"00081155": {"vr": "UI", "Value": [uid]}}

    body: dict[str, Any] = {}
    if stored:
        body["00081199"] = {"vr": "SQ", "Value": [item(uid) for uid in stored]}
    reasons = [{**item(uid), "00081197": {"vr": "US", "Value": [reason]}} for uid, reason in failed.items()]
    body["00081198"] = {"vr": "SQ", "Value": reasons}
    return json.dumps(body).encode()


def uid_of(file: bytes) -> str:
    return str(dcmread(DicomBytesIO(file), stop_before_pixels=True).SOPInstanceUID)


def _handler(web: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            if web.cut is not None:
                self.rfile.read(min(size, web.cut))
                web.cuts -= 1
                if not web.cuts:
                    web.cut, web.cuts = None, 1
                self.close_connection = True
                return
            body = self.rfile.read(size)
            self._say(self._denied() or web.stored(body, self.headers["Content-Type"]))

        def do_GET(self) -> None:
            self._say(self._denied() or web.asked(self.path))

        def _denied(self) -> Reply | None:
            return (401, {}, b"") if web.token and self.headers.get("Authorization") != web.token else None

        def _say(self, reply: Reply) -> None:
            code, headers, body = reply
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody listens."""

    return Handler
