"""The whole configuration as frozen models: stowgate.toml, STOWGATE_ variables and flags, checked in one go."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from stowgate import layout, settings_delivery, settings_image
from stowgate.dicom.limits import DEFAULT
from stowgate.errors import Misconfigured
from stowgate.settings_delivery import Commitment, Dest, Route
from stowgate.settings_gateway import Alerts, Log, Purge, Section, Source, Spool, Web, Workers, anchor, clashes
from stowgate.settings_image import Look, PresetWindow, TriageRule
from stowgate.settings_problems import Given

_LARGEST = 1 << 20
_VARIABLE = re.compile(r"STOWGATE_([A-Z]+)__([A-Z_]+)")

Retain = Literal[
    "safe-private",
    "uids",
    "device-identity",
    "institution-identity",
    "patient-characteristics",
    "full-dates",
    "modified-dates",
]
Clean = Literal["descriptors", "structured-content", "graphics", "pixel-data", "recognizable-visual-features"]


class Unit(Section):
    """Which scanner, truck or site this is."""

    name: Annotated[str, Field(max_length=16, pattern=r"^[ -\[\]-~]*$")] = Field(
        default="",
        description="Name stamped into Station Name as provenance: at most 16 plain characters without a backslash; "
        "empty for none.",
    )


class Override(Section):
    """One rule of your own for one attribute."""

    target: str = Field(
        description='Keyword, tag or path of tags joined by "/", such as StudyDescription or (0008,1030); '
        '"gggg,CREATOR,ee" for a private element.',
        min_length=1,
    )
    action: Literal["keep", "remove", "empty", "replace"] = Field(description="What happens to the attribute.")
    value: str | None = Field(default=None, description="The new value; only with replace.")

    @model_validator(mode="after")
    def _value_belongs_to_replace(self) -> Self:
        if (self.value is not None) is not (self.action == "replace"):
            raise ValueError("needs a value with replace, and has none with another action")
        return self


class Deid(Section):
    """Which profile of PS3.15 Annex E is applied, with which options."""

    profile: str = Field(default="basic", description="Name of the profile; `stowgate profile list` shows them.")
    retain: tuple[Retain, ...] = Field(default=(), description="Retain options of PS3.15 Annex E that are on.")
    clean: tuple[Clean, ...] = Field(default=(), description="Clean options of PS3.15 Annex E that are on.")
    override: tuple[Override, ...] = Field(default=(), description="Rules of your own, as [[deid.override]] tables.")


class Profile(Deid):
    """What a recipient of its own gets: de-identified by these options and a key that is nobody else's."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", description="What routes call it: small letters, digits, - and _."
    )
    override: tuple[Override, ...] = Field(default=(), description="Rules of its own, as [[profile.override]] tables.")
    key: str = Field(
        default="",
        pattern=r"^(|file:.+|env:[A-Za-z_][A-Za-z0-9_]*)$",
        description='Its key, "file:PATH" or "env:NAME"; by default SPOOL/profile-NAME.key, made on first use. '
        "It stays the same as long as the name does.",
    )


class Pixels(Section):
    """What happens to pictures that may have text burned in."""

    risk: Literal["hold", "pass"] = Field(
        default="hold",
        description="hold keeps such objects back; pass lets them through when a person has decided that these "
        "pictures are free of text.",
    )


class Gate(Section):
    """How the gate checks what was written."""

    pixels: Literal["windows", "full"] = Field(
        default="windows",
        description="windows compares both ends and 16 places of Pixel Data with the source; full compares all.",
    )


class Limits(Section):
    """How large, deep and slow one object may be before it is refused."""

    depth: int = Field(default=DEFAULT.depth, ge=1, le=128, description="Nesting of sequences.")
    header: int = Field(default=DEFAULT.header, ge=65536, description="Bytes of everything but bulk values.")
    elements: int = Field(default=DEFAULT.elements, ge=1, description="Elements at all depths.")
    seconds: float = Field(
        default=DEFAULT.seconds, gt=0, le=86_400, description="Seconds for reading and rewriting, a day at most."
    )
    inflate_ratio: int = Field(
        default=DEFAULT.inflate_ratio, ge=1, description="Growth of a deflated data set, as a factor."
    )
    inflate_bytes: int = Field(
        default=DEFAULT.inflate_bytes, ge=65536, description="Bytes of a deflated data set, inflated."
    )


class Output(Section):
    """Where clean objects go below the output folder."""

    path: Annotated[str, AfterValidator(layout.usable)] = Field(
        default=layout.DEFAULT,
        description=f"Template of the path: {{instance}} and, if wanted, others of {', '.join(layout.FIELDS)}; "
        "ends in .dcm.",
    )


class State(Section):
    """Where the identified side keeps what it must remember."""

    path: Path | None = Field(
        default=None,
        description="Folder of the project key and the ledger; by default ${XDG_STATE_HOME:-~/.local/state}/stowgate.",
    )
    key: str = Field(
        default="",
        pattern=r"^(|file:.+|env:[A-Za-z_][A-Za-z0-9_]*)$",
        description='The project key, if it is not in that folder: "file:PATH" or "env:NAME".',
    )


class Settings(Section):
    """stowgate.toml: the configuration of Stowgate."""

    unit: Unit = Field(default=Unit(), description="Which scanner, truck or site this is.")
    deid: Deid = Field(default=Deid(), description="Which profile is applied, with which options.")
    pixels: Pixels = Field(default=Pixels(), description="What happens to pictures that may have text burned in.")
    gate: Gate = Field(default=Gate(), description="How the gate checks what was written.")
    limits: Limits = Field(default=Limits(), description="How large, deep and slow one object may be.")
    output: Output = Field(default=Output(), description="Where clean objects go below the output folder.")
    state: State = Field(default=State(), description="Where the identified side keeps what it must remember.")
    spool: Spool = Field(default=Spool(), description="Where a gateway keeps what it holds, encrypted.")
    purge: Purge = Field(default=Purge(), description="When what is proved to have arrived is deleted here.")
    web: Web = Field(default=Web(), description="Uploads by STOW-RS, /metrics, /healthz and /readyz.")
    workers: Workers = Field(default=Workers(), description="The threads that de-identify.")
    alerts: Alerts = Field(default=Alerts(), description="Who is told when a person has to act.")
    log: Log = Field(default=Log(), description="What is written while the gateway runs.")
    source: tuple[Source, ...] = Field(default=(), description="Where images come in, as [[source]] tables.")
    dest: tuple[Dest, ...] = Field(default=(), description="Where clean images go, as [[dest]] tables.")
    commitment: Commitment = Field(
        default=Commitment(), description="Where nodes report that they vouch for what they were sent."
    )
    route: tuple[Route, ...] = Field(default=(), description="What goes where, as [[route]] tables.")
    profile: tuple[Profile, ...] = Field(
        default=(), description="What recipients of their own get, as [[profile]] tables."
    )
    look: Look = Field(default=Look(), description="What pictures are looked at for on the way.")
    window: tuple[PresetWindow, ...] = Field(
        default=(), description="Windows of your own for looking at pictures, as [[window]] tables."
    )
    triage: tuple[TriageRule, ...] = Field(default=(), description="Your own rules of urgency, as [[triage]] tables.")


def load(
    path: Path | None = None,
    flags: Mapping[str, Mapping[str, object]] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Flags before STOWGATE_SECTION__KEY variables before the file before the defaults.

    path    -- stowgate.toml; relative paths in it count from its own folder
    flags   -- values by section and key; None means not given
    environ -- an empty variable counts as not set; lists are separated by commas
    Raises `settings_problems.BadSettings` with everything that is wrong, `Misconfigured("settings_unreadable")`.
    """
    text = _read(path) if path else ""
    given = Given(str(path or ""), text)
    if path:
        anchor(given.data, path.parent)
    given.lay(_from_environment(environ), lambda section, key: f"STOWGATE_{section}__{key}".upper())
    given.lay(flags or {}, lambda section, key: f"flag for [{section}] {key}")
    among = [*clashes(given.data), *settings_delivery.clashes(given.data), *settings_image.clashes(given.data)]
    try:
        settings = Settings.model_validate_json(given.as_json())
    except ValidationError as error:
        raise given.problems(error.errors(include_url=False), Settings, among) from None
    if among:
        raise given.problems([], Settings, among)
    return settings


def needs(settings: Settings) -> tuple[str, ...]:
    """What `stowgate run` still needs and other commands do not, a plain sentence each; empty when it can run."""
    missing = []
    if settings.spool.path is None:
        missing.append("a gateway needs [spool] path, the folder in which it keeps what it holds")
    if not settings.source:
        missing.append("a gateway needs at least one [[source]], or nothing can come in")
    if not settings.web.listen and any(source.kind == "stow" for source in settings.source):
        missing.append('a [[source]] of kind "stow" needs [web] listen')
    return tuple(missing)


def schema() -> str:
    """The JSON Schema of stowgate.toml, as published in docs/reference/stowgate.schema.json."""
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
    return json.dumps(whole, indent=2) + "\n"


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) <= _LARGEST:
            return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        pass
    raise Misconfigured("settings_unreadable", str(path))


def _from_environment(environ: Mapping[str, str]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for name, value in sorted(environ.items()):
        matched = _VARIABLE.fullmatch(name)
        if matched and value:
            section, key = matched[1].lower(), matched[2].lower()
            found.setdefault(section, {})[key] = _typed(section, key, value)
    return found


def _typed(section: str, key: str, value: str) -> object:
    """A variable is text: a list is cut at its commas, and a number is read where one is wanted."""
    table = Settings.model_fields[section].default if section in Settings.model_fields else None
    match getattr(table, key, None):
        case tuple():
            return [part.strip() for part in value.split(",") if part.strip()]
        case int() | float():
            try:
                return json.loads(value)
            except ValueError:
                return value
        case _:
            return value


if __name__ == "__main__":
    sys.stdout.write(schema())
