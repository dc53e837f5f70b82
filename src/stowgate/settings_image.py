"""The tables of stowgate.toml about pictures: windows of one's own."""

from __future__ import annotations

from pydantic import Field

from stowgate.settings_gateway import Section


class PresetWindow(Section):
    """A window for `stowgate view --preset NAME`, in Hounsfield units; one of a shipped name replaces it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", description="What --preset calls it.")
    centre: float = Field(description="Window centre.")
    width: float = Field(ge=1, description="Window width.")
