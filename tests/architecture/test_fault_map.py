"""Each row of the map of faults names a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROWS = re.findall(r"^\| ([A-G]\d+p?) \| .* \| (\S+) \|$", (TESTS / "journeys" / "faults.md").read_text("utf-8"), re.M)
WANTED = "A1 A4 B1 B2 B7 C1 C4 C5 C6 C7 C8 C9 C10 C11 C12 D1 D4 D5 D6 D7 D8 D10 F1p F5p F7p G3".split()


def test_every_row_that_delivery_meets_is_there() -> None:
    assert sorted({row for row, _ in ROWS}) == sorted(WANTED)


@pytest.mark.parametrize(("row", "place"), ROWS)
def test_the_test_of_a_row_exists(row: str, place: str) -> None:
    file, _, name = place.partition("::")
    path = TESTS / file if name else TESTS.parent / file
    assert path.is_file(), row
    assert not name or re.search(rf"def {name}\(", path.read_text("utf-8")), row
