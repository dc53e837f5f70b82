"""`stowgate triage`: the studies of a folder in order of urgency, each with its reasons."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say
from stowgate.faces.counting import counted

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
    (_lines if as_json else _list)(found, {rule.id: rule.because for rule in table})
    said = f"{counted(len(found.studies), 'study', 'studies')}; {_told(found.left_out, 'file')} without a say."
    if pixels:
        said += f" Not to be seen: {_told(found.unseen, 'picture')}."
    say(f"{said} This is no diagnosis.")
    return Exit.DONE


def rules_of(config: Path | None) -> tuple[Rule, ...]:
    """The shipped rules with those of a configuration."""
    from stowgate.analyse.triage import rules, with_own

    if config is None:
        return rules()
    from stowgate.settings import load

    return with_own(one.rule() for one in load(config).triage)


def _lines(found: Triage, _: Mapping[str, str]) -> None:
    for rank, one in enumerate(found.studies, 1):
        line = {
            "kind": "study", "rank": rank, "study": one.study, "source": str(found.folders[one.study]),
            "score": one.score, "level": one.level, "reasons": list(one.reasons), "instances": one.instances,
        }  # fmt: skip
        typer.echo(json.dumps(line))


def _list(found: Triage, because: Mapping[str, str]) -> None:
    for rank, one in enumerate(found.studies, 1):
        alias = hashlib.sha256(one.study.encode()).hexdigest()[:12]
        typer.echo(f"{rank:>4}  {one.level:<6} {one.score:>4}  study {alias}  {counted(one.instances, 'instance')}")
        for reason in one.reasons:
            typer.echo(f"{'':>12} {reason}: {because[reason]}")


def _told(codes: Mapping[str, int], one: str) -> str:
    """How many, and how many of each code."""
    told = ", ".join(f"{count:,} {code}" for code, count in sorted(codes.items()))
    return f"{counted(sum(codes.values()), one)}{f' ({told})' if told else ''}"
