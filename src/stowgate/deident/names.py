"""Takes person names apart, and folds text so that a name is recognised however it is written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

_NOBODY = "anonymous anonymized anonymised unknown none null test patient phantom name doctor removed unspecified"
NOBODY = frozenset(_NOBODY.split())
"""Words that stand where a name should stand and name nobody."""

LONG = 4
"""Characters from which on a word is sought inside a text; shorter ones only as a whole value."""

_JOINED = 6
"""Characters from which on two names written as one word are sought; below, "Ng" and "Lu" would hit "lung"."""

_words = re.compile(r"[^\W_]+").findall
_PLAIN = str.maketrans({"\u0131": "i", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})
_UMLAUTS = {"a\u0308": "ae", "o\u0308": "oe", "u\u0308": "ue", "a\u030a": "aa", "ø": "oe"}
"""Letters apart from their marks, and how they are written where there are no marks."""


def fold(text: str) -> str:
    """Text without what spelling may vary in: width, case, accents (Unicode NFKC, casefold, marks dropped, NFC)."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", bare).casefold().translate(_PLAIN)


def transcribed(text: str) -> str:
    """Folded text with umlauts written out, as equipment without them does: "Müller" -> "mueller"."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    for letter, written in _UMLAUTS.items():
        apart = apart.replace(letter, written)
    return fold(apart)


def words_of(folded: str) -> list[str]:
    """The runs of letters and digits in folded text."""
    return _words(folded)


def squeeze(text: str) -> str:
    """Text without the blanks and NULs around it, and one blank for any blanks within."""
    return " ".join(text.replace("\0", " ").split())


def is_unspaced(text: str) -> bool:
    """Whether text has letters of a script written without spaces between words (Han, kana, Hangul, Thai)."""
    return not text.isascii() and _unspaced().search(text) is not None


@cache
def _unspaced() -> re.Pattern[str]:
    """Compiled when a text asks for it: that takes as long as cleaning an object."""
    return re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]")


@dataclass(frozen=True, slots=True, repr=False)
class Spellings:
    """How one name may be written, folded. Printing it shows nothing of it.

    components -- its groups, their components and the parts of these, as they are, punctuation included
    words      -- its words, of any length, and family and given name as one word
    phrases    -- words in a row, for names of which no single word is long enough to be sought: "li wu", "li w"
    """

    components: frozenset[str]
    words: frozenset[str]
    phrases: frozenset[str]


@lru_cache(maxsize=1024)
def spellings(name: str) -> Spellings:
    """The spellings of a decoded PN value (PS3.5 6.2.1): three groups (=), five components (^), any of them absent.

    Several values may stand in it, divided by backslashes. Bare initials are left out: two letters single out nobody.
    """
    components: set[str] = set()
    words: set[str] = set()
    phrases: set[str] = set()
    for spelt in dict.fromkeys((fold(name), transcribed(name))):
        for group in re.split(r"[\\=]", spelt):
            components.update(_components(group))
            words.update(words_of(group))
            orders = list(_orders(group))
            phrases.update(" ".join(order) for order in orders if _needs_row(order))
            words.update(_joined(orders))
    return Spellings(frozenset(components - NOBODY), frozenset(words - NOBODY), frozenset(phrases))


def _components(group: str) -> Iterator[str]:
    if not NOBODY.issuperset(words_of(group)):
        yield squeeze(group)
    for component in group.split("^"):
        whole = squeeze(component)
        yield from filter(None, (whole, *re.split("[ ,;-]+", whole)))


def _orders(group: str) -> Iterator[tuple[str, ...]]:
    """The words of a group as people write them: as they stand, reversed, family name first or last, initials."""
    parts = [words_of(component) for component in group.split("^")]
    flat = [word for part in parts for word in part]
    yield tuple(flat)
    if NOBODY.issuperset(flat):
        return
    yield tuple(reversed(flat))
    family, given = (parts[0], parts[1]) if len(parts) > 1 else (flat[:1], flat[1:])
    if not family or not given:
        return
    middle = parts[2] if len(parts) > 2 else []
    yield (*family, *given)
    yield (*given, *family)
    yield (*given, *middle, *family)
    if given[0] not in NOBODY and not NOBODY.issuperset(family):
        initial = given[0][:1]
        yield (*given, *(word[:1] for word in middle), *family)
        yield (*family, initial)
        yield (initial, *family)


def _joined(orders: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for order in orders:
        joined = "".join(order)
        if len(order) > 1 and (len(joined) >= _JOINED or is_unspaced(joined)) and not NOBODY.issuperset(order):
            yield joined


def _needs_row(order: tuple[str, ...]) -> bool:
    """Whether words have to be sought as a row, because none of them is sought by itself."""
    return len(order) > 1 and all(len(word) < LONG or word in NOBODY for word in order)
