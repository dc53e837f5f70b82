"""One is one, and no sentence leaves it to the reader whether it was more."""

from __future__ import annotations

import re
from pathlib import Path

import stowgate
from stowgate.faces.counting import as_written
from stowgate.wording import counted

SOURCES = sorted((Path(stowgate.__file__).parent / "faces").rglob("*.py"))


def test_a_number_of_things_is_in_words() -> None:
    assert [counted(n, "object") for n in (0, 1, 2, 2000)] == ["0 objects", "1 object", "2 objects", "2,000 objects"]
    assert [counted(n, "study", "studies") for n in (1, 2)] == ["1 study", "2 studies"]
    assert as_written(1) == "1 record, as it was written."
    assert as_written(6) == "6 records, all as they were written."


def test_nothing_that_is_said_has_an_s_in_brackets() -> None:
    assert len(SOURCES) > 40
    assert [path.name for path in SOURCES if re.search(r"[a-z]\(s\)", path.read_text("utf-8"))] == []
