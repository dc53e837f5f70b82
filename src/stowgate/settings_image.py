"""The tables of stowgate.toml about pictures: windows of one's own, and what is looked for on the way."""

from __future__ import annotations

from pydantic import Field

from stowgate.settings_gateway import Section


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
