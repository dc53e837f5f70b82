"""Brings a ledger to the schema of this version: numbered SQL files, each whole or not at all, after a copy."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from stowgate.errors import Misconfigured
from stowgate.vault.folder import sync_folder

APPLICATION = int.from_bytes(b"STOW", "big")
"""PRAGMA application_id of a ledger, so that no other database is taken for one."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. `number` is what PRAGMA user_version says after it."""

    number: int
    sql: str


def shipped(folder: str = "migrations") -> list[Migration]:
    """The migrations of this version, in order: FOLDER/NNNN_name.sql beside this file."""
    files = sorted((Path(__file__).parent / folder).glob("[0-9]*_*.sql"))
    return [Migration(int(file.name.split("_")[0]), file.read_text("utf-8")) for file in files]


def migrate(
    db: sqlite3.Connection, path: Path | None, steps: Sequence[Migration], application: int = APPLICATION
) -> None:
    """Apply what `db` (at `path`, None for memory; isolation level None) lacks; `application` is its application_id.

    Misconfigured("ledger_newer") for a schema this version does not know, ("ledger_damaged") for another program's
    file. A ledger that holds something is copied to NAME.before-NNNN first.
    """
    version = _number(db, "user_version")
    check(db, str(path or ""), steps, application)
    missing = [step for step in steps if step.number > version]
    if missing and version and path:
        _copy(db, path.with_name(f"{path.name}.before-{missing[0].number:04}"))
    for step in missing:
        _apply(db, step, application)


def check(db: sqlite3.Connection, place: str, steps: Sequence[Migration], application: int = APPLICATION) -> None:
    """Refuse what this version cannot read: a newer schema, or the database of another program."""
    if _number(db, "application_id") != application and _number(db, "schema_version") != 0:
        raise Misconfigured("ledger_damaged", place)
    version = _number(db, "user_version")
    if version > steps[-1].number:
        raise Misconfigured("ledger_newer", f"schema {version}, this version knows {steps[-1].number}")


def check_whole(db: sqlite3.Connection, place: str, steps: Sequence[Migration], application: int) -> None:
    """The same, and Misconfigured("ledger_older") for one that lacks steps: for who only looks, and changes nothing."""
    check(db, place, steps, application)
    if 0 < (version := _number(db, "user_version")) < steps[-1].number:
        raise Misconfigured("ledger_older", f"schema {version}, this version needs {steps[-1].number}")


def _apply(db: sqlite3.Connection, step: Migration, application: int) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in _statements(step.sql):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {application}")
        db.execute(f"PRAGMA user_version = {step.number}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _statements(sql: str) -> Iterator[str]:
    """executescript would commit in between, so the file is cut where SQLite itself says a statement is complete."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if any(line.strip() and not line.startswith("--") for line in statement.splitlines()):
        raise ValueError("a migration ends inside a statement")


def _copy(db: sqlite3.Connection, copy: Path) -> None:
    """A whole copy under its final name, or none."""
    part = copy.with_name(f"{copy.name}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(part)) as target:
        db.backup(target)
    with open(part, "rb") as written:
        os.fsync(written.fileno())
    part.rename(copy)
    sync_folder(copy.parent)


def _number(db: sqlite3.Connection, pragma: str) -> int:
    (number,) = db.execute(f"PRAGMA {pragma}").fetchone()
    return int(number)
