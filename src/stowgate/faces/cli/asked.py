"""What was asked for on the command line, in the environment and in stowgate.toml, as one policy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stowgate import layout as paths
from stowgate.deident.profile import policy_from
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.look.looking import NOTHING, Looking
from stowgate.policy import Policy
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
    looking: Looking = NOTHING


def policy_and_settings(
    config: Path | None,
    profile: str | None,
    retain: Sequence[str] | None,
    clean: Sequence[str] | None,
    named: str = "",
) -> tuple[Policy, Chosen]:
    """Flags before environment before file before defaults. Raises `Misconfigured` with all that is wrong.

    named -- the [[profile]] that is meant instead of [deid]
    """
    if not named and config is None and not any(name.startswith("STOWGATE_") for name in os.environ):
        return policy_from(profile or "basic", retain or (), clean or ()), Chosen()
    from stowgate.faces import policies
    from stowgate.settings import load as load_settings  # pydantic, only where there is something to validate

    settings = load_settings(config)
    table = policies.named(settings, named) if named else None
    policy = policies.policy_of(settings, table, profile, retain, clean)
    limits = Limits(**settings.limits.model_dump())
    looking = Looking(**settings.look.model_dump())
    return policy, Chosen(settings.state.path, settings.state.key, settings.output.path, limits, looking)


def key_if_any(state: Path | None, reference: str = "") -> Key | None:
    """The project's key if there is one; looking never makes one."""
    if reference:
        return load(reference)
    path = (state or default_folder()).expanduser().absolute() / KEY
    return load(f"file:{path}") if path.exists() else None
