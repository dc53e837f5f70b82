"""Clean Descriptors (PS3.15 E.3.5): harmless words of a description stay, identity and the unknown go."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from stowgate.deident.names import fold
from stowgate.deident.text_patterns import spans
from stowgate.deident.text_shapes import BEFORE, UNITS, is_harmless, is_setting
from stowgate.deident.vocabulary import forms, vocabulary


class Known(Protocol):
    """What names this patient: folded single words, and rows of folded words such as an institution's name."""

    @property
    def words(self) -> frozenset[str]: ...

    @property
    def phrases(self) -> tuple[str, ...]: ...


LONGEST_MEMO: Final = 256
_RUN: Final = re.compile(r"[^\W_]+")
_NAME_GAP: Final = re.compile(r"[\s,.'’^&-]{0,3}")
_ID_GAP: Final = re.compile(r"[-/._#:]{1,2}")
_ODD: Final = re.compile(
    r"[^\w\s!-/:-@\[-`{-~°±²³×÷–—‘’“”·•…§¹¼½¾≤≥≈→←↑↓Ø™®©«»¿¡\u0300-\u036f]|[\x1c-\x1f\x85\u2028\u2029]"
)
_DOTTED: Final = re.compile(r"(?<![^\W_])(?:[^\W\d_]\.){2,}(?:[^\W\d_](?![^\W_]))?")
_TITLES: Final = frozenset(
    "doctor doktor dra prof professor mrs miss herr frau mme mlle madame monsieur dott dottssa sra senor senora mevrouw mevr dhr mw".split()
)
_TITLE_CASED: Final = frozenset("dr mr ms sr".split())
_LABELS: Final = frozenset(
    """tech technologist technician radiologist operator physician referrer referring mta mtra name patient pt arzt ueberweiser
    manipulateur medecin medico nurse surgeon reader""".split()
)
_CREDENTIALS: Final = frozenset("md phd rn np pa fracr facr msc bsc dds jr esq ii iii".split())
_STREETS: Final = frozenset(
    """st ave av rd road dr drive ln lane ct court pl place sq square way terrace close crescent cir row hwy pkwy platz
    str allee weg""".split()
)
_DROP_EDGES: Final = " ,;:-_/|&.^\\'’\t\r\n"


@dataclass(slots=True)
class Run:
    """A run of letters and digits: where it stands, how it is written and compared, and why it goes ("" = stays)."""

    start: int
    end: int
    text: str
    folded: str
    fate: str = ""


def clean(text: str, known: Known) -> str | None:
    """The text without what may identify: itself if nothing has to go, None if nothing meaningful is left."""
    if len(text) > LONGEST_MEMO:
        return _clean(text, known)
    return _remembered(text, known)


@lru_cache(maxsize=4096)
def _remembered(text: str, known: Known) -> str | None:
    return _clean(text, known)


@lru_cache(maxsize=64)
def _sought(known: Known) -> tuple[frozenset[str], dict[str, list[tuple[str, ...]]]]:
    """The known single words, and the rows of words by their first one."""
    single: set[str] = set()
    rows: dict[str, list[tuple[str, ...]]] = {}
    for one in (*known.words, *known.phrases):
        for form in forms(one):
            words = tuple(_RUN.findall(form))
            if len(words) == 1:
                single.add(words[0])
            elif words:
                rows.setdefault(words[0], []).append(words)
    return frozenset(single), rows


def _clean(text: str, known: Known) -> str | None:
    body = text.rstrip(" \0")
    plain = unicodedata.normalize("NFC", body)
    odd = _ODD.search(plain) is not None
    if odd:
        plain = _ODD.sub(" ", plain)
    runs = [Run(m.start(), m.end(), m[0], fold(m[0])) for m in _RUN.finditer(plain)]
    single, rows = _sought(known)
    _mark_known(runs, single, rows)
    _mark_patterns(plain, runs)
    _mark_unknown(plain, runs, frozenset(word for word in single if len(word) > 1 and _is_sought(word)))
    _mark_ambiguous(plain, runs)
    _mark_titles(plain, runs)
    _mark_streets(plain, runs)
    _spread(plain, runs)
    if not odd and not any(run.fate for run in runs):
        return text
    return _rest(plain, runs)


def _is_sought(word: str) -> bool:
    """Whether a known word is removed wherever it stands: any name, and longer words with digits."""
    return len(word) > 3 or word.isalpha()


def _mark_known(runs: list[Run], single: frozenset[str], rows: dict[str, list[tuple[str, ...]]]) -> None:
    whole = tuple(run.folded for run in runs)
    if len(whole) == 1 and whole[0] in single:
        runs[0].fate = "known"
    for at, run in enumerate(runs):
        if run.folded in single and len(run.folded) > 1 and _is_sought(run.folded):
            run.fate = "known"
        for row in rows.get(run.folded, ()):
            if whole[at : at + len(row)] == row and (sum(map(len, row)) > 3 or row == whole):
                for other in runs[at : at + len(row)]:
                    other.fate = "known"


def _mark_patterns(plain: str, runs: list[Run]) -> None:
    for start, end in spans(plain):
        for run in runs:
            if run.start < end and start < run.end:
                run.fate = run.fate or "pattern"
    for match in _DOTTED.finditer(plain):
        letters = fold(match[0].replace(".", ""))
        fate = "" if is_harmless(letters, frozenset()) else "unknown"
        for run in runs:
            if match.start() <= run.start and run.end <= match.end():
                run.fate = run.fate or fate


def _mark_unknown(plain: str, runs: list[Run], known: frozenset[str]) -> None:
    lists = vocabulary()
    for at, run in enumerate(runs):
        if run.fate or (len(run.text) == 1 and run.folded.isascii()):
            continue
        if run.folded.isascii() and run.folded.isdigit():
            if not _is_number(plain, runs, at):
                run.fate = "number"
        elif _is_named(plain, run) or not (
            run.folded in lists.beside or is_harmless(run.text, known) or _is_unit(plain, runs, at)
        ):
            run.fate = "unknown" if run.text.isalpha() else "number"


def _is_named(plain: str, run: Run) -> bool:
    """Whether a small word is written with a capital inside a text, as "Do" and "Van" are in names."""
    return (
        run.folded in vocabulary().names
        and run.start > 0
        and run.text.istitle()
        and any(map(str.islower, plain[: run.start]))
    )


def _is_unit(plain: str, runs: list[Run], at: int) -> bool:
    return bool(
        at and runs[at].folded in UNITS and runs[at - 1].text[-1:].isdigit() and not _gap(plain, runs, at).strip()
    )


def _is_number(plain: str, runs: list[Run], at: int) -> bool:
    """Whether digits are a quantity, a count or a setting, rather than a year or an identifier."""
    digits = runs[at].text
    if len(digits) <= 3:
        return True
    if at and _gap(plain, runs, at) in (".", ",") and runs[at - 1].text.isdigit():
        whole = runs[at - 1].text
        return not runs[at - 1].fate and len(digits) <= (7 if len(whole) == 1 else 4 if len(whole) == 2 else 3)
    if len(digits) > 4:
        return False
    before = runs[at - 1].folded if at and not _gap(plain, runs, at).strip("_ =:x*") else ""
    after = runs[at + 1].folded if at + 1 < len(runs) and not _gap(plain, runs, at + 1).strip() else ""
    return is_setting(digits) or before in BEFORE or (after in UNITS and len(after) > 1)


def _gap(plain: str, runs: list[Run], at: int) -> str:
    """What stands between a run and the one before it."""
    return plain[runs[at - 1].end if at else 0 : runs[at].start]


def _mark_ambiguous(plain: str, runs: list[Run]) -> None:
    """Words that may be names stay only beside a word that makes them a term."""
    beside = vocabulary().beside
    for at, run in enumerate(runs):
        friends = beside.get(run.folded)
        if run.fate or friends is None or ("=" in friends and len(runs) == 1) or _is_unit(plain, runs, at):
            continue
        near = [runs[i] for i in (at - 1, at + 1) if 0 <= i < len(runs)]
        if at + 2 < len(runs) and runs[at + 1].folded == "s":
            near.append(runs[at + 2])
        near = [other for other in near if not other.fate]
        if not any(other.folded in friends or ("#" in friends and other.text[0].isdigit()) for other in near):
            run.fate = "unknown"


def _mark_titles(plain: str, runs: list[Run]) -> None:
    """After "Dr." or "Tech:" the next words go, whatever they are."""
    for at, run in enumerate(runs):
        after = plain[run.end : run.end + 2]
        title = run.folded in _TITLES or (run.folded in _TITLE_CASED and (after[:1] == "." or run.text.istitle()))
        label = run.folded in _LABELS and after[:1] == ":"
        if not title and not label:
            continue
        run.fate = run.fate or "unknown"
        for other in range(at + 1, min(at + 4, len(runs))):
            if not _NAME_GAP.fullmatch(_gap(plain, runs, other).lstrip(":")) or not runs[other].text.isalpha():
                break
            runs[other].fate = runs[other].fate or "unknown"
            if len(runs[other].text) > 1 and title:
                break


def _mark_streets(plain: str, runs: list[Run]) -> None:
    """A house number, words of which one is unknown, and "St" or "Road"; or such words and a number behind them."""
    for at, run in enumerate(runs):
        if run.folded not in _STREETS:
            continue
        first = at
        while first > max(at - 4, 0) and runs[first - 1].text.isalpha() and _is_close(plain, runs, first):
            first -= 1
        if first == at or not any(other.fate for other in runs[first:at]):
            continue
        numbers = [i for i in (first - 1, at + 1) if 0 <= i < len(runs) and runs[i].text[0].isdigit()]
        numbers = [i for i in numbers if _is_close(plain, runs, max(i, first if i < first else i))]
        if numbers:
            for other in (*range(first, at + 1), *numbers[:1]):
                runs[other].fate = runs[other].fate or "pattern"


def _is_close(plain: str, runs: list[Run], at: int) -> bool:
    return _NAME_GAP.fullmatch(_gap(plain, runs, at)) is not None


def _spread(plain: str, runs: list[Run]) -> None:
    """What clings to a removed word goes with it: initials, "von", eponyms, the other digits of an identifier."""
    changed = True
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
    if gone.fate == "number" or (gone.fate == "known" and not gone.text.isalpha()):
        return bool(_ID_GAP.fullmatch(gap)) and (run.text.isdigit() or len(run.text) == 1)
    if gone.fate == "pattern" or not _NAME_GAP.fullmatch(gap):
        return False
    lists = vocabulary()
    if len(run.text) == 1 and run.text.isalpha():
        return run.folded not in "lr" or plain[run.end : run.end + 1] == "." or "," in gap
    return (
        run.folded in lists.names
        or run.folded in lists.eponyms
        or run.folded in lists.beside
        or (run.folded in (lists.linking if other > at else _CREDENTIALS))
    )


def _rest(plain: str, runs: list[Run]) -> str | None:
    """The runs that stay, with the punctuation between them tidied where something went."""
    kept = [at for at, run in enumerate(runs) if not run.fate]
    lists = vocabulary()
    if not any(
        len(runs[at].text) > 1 and not runs[at].text.isdigit() and runs[at].folded not in lists.names | lists.linking
        for at in kept
    ):
        return None
    pieces = [plain[: runs[0].start] if kept[0] == 0 else _opening(_gap(plain, runs, kept[0]))]
    for place, at in enumerate(kept):
        if place:
            before = kept[place - 1]
            pieces.append(
                _gap(plain, runs, at)
                if at == before + 1
                else _seam(_gap(plain, runs, before + 1), _gap(plain, runs, at))
            )
        pieces.append(runs[at].text)
    tail = plain[runs[kept[-1]].end :] if kept[-1] == len(runs) - 1 else _closing(_gap(plain, runs, kept[-1] + 1))
    return _balanced("".join(pieces) + tail).strip(" ")


def _closing(gap: str) -> str:
    """What of the gap before a removed word belongs to the word in front of it: "%", "+", a closing bracket."""
    found = re.match(r"[%°²³*™®]*\s?[)\]}>]*|[+]+(?=\s|$)", gap)
    return found[0].rstrip() if found else ""


def _opening(gap: str) -> str:
    """What of the gap after a removed word belongs to the word behind it: "+", "<", an opening bracket."""
    found = re.search(r"(?:(?<=\s)[-+]|[(\[{<>=#~±≤≥])*$", gap)
    return found[0] if found else ""


def _seam(left: str, right: str) -> str:
    close, opened = _closing(left), _opening(right)
    between = left[len(close) :], right[: len(right) - len(opened)]
    if any("\n" in side for side in between):
        joint = "\n"
    elif any("\\" in side for side in between):
        joint = "\\"
    else:
        joint = next((mark for mark in "_^-" if all(side == mark for side in between)), " ")
    return close + joint + opened


def _balanced(text: str) -> str:
    """Without brackets that have lost their contents or their partner, and without double blanks at the seams."""
    for _ in range(3):
        text = re.sub(r"\(\s*\)|\[\s*\]|<\s*>|\{\s*\}", "", text)
    for opened, closed in ("()", "[]"):
        if text.count(opened) != text.count(closed):
            text = text.replace(opened, " ").replace(closed, " ")
    return text.strip(_DROP_EDGES)
