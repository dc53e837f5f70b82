"""Shapes of identity in free text: dates, times, telephones, addresses, network names, identifiers, great ages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from stowgate.deident.names import fold
from stowgate.deident.vocabulary import UNITS, is_word

Span = tuple[int, int]
Match = re.Match[str]

_MONTH: Final = (
    r"(?:jan(?:uary|uar|vier|uari|eiro)?|j[aä]nner|enero|ene|gennaio|feb(?:ruary|ruar|rero|braio|ruari)?"
    r"|f[eé]v(?:rier|ereiro)?|mar(?:ch|s|zo|ço)?|m[aä]rz|m[aä]r|maart|apr(?:il|ile)?|avr(?:il)?|abr(?:il)?"
    r"|may|mayo|mai|maio|maggio|mei|maj|june?|juni|juin|junio|junho|giugno|july?|juli|juil(?:let)?"
    r"|julio|julho|luglio|aug(?:ust|ustus)?|ao[uû]t|ago(?:sto)?|sept?(?:ember|embre|iembre)?"
    r"|set(?:embro|tembre)?|oct(?:ober|obre|ubre)?|okt(?:ober)?|ott(?:obre)?|out(?:ubro)?"
    r"|nov(?:ember|embre|iembre|embro)?|dec(?:ember|embre)?|d[eé]c(?:embre)?|dez(?:ember|embro)?"
    r"|dic(?:iembre|embre)?)"
)
# These short forms are words of radiology too: month first, they are a date only with a day and a year.
_WEAK: Final = frozenset("mar set out oct ago may mai dec sep".split())
_YEAR: Final = r"(?:(?:1[89]|20)\d\d|['\u2019]?\d\d)"
_QUANTITY: Final = r"(?![\d./,%]|(?:mm|cm|s\b|ms|sec|x))"
_STREET: Final = (
    r"(?:stra(?:ss|ß)e|str\.|gasse|allee|platz|weg|ufer|damm|ring|chaussee|straat|laan|plein|gracht|kade|singel|dijk"
    r"|gatan|gata|v[aä]gen|vej|gade|gaten|veien|katu)"
)
_TOP: Final = (
    r"(?:com|org|net|edu|gov|mil|info|health|de|fr|es|it|nl|uk|ch|at|be|pt|br|mx|se|no|dk|fi|pl|cz|jp|cn|kr|in|au|ca"
    r"|us|eu|io|local|lan|intra)"
)
_SURE_WORDS: Final = (
    r"mrn|dob|ssn|nhs|pid|pat(?:ient)?[\s-]?(?:id|nr|no)|id|acc(?:ession)?\s?(?:nr|no)|acc(?:ession)?\s?#|room|zimmer"
    r"|bed\s?(?:#|no)|geb(?:oren)?|geb\.?dat|born|case\s?(?:#|no)|fall\s?nr|account"
)
_RATIO: Final = re.compile(r"(?:compress\w*|ratio|loss[yi]\w*|reversible\)?|dilut\w*)[\s(:=,]*$", re.IGNORECASE)
_NUMBERS: Final = re.compile(r"(?<![^\W\d])\(?[+\d][\d\s().\-/]*\d(?![^\W\d])")
_NUMBER: Final = re.compile(r"[^\s]+")
_BESIDE: Final = 6
"""Groups of digits that one telephone number may have."""


def _always(_match: Match) -> bool:
    return True


def _numeric_date(match: Match) -> bool:
    first, middle, last = (int(part) for part in match.group(1, 3, 4))
    if len(match[1]) == 4:
        return 0 < middle <= 12 and 0 < last <= 31 and len(match[4]) <= 2
    if len(match[1]) > 2 or len(match[4]) not in (2, 4) or not (0 < first <= 31 and 0 < middle <= 31):
        return False
    return min(first, middle) <= 12 and (len(match[4]) == 4 or match[2] in "./-" or len(match[0]) == 8)


def _day_and_month(match: Match) -> bool:
    first, second = int(match[1]), int(match[2])
    return 0 < min(first, second) <= 12 and max(first, second) <= 31


def _day_dot_month(match: Match) -> bool:
    return 0 < int(match[1]) <= 31 and 0 < int(match[2]) <= 12


def _month_first(match: Match) -> bool:
    return fold(match[1]) not in _WEAK or bool(match[3])


def _month_and_year(match: Match) -> bool:
    return fold(match[1]) not in _WEAK or len(match[2]) == 4


def _time(match: Match) -> bool:
    if not re.fullmatch(r"1:\d\d", match[0]):
        return True
    return _RATIO.search(match.string[max(match.start() - 24, 0) : match.start()]) is None


def _old(match: Match) -> bool:
    return int(match[1]) > 89


def _unknown(match: Match) -> bool:
    """Whether some word of it is not in the vocabulary."""
    return any(not is_word(fold(word)) for word in re.findall(r"[^\W\d_]+", match[1]))


def _dutch_postcode(match: Match) -> bool:
    letters = fold(match[1])
    return not is_word(letters) and letters not in UNITS


def _postcode(match: Match) -> bool:
    first, second = fold(match[0]).split()
    return not (is_word(first) or is_word(second) or second[1:] in UNITS)


_Rule = tuple[re.Pattern[str], Callable[[Match], bool]]


def _rules(*pairs: tuple[str, Callable[[Match], bool]]) -> tuple[_Rule, ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), holds) for pattern, holds in pairs)


_NETWORK: Final = _rules(
    (r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)*", _always),
    (r"(?<![^\W_])(?:https?|ftps?|file|wado|dicomweb|sftp)://\S+|(?<![^\W_])www\.\S+", _always),
    (rf"(?<![\w.@])((?:[^\W_][\w-]+\.)+{_TOP})(?![\w-])(?::\d+)?(?:/\S*)?", _unknown),
    (r"(?<![^\W_:])(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}(?![^\W_:])", _always),
    (r"(?<![^\W_:])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![^\W_])", _always),
    (r"(?<![\d.])\d+(?:\.\d+){2,}(?!\d)", _always),
)
_DATES: Final = _rules(
    (r"(?<![\d.,])(\d{1,4})([./\- ])(\d{1,2})\2(\d{1,4})(?!\d|[.,]\d)", _numeric_date),
    (rf"(?<![\d./,-])(\d{{1,2}})/(\d{{2}}){_QUANTITY}", _day_and_month),
    (rf"(?<![\d./,-])(\d{{2}})/(\d{{1,2}}){_QUANTITY}", _day_and_month),
    (r"(?<![\d.,])(\d{1,2})\.\s?(\d{1,2})\.(?!\d)", _day_dot_month),
    (
        rf"(?<![\d.,])\d{{1,2}}(?:st|nd|rd|th|er|\.|º|°)?[\s\-./]*(?:(?:of|de|di)\s+)?{_MONTH}(?![a-zà-ÿ])\.?"
        rf"(?:[\s\-./,]*(?:del?\s+)?{_YEAR}(?!\d))?",
        _always,
    ),
    (
        rf"(?<![a-zà-ÿ0-9])({_MONTH})\.?[\s\-./]*(\d{{1,2}})(?:st|nd|rd|th)?(?!\d|[.,]\d|\s?mm)"
        rf"(?:[\s\-./,]+({_YEAR})(?!\d))?",
        _month_first,
    ),
    (rf"(?<![a-zà-ÿ0-9])({_MONTH})\.?[\s\-./,']*((?:1[89]|20)\d\d|\d\d)(?![\d.,])", _month_and_year),
    (r"(?<![\d:.])(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:\s?(?:am|pm|uhr|h))?(?![\d:])", _time),
    (r"(?<![\d.,])(?:[01]?\d|2[0-3])\s?[ap]\.?m\.?(?!\w)", _always),
    (r"(?<!\d)\d{1,2}[.:h]\d{2}\s?(?:uhr|h)\b|(?<![\d.])(?:[01]?\d|2[0-3])h[0-5]\d(?!\w)", _always),
    (r"(?<!\d)\d{3,4}\s?(?:uhr|hrs)\b|(?<!\d)\d{4}h\b", _always),
    (
        r"(?<![\w.])(\d{2,3})\s?-?\s?(?:y(?:rs?|o|/o|\.o\.?|ears?(?:[\s-]old)?|ear[\s-]old)?|jahre?[ns]?|j|ans|años"
        r"|anni|anos|jaar|[aå]r)\b(?!/)",
        _old,
    ),
    (r"\b(?:aged?|alter|[aâ]ge|edad|et[aà]|idade|leeftijd)\b[:\s]*(\d{2,3})\b", _old),
)
_PLACES: Final = _rules(
    (
        r"\b(?:tel(?:efon|ephone|[eé]fono)?|phone|fax|pager|mobile|handy|cell|ext|durchwahl|dw)\b[.:#\s]*"
        r"\+?[\d(][\d\s().\-/]+(?!\w)",
        _always,
    ),
    (rf"(?<!\w)(?:{_SURE_WORDS})[.:#=\s]*(?:[a-z]{{0,3}}-?)?\d[\w./-]*", _always),
    (
        r"(?<!\w)\d{1,5}[a-z]?,?\s+(?:[\w.'\u2019-]+\s+){1,3}(?:street|avenue|boulevard|blvd|highway|parkway|str\.|ave\.|rd\."
        r"|st\.)(?!\w)",
        _always,
    ),
    (rf"(?<![\w-])([\w-]*{_STREET})\s*\d{{1,4}}\s?[a-z]?(?!\w)", _unknown),
    (
        r"(?<!\w)\d{1,4}(?:\s?bis)?,?\s+(?:rue|avenue|boulevard|place|all[eé]e|chemin|quai|impasse|cours)\s+"
        r"(?:(?:de|du|des|la|le|les)\s+|[ld]['\u2019])*[\w'\u2019-]+(?:\s+[A-ZÀ-Ý][\w'\u2019-]+)?",
        _always,
    ),
    (
        r"\b(?:calle|avenida|avda\.?|plaza|paseo|via|viale|piazza|corso|rua|travessa|pra[cç]a|carrera|rue)\s+"
        r"((?:[\w'\u2019.-]+\s+){0,3}?[\w'\u2019-]+?)[,\s]\s*(?:n[º°.o]*\s*)?\d{1,5}(?!\w)",
        _unknown,
    ),
    (r"\b(?:p\.?\s?o\.?\s?box|postfach|apartado|postbus|bo[iî]te postale)\s*\d+", _always),
    (r"(?<!\w)\d{4}\s?([a-z]{2})(?!\w)", _dutch_postcode),
    (r"\b[a-z]{1,2}\d[a-z\d]? \d[a-z]{2}\b|\b[a-z]\d[a-z] \d[a-z]\d\b", _postcode),
)


def spans(text: str) -> Iterator[Span]:
    """Where a text has the shape of identity; spans may overlap. Single numbers are judged elsewhere."""
    apart = text.replace("_", " ")
    for rules, form in ((_NETWORK, text), (_NETWORK + _DATES + _PLACES, apart)):
        for pattern, holds in rules:
            for match in pattern.finditer(form):
                if holds(match):
                    yield match.span()
    yield from _telephones(apart)


def _telephones(text: str) -> Iterator[Span]:
    for stretch in _NUMBERS.finditer(text):
        groups = [(stretch.start() + m.start(), stretch.start() + m.end()) for m in _NUMBER.finditer(stretch[0])]
        at = 0
        while at < len(groups):
            sizes = range(min(_BESIDE, len(groups) - at), 0, -1)
            size = next((n for n in sizes if _is_telephone([text[a:b] for a, b in groups[at : at + n]])), 0)
            if size:
                yield groups[at][0], groups[at + size - 1][1]
            at += size or 1


def _is_telephone(groups: list[str]) -> bool:
    """Whether groups of digits, as they stand between blanks, make one telephone or similar number."""
    digits = sum(letter.isdigit() for group in groups for letter in group)
    if digits < 7 or any(re.fullmatch(r"\d{1,3}[.,]\d+", group) for group in groups):
        return False
    if len(groups) == 1:
        return not groups[0].isdigit()
    if groups[0][0] in "+(" or groups[0].startswith("00"):
        return True
    if all(group.isdigit() for group in groups):
        if max(map(len, groups)) <= 3:
            return (groups[0][0] == "0" and digits >= 8) or ([*map(len, groups)] == [3, 3, 3])
        return min(map(len, groups)) > 1
    return all(re.fullmatch(r"\d{2,4}|\d{2,4}(?:[-/]\d{2,4})+", group) for group in groups)
