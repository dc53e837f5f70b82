"""Reads an audit log again: names the first record that is not what was written, and exports those that are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stowgate.errors import Misconfigured
from stowgate.observe import anchor as anchors
from stowgate.observe.audit import ANCHOR, LOG
from stowgate.observe.record import FIRST, LONGEST, facts_of, open_line

Fault = Literal["edited", "dropped", "reordered", "truncated", "anchor_missing"]
COLUMNS = ("n", "at", "boot", "up", "kind", "actor", "source", "code", "ids", "count")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the chain found.

    records -- sound records from the first on
    fault   -- what is wrong with the record `number` (counted from 1), None if nothing is
    torn    -- bytes at the end that a crash left of a record nobody relied on; no fault
    """

    records: int
    fault: Fault | None = None
    number: int = 0
    torn: int = 0

    def check(self) -> None:
        """Raise Misconfigured("audit_broken") with the place where a record is not what was written."""
        if self.fault:
            raise Misconfigured("audit_broken", f"{LOG}, record {self.number}: {self.fault}")


def verify(folder: Path, key: bytes, at_least: int = 0) -> Verdict:
    """Follow the chain from the first record to the anchor. Raises OSError where the log cannot be read.

    `at_least` -- number of a record that is known from elsewhere, a printed report for one: if someone puts back an
    older copy of both files, only this shows it.
    """
    noted = anchors.read(key, folder / ANCHOR)
    previous, count, anchored = FIRST, 0, noted.number if noted else 0
    lines = _lines(folder / LOG)
    for line in lines:
        if not line.endswith(b"\n"):
            if anchored > count:
                return Verdict(count, "truncated", count + 1)
            return _ended(count, noted, at_least, len(line))
        sealed = open_line(key, line[:-1])
        if sealed is None:
            if noted and anchored <= count and len(line) <= LONGEST + 1 and next(lines, None) is None:
                return _ended(count, noted, at_least, len(line))  # torn, although its end is there
            return Verdict(count, "edited", count + 1)
        if sealed.number != count + 1:
            return Verdict(count, _misplaced(folder, key, sealed.number, count + 1), count + 1)
        if sealed.previous != previous or (noted and noted.number == sealed.number and noted.digest != sealed.digest):
            return Verdict(count, "edited", count + 1)
        previous, count = sealed.digest, count + 1
    return _ended(count, noted, at_least, 0)


def export(folder: Path, key: bytes, form: Literal["json", "csv"]) -> Iterator[str]:
    """The records up to the first broken one, as lines of JSON or a CSV table."""
    if form == "csv":
        yield _csv(COLUMNS)
    previous = FIRST
    for number, line in enumerate(_lines(folder / LOG), 1):
        sealed = open_line(key, line[:-1])
        if sealed is None or (sealed.number, sealed.previous) != (number, previous):
            return
        previous = sealed.digest
        facts = facts_of(line)
        told = {name: facts[name] for name in COLUMNS}
        yield json.dumps(told) + "\n" if form == "json" else _csv([_cell(told[name]) for name in COLUMNS])


def _ended(count: int, noted: anchors.Anchor | None, at_least: int, torn: int) -> Verdict:
    if count and noted is None:
        return Verdict(count, "anchor_missing", count, torn)
    if count < max(at_least, noted.number if noted else 0):
        return Verdict(count, "truncated", count + 1, torn)
    return Verdict(count, torn=torn)


def _misplaced(folder: Path, key: bytes, found: int, wanted: int) -> Fault:
    """A record that is missing here stands elsewhere, or nowhere."""
    if found < wanted:
        return "reordered"
    sealed = (open_line(key, line[:-1]) for line in _lines(folder / LOG))
    return "reordered" if any(one and one.number == wanted for one in sealed) else "dropped"


def _lines(path: Path) -> Iterator[bytes]:
    """Lines with their ends; one that is longer than any record comes in pieces that are none."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        while line := file.readline(LONGEST + 1):
            yield line if line.endswith(b"\n") or len(line) <= LONGEST else line + b"\n"


def _cell(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _csv(row: object) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row if isinstance(row, list | tuple) else [row])
    return text.getvalue()
