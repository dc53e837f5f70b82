"""The words known to be harmless, read once from tables/vocabulary*.txt, and the one way words are compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from stowgate.deident.names import fold, transcribed

TABLES = Path(__file__).parent / "tables"
PLAIN = (
    "anatomy", "acquisition", "clinical", "general", "german", "romance", "dutch", "standard",
)  # fmt: skip

UNITS: Final = frozenset(
    """mm cm m um nm ml l cc s ms sec min mins hr hrs h hz khz mhz kv kvp ma mas mgy cgy gy kev mev mv hu mci mbq bq kbq
    t g mg kg mcg dir dirs ch px pix pixel vox deg fps f w y yr yrs yo d x slice slices img images im views view phases
    phase frames averages nex b mm2 mm3 bit bits ghz ppm mol mmol mu dpi cm2 cm3 pct th st nd rd iso fs ns nsa tr te ti
    kb gb mb days day wk wks week weeks mo mos month months""".split()
)
"""What may follow a number directly or after a blank and makes it a quantity."""
SETTINGS: Final = frozenset(
    """b bval bvals bvalue bvalues te tr ti fov fa venc matrix mtx w ww wl wc c l tm td ts x vol dose dlp ctdivol dx
    size range max min width window level index sl slice image thickness thk kernel jpeg psma lossy ptv
    ctv gtv itv""".split()
)
"""What may stand directly before a number of four digits and makes it a setting."""
_ROUND: Final = frozenset("1000 1007 1024 1200 1400 1500 1600 2047 2048 2500 3000 4000 4095 4096 5000".split())
_LONGEST_LINK: Final = 11
# Endings that only words of medicine have; words of eight letters or more that end so need not be listed.
_MEDICAL = re.compile(
    r"[a-z]{3,}(?:graph(?:y|ies|ie|ia|isch|ique|ic)|graf(?:ie|ia|ias)|[sc][kc]?op(?:y|ie|ia|ies|ic|isch)|(?:ec|ek)tom(?:y|ie|ia)"
    r"|ostom(?:y|ie|ia)|plast(?:y|ie|ik|ia)|path(?:y|ie|ies|ia)|centes[ei]s|lithiasis|rrh(?:aphy|agia|oea))"
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All lists, folded: `words` stand alone; `eponyms` too, unless they touch a removed word; `beside` maps an
    ambiguous word to the neighbours that make it harmless ("#" a number, "=" nothing else in the text); `names` and
    `linking` are the small words; `endings` the second halves of compounds; `chain` the
    short forms that are written together."""

    words: frozenset[str]
    eponyms: frozenset[str]
    beside: Mapping[str, frozenset[str]]
    names: frozenset[str]
    linking: frozenset[str]
    endings: tuple[str, ...]
    chain: frozenset[str]


def forms(word: str) -> tuple[str, ...]:
    """The folded forms of a word: without accents, and with umlauts written as two letters if it has any."""
    folded = fold(word)
    if word.isascii():
        return (folded,)
    spelt = transcribed(word)
    return (folded,) if spelt == folded else (folded, spelt)


def _lines(name: str) -> list[str]:
    text = (TABLES / f"vocabulary_{name}.txt").read_text("utf-8").lower()
    return [line for line in text.splitlines() if line and line[0] != "#"]


def _words(name: str) -> set[str]:
    words = " ".join(_lines(name)).split()
    plain = set(filter(str.isascii, words))
    accented = " ".join(set(words) - plain)
    return plain.union(fold(accented).split(), transcribed(accented).split())


def _pairs(name: str) -> dict[str, frozenset[str]]:
    pairs = (line.partition(":") for line in _lines(name))
    return {head: frozenset((*fold(rest).split(), *transcribed(rest).split())) for head, _, rest in pairs}


@cache
def vocabulary() -> Vocabulary:
    """The lists, read on first use."""
    particles = _pairs("particles")
    beside = _pairs("ambiguous")
    eponyms = frozenset(_words("eponyms"))
    words = particles["linking"].union(*map(_words, PLAIN))
    return Vocabulary(
        words=frozenset(words - beside.keys() - eponyms),
        eponyms=eponyms,
        beside=beside,
        names=particles["names"],
        linking=particles["linking"],
        chain=frozenset(_words("chain")),
        endings=tuple(sorted(_words("compounds"), key=len, reverse=True)),
    )


@lru_cache(maxsize=8192)
def is_word(folded: str) -> bool:
    """Whether a folded word is on a list, is a compound of two listed ones, or has an ending only medicine uses."""
    lists = vocabulary()
    if folded in lists.words or folded in lists.names:
        return True
    if len(folded) < 8 or not folded.isascii():
        return False
    return _MEDICAL.fullmatch(folded) is not None or _is_compound(folded, lists)


def _is_compound(folded: str, lists: Vocabulary) -> bool:
    for ending in lists.endings:
        if folded.endswith(ending):
            first = folded[: -len(ending)]
            for link in ("", "s", "n", "en", "es"):
                stem = first.removesuffix(link) if link else first
                if len(stem) >= 4 and stem in lists.words:
                    return True
    return False


def is_setting(number: str) -> bool:
    """Whether four digits by themselves are a usual b-value or matrix, and no year and no identifier."""
    return number in _ROUND


def is_chain(folded: str) -> bool:
    """Whether folded letters and digits are short forms of sequences and planes written together: "t2flairoaxfs"."""
    best: list[tuple[int, int] | None] = [(0, 0)] + [None] * len(folded)
    for end in range(1, len(folded) + 1):
        for start in range(max(end - _LONGEST_LINK, 0), end):
            before, link = best[start], folded[start:end]
            runs_on = start > 0 and folded[start - 1].isdigit() and link[0].isdigit()
            if before and not runs_on and _is_link(link):
                links = (before[0] + 1, max(before[1], len(link)))
                best[end] = max(best[end] or (0, 0), links, key=lambda one: (one[1], one[0]))
    found = best[-1]
    return found is not None and found[0] > 1 and (found[0] > 3 or found[1] > 4 or not folded.isalpha())


def _is_link(link: str) -> bool:
    if link.isascii() and link.isdigit():
        return len(link) <= 3 or is_setting(link)
    return link in vocabulary().chain
