"""Clean Descriptors: identity typed into descriptions goes, whatever it looks like, and what is harmless stays."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from stowgate.deident import vocabulary as lists
from stowgate.deident.names import fold
from stowgate.deident.text import clean
from stowgate.deident.tokens import Known
from tests.deident.descriptors.planting import KINDS, cased, lines, names, planted, runs
from tests.shared import SHARED, needs_shared

NOBODY = Known.of()
HARMLESS = lines("harmless.txt")
HELD_OUT = lines("heldout.txt")
WORDS = lists.vocabulary()
SPARED = WORDS.eponyms | WORDS.beside.keys() | WORDS.names
"""Names that the vocabulary lists on purpose: eponyms, terms that need a neighbour, and small words such as "von"."""
PEOPLE = [name for name in names() if fold(name) not in SPARED]


def stays(texts: list[str]) -> float:
    return sum(clean(text, NOBODY) == text for text in texts) / len(texts)


def left(cleaned: str | None, before: str) -> Counter[str]:
    """Runs of letters and digits that are in a cleaned text and were not in the description before the planting."""
    return Counter(runs(cleaned or "")) - Counter(runs(before))


def test_there_are_enough_descriptions_and_names_to_say_something() -> None:
    assert len({*HARMLESS, *HELD_OUT}) == len(HARMLESS) + len(HELD_OUT) >= 2000
    assert len(PEOPLE) >= 900


def test_harmless_descriptions_stay_byte_for_byte() -> None:
    assert stays(HARMLESS) >= 0.985


def test_descriptions_that_the_vocabulary_was_not_built_on_stay_too() -> None:
    assert stays(HELD_OUT) >= 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_planted_is_left_and_what_stood_around_it_is(kind: str) -> None:
    rng = random.Random(kind)
    kept = total = 0
    for text in HARMLESS + HELD_OUT:
        what = KINDS[kind](rng, PEOPLE)
        cleaned = clean(planted(rng, text, what), NOBODY)
        assert not left(cleaned, text), (text, what)
        kept += sum((Counter(runs(cleaned or "")) & Counter(runs(text))).values())
        total += len(runs(text))
    assert kept / total >= 0.93


def test_no_name_of_any_language_survives_as_an_unknown_word() -> None:
    frames = (
        "{}",
        "CT {} HEAD",
        "MR_{}_HEAD",
        "CHEST PA {}",
        "{} Thorax nativ",
        "T1 ({}) 3mm",
        "tech {} 2",
        "{}, AX T2",
        "Head^{}",
    )
    for at, name in enumerate(PEOPLE):
        for turn, written in enumerate((name, name.upper(), name.lower())):
            for frame in (frames[(at + turn) % len(frames)], frames[(at + turn + 4) % len(frames)]):
                cleaned = clean(frame.format(written), NOBODY)
                assert fold(written) not in [fold(word) for word in runs(cleaned or "")], (frame, written)


def test_no_name_stands_in_the_plain_vocabulary() -> None:
    assert [name for name in names() if fold(name) in WORDS.words] == []


def test_the_names_of_this_patient_go_even_where_they_are_words_of_radiology() -> None:
    rng = random.Random(1)
    words = (
        "Head Long Bell Hand Waters Young Foot Lung Cross Field Short Sharp Dixon Parkinson Axial Thorax Low".split()
    )
    for text in HARMLESS + HELD_OUT:
        family, given = rng.choice(words), rng.choice(words + PEOPLE)
        known = Known.of(names=[f"{family}^{given}"])
        form = rng.choice(
            ("{1} {0}", "{0}, {1}", "{0}^{1}", "{1[0]}. {0}", "{0}'s", "MR_{0}_HD", "{0}{1}", "Dr. {0}", "{1}-{0}")
        )
        cleaned = clean(planted(rng, text, form.format(cased(rng, family), given)), known)
        assert not {fold(family), fold(given)} & {fold(word) for word in runs(cleaned or "")}, (
            text,
            form,
            family,
            given,
        )
        assert cleaned is None or not known.found_in(cleaned, "LO")


EXAMPLES = """
p4|I0, Gated, 0.0%|5.0mm|B30f|T2_TSE_TRA_P2_FS|3mm x 1.5|120kV|ep2d_diff_3scan_trace_p2|AX T1 POST
C.T. THORAX W/O|1.25 mm BONE PLUS|L-SPINE 2 VIEWS|RCC|LMLO|Stack 1|100%|+C|TE 35|MPR 3.0 Ax|30-80%
t1_fl3d_tra_dynaVIEWS|P4^P113^S303^I10349, Gated, 40.0%B|Thorax^THORAX_ROUTINE (Adult)|t1_vibe_dixon_tra
SKULL TOWNE|SKULL WATERS|Judet views|Parkinson disease|Bell's palsy|Crohn's disease|Hodgkin lymphoma
US DOPPLER|CT Schädel nativ|Röntgen Thorax 2 Ebenen|IRM cérébrale|Épaule gauche|TC TÓRAX|RM ENCEFALO
Coração|hersenen|T2FLAIROAxfs|HeadSeq|CorCTA|mDIXON-All_BH|Kniegelenkaufnahme|R07.9 chest pain|Z12.31
b=1000|FOV 2000|2000 ms|JPEG 2000|ratio 10:1|0.9765625|45 yo|10 MIN
"""


@pytest.mark.parametrize("text", EXAMPLES.strip().replace("\n", "|").split("|"))
def test_technical_shapes_and_words_of_seven_languages_stay(text: str) -> None:
    assert clean(text, NOBODY) is text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("CHEST PA Smith, John", "CHEST PA"),
        ("Smith John", None),
        ("MR_DOE_HEAD", "MR_HEAD"),
        ("CT Dr. Head THORAX", "CT THORAX"),
        ("HEAD (Dr. Miller) AX", "HEAD AX"),
        ("AX T1 +C Miller", "AX T1 +C"),
        ("Miller +C AX T1", "+C AX T1"),
        ("J. van der Berg CT HEAD", "CT HEAD"),
        ("Emily Waters SKULL", "SKULL"),
        ("XR CHEST AP PORTABLE for Scott Kaufman", "XR CHEST AP PORTABLE"),
        ("Development^Dr. Cohen-Adad", "Development"),
        ("01234567 CT HEAD 2019", "CT HEAD"),
        ("CT HEAD 12.03.1987 5.0mm", "CT HEAD 5.0mm"),
        ("CT HEAD 0.0% 12MAR87", "CT HEAD 0.0%"),
        ("1 2 3 Smith", None),
        ("for Smith", None),
        ("J.D. CT", "CT"),
        ("Tech: Bell, CHEST PA", "CHEST PA"),
        ("CT HEAD\\Smith\\AX", "CT HEAD\\AX"),
        ("CT HEAD\r\nSmith\r\nAX", "CT HEAD\nAX"),
        ("12 Old Church Road, KNEE 2V", "KNEE 2V"),
        ("92 yo KNEE 2V", "KNEE 2V"),
        ("KNEE 2V MRN 12", "KNEE 2V"),
    ],
)
def test_what_is_left_reads_as_if_nothing_had_stood_there(text: str, cleaned: str | None) -> None:
    assert clean(text, NOBODY) == cleaned


@pytest.mark.parametrize(
    "text", ["KNEE", "KNEE ", "KNEE\0", "  KNEE  AX ", "", "5", "^^^^", "Scha\u0308del nativ", "AX_FSE_"]
)
def test_a_text_with_nothing_to_remove_is_returned_itself(text: str) -> None:
    assert clean(text, NOBODY) is text


@pytest.mark.parametrize(
    ("known", "text", "cleaned"),
    [
        (Known.of(names=["Bell^Anna"]), "Bell palsy", "palsy"),
        (Known.of(names=["Head^Rich"]), "HeadRoutine AX", "AX"),
        (Known.of(names=["Head^Rich"]), "head2 AX", "AX"),
        (Known.of(names=["Li^Wu"]), "CT Li, Wu HEAD", "CT HEAD"),
        (Known.of(names=["Müller^Jörg"]), "CT MUELLER Knie", "CT Knie"),
        (Known.of(names=["Müller^Jörg"]), "CT Mu\u0308ller Knie", "CT Knie"),
        (Known.of(ids=["AB-12"]), "KNEE ab 12 AX", "KNEE AX"),
        (Known.of(ids=["512"]), "MATRIX 512", "MATRIX 512"),
        (Known.of(ids=["512"]), "512", None),
        (Known.of(ids=["1024"]), "MATRIX 1024", "MATRIX"),
        (Known.of(phrases=["General Chest Clinic"]), "GENERAL  CHEST-CLINIC CHEST PA", "CHEST PA"),
        (Known.of(phrases=["General Chest Clinic"]), "General chest", "General chest"),
        (Known.of(names=["Axial^A"]), "SAG A AX", "SAG A AX"),
    ],
)
def test_known_words_and_phrases_go_however_they_are_written(known: Known, text: str, cleaned: str | None) -> None:
    assert clean(text, known) == cleaned


def test_eponyms_stay_alone_and_go_with_a_name_beside_them() -> None:
    for eponym in ("Towne", "Waters", "Judet", "Parkinson", "Bell", "Crohn", "Hodgkin", "Achilles", "Chiari"):
        assert clean(f"CT {eponym} HEAD", NOBODY) == f"CT {eponym} HEAD"
        assert clean(f"Xiaoming {eponym}, HEAD", NOBODY) == "HEAD"
        assert clean(f"CT {eponym} HEAD", Known.of(names=[f"{eponym}^X"])) == "CT HEAD"


def test_words_that_are_names_too_need_the_neighbour_that_makes_them_a_term() -> None:
    assert clean("X-RAY", NOBODY) == "X-RAY"
    assert clean("Long axis, white matter, Baker's cyst", NOBODY) == "Long axis, white matter, Baker's cyst"
    for name in ("Ray", "Long", "White", "Baker", "Hart", "Young", "Max", "Blanco", "Rao", "Lima", "Cortes"):
        assert clean(f"Knee {name} foot", NOBODY) == "Knee foot", name


def test_no_list_marks_a_word_as_harmless_and_ambiguous_at_once() -> None:
    assert not WORDS.words & WORDS.beside.keys()
    assert not WORDS.eponyms & WORDS.beside.keys()
    assert not WORDS.words & WORDS.eponyms
    assert all(re.fullmatch(r"[a-z0-9]+", word) for word in WORDS.words | WORDS.eponyms | WORDS.beside.keys())


@pytest.mark.parametrize(
    "hidden",
    ["Smi\u200bth", "S\u00admith", "\uff33\uff4d\uff49\uff54\uff48", "Ѕmith", "山田太郎", "Иванов", "أحمد", "김희중"],
)
def test_other_scripts_and_invisible_characters_do_not_hide_a_name(hidden: str) -> None:
    cleaned = clean(f"CT HEAD {hidden}", NOBODY)
    assert cleaned == "CT HEAD"


def test_other_digits_do_not_hide_a_number() -> None:
    assert clean("CT HEAD \u0661\u0669\u0668\u0667\u0660\u0663\u0661\u0662", NOBODY) == "CT HEAD"


def test_the_answer_depends_on_the_patient_and_not_on_who_was_asked_before() -> None:
    assert clean("Bell palsy", NOBODY) == "Bell palsy"
    assert clean("Bell palsy", Known.of(names=["Bell^Anna"])) == "palsy"
    assert clean("Bell palsy", NOBODY) == "Bell palsy"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000,
        "1 " * 20_000,
        "A. " * 20_000,
        "12.03.1987 " * 5_000,
        "(" * 50_000,
        "x@" * 20_000,
        "de la " * 10_000 + "Doe",
        "1" + " " * 50_000 + "x",
    ],
    ids=["one word", "numbers", "initials", "dates", "brackets", "addresses", "particles", "blanks"],
)
def test_long_texts_take_time_in_proportion(text: str) -> None:
    imports = "import sys; from stowgate.deident.text import clean; from stowgate.deident.tokens import Known"
    code = f"{imports}; clean(sys.stdin.read(), Known.of())"
    subprocess.run([sys.executable, "-c", code], input=text, text=True, check=True, timeout=10)


@needs_shared
def test_the_words_of_the_standard_are_those_its_tables_give(tmp_path: Path) -> None:
    assert SHARED is not None
    from tools import build_vocabulary

    shipped = (build_vocabulary.TABLES / "vocabulary_standard.txt").read_text("utf-8")
    assert build_vocabulary.listed(SHARED / "standard") == shipped
