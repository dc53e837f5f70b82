"""On which line each setting of a TOML text stands: tomllib does not tell, and people look for a line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

Where = tuple[str | int, ...]
"""A setting's way from the top: ("deid", "override", 0, "target")."""


def lines_of(text: str) -> dict[Where, int]:
    """The line, from 1, of every table and key of a text that tomllib accepts; what stands in a value has its line."""
    found: dict[Where, int] = {}
    table: Where = ()
    tables: dict[Where, int] = {}
    for line, statement in _statements(text):
        here = list(_paths(tomllib.loads(statement)))
        if statement.lstrip().startswith("["):
            table = _rooted(here[-1][:-1] if statement.lstrip().startswith("[[") else here[-1], tables)
            if statement.lstrip().startswith("[["):
                tables[table] = tables.get(table, -1) + 1
                table = (*table, tables[table])
            here = [()]
        for path in here:
            for depth in range(len(path) + 1):
                found.setdefault((*table, *path[:depth]), line)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Cut the text where TOML would: a statement goes on until it can be read by itself."""
    statement, first = "", 1
    # not splitlines: TOML knows two line ends, Python eleven
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        statement, first = (f"{statement}{line}\n", first) if statement else (f"{line}\n", number)
        try:
            empty = not tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if not empty:
            yield first, statement
        statement = ""


def _paths(value: object) -> Iterator[Where]:
    """Every way into a value, outer ones first."""
    members: Iterator[tuple[str | int, object]]
    if isinstance(value, dict):
        members = iter(value.items())
    elif isinstance(value, list):
        members = iter(enumerate(value))
    else:
        return
    for key, member in members:
        yield (key,)
        for rest in _paths(member):
            yield (key, *rest)


def _rooted(path: Where, tables: dict[Where, int]) -> Where:
    """The path of a header with the number of the newest table where it passes through a list of tables."""
    rooted: Where = ()
    for part in path[:-1]:
        rooted = (*rooted, part)
        if rooted in tables:
            rooted = (*rooted, tables[rooted])
    return (*rooted, *path[-1:])
