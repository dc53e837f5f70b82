"""Clean Descriptors (PS3.15 E.3.5): harmless words of a description stay, identity and the unknown go."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable
from functools import lru_cache
from typing import Final, Protocol

from stowgate.deident.names import fold
from stowgate.deident.text_judge import RUN, Run, judge
from stowgate.deident.text_tidy import tidy
from stowgate.deident.vocabulary import forms


class Known(Hashable, Protocol):
    """What names this patient: folded single words, and rows of folded words such as an institution's name."""

    @property
    def words(self) -> frozenset[str]:
        """Parts of names, and identifiers of one word."""

    @property
    def phrases(self) -> tuple[str, ...]:
        """Words in a row, with blanks between them."""


_LONGEST_MEMO: Final = 256
# Everything that is no letter, digit, blank, ASCII punctuation or a sign used in measurements: may hide or split words.
_ODD: Final = re.compile(
    "[^\\w\\s!-/:-@\\[-`{-~°±²³\u00d7÷\u2010-\u2015\u2018-\u201d·•…§¹¼½¾≤≥≈→←↑↓Ø™®©«»¿¡\u0300-\u036f]"
    "|[\\x1c-\\x1f\\x85\u2028\u2029]"
)


def clean(text: str, known: Known) -> str | None:
    """The text without what may identify: itself if nothing has to go, None if nothing meaningful is left.

    Stay: words of the vocabulary, numbers and technical shapes ("B30f", "p2", "120kV", "ep2d_diff"). Go: what `known`
    names, shapes of identity (dates, telephones, addresses, identifiers, ages over 89), and every word not known to be
    harmless. Padding at the end is left as it is.
    """
    if len(text) > _LONGEST_MEMO:
        return _clean(text, known)
    return _remembered(text, known)


@lru_cache(maxsize=4096)
def _remembered(text: str, known: Known) -> str | None:
    return _clean(text, known)


def _clean(text: str, known: Known) -> str | None:
    plain = unicodedata.normalize("NFC", text.rstrip(" \0"))
    odd = _ODD.search(plain) is not None
    if odd:
        plain = _ODD.sub(lambda found: "" if unicodedata.category(found[0]) == "Cf" else " ", plain)
    runs = [Run(m.start(), m.end(), m[0], fold(m[0])) for m in RUN.finditer(plain)]
    judge(plain, runs, *_sought(known))
    if not odd and not any(run.fate for run in runs):
        return text
    return tidy(plain, runs)


@lru_cache(maxsize=64)
def _sought(known: Known) -> tuple[frozenset[str], dict[str, list[tuple[str, ...]]]]:
    """The known single words, and the rows of words by their first one."""
    single: set[str] = set()
    rows: dict[str, list[tuple[str, ...]]] = {}
    for one in (*known.words, *known.phrases):
        for form in forms(one):
            words = tuple(RUN.findall(form))
            if len(words) == 1:
                single.add(words[0])
            elif words:
                rows.setdefault(words[0], []).append(words)
    return frozenset(single), rows
