"""Shapes of identity in free text: dates, times, telephones, addresses, network names, identifiers, great ages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from stowgate.deident.vocabulary import fold, is_word

Span = tuple[int, int]

_MONTH: Final = (
    r"(?:jan(?:uary|uar|vier|uari|eiro)?|j[aä]nner|enero|ene|gennaio|feb(?:ruary|ruar|rero|braio|ruari)?|f[eé]v(?:rier|ereiro)?|mar(?:ch|s|zo|ço)?"
    r"|m[aä]rz|m[aä]r|maart|apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|may|mayo|mai|maio|maggio|mei|maj|june?|juni|juin|junio|junho|giugno|july?|juli|juil(?:let)?"
    r"|julio|julho|luglio|aug(?:ust|ustus)?|ao[uû]t|ago(?:sto)?|sept?(?:ember|embre|iembre)?|set(?:embro|tembre)?|oct(?:ober|obre|ubre)?|okt(?:ober)?"
    r"|ott(?:obre)?|out(?:ubro)?|nov(?:ember|embre|iembre|embro)?|dec(?:ember|embre)?|d[eé]c(?:embre)?|dez(?:ember|embro)?|dic(?:iembre|embre)?)"
)
# These short forms are words of radiology too: month first, they are a date only with a day and a year.
_WEAK: Final = frozenset({"mar", "set", "out", "oct", "ago", "may", "mai", "dec", "sep"})
_YEAR: Final = r"(?:(?:1[89]|20)\d\d|['’]?\d\d)"
_NUMBER_WORD: Final = r"(?:st|nd|rd|th|er|\.|º|°)?"
_STREET: Final = r"(?:stra(?:ss|ß)e|str\.|gasse|allee|platz|weg|ufer|damm|ring|chaussee|straat|laan|plein|gracht|kade|singel|dijk|gatan|gata|v[aä]gen|vej|gade|gaten|veien|katu)"
_TOP: Final = r"(?:com|org|net|edu|gov|mil|info|health|de|fr|es|it|nl|uk|ch|at|be|pt|br|mx|se|no|dk|fi|pl|cz|jp|cn|kr|in|au|ca|us|eu|io|local|lan|intra)"


_RATIO: Final = re.compile(r"(?:compress\w*|ratio|loss[yi]\w*|reversible\)?|dilut\w*|scale|ls)[\s(:=,]*$", re.IGNORECASE)


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _always(match: re.Match[str]) -> bool:
    return True


def _numeric_date(match: re.Match[str]) -> bool:
    first, middle, last = (int(part) for part in match.group(1, 3, 4))
    year_first, year_last = len(match[1]) == 4, len(match[4]) == 4
    if year_first:
        return 0 < middle <= 12 and 0 < last <= 31 and len(match[4]) <= 2
    if len(match[1]) > 2 or len(match[4]) not in (2, 4) or not (0 < first <= 31 and 0 < middle <= 31):
        return False
    return min(first, middle) <= 12 and (year_last or match[2] in "./-" or len(match[0]) == 8)


def _day_and_month(match: re.Match[str]) -> bool:
    first, second = int(match[1]), int(match[2])
    return 0 < min(first, second) <= 12 and max(first, second) <= 31


def _day_dot_month(match: re.Match[str]) -> bool:
    return 0 < int(match[1]) <= 31 and 0 < int(match[2]) <= 12


def _month_first(match: re.Match[str]) -> bool:
    return fold(match[1]) not in _WEAK or bool(match[3])


def _month_and_year(match: re.Match[str]) -> bool:
    return fold(match[1]) not in _WEAK or len(match[2]) == 4


def _telephone(match: re.Match[str]) -> bool:
    digits = sum(letter.isdigit() for letter in match[0])
    groups = match[0].split()
    if digits < 7:
        return False
    if len(groups) > 1 and all(re.fullmatch(r"\d{1,3}|\d{1,3}[.,]\d{1,4}", group) for group in groups):
        plain = all(group.isdigit() for group in groups)
        return plain and digits >= 9 and (groups[0][0] == "0" or all(len(group) == 3 for group in groups))
    return len(groups) > 1 or not re.fullmatch(r"\d{1,3}[.,]\d+|\d+", match[0])


def _time(match: re.Match[str]) -> bool:
    return _RATIO.search(match.string, max(match.start() - 24, 0), match.start()) is None


def _old(match: re.Match[str]) -> bool:
    return int(match[1]) > 89


def _unknown_street(match: re.Match[str]) -> bool:
    return not is_word(fold(match[1]))


def _unknown_middle(match: re.Match[str]) -> bool:
    return any(not is_word(fold(word)) for word in re.findall(r"[^\W\d_]+", match[1]))


def _postcode(match: re.Match[str]) -> bool:
    first, second = match[0].split()
    return not (is_word(fold(first)) or is_word(fold(second)))


_RULES: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], bool]], ...]] = (
    (_compiled(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)*"), _always),
    (_compiled(r"\b(?:https?|ftps?|file|wado|dicomweb|sftp)://\S+|\bwww\.\S+"), _always),
    (_compiled(rf"(?<![\w.@])(?:[a-z0-9][a-z0-9-]+\.)+{_TOP}\b(?::\d+)?(?:/\S*)?"), lambda m: _unknown_middle(_whole(m))),
    (_compiled(r"(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}(?![\w:])|(?<![\w:])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?!\w)"), _always),
    (_compiled(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d])"), _always),
    (_compiled(r"(?<![\d.,])(\d{1,4})([./\-_ ])(\d{1,2})\2(\d{1,4})(?![\d]|[.,]\d)"), _numeric_date),
    (_compiled(r"(?<![\d./,-])(\d{1,2})[./](\d{2})(?![\d./,%]|\s?(?:mm|cm|s\b|ms|sec|x))(?<=/\d\d)"), _day_and_month),
    (_compiled(r"(?<![\d./,-])(\d{2})/(\d{1,2})(?![\d./,%]|\s?(?:mm|cm|s\b|ms|sec|x))"), _day_and_month),
    (_compiled(r"(?<![\d.,])(\d{1,2})\.\s?(\d{1,2})\.(?!\d)"), _day_dot_month),
    (_compiled(rf"(?<![\d.,])\d{{1,2}}{_NUMBER_WORD}[\s\-./_]*(?:(?:of|de|di)\s+)?{_MONTH}(?![a-zà-ÿ])\.?(?:[\s\-./_,]*(?:del?\s+)?{_YEAR}(?!\d))?"), _always),
    (_compiled(rf"(?<![a-zà-ÿ0-9])({_MONTH})\.?[\s\-./_]*(\d{{1,2}})(?:st|nd|rd|th)?(?![\d]|[.,]\d|\s?mm)(?:[\s\-./_,]+({_YEAR})(?!\d))?"), _month_first),
    (_compiled(rf"(?<![a-zà-ÿ0-9])({_MONTH})\.?[\s\-./_,']*((?:1[89]|20)\d\d|\d\d)(?![\d.,])"), _month_and_year),
    (_compiled(r"(?<![\d:.])(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:\s?(?:am|pm|uhr|h))?(?![\d:])"), _time),
    (_compiled(r"(?<![\d.,])(?:[01]?\d|2[0-3])\s?[ap]\.?m\.?(?!\w)|(?<!\d)\d{1,2}[.:h]\d{2}\s?(?:uhr|h)\b|(?<![\d.])(?:[01]?\d|2[0-3])h[0-5]\d(?!\w)|(?<!\d)\d{3,4}\s?(?:uhr|hrs)\b"), _always),
    (_compiled(r"(?<![\w.])(?:\+|00)?\(?\d[\d\s().\-/]{4,}\d(?![\w])"), _telephone),
    (_compiled(r"\b(?:tel(?:efon|ephone|[eé]fono)?|phone|fax|pager|mobile|handy|cell|ext|durchwahl|dw)\b[.:#\s]*\+?[\d(][\d\s().\-/]+"), _always),
    (_compiled(r"\b(?:mrn|dob|ssn|nhs|pid|pat(?:ient)?[\s-]?(?:id|nr|no)|id|acc(?:ession)?\s?(?:#|nr|no)|acc#|room|zimmer|bed\s?(?:#|no)|geb(?:oren)?|geb\.?dat|born|case\s?(?:#|no)|fall\s?nr|account)\b[.:#=\s]*(?:[a-z]{0,3}-?)?\d[\w./-]*"), _always),
    (_compiled(r"(?<![\w.])(\d{2,3})\s?-?\s?(?:y(?:rs?|o|/o|\.o\.?|ears?(?:[\s-]old)?|ear[\s-]old)?|jahre?[ns]?|j|ans|años|anni|anos|jaar|[aå]r)\b(?!/)"), _old),
    (_compiled(r"\b(?:aged?|alter|[aâ]ge|edad|et[aà]|idade|leeftijd)\b[:\s]*(\d{2,3})\b"), _old),
    (_compiled(r"(?<!\w)\d{1,5}[a-z]?,?\s+(?:[\w.'’-]+\s+){1,3}(?:street|avenue|boulevard|blvd|highway|parkway|str\.|ave\.|rd\.|st\.)(?!\w)"), _always),
    (_compiled(rf"(?<![\w-])([\w-]*{_STREET})\s*\d{{1,4}}\s?[a-z]?(?!\w)"), _unknown_street),
    (_compiled(r"(?<!\w)\d{1,4}(?:\s?bis)?,?\s+(?:rue|avenue|boulevard|place|all[eé]e|chemin|quai|impasse|cours)\s+((?:(?:de|du|des|la|le|les)\s+|[ld]['’])*[\w'’-]+(?:\s+[A-ZÀ-Ý][\w'’-]+)?)"), _always),
    (_compiled(r"\b(?:calle|avenida|avda\.?|plaza|paseo|via|viale|piazza|corso|rua|travessa|pra[cç]a|carrera|rue)\s+((?:[\w'’.-]+\s+){0,3}[\w'’-]+?),?\s*(?:n[º°.o]*\s*)?\d{1,5}(?!\w)"), _unknown_middle),
    (_compiled(r"\b(?:p\.?\s?o\.?\s?box|postfach|apartado|postbus|bo[iî]te postale)\s*\d+"), _always),
    (_compiled(r"\b[a-z]{1,2}\d[a-z\d]? \d[a-z]{2}\b|\b[a-z]\d[a-z] \d[a-z]\d\b"), _postcode),
)  # fmt: skip


def _whole(match: re.Match[str]) -> re.Match[str]:
    found = re.fullmatch(r"([\s\S]*)", match[0])
    assert found is not None
    return found


def spans(text: str) -> Iterator[Span]:
    """Where a text has the shape of identity; spans may overlap. Plain numbers and mixed words are judged elsewhere."""
    for pattern, holds in _RULES:
        for match in pattern.finditer(text):
            if holds(match):
                yield match.span()
