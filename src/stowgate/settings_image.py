"""The tables of stowgate.toml about pictures: windows and rules of urgency, and what is looked for on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from stowgate.analyse import triage
from stowgate.settings_gateway import Section
from stowgate.toml_lines import Where


class Look(Section):
    """What pictures are looked at for on the way; it never holds an object back. Needs the extra stowgate[image]."""

    quality: bool = Field(
        default=False,
        description="Tell of faults of the acquisition while the patient is still there: of a picture, and of a study "
        "as a whole.",
    )
    urgency: bool = Field(
        default=False, description="Hurry the deliveries of a study in whose CT pictures something urgent is measured."
    )
    fleet: bool = Field(
        default=False, description="Keep what pictures measure, and tell of scanners that differ from their like."
    )


class PresetWindow(Section):
    """A window for `stowgate view --preset NAME`, in Hounsfield units; one of a shipped name replaces it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", description="What --preset calls it.")
    centre: float = Field(description="Window centre.")
    width: float = Field(ge=1, description="Window width.")


class TriageRule(Section):
    """A rule of urgency; conditions that are left out fit everything. One of a shipped id takes its place."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$", description="What it is called where reasons are told.")
    score: int = Field(
        ge=-1000,
        le=1000,
        description="What it adds to the score of a study: high from 50, low from -10; 0 switches off.",
    )
    because: str = Field(default="A rule of your own.", min_length=1, description="The sentence that is told with it.")
    priority: tuple[Literal["low", "medium", "high"], ...] = Field(
        default=(), description="Priorities of the header; STAT counts as high, ROUTINE as medium."
    )
    words: tuple[str, ...] = Field(
        default=(),
        description='Patterns such as "*stroke*" for the descriptions of study, series, request, reason and admission '
        "as they came in; * stands for anything, and case does not matter. Only that one fitted is kept.",
    )
    modality: tuple[str, ...] = Field(default=(), description='Modalities, such as "CT".')
    measured: tuple[triage.Measure, ...] = Field(
        default=(), description="What is measured in CT slices and is above its limit."
    )

    @model_validator(mode="after")
    def _not_everything(self) -> Self:
        if self.score and not (self.priority or self.words or self.modality or self.measured):
            raise ValueError("needs a condition, or a score of 0 that switches it off")
        return self

    def rule(self) -> triage.Rule:
        """As triage has it."""
        conditions = self.priority, self.words, self.modality, self.measured
        return triage.Rule(self.id, self.score, self.because, *conditions)


def clashes(data: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
    """What is right by itself and wrong beside another setting; of a file as it was read, whatever else is wrong."""
    tables = data.get("triage")
    ids: list[object] = []
    for number, table in enumerate(tables if isinstance(tables, list) else []):
        id = table.get("id") if isinstance(table, dict) else None
        if id is not None and id in ids:
            yield ("triage", number, "id"), "is that of another rule; each needs its own"
        ids.append(id)
