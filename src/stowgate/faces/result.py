"""One line of `stowgate check`: what was looked at, how it is, what that means and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mark = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Result:
    """One line. `code` of `reasons.REASONS` decides the exit code, "" where nothing is wrong."""

    what: str
    mark: Mark
    said: str
    means: str = ""
    fix: str = ""
    code: str = ""
