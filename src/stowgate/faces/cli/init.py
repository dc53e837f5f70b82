"""`stowgate init`: a commented stowgate.toml out of at most six answers."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

import typer

from stowgate.errors import Misconfigured, StowgateError, disk_code
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
listen = "{address}:{port}"  # 127.0.0.1 is this machine alone; 0.0.0.0 lets scanners call over the network
ae = {ae_quoted}
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
    ask = (lambda _, proposed, __: proposed) if yes else _asked
    unit = ask("Name of this unit", "UNIT1", _name)
    ae = ask("AE title that scanners call", "STOWGATE", _title).upper()
    port = ask("Port that scanners call", "11112", _port)
    calling = ask("AE title of your scanner (empty: allow it later)", "", _name)
    address = ask("Address of your scanner", "127.0.0.1", _address) if calling else ""
    folder = ask("Folder to take files from", "in", _plain)
    text = _TEXT.format(
        unit=_quoted(unit),
        reserve="1GiB",
        ae=ae,
        ae_quoted=_quoted(ae),
        port=port,
        address="127.0.0.1" if address in ("", "127.0.0.1") else "0.0.0.0",  # noqa: S104 - scanners come by network
        allow=f"{{ ae = {_quoted(calling)}, ip = {_quoted(address)} }}" if calling else "",
        folder=_quoted(folder),
    )
    _checked(text, config)
    _write(text, config, config.absolute().parent / Path(folder).expanduser())
    say("Next: `stowgate check`, then `stowgate run`. The unit's key is made at the first start; back it up then.")


def _write(text: str, config: Path, folder: Path) -> None:
    """All of it, or nothing: the configuration goes again where what it needs cannot be made."""
    made = [f"{config}  the configuration"]
    try:
        with config.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:  # a link to nowhere
        raise Misconfigured("config_exists", str(config)) from None
    except OSError as error:
        raise Misconfigured(disk_code(error, "output_unwritable"), str(config.absolute().parent)) from None
    try:
        made += [*_folder(folder), *_token(config.absolute().parent / "token")]
    except StowgateError:
        config.unlink(missing_ok=True)
        raise
    typer.echo("\n".join(made))


def _folder(folder: Path) -> list[str]:
    if folder.is_dir():
        return []
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise Misconfigured(disk_code(error, "output_unwritable"), str(folder)) from None
    return [f"{folder}  the folder files are taken from"]


def _token(token: Path) -> list[str]:
    if token.exists():
        return []
    write_new(f"{secrets.token_urlsafe(32)}\n".encode(), token)
    return [f"{token}  the token that uploads have to show"]


def _quoted(answer: str) -> str:
    """As a text of TOML: that of JSON, but for characters beyond ASCII, which stay, and the one JSON leaves alone."""
    return json.dumps(answer, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain(answer: str) -> str:
    if not answer.isprintable():
        raise typer.BadParameter("control characters cannot be part of it")
    return answer


def _name(answer: str) -> str:
    if len(_plain(answer)) > 16 or not re.fullmatch(r"[ -\[\]-~]*", answer):
        raise typer.BadParameter("it has at most 16 characters, plain ones and no backslash")
    return answer.strip()


def _title(answer: str) -> str:
    if not _name(answer):
        raise typer.BadParameter("an AE title has at least one character that is no blank")
    return _name(answer)


def _port(answer: str) -> str:
    if not re.fullmatch(r"[0-9]{1,5}", answer) or not 0 < int(answer) < 65_536:
        raise typer.BadParameter("a port that a scanner could call is a number from 1 to 65535")
    return str(int(answer))


def _address(answer: str) -> str:
    try:
        ip_network(answer, strict=False)
    except ValueError:
        raise typer.BadParameter(
            "it is an address or a network such as 192.168.5.20 or 192.168.5.0/24, each number at most 255"
        ) from None
    return answer


def _asked(question: str, proposed: str, checked: Callable[[str], str]) -> str:
    """The answer; one that cannot be is asked for again, with the reason."""
    try:
        return str(typer.prompt(question, default=proposed, err=True, value_proc=checked))
    except typer.Abort:
        say("\nNothing was written. `stowgate init --yes` asks nothing and takes what is proposed.")
        raise


def _checked(text: str, config: Path) -> None:
    """Answers that make no configuration are said before anything is written."""
    from tempfile import TemporaryDirectory

    from stowgate.settings import load

    with TemporaryDirectory(prefix="stowgate-") as folder:
        trial = Path(folder) / config.name
        trial.write_text(text, encoding="utf-8")
        try:
            load(trial, environ={})
        except Misconfigured as error:
            said = re.sub(r"^.*? line \d+: ", "", error.place).rstrip(".")
            raise Misconfigured(error.code, f"{said}; nothing was written") from None
