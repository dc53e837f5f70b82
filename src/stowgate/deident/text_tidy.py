"""Puts together what is left of a description, with blanks and punctuation as if nothing had stood between."""

from __future__ import annotations

import re
from typing import Final

from stowgate.deident.text_judge import Run
from stowgate.deident.vocabulary import vocabulary

_EDGES: Final = " ,;:-_/|&.^\\'\u2019\t\r\n"
_CLOSING: Final = re.compile(r"[%°²³*™®]*\s?[)\]}>]*|[+]+(?=\s|$)")
_OPENING: Final = re.compile(r"(?:(?<=\s)[-+]|[(\[{<>=#~±≤≥])*$")
_HOLLOW: Final = re.compile(r"\(\s*\)|\[\s*\]|<\s*>|\{\s*\}")

_NESTED: Final = 4


def tidy(plain: str, runs: list[Run]) -> str | None:
    """The runs without a fate, and what stands between them; None if they say nothing."""
    kept = [at for at, run in enumerate(runs) if not run.fate]
    if not any(_says_something(runs[at]) for at in kept):
        return None
    pieces = [plain[: runs[0].start] if kept[0] == 0 else _opening(_between(plain, runs, kept[0]))]
    for before, at in zip([-1, *kept], kept, strict=False):
        if before >= 0:
            gap = _between(plain, runs, at)
            pieces.append(gap if at == before + 1 else _seam(_between(plain, runs, before + 1), gap))
        pieces.append(runs[at].text)
    last = kept[-1]
    pieces.append(plain[runs[last].end :] if last == len(runs) - 1 else _closing(_between(plain, runs, last + 1)))
    return _balanced("".join(pieces))


def _says_something(run: Run) -> bool:
    lists = vocabulary()
    if len(run.text) == 1 or run.text.isdigit():
        return False
    return run.folded not in lists.names and run.folded not in lists.linking


def _between(plain: str, runs: list[Run], at: int) -> str:
    return plain[runs[at - 1].end if at else 0 : runs[at].start]


def _closing(gap: str) -> str:
    """What of the gap before a removed word belongs to the word in front of it: "%", "+", a closing bracket."""
    found = _CLOSING.match(gap)
    return found[0].rstrip() if found else ""


def _opening(gap: str) -> str:
    """What of the gap after a removed word belongs to the word behind it: "+", "<", an opening bracket."""
    found = _OPENING.search(gap)
    return found[0] if found else ""


def _seam(left: str, right: str) -> str:
    close, opened = _closing(left), _opening(right)
    between = left[len(close) :], right[: len(right) - len(opened)]
    for mark in "\n\\":
        if any(mark in side for side in between):
            return close + mark + opened
    joint = next((mark for mark in "_^-" if between == (mark, mark)), " ")
    return close + joint + opened


def _balanced(text: str) -> str:
    """Without brackets that have lost their contents or their partner."""
    for _ in range(_NESTED):
        text = _HOLLOW.sub("", text)
    for opened, closed in ("()", "[]"):
        if text.count(opened) != text.count(closed):
            text = text.replace(opened, " ").replace(closed, " ")
    return re.sub(r"  +", " ", text).strip(_EDGES)
