"""A token endpoint in the test's own process (RFC 6749 4.4): gives tokens out, and every wrong answer when told to."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from tests.deliver.web import Reply

JSON = {"Content-Type": "application/json"}


class TokenServer:
    """client, secret -- who gets one; replies -- said instead, one after the other; lasts -- seconds."""

    def __init__(self, client: str, secret: str, tls: ssl.SSLContext | None = None) -> None:
        self.client, self.secret, self.lasts = client, secret, 3600
        self.replies: list[Reply] = []
        self.given: list[str] = []
        self.forms: list[dict[str, list[str]]] = []
        self._server = HTTPServer(("127.0.0.1", 0), _handler(self))
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}/oauth2/token"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self, authorization: str, form: dict[str, list[str]]) -> Reply:
        self.forms.append(form)
        if self.replies:
            return self.replies.pop(0)
        name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if (unquote_plus(name), unquote_plus(secret)) != (self.client, self.secret):
            return 401, {**JSON, "WWW-Authenticate": "Basic"}, b'{"error": "invalid_client"}'
        self.given.append(f"token-{len(self.given) + 1}.of~test")
        said = {"access_token": self.given[-1], "token_type": "Bearer", "expires_in": self.lasts}
        return 200, JSON, json.dumps(said).encode()


def _handler(server: TokenServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            code, headers, body = server.asked(self.headers.get("Authorization", ""), form)
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody listens."""

    return Handler
