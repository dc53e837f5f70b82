"""Judges one run of letters and digits of a description: harmless word or technical shape, or not."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from stowgate.deident.names import fold
from stowgate.deident.vocabulary import SETTINGS, UNITS, forms, is_chain, is_word, vocabulary

_CAMEL: Final = re.compile(r"[A-ZÀ-Þ]+(?![a-zß-ÿ])|[A-ZÀ-Þ]?[a-zß-ÿ]+")
_RUNS: Final = re.compile(r"[a-z]+|[0-9]+")
_MIXED: Final = re.compile(r"[a-z0-9]+")
_KERNEL: Final = re.compile(r"(?:b[flmorsv]|h[cfrv]|q[rs]|u[brv]|fc|fl|sa|ds|ss|ex)\d{1,2}[a-z]?\d?")
_MAMMO: Final = re.compile(r"[lr](?:cc|mlo|ml|lm|lmo|xccl|xccm|sio|cv)(?:id|m|mag|s|sp|spot|rl|rm|ri|rs|d|imp)?\d?")
_WITH_HUNDREDS: Final = frozenset("befghiprstw")
_REPEATING: Final = frozenset("dtixspwb")


@lru_cache(maxsize=8192)
def is_harmless(run: str, known: frozenset[str]) -> bool:
    """Whether a run with at least one letter is a word of the vocabulary, a join of such words, or a technical shape.

    `known` are the folded words that name this patient; none of them may be a part of the run.
    """
    shapes = forms(run)
    if not known.isdisjoint(shapes) or not known.isdisjoint(map(fold, _CAMEL.findall(run))):
        return False
    lists = vocabulary()
    if any(is_word(form) or form in lists.eponyms or _MAMMO.fullmatch(form) for form in shapes):
        return True
    if is_chain(shapes[0]) and not any(word in shapes[0] for word in known):
        return True
    return _is_join(run, known) if run.isalpha() else _is_technical(shapes[0], run, known)


def _is_join(run: str, known: frozenset[str]) -> bool:
    """Whether capitals divide the run into words: "HeadSeq", "CorCTA", "mDIXON", "dynaVIEWS"."""
    parts = _CAMEL.findall(run)
    if len(parts) < 2 or "".join(parts) != run:
        return False
    folded = [fold(part) for part in parts]
    if len(folded[0]) == 1 and parts[0].islower():
        folded = folded[1:]
    elif len(folded) > 1 and len(folded[-1]) == 1:
        folded = folded[:-1]
    lists = vocabulary()
    return known.isdisjoint(folded) and all(
        (part in lists.words or part in lists.eponyms or _fits(part, folded)) and len(part) > 1 for part in folded
    )


def _fits(part: str, others: list[str]) -> bool:
    return not vocabulary().beside.get(part, frozenset()).isdisjoint(others)


def _is_technical(folded: str, run: str, known: frozenset[str]) -> bool:
    """Whether letters and digits mix as in "B30f", "ep2d", "120kV", "p2", "3scan"."""
    if not _MIXED.fullmatch(folded):
        return False
    if _KERNEL.fullmatch(folded) or _is_numbered(folded, known):
        return True
    runs = _RUNS.findall(folded)
    numbers = [at for at, one in enumerate(runs) if one.isdigit()]
    letters = [one for one in runs if not one.isdigit()]
    if not known.isdisjoint(letters) or len(numbers) > 3 or not all(_fits_number(runs, at) for at in numbers):
        return False
    single = [one for one in letters if len(one) == 1]
    if len(numbers) > 1 and not _REPEATING.issuperset(single):
        return False
    if len(runs) == 3 and len(single) == 2 and len(max(runs, key=len)) > 2:
        return False
    lists = vocabulary()
    return all(
        len(one) == 1 or one in UNITS or one in lists.words or one in lists.eponyms or _joined(one, run, known)
        for one in letters
    )


def _is_numbered(folded: str, known: frozenset[str]) -> bool:
    """Whether it is a listed word with digits in it and a number behind it, or "3D" and a word: "tf2d16", "3dwb"."""
    if folded[:2] in ("2d", "3d", "4d") and len(folded) > 3:
        return is_word(folded[2:]) and folded[2:] not in known
    word = folded.rstrip("0123456789")
    return 0 < len(folded) - len(word) <= 3 and not word.isalpha() and is_word(word) and word not in known


def _joined(letters: str, run: str, known: frozenset[str]) -> bool:
    at = fold(run).find(letters)
    return len(fold(run)) == len(run) and _is_join(run[at : at + len(letters)], known)


def _fits_number(runs: list[str], at: int) -> bool:
    """Whether the number at this place among the runs is short enough, or a setting by the letters around it."""
    size = len(runs[at])
    before = runs[at - 1] if at else ""
    after = runs[at + 1] if at + 1 < len(runs) else ""
    if size < 3:
        return True
    if size == 3:
        return after in UNITS or len(before) != 1 or before in _WITH_HUNDREDS or before in SETTINGS
    if before:
        return size == 4 and runs[at][-1] == "0" and before in SETTINGS and (len(before) > 1 or before == "b")
    return size == 4 and after in UNITS and (len(after) > 1 or after == "b")
