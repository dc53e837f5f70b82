"""Rebuilds tables/vocabulary_standard.txt: the words of the names in the standard's dictionary, registry and codes.

Usage: python tools/build_vocabulary.py FOLDER, the folder with the standard's tables as JSON. The other vocabulary
files are written by hand; a word that stands in one of them is not repeated. `NAMES` holds the words of the
dictionary that are left out on purpose, because they are names of people or places or words of the calendar.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path

TABLES = Path(__file__).parent.parent / "src" / "stowgate" / "deident" / "tables"
NAMES = frozenset(
    """abernathy adam add address alpha any bernard billing bin bins birth branch breed bridge caltech carrier
    cid city cloud colin count country day delta dublin edd eddy england ethnic fan font gas general gps gray
    green holder home hospital household huffman insurance ion isabella issuer itinerary itis jacob job
    josephine kirsch law lee little long lookat lot lots mac major mas matthews max may mayo meta mic military
    min montreal mother mouse name names nissl occupation on page papyrus parent party pcm people person phone
    poll postal power prior rat ray religious residence room rose sad sid skip species spring stage state stock
    street strobe summer talairach telephone true unique valid vial wall welder white winter wood york young zip
    zz zzz""".split()
)
HEAD = "# Words of PS3.6 names and of code meanings (c) NEMA; made by tools/build_vocabulary.py, do not edit by hand.\n"


def phrases(folder: Path) -> list[str]:
    """Names of attributes, UIDs and structured content codes."""
    dictionary = json.loads((folder / "data_dictionary.json").read_text("utf-8"))["rows"]
    codes = json.loads((folder / "structured_content_codes.json").read_text("utf-8"))["rows"]
    return [row[4] for row in dictionary] + [row["meaning"] for row in codes]


def by_hand() -> set[str]:
    """Words that the hand-written lists already have, ambiguous ones included."""
    known: set[str] = set()
    for path in TABLES.glob("vocabulary_*.txt"):
        if path.name != "vocabulary_standard.txt":
            lines = [line.partition(":")[0] for line in path.read_text("utf-8").lower().splitlines() if line[0] != "#"]
            known.update(re.findall(r"[a-z]+", " ".join(lines)))
    return known


def listed(folder: Path) -> str:
    """The text of the list."""
    found = {word.lower() for phrase in phrases(folder) for word in re.findall(r"[A-Za-z]{3,}", phrase)}
    return HEAD + textwrap.fill(" ".join(sorted(found - NAMES - by_hand())), width=118) + "\n"


if __name__ == "__main__":
    (TABLES / "vocabulary_standard.txt").write_text(listed(Path(sys.argv[1])), "utf-8")
