"""Decides for each run of letters and digits of a description whether it stays, and if not, why."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from stowgate.deident.names import LONG, fold
from stowgate.deident.text_patterns import spans
from stowgate.deident.text_shapes import is_harmless
from stowgate.deident.vocabulary import SETTINGS, UNITS, is_setting, vocabulary

RUN: Final = re.compile(r"[^\W_]+")
_NAME_GAP: Final = re.compile("[\\s,.'\u2019^&-]{0,3}")
_ID_GAP: Final = re.compile(r"[-/._#:]{1,2}")
_DOTTED: Final = re.compile(r"(?<![^\W_])(?:[^\W\d_]\.){2,}(?:[^\W\d_](?![^\W_]))?")
# How one maker numbers the images of a gated series: "P4^P113^S303^I10349".
_FRAME: Final = re.compile(r"(?<![^\W_])P\d{1,3}\^P\d{1,3}\^S\d{1,3}\^I\d{1,6}$")
_YEAR: Final = re.compile(r"19\d\d|20[0-3]\d")
_PHYSICAL: Final = frozenset("ms hu hz mm cgy s ml".split())
_SIGN: Final = re.compile(r"\s?[-+]")
_TITLES: Final = frozenset(
    """doctor doktor dra prof professor mrs miss herr frau mme mlle madame monsieur dott dottssa sra senor senora
    mevrouw mevr dhr mw""".split()
)
_TITLES_AS_WRITTEN: Final = frozenset("dr mr ms sr".split())
_LABELS: Final = frozenset(
    """tech technologist technician radiologist operator physician referrer referring mta mtra name patient pt arzt
    manipulateur medecin medico nurse surgeon reader""".split()
)
_CREDENTIALS: Final = frozenset("md phd rn frcr facr msc bsc dds jr esq".split())
_STREETS: Final = frozenset(
    """st ave av rd road dr drive ln lane ct court pl place sq square way terrace close crescent cir row hwy pkwy
    platz str allee weg""".split()
)
_LONGEST: Final = 48
"""Letters of the longest run that can be a word or a join of words."""
_NEAR: Final = 80
"""Characters before a word in which small letters tell that capitals mean something."""
_NAMES_BEFORE_UNITS: Final = frozenset(("HU", "Hu", "hu", "MA", "Ma", "ma"))


@dataclass(slots=True)
class Run:
    """A run of letters and digits: where it stands, how it is written and compared, and why it goes.

    fate: "" stays, "known" names this patient, "pattern" is part of a date or the like, "unknown" is a word that is
    not in the vocabulary, "number" is or may be an identifier.
    """

    start: int
    end: int
    text: str
    folded: str
    fate: str = ""


def judge(plain: str, runs: list[Run], single: frozenset[str], rows: Mapping[str, list[tuple[str, ...]]]) -> None:
    """Set the fate of every run. `single` and `rows` are the known words, and the known rows by their first word."""
    _mark_known(runs, single, rows)
    _mark_patterns(plain, runs)
    _mark_unknown(plain, runs, frozenset(filter(_is_sought, single)))
    _mark_ambiguous(plain, runs)
    _mark_titled(plain, runs)
    _mark_streets(plain, runs)
    _spread(plain, runs)


def _is_sought(word: str) -> bool:
    """Whether a known word is removed wherever it stands: names of two letters and more, and longer identifiers."""
    return len(word) >= LONG or (len(word) > 1 and word.isalpha())


def _gap(plain: str, runs: list[Run], at: int) -> str:
    """What stands between a run and the one before it."""
    return plain[runs[at - 1].end if at else 0 : runs[at].start]


def _is_close(plain: str, runs: list[Run], at: int) -> bool:
    """Whether a run follows the one before it as words of a name do."""
    return _NAME_GAP.fullmatch(_gap(plain, runs, at)) is not None


def _mark_known(runs: list[Run], single: frozenset[str], rows: Mapping[str, list[tuple[str, ...]]]) -> None:
    whole = tuple(run.folded for run in runs)
    for at, run in enumerate(runs):
        if run.folded in single and (len(runs) == 1 or _is_sought(run.folded)):
            run.fate = "known"
        for row in rows.get(run.folded, ()):
            if whole[at : at + len(row)] == row and (sum(map(len, row)) >= LONG or row == whole):
                for other in runs[at : at + len(row)]:
                    other.fate = "known"


def _mark_patterns(plain: str, runs: list[Run]) -> None:
    gone = [(start, end, "pattern") for start, end in spans(plain)]
    gone += [(*m.span(), "unknown") for m in _DOTTED.finditer(plain) if not _is_abbreviation(m[0])]
    ends = [run.end for run in runs]
    for start, end, fate in gone:
        for at in range(bisect_right(ends, start), len(runs)):
            if runs[at].start >= end:
                break
            runs[at].fate = runs[at].fate or ("unknown" if runs[at].text.isalpha() else fate)


def _is_abbreviation(dotted: str) -> bool:
    """Whether "C.T." is a word of the vocabulary, and no initials of a person."""
    return is_harmless(fold(dotted.replace(".", "")), frozenset())


def _mark_unknown(plain: str, runs: list[Run], known: frozenset[str]) -> None:
    lists = vocabulary()
    for at, run in enumerate(runs):
        if run.fate or (len(run.text) == 1 and run.text.isalpha() and run.folded.isascii()):
            continue
        if _FRAME.search(plain, max(run.start - _NEAR, 0), run.end):
            continue
        if run.folded.isascii() and run.folded.isdigit():
            run.fate = "" if _is_number(plain, runs, at) else "number"
        elif (
            len(run.text) > _LONGEST
            or _is_particle_of_name(plain, run)
            or not (run.folded in lists.beside or is_harmless(run.text, known) or _is_unit(plain, runs, at))
        ):
            run.fate = "unknown" if run.text.isalpha() else "number"


def _is_particle_of_name(plain: str, run: Run) -> bool:
    """Whether a small word is written with a capital inside a text, as "Del" and "Van" are in names."""
    if run.folded not in vocabulary().names or not run.text.istitle():
        return False
    return any(map(str.islower, plain[max(run.start - _NEAR, 0) : run.start]))


def _is_unit(plain: str, runs: list[Run], at: int) -> bool:
    """Whether it is a unit behind a number; "Hu" and "Ma" with a blank before them are family names."""
    run = runs[at]
    if not at or run.folded not in UNITS or run.text in _NAMES_BEFORE_UNITS:
        return False
    return runs[at - 1].text[-1].isdigit() and not _gap(plain, runs, at).strip()


def _is_number(plain: str, runs: list[Run], at: int) -> bool:
    """Whether digits are a quantity, a count or a setting, rather than a year or an identifier."""
    digits = runs[at].text
    if len(digits) <= 3:
        return True
    gap = _gap(plain, runs, at)
    if at and gap in (".", ",") and runs[at - 1].text.isdigit():
        longest = {1: 7, 2: 4, 3: 3}.get(len(runs[at - 1].text), 0)
        return not runs[at - 1].fate and len(digits) <= longest
    if len(digits) > 4:
        return False
    behind = plain[runs[at].end : runs[at].end + 3]
    if re.match(r":1(?!\d)", behind):
        return True
    before = runs[at - 1].folded if at and not gap.strip("_ =:*") else ""
    after = runs[at + 1].folded if at + 1 < len(runs) and not _gap(plain, runs, at + 1).strip() else ""
    if len(before) == 1 and not gap.strip("_ "):
        before = ""
    is_even = digits[-1] == "0"
    if _YEAR.fullmatch(digits):
        return is_even and gap not in ("/", "-", ".") and (before in SETTINGS or after in _PHYSICAL)
    return is_setting(digits) or (before in SETTINGS and is_even) or (after in UNITS and len(after) > 1)


def _mark_ambiguous(plain: str, runs: list[Run]) -> None:
    """Words that may be names stay only beside a word that makes them a term."""
    beside = vocabulary().beside
    for at, run in enumerate(runs):
        friends = beside.get(run.folded)
        if run.fate or friends is None or ("=" in friends and len(runs) == 1) or _is_unit(plain, runs, at):
            continue
        near = runs[max(at - 1, 0) : at] + runs[at + 1 : at + 2]
        if [other.folded for other in runs[at + 1 : at + 2]] == ["s"]:
            near += runs[at + 2 : at + 3]
        near = [other for other in near if not other.fate]
        if not any(other.folded in friends or ("#" in friends and other.text[0].isdigit()) for other in near):
            run.fate = "unknown"


def _mark_titled(plain: str, runs: list[Run]) -> None:
    """After "Dr." or "Tech:" the next word goes, whatever it is, and initials before it."""
    for at, run in enumerate(runs):
        after = plain[run.end : run.end + 1]
        as_written = run.folded in _TITLES_AS_WRITTEN and (after == "." or run.text.istitle())
        if not (run.folded in _TITLES or as_written or (run.folded in _LABELS and after == ":")):
            continue
        run.fate = run.fate or "unknown"
        for other in range(at + 1, min(at + 4, len(runs))):
            if not _NAME_GAP.fullmatch(_gap(plain, runs, other).lstrip(":")) or not runs[other].text.isalpha():
                break
            runs[other].fate = runs[other].fate or "unknown"
            if len(runs[other].text) > 1:
                break


def _mark_streets(plain: str, runs: list[Run]) -> None:
    """A house number, words of which one is unknown, and "St" or "Road"; or such words and a number behind them."""
    for at, run in enumerate(runs):
        if run.folded not in _STREETS:
            continue
        first = at
        while first > max(at - 4, 0) and runs[first - 1].text.isalpha() and _is_close(plain, runs, first):
            first -= 1
        if not any(other.fate for other in runs[first:at]):
            continue
        before = [first - 1] if first and _is_close(plain, runs, first) else []
        behind = [at + 1] if at + 1 < len(runs) and _is_close(plain, runs, at + 1) else []
        numbers = [place for place in before + behind if runs[place].text[0].isdigit()][:1]
        for place in (*range(first, at + 1), *numbers) if numbers else ():
            runs[place].fate = runs[place].fate or "pattern"


def _spread(plain: str, runs: list[Run]) -> None:
    """What clings to a removed word goes with it: initials, "von", eponyms, the other digits of an identifier."""
    changed = any(run.fate for run in runs)
    while changed:
        changed = False
        for order in (range(len(runs)), range(len(runs) - 1, -1, -1)):
            for at in order:
                if not runs[at].fate and (_clings(plain, runs, at, at - 1) or _clings(plain, runs, at, at + 1)):
                    runs[at].fate = "unknown" if runs[at].text.isalpha() else "number"
                    changed = True


def _clings(plain: str, runs: list[Run], at: int, other: int) -> bool:
    if not 0 <= other < len(runs) or not runs[other].fate:
        return False
    run, gone = runs[at], runs[other]
    gap = _gap(plain, runs, max(at, other))
    if run.folded == "s" and gap in ("'", "\u2019"):
        return other < at
    if gone.fate == "number" or (gone.fate == "known" and not gone.text.isalpha()):
        return _ID_GAP.fullmatch(gap) is not None and (run.text.isdigit() or len(run.text) == 1)
    if gone.fate == "pattern" or not _NAME_GAP.fullmatch(gap):
        return False
    if len(run.text) == 1 and run.text.isalpha():
        if _SIGN.fullmatch(plain[max(run.start - 2, 0) : run.start]):
            return False
        return run.folded not in "lr" or plain[run.end : run.end + 1] == "." or "," in gap
    lists = vocabulary()
    leading = lists.linking if other > at else _CREDENTIALS
    return any(run.folded in one for one in (lists.names, lists.eponyms, lists.beside, leading))
