"""The tables of stowgate.toml about delivery: destinations and routes, and what is wrong between them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stowgate.deliver.cstore import DimseDest
from stowgate.deliver.folder import FolderDest
from stowgate.deliver.stow_dest import StowDest
from stowgate.ingest.dimse_settings import DimseTls
from stowgate.outbox.policy import Urgency
from stowgate.outbox.routing import Rule
from stowgate.toml_lines import Where

Dest = Annotated[FolderDest | DimseDest | StowDest, Field(discriminator="kind")]
"""Every kind of destination: the union is the registry."""


class Commitment(BaseModel):
    """Where nodes report that they vouch for what they were sent (PS3.4 annex J)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    listen: str = Field(
        default="",
        pattern=r"^(|.+:\d{1,5})$",
        description='"HOST:PORT" that a [[dest]] with ask = "commitment" knows this unit by, under the AE title that '
        "is its calling; empty where all of them report on the association that asked.",
    )
    tls: DimseTls | None = Field(default=None, description="TLS; without it reports come in clear.")


class Route(BaseModel):
    """One rule about what goes where. Conditions that are left out fit everything; every rule that fits counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    dest: tuple[str, ...] = Field(min_length=1, description="Names of the [[dest]] that it sends to.")
    source: tuple[str, ...] = Field(default=(), description="Names of sources; one of them is enough.")
    modality: tuple[str, ...] = Field(default=(), description='Modalities, such as "MG".')
    sop_class: tuple[str, ...] = Field(default=(), description="SOP Class UIDs.")
    description: tuple[str, ...] = Field(
        default=(),
        description='Patterns such as "*breast*" for the Study or Series Description as it came in; * stands for '
        "anything, and case does not matter. Only that a pattern fitted is kept.",
    )
    priority: tuple[Literal["low", "medium", "high"], ...] = Field(
        default=(),
        description="Priorities of Study Priority ID or Requested Procedure Priority as the object came in; STAT "
        "counts as high, ROUTINE as medium. What says none fits no priority.",
    )
    profile: str = Field(
        default="",
        description="Name of the [[profile]] that these destinations get; without it [deid] and the project's own key. "
        "All routes to a destination name the same.",
    )
    urgency: Literal["low", "medium", "high"] | None = Field(
        default=None,
        description="What is more urgent goes first; the highest of the rules that fit counts, and what triage says "
        "where that is higher. Where none of them says one it is what triage says, and that may be low.",
    )

    def rule(self) -> Rule:
        """As the policy has it."""
        urgency = None if self.urgency is None else Urgency[self.urgency.upper()]
        return Rule(
            self.dest, self.source, self.modality, self.sop_class, self.description, urgency,
            self.priority, self.profile,
        )  # fmt: skip


def clashes(data: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
    """What is right by itself and wrong beside another setting; of a file as it was read, whatever else is wrong."""
    dests, routes = _tables(data, "dest"), _tables(data, "route")
    for kind, what in (("dest", "destination"), ("profile", "profile")):
        names: list[object] = []
        for number, table in _tables(data, kind):
            if "name" in table and table["name"] in names:
                yield (kind, number, "name"), f"is that of another {what}; each needs its own"
            names.append(table.get("name"))
    for number, table in routes:
        for key in ("dest", "source", "profile"):
            named = table.get(key)
            known = [str(one.get("name")) for _, one in _tables(data, key)]
            for one in named if isinstance(named, list) else [named] if named else []:
                if one not in known:
                    close = get_close_matches(str(one), known, n=1)
                    meant = f'. Did you mean "{close[0]}"?' if close else ""
                    yield ("route", number, key), f"names a [[{key}]] that is not there{meant}"
                    break
    yield from _one_profile_each(routes)
    yield from _inside(data, dests)


def _one_profile_each(routes: list[tuple[int, dict[str, Any]]]) -> Iterator[tuple[Where, str]]:
    """A destination is one recipient: two pseudonyms of one patient would lie side by side there."""
    gets: dict[str, object] = {}
    for number, table in routes:
        dest = table.get("dest")
        names = [one for one in dest if isinstance(one, str)] if isinstance(dest, list) else []
        other = [one for one in names if gets.setdefault(one, table.get("profile", "")) != table.get("profile", "")]
        if other:
            where = ("route", number, "profile") if "profile" in table else ("route", number)
            yield where, f"gives {other[0]} another profile than an earlier [[route]]; a destination gets one"


def _tables(data: Mapping[str, Any], key: str) -> list[tuple[int, dict[str, Any]]]:
    tables = data.get(key)
    return [one for one in enumerate(tables) if isinstance(one[1], dict)] if isinstance(tables, list) else []


def _inside(data: Mapping[str, Any], dests: list[tuple[int, dict[str, Any]]]) -> Iterator[tuple[Where, str]]:
    """What is written must not be taken in again, and nothing is written into the spool."""
    spool = data.get("spool")
    held = spool.get("path") if isinstance(spool, dict) else None
    watched = [table.get("path") for _, table in _tables(data, "source") if table.get("kind") == "folder"]
    for number, table in dests:
        path = table.get("path")
        if not isinstance(path, str):
            continue
        if isinstance(held, str) and (_is_in(path, held) or _is_in(held, path)):
            yield ("dest", number, "path"), "and the spool are inside one another; keep them apart"
        if any(isinstance(other, str) and (_is_in(path, other) or _is_in(other, path)) for other in watched):
            yield ("dest", number, "path"), "is watched by a source, which would take in again what is delivered"


def _is_in(place: str, folder: str) -> bool:
    place, folder = os.path.abspath(place), os.path.abspath(folder)
    return place == folder or place.startswith(folder.rstrip("/") + "/")
