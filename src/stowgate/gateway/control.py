"""How a command reaches the gateway that owns the spool: a private socket in the spool folder, one line each way."""

from __future__ import annotations

import json
import os
import pwd
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from stowgate.errors import Misconfigured, StowgateError, Temporary
from stowgate.gateway import acts
from stowgate.gateway.acts import Done, Hands
from stowgate.observe.record import MOST_IDS

SOCKET = "control"
_LONGEST = 16 << 20
_MOST_CALLERS = 8
GROUP = MOST_IDS
"""Items of one act that a command asks for: as many as its record in the audit log can name."""
_PATIENCE = 60.0
"""Seconds that a caller may be silent."""

_PAUSE = 0.25
"""Seconds to leave the listening socket alone when no descriptor is free."""

_CREDENTIALS = struct.Struct("3i")
_Act = Callable[[Hands, list[str], "Aim", str], Done]


class Aim(NamedTuple):
    """Where an export goes, and whose objects it is of; see `acts.export_clean`."""

    folder: str | None = None
    profile: str = ""

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder or ".")


ACTS: dict[str, _Act] = {
    "hold": lambda hands, ids, _, actor: acts.hold(hands, ids, actor),
    "release": lambda hands, ids, _, actor: acts.release(hands, ids, actor),
    "quarantine_release": lambda hands, ids, _, actor: acts.release(hands, ids, actor, quarantined=True),
    "retry": lambda hands, ids, _, actor: acts.retry(hands, ids, actor),
    "retry_now": lambda hands, ids, _, actor: acts.retry(hands, ids, actor, now=True),
    "verify": lambda hands, ids, _, actor: acts.verify(hands, ids, actor),
    "purge": lambda hands, ids, _, actor: acts.purge(hands, ids, actor),
    "drop": lambda hands, ids, _, actor: acts.drop(hands, ids, actor),
    "export": lambda hands, ids, aim, actor: acts.export_clean(hands, ids, aim.path, actor, aim.profile),
    "quarantine_export": lambda hands, ids, aim, actor: acts.export_originals(hands, ids, aim.path, actor),
}


ON_DESTINATIONS: dict[str, Callable[[Hands, list[str], str], Done]] = {
    "dest_pause": acts.pause,
    "dest_catch_up": acts.catch_up,
    "dest_forget": acts.forget,
    "send": acts.send,
    "dest_resume": lambda hands, names, actor: acts.pause(hands, names, actor, resume=True),
}


def carry_out(hands: Hands, act: str, ids: list[str], aim: Aim, actor: str) -> Done:
    """Do one act; ids may be beginnings of ids. Acts on destinations take their names."""
    if on_destinations := ON_DESTINATIONS.get(act):
        return on_destinations(hands, ids, actor)
    return ACTS[act](hands, acts.resolved(hands.ledger, ids), aim, actor)


class ControlServer:
    """Serves acts while the gateway runs, each caller in a thread; only the owner of the spool and root are heard."""

    def __init__(self, spool: Path, hands: Hands) -> None:
        self._hands = hands
        self._place = spool / SOCKET
        with suppress(FileNotFoundError):
            os.unlink(self._place)
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        with _short(spool) as folder:  # which is its owner's alone, so nobody comes before the mode is set
            self._listening.bind(f"{folder}/{SOCKET}")
        self._place.chmod(0o600)
        self._listening.listen(8)
        self._closing = threading.Event()
        self._callers = threading.BoundedSemaphore(_MOST_CALLERS)
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def close(self, seconds: float = 5.0) -> None:
        """Serve nobody any more; acts under way get so long to end."""
        self._closing.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(seconds)
        deadline = time.monotonic() + seconds
        for _ in range(_MOST_CALLERS):
            self._callers.acquire(timeout=max(0.0, deadline - time.monotonic()))
        with suppress(FileNotFoundError):
            os.unlink(self._place)

    def _serve(self) -> None:
        """Until it is closed; without a descriptor or a thread left, whoever calls has to wait or to call again."""
        while not self._closing.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                self._closing.wait(_PAUSE)
                continue
            self._callers.acquire()
            try:
                threading.Thread(target=self._hear, args=(connection,), name="control-act", daemon=True).start()
            except RuntimeError:
                connection.close()
                self._callers.release()

    def _hear(self, connection: socket.socket) -> None:
        """One caller. Whatever goes wrong with it ends this conversation, and nothing else."""
        try:
            with connection, suppress(OSError, ValueError):
                connection.settimeout(_PATIENCE)
                uid = _peer(connection)
                if uid in (0, os.geteuid()):
                    connection.sendall(json.dumps(self._answered(_line(connection), account(uid))).encode() + b"\n")
        finally:
            self._callers.release()

    def _answered(self, line: bytes, actor: str) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            act, ids = asked["act"], [str(id) for id in asked["ids"]]
            aim = Aim(asked.get("folder"), str(asked.get("profile") or ""))
            return asdict(carry_out(self._hands, act, ids, aim, actor))
        except StowgateError as error:
            return {"code": error.code, "place": error.place, "later": isinstance(error, Temporary)}
        except Exception:  # noqa: BLE001 - a bug in one act must not end the gateway, and its text could quote
            return {"code": "internal_error", "place": "", "later": False}


def ask(spool: Path, act: str, ids: list[str], folder: Path | None, profile: str = "") -> Done | None:
    """Have the gateway do an act; None where none listens. Raises what the gateway answers with.

    Temporary("gateway_silent") where it went away in the middle: then nobody knows whether the act was done.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        try:
            with _short(spool) as place:
                connection.connect(f"{place}/{SOCKET}")
        except OSError:
            return None
        told = {"act": act, "ids": ids, "folder": str(folder.absolute()) if folder else None}
        told |= {"profile": profile} if profile else {}
        try:
            connection.sendall(json.dumps(told).encode() + b"\n")
            answer = json.loads(_line(connection))
        except (OSError, ValueError):
            raise Temporary("gateway_silent") from None
    if "code" in answer:
        raise (Temporary if answer["later"] else Misconfigured)(answer["code"], answer["place"])
    return Done(tuple(answer["ids"]), tuple(answer["left"]))


def account(uid: int) -> str:
    """Name of an account of this machine, as the audit log has it."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid-{uid}"
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "-" for c in name)[:64] or "nobody"


def _peer(connection: socket.socket) -> int:
    """The account at the other end, as the kernel knows it."""
    said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(said)[1])


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A name of the folder that fits into a socket's address, however deep it lies."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _line(connection: socket.socket) -> bytes:
    data = bytearray()
    while not data.endswith(b"\n"):
        more = connection.recv(1 << 16)
        if not more or len(data) > _LONGEST:
            raise ValueError("a line was cut short")
        data += more
    return bytes(data)
