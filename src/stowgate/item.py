"""The one record that travels: frozen, aliases and codes only, so printing it can leak nothing."""

from __future__ import annotations

from dataclasses import dataclass

from stowgate.lifecycle import State


@dataclass(frozen=True, slots=True)
class Item:
    """One input on its way. `id` is a keyed alias of the input; `study` a keyed alias of its study."""

    id: str
    state: State
    code: str | None = None
    study: str | None = None
    modality: str | None = None
    sop_class: str | None = None
    findings: tuple[str, ...] = ()
    attempts: int = 0
