"""Reads one of the JSON tables that ship beside this file."""

from __future__ import annotations

import json
import os
from typing import Any

_TABLES = os.path.join(os.path.dirname(__file__), "tables")


def table(name: str) -> dict[str, Any]:
    """The content of tables/NAME.json as it stands there; callers keep what they make of it."""
    with open(os.path.join(_TABLES, f"{name}.json"), encoding="utf-8") as file:
        content: dict[str, Any] = json.load(file)
    return content
