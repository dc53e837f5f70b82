"""Reads one of the JSON tables that ship beside this file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TABLES = Path(__file__).with_name("tables")


def table(name: str) -> dict[str, Any]:
    """The content of tables/NAME.json as it stands there; callers keep what they make of it."""
    content: dict[str, Any] = json.loads((TABLES / f"{name}.json").read_text(encoding="utf-8"))
    return content
