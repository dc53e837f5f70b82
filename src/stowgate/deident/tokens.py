"""The identity words of one object or patient, and whether a value that is to be kept holds one of them."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache

from stowgate.deident.names import LONG, NOBODY, fold, is_unspaced, spellings, squeeze, transcribed, words_of

_WITHOUT_NUMBERS = frozenset(("CS", "DS", "IS"))
"""Here digits are numbers or codes, so purely numeric words are not sought."""

_WITH_SHORT = frozenset(("LO", "SH", "PN", "UC", "UT", "ST", "LT"))
"""Here a short word counts if it is the whole value."""

_ONE_VALUE = frozenset(("ST", "LT", "UT", "UR"))
"""Here a backslash is text and does not divide values (PS3.5 6.2)."""

_MEMO, _MEMO_VALUE = 512, 128
"""Answers remembered per patient, and the longest value (bytes) worth remembering."""

_ESCAPE = b"\x1b"
_TO_WORDS = bytes(code if bytes((code,)).isalnum() else 0x20 for code in bytes(range(256)).lower())
_TO_RUNS = bytes(code if code in b"0123456789." else 0x20 for code in range(256))


@dataclass(frozen=True, slots=True, repr=False)
class _Sought:
    """The words of a patient by the way they are sought.

    hints    -- a word of each; a text in which none of them stands holds nothing, unless `bare` or `anywhere`
    bare     -- whether some token has no letter or digit at all
    long     -- found as whole words; `letters` are those of them that are no numbers
    rows     -- found as whole words in a row, each written with a blank at both ends
    short    -- found as whole values
    literal  -- found as they are, between other characters than letters and digits
    anywhere -- words of scripts without blanks between words, found at any place
    """

    hints: frozenset[str] = frozenset()
    bare: bool = False
    long: frozenset[str] = frozenset()
    letters: frozenset[str] = frozenset()
    rows: tuple[str, ...] = ()
    short: frozenset[str] = frozenset()
    literal: tuple[str, ...] = ()
    anywhere: tuple[str, ...] = ()

    def hit(self, folded: str, words: list[str], vr: str) -> bool:
        """Whether folded text, with its words in order, holds one of the words."""
        if not (self.letters if vr in _WITHOUT_NUMBERS else self.long).isdisjoint(words):
            return True
        if self.rows:
            row = f" {' '.join(words)} "
            if any(wanted in row for wanted in self.rows):
                return True
        if self.short and vr in _WITH_SHORT and self._is_whole(folded, words, vr):
            return True
        if not self.literal and not self.anywhere:
            return False
        plain = squeeze(folded)
        return any(wanted in plain for wanted in self.anywhere) or any(_stands_in(w, plain) for w in self.literal)

    def _is_whole(self, folded: str, words: list[str], vr: str) -> bool:
        values = [folded] if vr in _ONE_VALUE else folded.split("\\")
        if vr == "PN":
            values += [part for value in values for group in value.split("=") for part in group.split("^")] + words
        return any(squeeze(value) in self.short for value in values)


@dataclass(frozen=True, slots=True)
class Known:
    """What names this patient, and the people, orders, places and devices around; immutable, safe to share and print.

    words   -- folded single words: parts of names of any length, and ids and phrases of one word
    phrases -- folded rows of words, blanks between them: ids, organisations and addresses of several words, and
               names of which no single word is long enough to be sought

    Words of four characters and more are found anywhere as whole words; shorter ones only as a whole value or a
    component of a name. Case, width, accents and the punctuation between words do not count.
    """

    words: frozenset[str] = field(default=frozenset(), repr=False)
    phrases: tuple[str, ...] = field(default=(), repr=False)
    _sought: _Sought = field(default_factory=_Sought, repr=False)
    _memo: dict[tuple[bytes, bytes], bool] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def of(names: Iterable[str] = (), ids: Iterable[str] = (), phrases: Iterable[str] = ()) -> Known:
        """The words of decoded PN values, of identifiers, and of values that identify as a whole; one value each.

        The same words give the same object, so that the slices of a series share it.
        """
        return _known(frozenset(names), frozenset(ids) | frozenset(phrases))

    def found_in(self, text: str, vr: str) -> bool:
        """Whether a decoded value of this VR (two letters) holds a known word."""
        folded = fold(text)
        return self._sought.hit(folded, words_of(folded), vr)

    def clean_bytes(self, value: bytes, vr: bytes) -> bool:
        """Whether a raw value is certainly free of known words. False: decode it and ask `found_in`.

        Only plain ASCII without escape sequences can be certain. Answers are remembered.
        """
        key = (value, vr)
        answer = self._memo.get(key)
        if answer is None:
            answer = self._is_clean(value, vr)
            if len(value) <= _MEMO_VALUE:
                if len(self._memo) >= _MEMO:
                    self._memo.clear()
                self._memo[key] = answer
        return answer

    def _is_clean(self, value: bytes, vr: bytes) -> bool:
        if not value.isascii() or _ESCAPE in value:
            return False
        words = value.translate(_TO_WORDS).decode("ascii").split()
        if self._sought.hints.isdisjoint(words):
            return not self._sought.bare or not self.found_in(value.decode("ascii"), vr.decode("latin-1"))
        return not self._sought.hit(value.decode("ascii").lower(), words, vr.decode("latin-1"))


def holds_uid(value: bytes, uids: AbstractSet[bytes]) -> bool:
    """Whether a raw text value holds one of these UIDs as a whole run of digits and dots."""
    if b"." not in value:
        return False
    return not uids.isdisjoint([run.strip(b".") for run in value.translate(_TO_RUNS).split()])


@lru_cache(maxsize=64)
def _known(names: frozenset[str], others: frozenset[str]) -> Known:
    spelt = [spellings(name) for name in names]
    tokens = {token for one in spelt for token in one.components}
    tokens |= {squeeze(form(other)) for other in others for form in (fold, transcribed)}
    tokens -= NOBODY | {""}
    words = {word for one in spelt for word in one.words}
    phrases = {phrase for one in spelt for phrase in one.phrases}
    for token in tokens:
        parts = words_of(token)
        (words if len(parts) == 1 else phrases).add(" ".join(parts))
    words -= NOBODY
    anyway = {word for word in words if len(word) >= LONG and not word.isdigit()}
    phrases = {phrase for phrase in phrases if phrase and anyway.isdisjoint(phrase.split())}
    return Known(frozenset(words), tuple(sorted(phrases)), _sought(words, phrases, tokens))


def _sought(words: set[str], phrases: set[str], tokens: set[str]) -> _Sought:
    long = {word for word in words if len(word) >= LONG}
    rows = {phrase for phrase in phrases if len(phrase) >= LONG}
    short = {token for token in tokens | words | phrases if len(token) < LONG}
    literal = {token for token in tokens if len(token) >= LONG and _only_literally(token)}
    firsts = [words_of(token)[:1] for token in rows | short | literal]
    return _Sought(
        hints=frozenset(long).union(*firsts),
        bare=not all(firsts),
        long=frozenset(long),
        letters=frozenset(word for word in long if not word.isdigit()),
        rows=tuple(f" {row} " for row in sorted(rows)),
        short=frozenset(short),
        literal=tuple(sorted(literal)),
        anywhere=tuple(sorted(token for token in words | phrases if len(token) > 1 and is_unspaced(token))),
    )


def _only_literally(token: str) -> bool:
    """Whether the words of a token, without its punctuation, are too short or too common to be sought."""
    bare = " ".join(words_of(token))
    return len(bare) < LONG or bare in NOBODY or (bare.isdigit() and bare != token)


def _stands_in(literal: str, text: str) -> bool:
    """Whether a token stands in a text with neither letter nor digit beside it."""
    at = text.find(literal)
    while at >= 0:
        before, after = text[max(at - 1, 0) : at], text[at + len(literal) :][:1]
        if not before.isalnum() and not after.isalnum():
            return True
        at = text.find(literal, at + 1)
    return False
