"""All commands under one name for Typer; a command's module is loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module

import typer

from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import version

_UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]
"""What every wrong command line raises; Typer brings its own Click, so it is asked for its class."""

PLACES = {
    "deid": "deid",
    "explain": "look",
    "inspect": "look",
    "scan": "scan",
    "view": "view",
    "cluster": "cluster",
    "triage": "triage",
    "qc": "qc",
    "run": "gateway",
    "status": "status",
    "init": "init",
    "check": "check",
    "conformance": "conformance",
    "demo": "demo",
    "link": "link",
    "send": "send",
    "verify": "verify",
    "queue": "queue",
    "quarantine": "quarantine",
    "study": "study",
    "source": "source",
    "dest": "dest",
    "audit": "audit",
    "profile": "profile",
    "keys": "keys",
}
"""Each command in the order of the help, and its module: a function of the command's name, or a group called `app`."""


def app_of(names: Iterable[str] = PLACES) -> typer.Typer:
    """The command line with these commands; what Typer makes of all of them takes longer than most of them run."""
    app = typer.Typer(
        name="stowgate",
        help="Take DICOM images in, remove who the patient is, and prove it.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # it would swallow [[dest]] and all else in square brackets
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    for name in names:
        module = import_module(f"stowgate.faces.cli.{PLACES[name]}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, name))
    return app


def _root(version_: bool = typer.Option(False, "--version", help="Show the version and leave.")) -> None:
    if version_:
        typer.echo(version())
        raise typer.Exit


def carried_out(words: Sequence[str]) -> int:
    """Do what the command line says; the exit code."""
    named = [word for word in words[:1] if word in PLACES]
    app = app_of(named or PLACES)
    try:
        return int(app(words, standalone_mode=False, prog_name="stowgate") or 0)  # Typer gives 130 for an interruption
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort:
        return Exit.INTERRUPTED
    except _UsageError as error:
        error.show()
        return Exit.USAGE
