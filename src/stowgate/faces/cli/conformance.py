"""`stowgate conformance`: the DICOM conformance statement of this gateway."""

from __future__ import annotations

import typer

from stowgate.faces.cli.unit import DEFAULT, Config, settings_of


def conformance(config: Config = DEFAULT) -> None:
    """Print a DICOM conformance statement (PS3.2) in Markdown, made from this configuration."""
    from importlib.metadata import version

    from stowgate.faces.conformance import statement

    typer.echo(statement(settings_of(config), version("stowgate")), nl=False)
