"""How large, deep and slow an object may be before it is refused (PS3.5 sets no bounds, hostile files use that)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one object.

    depth          -- nesting of sequences
    header         -- bytes held in memory at once: everything but bulk values of the top level
    elements       -- elements at all depths
    seconds        -- wall time for reading and rewriting one object
    inflate_ratio  -- how many times larger a deflated data set may become
    inflate_bytes  -- bytes a deflated data set may become
    """

    depth: int = 64
    header: int = 64 * 1024 * 1024
    elements: int = 1_000_000
    seconds: float = 30.0
    inflate_ratio: int = 200
    inflate_bytes: int = 2 * 1024 * 1024 * 1024


DEFAULT = Limits()
