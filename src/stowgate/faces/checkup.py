"""What `stowgate check` looks at before a gateway is trusted: each line a result, what it means, and what to do."""

from __future__ import annotations

import os
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from stowgate.errors import Misconfigured, StowgateError
from stowgate.faces.service import listen_of, plan_of
from stowgate.settings import Settings
from stowgate.store.lock import is_held
from stowgate.store.room import Room, free_of, room_of

Mark = Literal["ok", "warning", "problem"]

_EARLIEST = 1_767_225_600.0
"""2026-01-01: a clock before this was never set."""
_SYNCS = 12
_VOLATILE = frozenset(("tmpfs", "ramfs", "overlay", "9p"))
_SLOW, _DISHONEST = 0.1, 0.00005
"""Seconds of one fsync: above the first scanners wait, below the second nothing reached a disk."""


@dataclass(frozen=True, slots=True)
class Result:
    """One line. `code` of `reasons.REASONS` decides the exit code, "" where nothing is wrong."""

    what: str
    mark: Mark
    said: str
    means: str = ""
    fix: str = ""
    code: str = ""


def checkup(settings: Settings, base: Path) -> Iterator[Result]:
    """Everything, in the order of the way of an object; one problem does not hide the next."""
    for look in (_parts, _plan, _spool, _room, _sync, _clock, _keys, _ports, _certificates, _web, _folders, _alerts):
        try:
            yield from look(settings, base)
        except StowgateError as error:
            yield Result(look.__name__[1:], "problem", str(error), code=error.code)
        except OSError:
            yield Result(look.__name__[1:], "problem", "The system refused to answer.", code="spool_unwritable")


def _parts(settings: Settings, _: Path) -> Iterator[Result]:
    """Libraries are imported when they are needed, which must not be in the middle of the night."""
    needed = {"dimse": ("pynetdicom",), "folder": ("watchfiles",), "stow": ("starlette", "uvicorn")}
    names = {name for source in settings.source for name in needed[source.kind]} | {"cryptography", "pydicom"}
    absent = sorted(name for name in names if find_spec(name) is None)
    if not absent:
        yield Result("libraries", "ok", f"{', '.join(sorted(names))}.")
        return
    yield Result(
        "libraries", "problem", f"{', '.join(absent)} cannot be found.", "The gateway cannot start.",
        "Install stowgate again, with all that it depends on.", "bad_setting",
    )  # fmt: skip


def _plan(settings: Settings, base: Path) -> Iterator[Result]:
    plan = plan_of(settings, base)
    options = ", ".join(sorted(plan.policy.options)) or "no options"
    yield Result("profile", "ok", f"{plan.policy.profile}, {options}, digest {plan.policy.digest[:12]}.")
    if settings.pixels.risk == "pass":
        yield Result(
            "pixels", "warning", "Pictures that may show names are passed on.",
            "A person decided that these pictures are free of text.", 'If nobody did: [pixels] risk = "hold".',
        )  # fmt: skip
    if not settings.source:
        raise Misconfigured("bad_setting", "a gateway needs at least one [[source]]")
    yield Result("sources", "ok", ", ".join(f"{one.name} ({one.kind})" for one in settings.source) + ".")


def _spool(settings: Settings, _: Path) -> Iterator[Result]:
    spool = _folder(settings)
    there = _existing(spool)
    if not os.access(there, os.W_OK | os.X_OK):
        raise Misconfigured("spool_unwritable", str(spool))
    if spool.exists() and is_held(spool):
        yield Result("spool", "ok", "A gateway works with it right now.")
    else:
        yield Result("spool", "ok", "Nobody works with it." if spool.exists() else "It is made at the first start.")
    if spool.exists() and spool.stat().st_mode & 0o077:
        yield Result(
            "spool", "problem", "Others can look into it.", "It holds identities, encrypted, and key files.",
            f"chmod 700 {spool}", "spool_permissions",
        )  # fmt: skip


def _room(settings: Settings, base: Path) -> Iterator[Result]:
    free = free_of(_existing(_folder(settings)))
    reserve = plan_of(settings, base).reserve
    files = "" if free.files is None else f", {free.files:,} files"
    said = f"{free.bytes / 2**30:.1f} GiB free{files}; intake leaves {reserve / 2**30:.1f} GiB."
    if room_of(free, reserve) is Room.OPEN:
        yield Result("room", "ok", said)
    else:
        yield Result(
            "room", "problem", said, "Scanners are answered A700 until there is room.",
            "Make room, or lower [spool] reserve.", "spool_reserve",
        )  # fmt: skip


def _sync(settings: Settings, _: Path) -> Iterator[Result]:
    folder = _existing(_folder(settings))
    kind = _file_system(folder)
    if kind in _VOLATILE:
        yield Result(
            "fsync", "warning", f"The spool lies on {kind}.", "What is there is gone after a power cut.",
            "Put [spool] path on a disk.",
        )  # fmt: skip
        return
    seconds = _fsync_seconds(folder)
    said = f"{seconds * 1000:.2f} ms for one fsync."
    if seconds < _DISHONEST:
        yield Result(
            "fsync", "warning", said, "So fast that it may not reach the disk: a cache may lose it in a power cut.",
            "Turn off the disk's write cache, or use a disk with power-loss protection.",
        )  # fmt: skip
    elif seconds > _SLOW:
        yield Result("fsync", "warning", said, "Scanners wait that long for each answer.", "Use a faster disk.")
    else:
        yield Result("fsync", "ok", said)


def _clock(_: Settings, __: Path) -> Iterator[Result]:
    if time.time() < _EARLIEST:
        yield Result(
            "clock", "warning", "The clock was never set.", "Times in lists and logs are wrong, and nothing else.",
            "Set it, or let NTP do it.",
        )  # fmt: skip
    else:
        yield Result("clock", "ok", time.strftime("%Y-%m-%d %H:%M UTC.", time.gmtime()))


def _keys(settings: Settings, base: Path) -> Iterator[Result]:
    from stowgate.vault.folder import KEY, LEDGER
    from stowgate.vault.key import load
    from stowgate.vault.unit_key import Keyring, has_epochs, load_unit_key

    spool, reference = _folder(settings), settings.spool.key
    fresh = reference.startswith("file:") and not (base / reference.removeprefix("file:")).exists()
    if fresh and not has_epochs(spool):
        yield Result("unit key", "ok", "It is made at the first start; back it up then.")
    elif reference == "passphrase":
        yield Result("unit key", "ok", "The passphrase is asked for at the start.")
    else:
        key = load_unit_key(reference, spool, Keyring(base))
        yield Result("unit key", "ok", f"{key.id}.")
    if settings.state.key or (spool / KEY).exists():
        yield Result("project key", "ok", f"{load(settings.state.key or f'file:{spool / KEY}').id}.")
    elif (spool / LEDGER).exists():
        raise Misconfigured("key_missing", str(spool / KEY))
    else:
        yield Result("project key", "ok", "It is made at the first start; back it up then.")


def _ports(settings: Settings, _: Path) -> Iterator[Result]:
    running = _folder(settings).exists() and is_held(_folder(settings))
    for source in settings.source:
        if source.kind == "dimse":
            yield _port(f"port of {source.name}", source.listen, running)
            if not source.allow:
                yield Result(
                    f"callers of {source.name}", "warning", "Nobody is allowed to send yet.", "Every call is rejected.",
                    "Let the scanner call once, then `stowgate source list` shows the line to add.",
                )  # fmt: skip


def _certificates(settings: Settings, _: Path) -> Iterator[Result]:
    from stowgate.ingest.cstore import tls_context

    for source in settings.source:
        if source.kind != "dimse" or source.tls is None:
            continue
        what = f"TLS of {source.name}"
        try:
            tls_context(source.tls)
            yield Result(what, "ok", "Certificate and key belong together.")
        except Misconfigured as error:
            yield Result(what, "problem", str(error), code=error.code)


def _web(settings: Settings, _: Path) -> Iterator[Result]:
    from stowgate.faces.web.server import check

    listen = listen_of(settings)
    if listen is None:
        return
    check(listen)
    running = _folder(settings).exists() and is_held(_folder(settings))
    yield _port("port of web", settings.web.listen, running)
    if listen.token is None:
        yield Result(
            "web token", "warning", "Nobody has to show a token.", "Whoever is on this machine can upload and look.",
            'Write one into a file and name it: token = "file:token".',
        )  # fmt: skip


def _folders(settings: Settings, _: Path) -> Iterator[Result]:
    for source in settings.source:
        if source.kind != "folder":
            continue
        try:
            source.check()
        except Misconfigured as error:
            yield Result(
                f"folder of {source.name}", "problem", str(error), "Nothing can be taken from it.",
                f"mkdir {source.path}, or correct its permissions or the setting.", error.code,
            )  # fmt: skip
        else:
            yield Result(f"folder of {source.name}", "ok", f"It is there; files are to {source.after}.")


def _alerts(settings: Settings, _: Path) -> Iterator[Result]:
    """A test message is sent: an address that nobody answers at is found out now, and not on the bad day."""
    from stowgate.observe.alerts import trial, webhook
    from stowgate.vault.secret import load

    if not settings.alerts.webhook:
        yield Result("alerts", "ok", "No webhook: what has to be done is in the log and on /readyz.")
        return
    secret = load(settings.alerts.webhook, shortest=8)
    if webhook(secret.text)(trial(settings.unit.name)):
        yield Result("alerts", "ok", "A test message was taken.")
    else:
        yield Result(
            "alerts", "warning", "A test message was not taken.", "Alerts are tried again until somebody takes them.",
            "Look at the address in the file, and at whether it is reached from here.",
        )  # fmt: skip


def _port(what: str, listen: str, running: bool) -> Result:
    host, _, port = listen.rpartition(":")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except (OSError, ValueError, OverflowError):
        if running:
            return Result(what, "ok", f"{listen}, in use: the gateway runs.")
        return Result(
            what, "problem", f"{listen} cannot be used.", "Another program listens there, or it is not ours to use.",
            "Stop that program, or choose another port; below 1024 needs a privilege.", "port_unavailable",
        )  # fmt: skip
    return Result(what, "ok", f"{listen} is free.")


def _folder(settings: Settings) -> Path:
    if settings.spool.path is None:
        raise Misconfigured("bad_setting", "a gateway needs [spool] path")
    return settings.spool.path.expanduser()


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _file_system(folder: Path) -> str:
    """Name of the file system a folder lies on, "" if the system does not say."""
    place, best, kind = str(folder.resolve()), "", ""
    with suppress(OSError), open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            _, point, found, *_ = line.split(" ")
            if (place == point or place.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
                best, kind = point, found
    return kind


def _fsync_seconds(folder: Path, clock: Callable[[], float] = time.perf_counter) -> float:
    """Median seconds of one small write with fsync."""
    place = folder / f".stowgate-check-{os.getpid()}"
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        taken = []
        for _ in range(_SYNCS):
            began = clock()
            os.write(handle, bytes(4096))
            os.fsync(handle)
            taken.append(clock() - began)
    finally:
        os.close(handle)
        place.unlink(missing_ok=True)
    return statistics.median(taken)
