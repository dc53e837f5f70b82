"""The command line: every command with its arguments and options, and every exit code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from pages.markdown import code, listed, meanings, page, table
from stowgate.faces.cli.commands import app_of
from stowgate.faces.cli.exits import Exit, of_error
from stowgate.reasons import REASONS

_JSON_HEAD = (
    "`--json` writes one JSON object per line to standard output; what is meant for a person goes to standard error."
)
_JSON_LINES = (
    (
        "deid",
        "`kind` item, `source`, `output` or null, `state`, `code` or null, `reason` or null",
        "`kind` summary, `received`, `cleaned`, `quarantined`, `rejected`, `already_done`",
    ),
    (
        "scan",
        "`kind` finding, `source`, `code`, `place`",
        "`kind` summary, `files`, `with_findings`, `findings`",
    ),
    (
        "explain",
        "`where`, `keyword`, `vr`, `type`, `action`, `rule`, `why`; with `--values` also `before`, `after`",
        "none",
    ),
    (
        "inspect",
        "`kind` element, `where`, `vr`, `length`, `keyword`, with `--values` also `value`; then `kind` finding, "
        "`code`, `place`, `sentence`",
        "none",
    ),
    ("profile show", "one object that describes the policy", "none"),
)
_JSON_TAIL = """\
In the lines of `deid`, `state` is one of `cleaned`, `quarantined`, `rejected`, `already_done`. A hold is `quarantined`
there, with the code that names what is missing; an object that came twice is `already_done`. `source` is a path on the
identified side and may carry a name: treat these lines as you treat the inputs."""


def commands(command: Any = None, path: str = "stowgate") -> Iterator[tuple[str, Any]]:
    """Every command as one types it, with what Typer made of it; groups come before what is in them."""
    command = command or typer.main.get_command(app_of())
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{path} {name}")


def cli() -> str:
    """docs/reference/cli.md."""
    parts = [
        "`stowgate COMMAND --help` says the same. Exit codes: [exit-codes.md](exit-codes.md). Settings that flags can "
        "replace: [settings.md](settings.md).",
        "\n".join(
            f"- [`{path}`](#{path.replace(' ', '-')}): {command.help}" for path, command in commands() if _runs(command)
        ),
    ]
    for path, command in commands():
        shown = [one for one in command.params if not one.hidden]
        parts += [f"## {path}", command.help or ""]
        if _runs(command):
            parts.append(f"```text\n{_usage(path, shown)}\n```")
        if shown:
            parts.append(table(["", "values", "default", "meaning"], map(_parameter, shown)))
    lines = table(["command", "lines", "last line"], ([code(name), *rest] for name, *rest in _JSON_LINES))
    return page("Command line", *parts, "## JSON lines", _JSON_HEAD, lines, _JSON_TAIL)


def _runs(command: Any) -> bool:
    return not hasattr(command, "commands")


def _usage(path: str, shown: list[Any]) -> str:
    words = [path, "[OPTIONS]"] if any(one.param_type_name == "option" for one in shown) else [path]
    return " ".join([*words, *(_placeholder(one) for one in shown if one.param_type_name == "argument")])


def _placeholder(one: Any) -> str:
    return str(one.metavar or one.name.upper())


def _parameter(one: Any) -> list[str]:
    name = ", ".join(f"`{word}`" for word in one.opts) if one.param_type_name == "option" else code(_placeholder(one))
    return [name, _values(one), _default(one), one.help or ""]


def _values(one: Any) -> str:
    if getattr(one, "is_flag", False):
        return ""
    least, most = getattr(one, "min", None), getattr(one, "max", None)
    bounds = {(True, True): f"{least} to {most}", (True, False): f"{least} or more"}.get(
        (least is not None, most is not None), ""
    )
    return "; ".join(part for part in (bounds, "repeatable" if one.multiple else "") if part)


def _default(one: Any) -> str:
    if one.required:
        return "required"
    if isinstance(one.show_default, str):
        return code(one.show_default)
    return "" if one.default in (None, False) else code(one.default)


def exit_codes() -> str:
    """docs/reference/exit-codes.md."""
    return page(
        "Exit codes",
        "The same for every command. A number that is not listed is a failure too.",
        exit_table(),
        "`deid` leaves with 3 as soon as one input was held or quarantined, or rejected although it may be DICOM. "
        "Files "
        "that are no DICOM, empty or hidden, and DICOMDIR, do not count. `scan` leaves with 3 when it found anything. "
        "`explain` and "
        "`inspect` leave with 3 for an object that would be held or quarantined.",
        "Run the same command again after any of them: what was finished stays and is not done twice.",
        "## Which failure ends with which code",
        table(["exit code", "codes"], _failures()),
        "What the codes mean: [codes.md](codes.md).",
    )


def exit_table() -> str:
    """Number and meaning."""
    said = meanings(Exit)
    return table(["code", "meaning"], ([str(int(one)), said[one.name]] for one in Exit))


def _failures() -> Iterator[list[str]]:
    failed = [name for name, reason in REASONS.items() if reason.fate == "failed" and name != "internal_error"]
    for one in Exit:
        found = [name for name in failed if of_error(name) is one]
        if one is Exit.FAILED_CLOSED:
            found = ["internal_error", *(name for name in REASONS if name.startswith("gate_"))]
        if found:
            yield [str(int(one)), listed(found)]
