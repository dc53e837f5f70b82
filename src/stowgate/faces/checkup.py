"""What `stowgate check` looks at before a gateway is trusted: each line a result, what it means, and what to do."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from stowgate.errors import Misconfigured, StowgateError
from stowgate.faces.checkup_delivery import destinations, profiles
from stowgate.faces.checkup_records import audit_log, ledger
from stowgate.faces.disk import existing, file_system, fsync_seconds
from stowgate.faces.result import Result
from stowgate.faces.service import listen_of, plan_of
from stowgate.settings import Settings, needs
from stowgate.settings_gateway import bytes_of, is_loopback
from stowgate.store.lock import is_held
from stowgate.store.room import Room, free_of, room_of

_EARLIEST = 1_767_225_600.0
"""2026-01-01: a clock before this was never set."""
_VOLATILE = frozenset(("tmpfs", "ramfs", "overlay", "9p"))
_SLOW, _DISHONEST = 0.1, 0.00005
"""Seconds of one fsync: above the first scanners wait, below the second nothing reached a disk."""


def checkup(settings: Settings, base: Path) -> Iterator[Result]:
    """Everything, in the order of the way of an object; one problem does not hide the next, and is said once."""
    for missing in needs(settings):
        said = f"{missing[:1].upper()}{missing[1:]}."
        yield Result("settings", "problem", said, "The gateway cannot start.", code="bad_setting")
    disk, keys = (
        ((_plan, _spool, _room, _sync), (_keys, _project_key, profiles, ledger, audit_log))
        if settings.spool.path
        else ((), ())
    )
    rest = (_ports, _commitment, _certificates, _web, _folders, destinations, _alerts)
    for look in (_parts, *disk, _clock, *keys, *rest):
        what = look.__name__.lstrip("_").replace("_", " ")
        try:
            yield from look(settings, base)
        except StowgateError as error:
            yield Result(what, "problem", str(error), code=error.code)
        except OSError:
            yield Result(what, "problem", "The system refused to answer.", code="spool_unwritable")


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
    if settings.source:
        yield Result("sources", "ok", ", ".join(f"{one.name} ({one.kind})" for one in settings.source) + ".")


def _spool(settings: Settings, _: Path) -> Iterator[Result]:
    spool = _folder(settings)
    there = existing(spool)
    if not _is_ours(there):
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


def _room(settings: Settings, _: Path) -> Iterator[Result]:
    free = free_of(existing(_folder(settings)))
    reserve = bytes_of(settings.spool.reserve)
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
    folder = existing(_folder(settings))
    if not _is_ours(folder):
        return  # that was said of the spool
    kind = file_system(folder)
    if kind in _VOLATILE:
        yield Result(
            "fsync", "warning", f"The spool lies on {kind}.", "What is there is gone after a power cut.",
            "Put [spool] path on a disk.",
        )  # fmt: skip
        return
    seconds = fsync_seconds(folder)
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
    from stowgate.faces.held import unit_key
    from stowgate.vault.unit_key import has_epochs

    spool, reference = _folder(settings), settings.spool.key
    fresh = reference.startswith("file:") and not (base / reference.removeprefix("file:")).exists()
    if spool.exists() and not _is_ours(spool):
        return  # that was said of the spool
    folder = (base / Path(reference.removeprefix("file:")).expanduser()).parent
    if fresh and not has_epochs(spool) and not _is_ours(folder):
        yield Result(
            "unit key", "problem", f"{folder} is not there, or cannot be written.", "The key cannot be made there.",
            "Make the folder, or name another place in [spool] key.", "key_unwritable",
        )  # fmt: skip
    elif fresh and not has_epochs(spool):
        yield Result("unit key", "ok", "It is made at the first start; back it up then.")
    elif reference == "passphrase":
        yield Result("unit key", "ok", "The passphrase is asked for at the start.")
    else:
        yield Result("unit key", "ok", f"{unit_key(settings, spool, base).id}.")


def _project_key(settings: Settings, _: Path) -> Iterator[Result]:
    from stowgate.faces.held import project_key
    from stowgate.vault.folder import KEY, LEDGER

    spool = _folder(settings)
    if spool.exists() and not _is_ours(spool):
        return  # that was said of the spool
    if settings.state.key or (spool / KEY).exists() or (spool / LEDGER).exists():
        yield Result("project key", "ok", f"{project_key(settings, spool).id}.")
    else:
        yield Result("project key", "ok", "It is made at the first start; back it up then.")


def _ports(settings: Settings, _: Path) -> Iterator[Result]:
    running = _runs(settings)
    for source in settings.source:
        if source.kind == "dimse":
            host, port = source.address
            here = is_loopback(host)
            port_line = _port(f"port of {source.name}", source.listen, running)
            more = " Only this machine can reach it." if here and port_line.mark == "ok" else ""
            yield replace(port_line, said=port_line.said + more)
            if not source.allow:
                first = f'Set listen = "0.0.0.0:{port}" if it is another machine. ' if here else ""
                yield Result(
                    f"callers of {source.name}", "warning", "Nobody is allowed to send yet.", "Every call is rejected.",
                    f"{first}Let the scanner call once, then `stowgate source list` shows the line to add.",
                )  # fmt: skip


def _commitment(settings: Settings, _: Path) -> Iterator[Result]:
    listen = settings.commitment.listen
    if listen:
        yield _port("port of commitment", listen, _runs(settings))


def _certificates(settings: Settings, _: Path) -> Iterator[Result]:
    from stowgate.ingest.cstore import tls_context

    speaking = [(one.name, one.tls) for one in settings.source if one.kind == "dimse"]
    for name, tls in (*speaking, ("commitment", settings.commitment.tls)):
        if tls is None:
            continue
        what = f"TLS of {name}"
        try:
            tls_context(tls)
            yield Result(what, "ok", "Certificate and key belong together.")
        except Misconfigured as error:
            yield Result(what, "problem", str(error), code=error.code)


def _web(settings: Settings, _: Path) -> Iterator[Result]:
    from stowgate.faces.web.server import check

    listen = listen_of(settings) if settings.web.listen else None
    if listen is None:
        return
    check(listen)
    yield _port("port of web", settings.web.listen, _runs(settings))
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
            yield Result(f"folder of {source.name}", "ok", f'It is there; after = "{source.after}".')


def _alerts(settings: Settings, _: Path) -> Iterator[Result]:
    """A test message is sent: an address that nobody answers at is found out now, and not on the bad day."""
    from stowgate.observe.alerts import trial, webhook
    from stowgate.vault.secret import load

    if not settings.alerts.webhook:
        yield Result("alerts", "ok", "No webhook: what has to be done is in the log and in `stowgate quarantine list`.")
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


def _runs(settings: Settings) -> bool:
    return settings.spool.path is not None and is_held(_folder(settings))


def _is_ours(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)


def _folder(settings: Settings) -> Path:
    if settings.spool.path is None:
        raise Misconfigured("bad_setting", "a gateway needs [spool] path")
    return settings.spool.path.expanduser()
