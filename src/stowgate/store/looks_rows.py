"""What the members of the ledger have in common about looks: sound arguments."""

from __future__ import annotations

import math
from collections.abc import Iterable

from stowgate.reasons import REASONS
from stowgate.store.looks import Look


def sound_looks(group: Iterable[Look]) -> None:
    """ValueError for a look that no ledger takes: words in it, or numbers that are none."""
    for look in group:
        sound_codes(look.codes)
        if look.frames < 0:
            raise ValueError("a look is at some frames, or at none")
        if not all(name.isidentifier() and math.isfinite(value) for name, value in look.features.items()):
            raise ValueError("a feature is a finite number with a plain name")


def sound_codes(codes: Iterable[str]) -> None:
    """ValueError for a code that is none of the table of reasons."""
    if any(code not in REASONS for code in codes):
        raise ValueError("a code is one of the table of reasons")
