"""What `stowgate deid` does: folders in, a clean tree out, and what became of every input."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Self

from stowgate.batch import Settled
from stowgate.faces.cli.asked import policy_and_settings
from stowgate.faces.cli.exits import of_items
from stowgate.faces.cli.show import check_writable, progress, say, tell, write_whole
from stowgate.folder_run import FolderRun, Request, count_inputs, opened
from stowgate.lifecycle import State
from stowgate.reasons import REASONS
from stowgate.verify.report import render_html, summary_lines

if TYPE_CHECKING:
    from stowgate.verify.manifest import Row

_STATE = {State.HELD: "quarantined"}


class Asked(NamedTuple):
    """The arguments and options of the command by their names there."""

    inputs: Sequence[Path]
    out: Path
    profile: str | None = None
    retain: Sequence[str] | None = None
    clean: Sequence[str] | None = None
    config: Path | None = None
    state: Path | None = None
    report: Path | None = None
    manifest: Path | None = None
    as_json: bool = False
    dry_run: bool = False
    limit: int | None = None
    workers: int = 1
    quiet: bool = False
    verbose: bool = False


def clean(asked: Asked) -> int:
    """Carry it out; the exit code."""
    check_writable(asked.report, asked.manifest)
    policy, chosen = policy_and_settings(asked.config, asked.profile, asked.retain, asked.clean)
    request = Request(
        asked.inputs,
        asked.out,
        policy,
        asked.state or chosen.state,
        chosen.key,
        chosen.layout,
        asked.workers,
        asked.limit,
        asked.dry_run,
        chosen.limits,
        looking=chosen.looking,
    )
    with opened(request) as run, Outputs(asked.manifest) as outputs:
        if run.key_file and not asked.quiet:
            say(f"A project key was made: {run.key_file}. Back this up: without it no more objects join these.")
        for settled in _watched(run, request, asked.as_json or asked.quiet or asked.verbose):
            outputs.note(settled)
            if asked.as_json:
                tell(json.dumps(_line(settled)))
            elif asked.verbose:
                tell(f"{settled.item.id}  {settled.item.state:<12} {settled.item.code or ''}")
        if asked.manifest:
            from stowgate.verify.manifest import write_manifest  # takes time to load, and few ask for it

            write_manifest(outputs.rows(policy.digest), asked.manifest)
        summary = run.report().summary()
    if asked.report:
        write_whole(asked.report, render_html(summary))
    if asked.as_json:
        tell(json.dumps({"kind": "summary", **run.tally.line()}))
    elif not asked.quiet:
        tell("\n".join(summary_lines(summary)))
    return of_items(run.tally.worst.values())


def _watched(run: FolderRun, request: Request, plainly: bool) -> Iterator[Settled]:
    """The run, with a bar or lines about how far it is unless something else is printed."""
    if plainly:
        return run.settled()
    total = count_inputs(request) if sys.stderr.isatty() else None
    return progress(run.settled(), run.tally, total)


def _line(settled: Settled) -> dict[str, str | None]:
    """One input for scripts. A hold is quarantined with the code that names what is missing."""
    item = settled.item
    state = "already_done" if settled.already_done else _STATE.get(item.state, str(item.state))
    return {
        "kind": "item",
        "source": settled.source,
        "output": None if settled.output is None else str(settled.output),
        "state": state,
        "code": item.code,
        "reason": REASONS[item.code].sentence if item.code else None,
    }


class Outputs:
    """The clean objects of a run, noted on disk so that a manifest of a million needs no memory."""

    def __init__(self, manifest: Path | None) -> None:
        self._notes: IO[str] = StringIO()
        self._wanted = manifest is not None
        if self._wanted:
            from tempfile import TemporaryFile  # few ask for a manifest

            self._notes = TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._notes.close()

    def note(self, settled: Settled) -> None:
        """Remember an object for the manifest; one that stands there since an earlier run counts too."""
        if self._wanted and settled.output and settled.item.state is State.CLEANED:
            relative = [str(settled.output), settled.relative, *settled.item.findings]
            self._notes.write(json.dumps(relative) + "\n")

    def rows(self, policy: str) -> Iterator[Row]:
        """What the manifest says of each, read from the clean files themselves."""
        from stowgate.verify.manifest import row_of

        self._notes.seek(0)
        for line in self._notes:
            path, relative, *findings = json.loads(line)
            if os.path.exists(path):
                yield row_of(Path(path), relative, policy, tuple(findings))
