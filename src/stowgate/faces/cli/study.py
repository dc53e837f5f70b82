"""`stowgate study`: studies by their aliases, and how many of their instances are where."""

from __future__ import annotations

from typing import Annotated

import typer

from stowgate.errors import Misconfigured
from stowgate.faces.cli.unit import DEFAULT, AsJson, Config, settings_of, show, view_of

app = typer.Typer(help="Studies: list them, show one.", no_args_is_help=True)
_COLUMNS = (("alias", 32), ("source", 12), ("modality", 8), ("instances", 9), ("complete", 8))


@app.command("list")
def list_(config: Config = DEFAULT, as_json: AsJson = False) -> None:
    """One line for each study of each source."""
    from stowgate.questions import studies

    with view_of(settings_of(config)) as view:
        show(studies(view), as_json, _COLUMNS, "No study has arrived yet.")


@app.command("show")
def show_(
    alias: Annotated[str, typer.Argument(metavar="STUDY")], config: Config = DEFAULT, as_json: AsJson = False
) -> None:
    """The items of one study, by its alias or at least 6 digits it begins with."""
    from stowgate.questions import backlog_of, pages, study_named

    with view_of(settings_of(config)) as view:
        study = study_named(view, alias)
        if study is None:
            raise Misconfigured("unknown_item")
        rows = map(backlog_of, pages(view, (), study=study))
        show(rows, as_json, (("id", 32), ("state", 11), ("modality", 8), ("reason", 0)), "")
