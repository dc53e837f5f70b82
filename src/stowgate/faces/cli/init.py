"""`stowgate init`: a commented stowgate.toml out of at most six answers."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Annotated

import typer

from stowgate.errors import Misconfigured, disk_code
from stowgate.faces.cli.show import say
from stowgate.faces.cli.unit import DEFAULT, Config
from stowgate.vault.key_file import write_new

_TEXT = """\
# One Stowgate gateway. Paths count from the folder of this file; secrets are named, never written here.
# All settings: docs/reference/settings.md. `stowgate check` says what is wrong, `stowgate run` starts it.

[unit]
name = {unit}            # stamped into Station Name of what leaves: at most 16 plain characters

[spool]
path = "spool"             # what is held, encrypted; on a disk of its own if there is one
reserve = "{reserve}"        # room that intake leaves free
key = "file:unit.key"      # made at the first start: back it up. Also env:NAME, systemd:NAME, passphrase

[deid]
profile = "basic"          # PS3.15 Annex E; retain = ["patient-characteristics", "modified-dates"] and the like

[web]
listen = "127.0.0.1:8104"  # STOW-RS, /metrics, /healthz, /readyz; elsewhere only with TLS and a token
token = "file:token"

[[source]]                 # scanners send to AE title {ae}, port {port}
name = "scanner"
kind = "dimse"
listen = "{address}:{port}"
ae = "{ae}"
# Who may send. `stowgate source list` shows callers that were turned away, ready to be put here.
allow = [{allow}]

[[source]]                 # files that are put here are taken in
name = "drop"
kind = "folder"
path = {folder}
after = "keep"             # keep | move | delete, once they are in custody

[[source]]                 # uploads by STOW-RS to /dicom-web/studies
name = "upload"
kind = "stow"
path = "/dicom-web"
"""


def init(
    config: Config = DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing, take what is proposed.")] = False,
) -> None:
    """Write a configuration to begin with; a file that is there is never changed."""
    if config.exists():
        raise Misconfigured("config_exists", str(config))
    ask = (lambda _, proposed: proposed) if yes else _asked
    unit = ask("Name of this unit", "UNIT1")[:16]
    ae = ask("AE title that scanners call", "STOWGATE")[:16].upper()
    port = ask("Port that scanners call", "11112")
    calling = ask("AE title of your scanner (empty: allow it later)", "")
    address = ask("Address of your scanner", "127.0.0.1") if calling else ""
    folder = ask("Folder to take files from", "in")
    text = _TEXT.format(
        unit=json.dumps(unit),
        reserve="1GiB",
        ae=ae,
        port=port,
        address="127.0.0.1" if address in ("", "127.0.0.1") else "0.0.0.0",  # noqa: S104 - scanners come by network
        allow=f"{{ ae = {json.dumps(calling)}, ip = {json.dumps(address)} }}" if calling else "",
        folder=json.dumps(folder),
    )
    _checked(text, config)
    try:
        _write(text, config, folder)
    except OSError as error:
        raise Misconfigured(disk_code(error, "output_unwritable"), str(config.absolute().parent)) from None
    say("Next: `stowgate check`, then `stowgate run`. The unit's key is made at the first start; back it up then.")


def _write(text: str, config: Path, folder: str) -> None:
    """The configuration first, so that a folder that cannot be written to gets nothing at all."""
    place = config.absolute().parent
    with config.open("x", encoding="utf-8") as file:
        file.write(text)
    typer.echo(f"{config}  the configuration")
    token = place / "token"
    if not token.exists():
        write_new(f"{secrets.token_urlsafe(32)}\n".encode(), token)
        typer.echo(f"{token}  the token that uploads have to show")
    if not (place / folder).is_dir():
        (place / folder).mkdir(parents=True)
        typer.echo(f"{place / folder}  the folder files are taken from")


def _asked(question: str, proposed: str) -> str:
    return str(typer.prompt(question, default=proposed, err=True))


def _checked(text: str, config: Path) -> None:
    """Answers that make no configuration are said before anything is written."""
    from tempfile import TemporaryDirectory

    from stowgate.settings import load

    with TemporaryDirectory(prefix="stowgate-") as folder:
        trial = Path(folder) / config.name
        trial.write_text(text, encoding="utf-8")
        load(trial, environ={})
