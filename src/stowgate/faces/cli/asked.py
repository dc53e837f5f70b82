"""What was asked for on the command line, in the environment and in stowgate.toml, as one policy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stowgate import layout as paths
from stowgate.deident.profile import policy_from
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.policy import Override, Policy
from stowgate.vault.folder import KEY, default_folder
from stowgate.vault.key import Key, load


@dataclass(frozen=True, slots=True)
class Chosen:
    """Settings of a run that are no part of the policy."""

    state: Path | None = field(default=None, repr=False)
    key: str = ""
    """Reference of the project key, "file:PATH" or "env:NAME"; empty: the state folder's own."""
    layout: str = paths.DEFAULT
    limits: Limits = DEFAULT


def policy_and_settings(
    config: Path | None, profile: str | None, retain: Sequence[str] | None, clean: Sequence[str] | None
) -> tuple[Policy, Chosen]:
    """Flags before environment before file before defaults. Raises `Misconfigured` with all that is wrong."""
    if config is None and not any(name.startswith("STOWGATE_") for name in os.environ):
        return policy_from(profile or "basic", retain or (), clean or ()), Chosen()
    from stowgate.settings import load as load_settings  # pydantic, only where there is something to validate

    settings = load_settings(config)
    overrides = [Override(rule.target, rule.action, rule.value) for rule in settings.deid.override]
    policy = policy_from(
        profile or settings.deid.profile,
        settings.deid.retain if retain is None else retain,
        settings.deid.clean if clean is None else clean,
        overrides,
        pixels_risk=settings.pixels.risk,
        gate_pixels=settings.gate.pixels,
        station_name=settings.unit.name,
    )
    limits = Limits(**settings.limits.model_dump())
    return policy, Chosen(settings.state.path, settings.state.key, settings.output.path, limits)


def key_if_any(state: Path | None, reference: str = "") -> Key | None:
    """The project's key if there is one; looking never makes one."""
    if reference:
        return load(reference)
    path = (state or default_folder()).expanduser().absolute() / KEY
    return load(f"file:{path}") if path.exists() else None
