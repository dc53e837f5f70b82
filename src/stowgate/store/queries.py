"""Reads files of named SQL: each query has a name and a sentence, so SQL is found by what it does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

_HEAD = re.compile(r"^-- name: (\w+) -- .+$", re.MULTILINE)


@cache
def queries(file: str = "queries.sql") -> Mapping[str, str]:
    """Every query of a file beside this one, by name."""
    return MappingProxyType(parse((Path(__file__).parent / file).read_text("utf-8")))


def parse(text: str) -> dict[str, str]:
    """Split a file at its `-- name: NAME -- sentence` lines; a name that stands twice is a ValueError."""
    _, *parts = _HEAD.split(text)
    names, bodies = parts[0::2], parts[1::2]
    if len(set(names)) < len(names):
        raise ValueError("two queries have one name")
    return {name: body.strip() for name, body in zip(names, bodies, strict=True)}
