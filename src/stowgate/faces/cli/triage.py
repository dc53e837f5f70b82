"""`stowgate triage`: the studies of a folder in order of urgency, each with its reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say
from stowgate.wording import counted

if TYPE_CHECKING:
    from stowgate.analyse.triage import Rule
    from stowgate.triage_run import Triage


def triage(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder or file with DICOM files.", exists=True)],
    pixels: Annotated[bool, typer.Option("--pixels", help="Look at the pictures of CT, too.")] = False,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="stowgate.toml with rules of your own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per study.")] = False,
) -> int:
    """Say which study to look at first, and why: by priority, by words of the request, by pictures. No diagnosis."""
    from stowgate.look.looker import need_extra
    from stowgate.triage_run import triage_folder

    if pixels:
        need_extra()
    table = rules_of(config)
    found = triage_folder(folder, table, pixels=pixels)
    if as_json:
        _lines(found)
    else:
        _list(found, folder, {rule.id: rule.because for rule in table})
    said = f"{counted(len(found.studies), 'study')}; {_counted(found.left_out, 'file', 'has', 'have')} no say."
    if pixels:
        said += f" {_counted(found.unseen, 'picture', 'could not', 'could not')} be seen."
    say(f"{said} This is no diagnosis.")
    return Exit.DONE


def rules_of(config: Path | None) -> tuple[Rule, ...]:
    """The shipped rules with those of a configuration."""
    from stowgate.analyse.triage import rules, with_own

    if config is None:
        return rules()
    from stowgate.settings import load

    return with_own(one.rule() for one in load(config).triage)


def _lines(found: Triage) -> None:
    for rank, one in enumerate(found.studies, 1):
        line = {
            "kind": "study", "rank": rank, "study": one.study, "source": str(found.folders[one.study]),
            "score": one.score, "level": one.level, "reasons": list(one.reasons), "instances": one.instances,
        }  # fmt: skip
        typer.echo(json.dumps(line))


def _list(found: Triage, folder: Path, because: Mapping[str, str]) -> None:
    """Studies are called what their folder is called, below the one that was asked about."""
    for rank, one in enumerate(found.studies, 1):
        place = found.folders[one.study]
        name = place.name if place in (folder, folder.parent) else str(place.relative_to(folder))
        typer.echo(f"{rank:>4}  {one.level:<6} {one.score:>4}  {name}  {counted(one.instances, 'instance')}")
        for reason in one.reasons:
            typer.echo(f"{'':>12} {reason}: {because[reason]}")


def _counted(codes: Mapping[str, int], noun: str, verb: str, verbs: str) -> str:
    """How many of them do, and how many of each code."""
    number = sum(codes.values())
    told = ", ".join(f"{count:,} {code}" for code, count in sorted(codes.items()))
    return f"{counted(number, noun)}{f' ({told})' if told else ''} {verb if number == 1 else verbs}"
