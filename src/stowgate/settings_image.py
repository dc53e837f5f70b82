"""The tables of stowgate.toml about pictures: windows of one's own."""

from __future__ import annotations

from pydantic import Field

from stowgate.settings_gateway import Section


class PresetWindow(Section):
    """A window for `stowgate view --preset NAME`, in Hounsfield units; one of a shipped name replaces it."""

    centre: float = Field(description="Window centre.")
    width: float = Field(ge=1, description="Window width.")
