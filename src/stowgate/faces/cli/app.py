"""All commands under one name, and what happens when one fails."""

from __future__ import annotations

import sys
import traceback

import typer

from stowgate.errors import Rejected, StowgateError
from stowgate.faces.cli import (
    audit,
    check,
    conformance,
    deid,
    demo,
    dest,
    gateway,
    init,
    keys,
    look,
    profile,
    quarantine,
    queue,
    scan,
    source,
    status,
    study,
    verify,
)
from stowgate.faces.cli.exits import Exit, of_error
from stowgate.faces.cli.show import say

_UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]
"""What every wrong command line raises; Typer brings its own Click, so it is asked for its class."""

app = typer.Typer(
    name="stowgate",
    help="Take DICOM images in, remove who the patient is, and prove it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("deid")(deid.deid)
app.command("explain")(look.explain)
app.command("inspect")(look.inspect)
app.command("scan")(scan.scan)
app.command("run")(gateway.run)
app.command("status")(status.status)
app.command("init")(init.init)
app.command("check")(check.check)
app.command("conformance")(conformance.conformance)
app.command("demo")(demo.demo)
app.command("verify")(verify.verify)
app.add_typer(queue.app, name="queue")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(study.app, name="study")
app.add_typer(source.app, name="source")
app.add_typer(dest.app, name="dest")
app.add_typer(audit.app, name="audit")
app.add_typer(profile.app, name="profile")
app.add_typer(keys.app, name="keys")


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Show the version and leave.")) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"stowgate {installed('stowgate')}")
        raise typer.Exit


def run() -> int:
    """Carry out the command line; the exit code."""
    code = _carried_out()
    if code == Exit.INTERRUPTED:
        say("Stopped. What was finished stays; run the same command again to go on. Nothing was lost.")
    return code


def _carried_out() -> int:
    try:
        return int(app(standalone_mode=False, prog_name="stowgate") or 0)  # Typer gives 130 for an interruption
    except typer.Exit as done:
        return done.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except _UsageError as error:
        error.show()
        return Exit.USAGE
    except Rejected as error:
        say(f"{error.code}: {error}")
        return Exit.PARTLY
    except StowgateError as error:
        say(f"{error.code}: {error}")
        return of_error(error.code)
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.BUG
    except Exception as error:  # noqa: BLE001 - its text could quote a value, so only its kind and place are shown
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {where.name}, line {where.lineno}"
        say(f"internal_error: {place}. This is a bug; nothing of the input was changed.")
        return Exit.BUG
