"""The socket that commands come by: what fails once keeps nobody from being heard later."""

from __future__ import annotations

import errno
import socket
import threading

import pytest

from stowgate.errors import StowgateError
from stowgate.gateway import control
from stowgate.gateway.acts import Hands
from stowgate.observe.audit import AuditLog
from tests.gateway.parts import KEY, Parts


def serving(parts: Parts) -> control.ControlServer:
    audit = AuditLog(parts.spool.folder, KEY.sub(b"audit"))
    return control.ControlServer(parts.spool.folder, Hands(parts.ledger, parts.spool.raw, parts.spool.clean, audit))


def answer(parts: Parts, seconds: float = 5) -> str:
    """The code that an act on an item that is not there is refused with, "" if nobody answers in time."""
    told: list[str] = []

    def ask() -> None:
        try:
            control.ask(parts.spool.folder, "hold", ["ffffff"], None)
        except StowgateError as error:
            told.append(error.code)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return "".join(told)


def test_a_moment_without_descriptors_does_not_end_it(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    accept, fails = socket.socket.accept, [True]

    def short_of(listening: socket.socket) -> object:
        if fails and fails.pop():
            raise OSError(errno.EMFILE, "")
        return accept(listening)

    monkeypatch.setattr(socket.socket, "accept", short_of)
    server = serving(parts)
    assert answer(parts) == "unknown_item"
    assert not fails
    server.close()


def test_a_moment_without_threads_does_not_end_it(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    start, fails = threading.Thread.start, [True]

    def short_of(thread: threading.Thread) -> None:
        if thread.name == "control-act" and fails and fails.pop():
            raise RuntimeError
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", short_of)
    server = serving(parts)
    assert answer(parts) == "gateway_silent"
    assert answer(parts) == "unknown_item"
    server.close()
