"""`stowgate explain` and `stowgate inspect`: one object, looked at without changing anything."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from stowgate.deident.explain import Line, Recorder
from stowgate.dicom.inspect import Seen, look_at
from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.source import ByteSource, FileSource
from stowgate.errors import Rejected
from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say
from stowgate.objects import Clean
from stowgate.pipeline import cleaned, findings_of, in_plain_encoding
from stowgate.reasons import REASONS
from stowgate.standard import uids
from stowgate.validate.values import Finding
from stowgate.vault.key import Key

File = Annotated[Path, typer.Argument(metavar="FILE", help="A DICOM file.", exists=True, dir_okay=False)]
Values = Annotated[bool, typer.Option("--values", help="Show values too. They may name a patient: mind your screen.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON line per attribute.")]


def explain(
    file: File,
    profile: Annotated[str | None, typer.Option(help="Confidentiality profile.", show_default="basic")] = None,
    retain: Annotated[list[str] | None, typer.Option(help="Option that keeps something; repeatable.")] = None,
    clean: Annotated[list[str] | None, typer.Option(help="Option that cleans something; repeatable.")] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="stowgate.toml to use.")] = None,
    state: Annotated[Path | None, typer.Option(help="State folder, for the project key.")] = None,
    values: Values = False,
    as_json: Json = False,
) -> int:
    """Say, attribute by attribute, what would be done, by which rule and why."""
    from stowgate.faces.cli.asked import key_if_any, policy_and_settings

    policy, chosen = policy_and_settings(config, profile, retain, clean)
    key = key_if_any(state or chosen.state, chosen.key) or Key.new()
    recorder = Recorder(values)

    def run(source: ByteSource) -> Clean:
        return cleaned(source, policy, key.secret, limits=chosen.limits, record=recorder.record)

    try:
        with FileSource(file) as source, tempfile.TemporaryDirectory(prefix="stowgate-") as scratch:
            done = in_plain_encoding(source, chosen.limits, Path(scratch), run)
    except Rejected as error:
        say(f"{error.code}: {error}")
        return Exit.PARTLY
    for line in recorder.lines:
        typer.echo(json.dumps(_as_json(line, values)) if as_json else _as_text(line, values))
    if not as_json:
        say(f"{len(recorder.changes)} of {len(recorder.lines)} attributes change. Noticed: {_listed(done.findings)}.")
    return Exit.DONE


def inspect(file: File, values: Values = False, as_json: Json = False) -> int:
    """Say what is in a file: headers, sizes, syntax, and what the checks say of it."""

    def run(source: ByteSource) -> tuple[Seen, tuple[Finding, ...]]:
        seen = look_at(source, DEFAULT, values)
        return seen, findings_of(seen.scan)

    with FileSource(file) as source, tempfile.TemporaryDirectory(prefix="stowgate-") as scratch:
        size = source.size
        try:
            seen, findings = in_plain_encoding(source, DEFAULT, Path(scratch), run)
        except Rejected as error:
            say(f"{error.code}: {error}")
            return Exit.PARTLY
    if not as_json:
        typer.echo(f"{'size':<18} {size:,} bytes")
        typer.echo(f"{'transfer syntax':<18} {uids.name_of(seen.scan.transfer_syntax) or 'unknown'}")
        typer.echo(f"{'SOP class':<18} {uids.name_of(seen.scan.text(0x00080016)) or 'unknown'}")
        typer.echo(f"{'pixel data':<18} {seen.pixels}")
    for element in seen.elements:
        typer.echo(json.dumps(element.as_json(values)) if as_json else element.as_text(values))
    for finding in findings:
        sentence = REASONS[finding.code].sentence
        said = {"kind": "finding", "code": finding.code, "place": finding.place, "sentence": sentence}
        typer.echo(json.dumps(said) if as_json else f"{finding.code:<28} {finding.place:<14} {sentence}")
    return Exit.PARTLY if any(finding.quarantines for finding in findings) else Exit.DONE


def _as_json(line: Line, values: bool) -> dict[str, str | None]:
    change = line.change
    plain: dict[str, str | None] = {
        "where": change.where,
        "keyword": line.keyword,
        "vr": line.vr,
        "type": line.type,
        "action": change.action,
        "rule": change.rule,
        "why": change.why,
    }
    return {**plain, "before": line.before, "after": change.value} if values else plain


def _as_text(line: Line, values: bool) -> str:
    change = line.change
    text = f"{change.action}  {change.where:<34} {line.vr:<2} {line.keyword:<36.36} {change.rule:<22} {change.why}"
    if values:
        text += f"\n   before: {line.before}" + ("" if change.value is None else f"\n   after:  {change.value}")
    return text


def _listed(codes: Iterator[str] | tuple[str, ...]) -> str:
    return ", ".join(codes) or "nothing"
