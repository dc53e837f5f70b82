"""The tables of stowgate.toml that a gateway needs: spool, web, sources, workers, alerts, log."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from stowgate.ingest.dimse_settings import Dimse, address_of
from stowgate.ingest.stow import Stow
from stowgate.ingest.watch import Folder
from stowgate.toml_lines import Where

_UNITS = {"": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_UNITS |= {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(r"(\d{1,12})\s*([KMGT]?i?B)?", re.IGNORECASE)
_REFERENCE = r"^(|file:.+|env:[A-Za-z_][A-Za-z0-9_]*|systemd:[A-Za-z0-9_.-]+)$"
_EVERYWHERE = frozenset(("", "0.0.0.0", "::"))  # noqa: S104 - looked for, not bound

Source = Annotated[Dimse | Folder | Stow, Field(discriminator="kind")]
"""Every kind of source: the union is the registry."""


class Section(BaseModel):
    """What all tables share: an unknown key is an error, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def bytes_of(text: str) -> int:
    """ "20GiB" as a number of bytes; ValueError for what is no size."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError('must be a size such as "20GiB" or "500MB"')
    return int(found[1]) * _UNITS[(found[2] or "").upper()]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there; a name other than localhost does not count."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Spool(Section):
    """Where a gateway keeps what it holds, encrypted."""

    path: Path | None = Field(default=None, description="Folder of the spool; a gateway needs one.")
    reserve: str = Field(default="1GiB", description="Room that intake leaves free, such as 20GiB.")
    key: str = Field(
        default="file:unit.key",
        pattern=r"^(file:.+|env:[A-Za-z_][A-Za-z0-9_]*|systemd:[A-Za-z0-9_.-]+|passphrase)$",
        description='The unit\'s key: "file:PATH" (made on first use), "env:NAME", "systemd:NAME" or "passphrase".',
    )

    @field_validator("reserve")
    @classmethod
    def _is_size(cls, reserve: str) -> str:
        bytes_of(reserve)
        return reserve


_SPANS = {"h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def seconds_of(text: str) -> float:
    """ "12h", "30d" or "8w" in seconds; ValueError for what is no such time."""
    found = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if found is None:
        raise ValueError("must be a number with h, d or w behind it, such as 30d")
    return int(found[1]) * _SPANS[found[2]]


class Purge(Section):
    """When what is proved to have arrived is deleted here. Nothing else ever is; rows stay and count."""

    after: str = Field(
        default="", description='Time since the last evidence of it, such as "30d"; empty: it is kept for ever.'
    )
    originals: str = Field(
        default="",
        description="The same for originals, which name patients, where they are to go earlier than what was made of "
        "them. Without its original nothing can be made for another recipient.",
    )
    pressure: bool = Field(
        default=False, description="When the reserve is reached the oldest go, so that scanners can go on sending."
    )

    @field_validator("after", "originals")
    @classmethod
    def _is_time(cls, text: str) -> str:
        if text:
            seconds_of(text)
        return text


class Web(Section):
    """Uploads by STOW-RS, /metrics, /healthz and /readyz."""

    listen: str = Field(
        default="", pattern=r"^(|.+:\d{1,5})$", description='Where the web server listens, "HOST:PORT"; empty: nowhere.'
    )
    token: str = Field(
        default="",
        pattern=_REFERENCE,
        description='Token that callers have to show: "file:PATH", "env:NAME" or "systemd:NAME".',
    )
    certificate: Path | None = Field(default=None, description="PEM file of the certificate, for TLS.")
    key: Path | None = Field(default=None, description="PEM file of its private key.")
    hosts: tuple[str, ...] = Field(default=(), description="Further names under which the server is reached.")

    @field_validator("listen")
    @classmethod
    def _has_port(cls, listen: str) -> str:
        if listen:
            address_of(listen)
        return listen

    @model_validator(mode="after")
    def _both_or_none(self) -> Web:
        if (self.certificate is None) is not (self.key is None):
            raise ValueError("needs certificate and key together")
        return self


class Workers(Section):
    """The threads that de-identify."""

    count: int = Field(default=2, ge=1, le=64, description="How many work side by side.")


class Alerts(Section):
    """Who is told when a person has to act."""

    webhook: str = Field(
        default="",
        pattern=_REFERENCE,
        description='Address that alerts are posted to: "file:PATH", "env:NAME" or "systemd:NAME".',
    )


class Log(Section):
    """What is written while the gateway runs; ids, codes and numbers only."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="How much is written.")
    file: Path | None = Field(default=None, description="File to append to; without one, standard error.")


_PATHS = (
    ("state", "path", ""), ("state", "key", "file:"), ("spool", "path", ""), ("spool", "key", "file:"),
    ("web", "token", "file:"), ("web", "certificate", ""), ("web", "key", ""), ("alerts", "webhook", "file:"),
    ("log", "file", ""),
)  # fmt: skip
_SOURCE_PATHS = (("path", ""), ("moved_to", ""))
_DEST_PATHS = (("path", ""), ("auth", "file:"))
_PROFILE_PATHS = (("key", "file:"),)
_TLS_PATHS = (("certificate", ""), ("key", ""), ("ca", ""))


def anchor(data: object, folder: Path) -> None:
    """Paths in a file count from the file, wherever the program was started; done before anything is checked."""
    if not isinstance(data, dict):
        return
    for section, key, prefix in _PATHS:
        _anchored(data.get(section), key, prefix, folder)
    if isinstance(heard := data.get("commitment"), dict):
        for key, prefix in _TLS_PATHS:
            _anchored(heard.get("tls"), key, prefix, folder)
    for name, paths in (("source", _SOURCE_PATHS), ("dest", _DEST_PATHS), ("profile", _PROFILE_PATHS)):
        tables = data.get(name)
        for table in tables if isinstance(tables, list) else ():
            if not isinstance(table, dict):
                continue
            for key, prefix in paths if name != "source" or table.get("kind") == "folder" else ():
                _anchored(table, key, prefix, folder)
            for key, prefix in _TLS_PATHS:
                _anchored(table.get("tls"), key, prefix, folder)


def _anchored(table: object, key: str, prefix: str, folder: Path) -> None:
    name = table.get(key) if isinstance(table, dict) else None
    if isinstance(table, dict) and isinstance(name, str) and name.startswith(prefix) and name != prefix:
        table[key] = prefix + str(folder / Path(name.removeprefix(prefix)).expanduser())


_Tables = Sequence[tuple[Where, Any]]


def clashes(data: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
    """What is right by itself and wrong beside another setting; of a file as it was read, whatever else is wrong."""
    tables = data.get("source")
    sources = list(enumerate(tables)) if isinstance(tables, list) else []
    known: _Tables = [(("source", number), table) for number, table in sources if isinstance(table, dict)]
    yield from _twice(known, "name", "is that of another source; each needs its own")
    for where, table in known:
        if table.get("name") == "send":  # outbox.routing.SEND
            yield (*where, "name"), "is that of what `stowgate send` takes in; choose another"
    stow: _Tables = [(where, {"path": "/dicom-web", **table}) for where, table in known if table.get("kind") == "stow"]
    yield from _twice(stow, "path", "is that of another source; each needs its own")
    yield from _exposed(data.get("web"))
    yield from _same_port([*(((key,), data.get(key)) for key in ("web", "commitment")), *known])
    yield from _same_folder(data.get("spool"), [one for one in known if one[1].get("kind") == "folder"])


def _twice(tables: _Tables, key: str, sentence: str) -> Iterator[tuple[Where, str]]:
    seen: set[str] = set()
    for where, table in tables:
        value = table.get(key)
        if isinstance(value, str) and value in seen:
            yield (*where, key), sentence
        seen.add(str(value))


def _exposed(web: Any) -> Iterator[tuple[Where, str]]:
    """Others reach the web server by TLS and with a token, or not at all."""
    try:
        host, _ = address_of(web["listen"])
    except (TypeError, KeyError, ValueError, AttributeError):
        return
    lacks = [name for name in ("token", "certificate", "key") if not web.get(name)]
    if lacks and not is_loopback(host):
        yield ("web", "listen"), f"can be reached by others, so [web] needs {' and '.join(lacks)} as well"


def _same_port(tables: _Tables) -> Iterator[tuple[Where, str]]:
    """Port 0 is a free one, and so never another's."""
    seen: list[tuple[str, int]] = []
    for where, table in tables:
        try:
            host, port = address_of(table["listen"])
        except (TypeError, KeyError, ValueError, AttributeError):
            continue
        if port and any(port == other and (host == at or {host, at} & _EVERYWHERE) for at, other in seen):
            yield (*where, "listen"), "is where another one listens already"
        seen.append((host, port))


def _same_folder(spool: Any, folders: _Tables) -> Iterator[tuple[Where, str]]:
    held = spool.get("path") if isinstance(spool, dict) else None
    seen: list[str] = []
    for where, table in folders:
        path = table.get("path")
        if not isinstance(path, str):
            continue
        place = os.path.abspath(path)
        if isinstance(held, str) and _is_in(place, os.path.abspath(held)):
            yield (*where, "path"), "is inside the spool, where nothing is taken from"
        if any(_is_in(place, other) or _is_in(other, place) for other in seen):
            yield (*where, "path"), "is watched by another source already, which would take its files twice"
        seen.append(place)
    for where, table in folders:
        path, moved_to = table.get("path"), table.get("moved_to", f"{table.get('path')}.taken")
        if table.get("after") != "move" or not (isinstance(path, str) and isinstance(moved_to, str)):
            continue
        if any(_is_in(os.path.abspath(moved_to), other) for other in seen if other != os.path.abspath(path)):
            yield (*where, "moved_to"), "is watched by another source, which would take its files again"


def _is_in(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip("/") + "/")
