"""`stowgate study certificate` and `verify-certificate`: what became of a study, signed, and whether it still is so."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from stowgate.errors import Misconfigured, disk_code
from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say
from stowgate.faces.cli.unit import DEFAULT, AsJson, Config, settings_of, spool_of, view_of


def certificate(
    alias: Annotated[str, typer.Argument(metavar="STUDY")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Page to write; its twin, NAME.json, is written beside it.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help='For one recipient\'s eyes: a [[profile]], "" for [deid].')
    ] = None,
    config: Config = DEFAULT,
    as_json: AsJson = False,
) -> int:
    """What came in of a study, what was made of it and where it is, with digests; signed by this unit."""
    from stowgate.faces.certifying import certified

    if out is not None and (not out.name or out.suffix.lower() == ".json"):
        raise typer.BadParameter("give the page a name such as study.html; study.json is its twin", param_hint="-o")
    settings = settings_of(config)
    with view_of(settings) as view:
        made = certified(view, alias, settings, spool_of(settings), time.time(), profile)
    if as_json:
        typer.echo(json.dumps(made.data))
    if out is not None:
        twin = out.with_suffix(".json")
        _write(out, made.page)
        _write(twin, json.dumps(made.data, indent=1).encode() + b"\n")
        say(f"{made.word}. {made.sentence} The page and its twin {twin.name} are signed by {made.fingerprint[:16]}.")
    elif not as_json:
        typer.echo(f"{made.word}. {made.sentence}\nSigned by {made.fingerprint}; -o FILE writes the certificate.")
    return Exit.DONE


def verify_certificate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A page or its twin.")],
    key: Annotated[str, typer.Option(metavar="FINGERPRINT", help="Whom it has to be signed by.")] = "",
) -> int:
    """Whether a certificate is as it was signed, and by whom. Without --key anybody may have signed it."""
    from stowgate.verify.certificate import checked, checked_page

    try:
        data = file.read_bytes()
    except OSError:
        raise Misconfigured("no_input", str(file)) from None
    try:
        found = checked(json.loads(data))
    except (ValueError, RecursionError):
        found = checked_page(data)
    wanted = "".join(key.split()).lower()
    if not found.is_whole:
        say("It is no certificate, or not as it was signed: do not rely on it.")
        return Exit.AUDIT_BROKEN
    if wanted and (len(wanted) < 16 or not found.fingerprint.startswith(wanted)):
        say(f"It is as it was signed, but by another: {found.fingerprint}")
        return Exit.AUDIT_BROKEN
    said = "" if wanted else " Compare that with what the unit's people told you, or give it with --key."
    typer.echo(f"It is as it was signed, by {found.fingerprint}.{said}")
    return Exit.DONE


def _write(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise Misconfigured(disk_code(error, "output_unwritable"), str(file)) from None
