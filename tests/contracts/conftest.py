"""The pair of ledgers that every suite of custody runs on: SQLite and its memory twin, and clocks that a test moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stowgate.store.custody import Custody
from stowgate.store.custody_memory import MemoryCustody
from stowgate.store.custody_sqlite import open_custody
from tests.store.custody_sample import KEY, Hands


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, hands: Hands) -> Iterator[Custody]:
    """Its leases end after a minute."""
    made: Custody
    if request.param == "memory":
        made = MemoryCustody(hands.clocks, longest_lease=60)
    else:
        made = open_custody(tmp_path / "ledger.db", KEY, hands.clocks, longest_lease=60)
    with made:
        yield made
