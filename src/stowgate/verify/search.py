"""The search for a source's identity in the values of an output: as words, in any encoding, and as UIDs."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from functools import lru_cache

from stowgate.dicom.charset import codecs_of, decode
from stowgate.policy import Option
from stowgate.verify.tokens import Word

TEXT, CODE, NUMBER, OTHER = range(4)
"""Kinds of value: free text; CS; DS IS dates, ages and UIDs; everything binary."""

LONG = 4
"""Characters from which on a word is sought inside other text; a shorter one only as a whole value."""
_LARGE, _LONG_IN_LARGE = 64 * 1024, 8
"""In binary values larger than this, shorter words would be found by chance."""
_FEW = 500
"""Encoded words up to which each is sought by itself; thousands of them are sought in one pass over a value."""
_CLEARED, _CLEARED_VALUE = 1024, 128
"""Values remembered as harmless for one set of words; of those longer than this (in bytes) only a digest."""

_BINARY = frozenset(b"OB OD OF OL OV OW US SS UL SL UV SV FL FD AT".split())
"""VRs of values that are never read as text."""
_DOTS = 3
"""Dots from which on a run of digits and dots is no number, date or version."""

_NAMES_NOBODY = "anonymous anonymized anonymised unknown none null test patient phantom name doctor removed unspecified"
_NOBODY = frozenset(_NAMES_NOBODY.split())
"""Words that stand where a name should stand and name nobody."""

_RETAINED = {
    "institution": Option.INSTITUTION_IDENTITY,
    "device": Option.DEVICE_IDENTITY,
    "birth": Option.FULL_DATES,
}

_words = re.compile(r"[^\W_]+").findall
_runs = re.compile(r"[0-9.]+").findall
_dotted = re.compile(rb"\.[0-9]+\.").search
_long_words = re.compile(rb"[0-9a-z]{4,}").findall
_long_runs = re.compile(rb"[0-9.]{7,}").findall
_wide_runs = re.compile(rb"(?:[0-9.]\0){6,}[0-9.]").findall
_TO_WORDS = bytes(c if c < 128 and bytes((c,)).isalnum() else 0x20 for c in bytes(range(256)).lower())
_THAI_KANA, _HAN_HANGUL = "\u0e00-\u0e7f\u3040-\u30ff", "\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
NUMERIC = b"0123456789 +-.eE\\\0"
"""All that numbers, dates and UIDs are made of."""
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


def fold(text: str) -> str:
    """Text without case, width and accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(c for c in apart if not unicodedata.combining(c))).casefold()


def is_number(value: bytes) -> bool:
    """Whether a value may be numbers, dates or times and nothing else: of two dots in one, it is a UID or the like."""
    return not value.translate(None, NUMERIC) and not _dotted(value)


def _unspaced(text: str) -> bool:  # compiled when a name asks for it: that takes a tenth of the witness's start
    return not text.isascii() and re.search(f"[{_THAI_KANA}{_HAN_HANGUL}]", text) is not None


class Tokens:
    """The words that name the people, orders, devices and places of one object, by the way they are sought."""

    def __init__(self, found: Iterable[tuple[str, str]], codecs: tuple[tuple[str, ...], ...]) -> None:
        self.codecs = codecs
        self.words: set[str] = set()
        """Single words, found wherever they stand between other characters than letters and digits."""
        self.numbers: set[str] = set()
        """Single words of digits only: sought in text, where digits are no measurements."""
        self.rows: set[str] = set()
        """Several words in a row, one blank between them."""
        self.short: set[str] = set()
        """Whole values."""
        self.unspaced: set[str] = set()
        """Words of scripts without blanks between words: found anywhere in text."""
        self.births: set[str] = set()
        """The birth date as rows of digits."""
        self.needles: set[bytes] = set()
        """Words beyond ASCII in the encodings a binary value may hold them in."""
        self.literal: set[str] = set()
        """Tokens as they are written, punctuation included."""
        self.cleared: tuple[set[bytes], ...] = (set(), set(), set(), set())
        """Values of each kind in which nothing was found."""
        for kind, text in found:
            for folded in {fold(text), fold(text.casefold().translate(_UMLAUTS))}:
                self._add(kind, folded)
            if not text.isascii():
                self._add_needles(text)
        self.lengths: dict[bytes, set[int]] = {}
        """How long the needles are that begin with some bytes."""
        for needle in self.needles:
            self.lengths.setdefault(needle[:LONG], set()).add(len(needle))
        self.firsts = {row.split(" ", 1)[0] for row in self.rows}
        self.hints = {max(row.split(), key=len).encode() for row in self.rows | self.births if row.isascii()}
        self.plain = {word.encode() for word in self.words if word.isascii()}
        texts = self.words | self.rows | self.literal | self.births
        spelt = [text for text in texts if text.isascii() and len(text) >= LONG]
        self.wide = {
            "\0".join(text).encode() for text in spelt if text in self.births or not text.replace(" ", "").isdigit()
        }

    def _add(self, kind: str, folded: str) -> None:
        if kind == "birth":
            self._add_birth(folded)
        elif kind == "name":
            for group in folded.split("="):
                self._add_name(group)
        else:
            self._add_token(folded)

    def _add_name(self, group: str) -> None:
        parts = _words(group)
        for token in (*re.split(r"[\^ ,;-]+", group), *parts):
            self._add_token(token)
        if not _NOBODY.issuperset(parts):
            self._add_token(" ".join(parts))
            self._add_token(" ".join(reversed(parts)))

    def _add_token(self, token: str) -> None:
        plain, parts = " ".join(token.split()), _words(token)
        row = " ".join(parts)
        if not parts or plain in _NOBODY or row in _NOBODY:
            return
        if len(row) < LONG:
            self.short.add(plain)
        elif len(parts) > 1:
            self.rows.add(row)
            self.literal.add(plain)
        else:
            (self.numbers if row.isdigit() else self.words).add(row)
        if len(row) > 1 and _unspaced(row):
            self.unspaced.add(row)

    def _add_birth(self, folded: str) -> None:
        digits = "".join(c for c in folded if c.isdigit())
        if len(digits) == 8:
            year, month, day = digits[:4], digits[4:6], digits[6:]
            self.births |= {digits, f"{year} {month} {day}", f"{day} {month} {year}", f"{month} {day} {year}"}

    def _add_needles(self, text: str) -> None:
        encodings = {"utf-8", "latin-1", "utf-16-le", "utf-16-be", *(codec for own in self.codecs for codec in own)}
        for word in _words(text):
            if word.isascii() or (len(word) < LONG and not _unspaced(word)):
                continue
            for form in {word, word.upper(), word.lower(), word.title()}:
                spelt = (form.encode(codec, "ignore") for codec in encodings)
                self.needles.update(needle for needle in spelt if len(needle) >= LONG)

    def search(self, value: bytes, kind: int) -> tuple[str, list[str]]:
        """The code of what was found in a value, "" for nothing; and the runs of digits and dots in it."""
        if kind == OTHER:
            return self._in_binary(value)
        runs: list[str] = []
        for text in self._readings(value):
            words = _words(text)
            if self._names(text, words, kind):
                return "gate_token", runs
            if kind == TEXT and self._stands_in(self.births, words):
                return "gate_birth_date", runs
            runs += [run.strip(".") for run in _runs(text)]
        return "", runs

    def runs(self, vr: bytes, value: bytes) -> set[bytes]:
        """Everything in a value that could be a UID, in whatever encoding it is sought there."""
        found = set(uid_runs(value))
        if not (value.isascii() or vr in _BINARY):
            found.update(run.strip(".").encode() for text in self._readings(value) for run in _runs(text))
        return found

    def _readings(self, value: bytes) -> Iterator[str]:
        """The value as text, folded, in every encoding it may be meant in."""
        value = value.strip(b" \0")
        if value.isascii() and b"\x1b" not in value and b"\0" not in value:
            yield value.decode("ascii").lower()
            return
        texts = {decode(value, codecs) for codecs in self.codecs}
        texts.update(value.decode(codec, "replace") for codec in ("utf-8", "latin-1"))
        for shifted in (value, value[1:], b"\0" + value):
            texts.update(shifted.decode(codec, "replace") for codec in ("utf-16-le", "utf-16-be"))
        yield from {fold(text) for text in texts}

    def _names(self, text: str, words: list[str], kind: int) -> bool:
        if not self.words.isdisjoint(words):
            return True
        if not self.firsts.isdisjoint(words):
            rows = self.rows if kind == TEXT else {row for row in self.rows if not row.replace(" ", "").isdigit()}
            if self._stands_in(rows, words):
                return True
        if kind != TEXT:
            return False
        return (
            not self.numbers.isdisjoint(words)
            or any(" ".join(part.split()) in self.short for part in (text, *text.split("\\")))
            or any(word in text for word in self.unspaced)
        )

    @staticmethod
    def _stands_in(rows: set[str], words: list[str]) -> bool:
        line = f" {' '.join(words)} "
        return any(f" {row} " in line for row in rows)

    def _in_binary(self, value: bytes) -> tuple[str, list[str]]:
        """Plain text inside binary data, of one byte a character or of two."""
        least = _LONG_IN_LARGE if len(value) > _LARGE else LONG
        line = value.translate(_TO_WORDS)
        words = set(_long_words(line))
        if any(len(word) >= least for word in self.plain & words):
            return "gate_token", []
        if not self.hints.isdisjoint(words):
            parts = line.decode("ascii").split()
            if self._stands_in({row for row in self.rows if not row.replace(" ", "").isdigit()}, parts):
                return "gate_token", []
            if self._stands_in(self.births, parts):
                return "gate_birth_date", []
        if b"\0" in value:
            lower = value.lower()
            if any(wide in lower for wide in self.wide):
                return "gate_token", []
        if self._holds_needle(value):
            return "gate_token", []
        return "", [run.decode("ascii") for run in uid_runs(value)]

    def _holds_needle(self, value: bytes) -> bool:
        if len(self.needles) <= _FEW:
            return any(needle in value for needle in self.needles)
        lengths = ((at, self.lengths.get(value[at : at + LONG], ())) for at in range(len(value)))
        return any(value[at : at + length] in self.needles for at, found in lengths for length in found)


def uid_runs(value: bytes) -> list[bytes]:
    """Everything in a value that could be a UID, as text of one byte a character or of two."""
    runs = _long_runs(value)
    if b"\0" in value:
        runs += [run.replace(b"\0", b"") for run in _wide_runs(value)]
    return [run.strip(b".") for run in runs]


@lru_cache(maxsize=16)
def tokens_of(words: tuple[Word, ...], options: frozenset[Option]) -> Tokens:
    """The words to seek under these options; raises `Rejected("unknown_character_set")`."""
    found: list[tuple[str, str]] = []
    codecs: dict[tuple[str, ...], None] = {}
    for kind, charset, raw in words:
        if _RETAINED.get(kind) in options:
            continue
        own = codecs_of(charset)
        codecs[own] = None
        readings = [decode(raw, own)]
        if not raw.isascii():
            readings += [raw.decode("utf-8", "replace"), raw.decode("latin-1")]
        for text in readings:
            found += [(kind, part.strip(" \0")) for part in text.split("\\")]
    return Tokens(found, tuple(codecs) or (codecs_of(b""),))


class Search:
    """Looks through the values of one output for the words and UIDs of its source."""

    __slots__ = ("cleared", "shares", "tokens", "uids")

    def __init__(self, tokens: Tokens, uids: AbstractSet[bytes]) -> None:
        self.tokens = tokens
        self.uids = uids
        self.shares = min([uid.count(b".") for uid in uids], default=_DOTS) >= _DOTS
        """Whether what holds nothing for this object holds nothing for others of the series either."""
        self.cleared = tokens.cleared if self.shares else (set(), set(), set(), set())
        """Values of each kind that hold nothing, whatever the UIDs of this object are."""

    def find(self, value: bytes, kind: int) -> str:
        """The code of what a value holds of the source's identity, "" for nothing."""
        cleared = self.cleared[kind]
        key = value if len(value) <= _CLEARED_VALUE else hashlib.blake2b(value, digest_size=16).digest()
        if key in cleared:
            return ""
        if kind != NUMBER or not is_number(value):
            code, runs = self.tokens.search(value, kind)
            if code:
                return code
            long = [run for run in runs if run.count(".") >= _DOTS]
            sought = [run for run in runs if "." in run] if kind == TEXT else long
            if sought and not self.uids.isdisjoint([run.encode() for run in sought]):
                return "gate_uid"
            if long:
                return ""  # harmless for this object; another one may have just this UID
        if len(cleared) >= _CLEARED:
            cleared.clear()
        cleared.add(key)
        return ""
