"""In a series only what changed is judged again, and never by what held for another object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from stowgate.dicom.source import MemorySource
from stowgate.errors import Rejected
from stowgate.policy import Option, Policy
from stowgate.verify import judge, memo
from stowgate.verify.elements import DataSet
from stowgate.verify.precedent import Precedent, precedent_of
from stowgate.verify.search import Search, tokens_of
from stowgate.verify.tokens import gather
from stowgate.verify.verdicts import Case
from stowgate.verify.walk import BULK, walk
from tests.verify.sample import FRAME, NEW, SERIES, STUDY, Sample


def instance(sample: Sample, number: int) -> None:
    """Another slice of the series: new UIDs on both sides, another number."""
    sample.raw.top[0x00080018] = (b"UI", old := b"1.2.826.0.1.3680043.8.498.8%d" % number)
    sample.raw.meta[0x00020003] = (b"UI", old)
    sample.clean.top[0x00080018] = sample.clean.meta[0x00020003] = (b"UI", new := b"2.25.77%d" % number)
    sample.names = replace(sample.names, instance=new.decode())
    for file in (sample.raw, sample.clean):
        file.top[0x00200013] = (b"IS", b"%d" % number)


def series(sample: Sample) -> Sample:
    for number in range(10, 16):
        instance(sample, number)
        sample.check()
    return sample


def stopped(sample: Sample) -> str:
    with pytest.raises(Rejected) as error:
        sample.check()
    return error.value.code


@pytest.fixture(autouse=True)
def _fresh() -> None:
    memo._threads.__dict__.clear()


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many top-level elements were judged of each output."""
    counts: list[int] = []
    original = judge.left_to_judge

    def counted(*arguments: object) -> DataSet:
        found: DataSet = original(*arguments)  # type: ignore[arg-type]
        counts.append(len(found))
        return found

    monkeypatch.setattr(judge, "left_to_judge", counted)
    return counts


def test_only_what_changed_is_judged(judged: list[int]) -> None:
    series(Sample())
    assert judged[0] > 25
    assert judged[-1] == 3  # instance, number, pixels


def test_what_has_another_source_is_judged(judged: list[int]) -> None:
    sample = Sample()
    series(sample)
    for number, date in enumerate((b"20240201", b"20240202", b"20240203")):
        instance(sample, 20 + number)
        sample.raw.top[0x00080020] = (b"DA", date)
        sample.check()
    sample.clean.top[0x00080020] = (b"DA", date)
    assert stopped(sample) == "gate_date"


def test_a_uid_is_found_in_what_stood_there_before() -> None:
    sample = Sample()
    sample.both(0x00080070, b"LO", b"see 1.2.826.0.1.3680043.8.498.899")
    series(sample)
    instance(sample, 99)
    assert stopped(sample) == "gate_uid"


def test_a_uid_in_wide_digits_is_found_in_what_stood_there_before() -> None:
    sample = Sample()
    wide = str.maketrans({chr(code): chr(code + 0xFEE0) for code in b"0123456789."})
    sample.both(0x00080005, b"CS", b"ISO_IR 192")
    sample.raw.top[0x00100010] = (b"PN", b"MULLER^JANE")
    sample.both(0x00080070, b"LO", "1.2.826.0.1.3680043.8.498.899".translate(wide).encode())
    series(sample)
    instance(sample, 99)
    assert stopped(sample) == "gate_uid"


def test_a_uid_that_was_mapped_before_is_mapped_alike() -> None:
    sample = series(Sample())
    instance(sample, 20)
    sample.raw.top[0x00080018] = (b"UI", FRAME)
    assert stopped(sample) == "gate_uid"
    sample.clean.top[0x00080018] = sample.clean.meta[0x00020003] = (b"UI", NEW[FRAME])
    sample.names = replace(sample.names, instance=NEW[FRAME].decode())
    sample.check()


def test_another_patient_has_another_pseudonym() -> None:
    sample = series(Sample())
    instance(sample, 20)
    sample.names = replace(sample.names, patient="0" * 16)
    assert stopped(sample) == "gate_attribute"


def test_another_person_is_sought_everywhere() -> None:
    sample = series(Sample())
    instance(sample, 20)
    sample.raw.top[0x00080090] = (b"PN", b"ACME^A")
    assert stopped(sample) == "gate_token"


def test_another_policy_judges_anew() -> None:
    sample = series(Sample(Policy(options=frozenset({Option.PATIENT_CHARACTERISTICS}))))
    sample.clean.top[0x00100040] = sample.raw.top[0x00100040]
    sample.check()
    other = Sample()
    other.clean.top[0x00100040] = sample.clean.top[0x00100040]
    assert stopped(other) == "gate_attribute"


def test_dates_move_as_they_did_before() -> None:
    sample = Sample(Policy(options=frozenset({Option.MODIFIED_DATES})))
    sample.clean.top[0x00280303] = (b"CS", b"MODIFIED")
    sample.clean.top[0x00080020] = (b"DA", b"20240110")
    series(sample)
    sample.raw.top[0x00080022] = (b"DA", b"20240117")
    sample.clean.top[0x00080022] = (b"DA", b"20240110")
    series(sample)
    instance(sample, 20)
    sample.raw.top[0x00080022] = (b"DA", b"20240118")
    sample.clean.top[0x00080022] = (b"DA", b"20240104")
    assert stopped(sample) == "gate_date"
    sample.clean.top[0x00080022] = (b"DA", b"20240111")
    sample.check()


def varied(sample: Sample, change: Callable[[bytes], None]) -> Sample:
    """A series in which something is not the same twice running, though nothing is wrong with it."""
    for number in range(10, 18):
        change((b" ", b"\0")[number & 1])
        instance(sample, number)
        sample.check()
    instance(sample, 20)
    return sample


def test_a_person_who_is_named_once_is_sought_in_what_stood_there_before() -> None:
    sample = Sample()

    def change(pad: bytes) -> None:
        sample.raw.top[0x00081070] = (b"PN", b"OPERATOR^A" + pad)

    sample.clean.top[0x00081070] = (b"PN", b"")
    varied(sample, change)
    sample.raw.top[0x00081070] = (b"PN", b"ACME^ADELE")
    assert stopped(sample) == "gate_token"


def test_a_private_element_is_judged_anew_when_its_creator_is_another() -> None:
    sample = Sample(Policy(options=frozenset({Option.SAFE_PRIVATE})))
    sample.both(0x0019100C, b"IS", b"1000")

    def change(pad: bytes) -> None:
        sample.both(0x00190010, b"LO", b"SIEMENS MR HEADER" + pad)

    varied(sample, change)
    sample.both(0x00190010, b"LO", b"UNKNOWN MR HEADER ")
    assert stopped(sample) == "gate_private"


def test_a_value_that_the_source_no_longer_has_is_judged_anew() -> None:
    sample = Sample()
    sample.raw.top[0x00281201] = (b"OW", bytes(BULK + 2))  # the header of the source ends here, that of the output not
    sample.both(0x00282110, b"CS", b"00")
    series(sample)
    instance(sample, 20)
    del sample.raw.top[0x00282110]
    assert stopped(sample) == "gate_value"


def test_a_value_that_stays_while_its_source_varies_is_judged_each_time() -> None:
    sample = Sample()
    sample.clean.top[0x00080008] = (b"CS", b"ORIGINAL\\PRIMARY\\REMOVED")

    def change(pad: bytes) -> None:
        sample.raw.top[0x00080008] = (b"CS", b"ORIGINAL\\PRIMARY\\" + (b"AXIAL", b"HELIX")[pad == b" "])

    varied(sample, change)
    sample.raw.top[0x00080008] = (b"CS", b"DERIVED\\PRIMARY\\AXIAL")
    assert stopped(sample) == "gate_value"
    instance(sample, 21)
    assert stopped(sample) == "gate_value"


def test_marks_that_vary_are_judged_each_time() -> None:
    sample = Sample()

    def change(pad: bytes) -> None:
        sample.clean.top[0x00280303] = (b"CS", b"REMOVED" + pad)

    varied(sample, change)
    sample.clean.top[0x00280303] = (b"CS", b"MODIFIED")
    assert stopped(sample) == "gate_marks"


def test_meta_information_that_varies_is_judged_each_time() -> None:
    sample = Sample()

    def change(pad: bytes) -> None:
        sample.clean.meta[0x00020013] = (b"SH", b"STOWGATE_1" + pad * 2)

    varied(sample, change)
    sample.clean.meta[0x00020013] = (b"SH", b"SOMEBODY_1  ")
    assert stopped(sample) == "gate_meta"


def test_the_identifier_in_the_meta_information_is_that_of_the_object() -> None:
    sample = series(Sample())
    instance(sample, 20)
    sample.clean.meta[0x00020003] = (b"UI", b"2.25.7715")
    assert stopped(sample) == "gate_meta"


@pytest.mark.parametrize("name", ["study", "series", "modality", "view", "series_number"])
def test_other_names_of_the_path_are_judged_anew(name: str) -> None:
    sample = series(Sample())
    instance(sample, 20)
    sample.names = replace(sample.names, **{name: "MULLER"})
    assert stopped(sample) == "gate_names"


@pytest.mark.parametrize("uid", [NEW[STUDY], NEW[SERIES]])
def test_a_name_that_the_source_has_for_its_own_identifier_is_found(uid: bytes) -> None:
    sample = series(Sample())
    instance(sample, 20)
    sample.raw.top[0x00080018] = (b"UI", uid)
    assert stopped(sample) == "gate_names"


def test_a_byte_inside_what_never_changed_is_noticed(judged: list[int]) -> None:
    sample = series(Sample())
    instance(sample, 20)
    sample.clean.top[0x00181210] = (b"SH", b"B31f")
    assert stopped(sample) == "gate_value"
    assert judged[-1] > 25


def test_a_precedent_holds_for_what_it_was_made_from_and_for_nothing_else() -> None:
    sample = series(Sample())
    clean, source = (
        walk(MemorySource(file.encode()), strict) for file, strict in ((sample.clean, True), (sample.raw, False))
    )
    facts = gather(source)
    search = Search(tokens_of(facts.words, sample.policy.options), facts.uids)
    case = Case(sample.names, facts.uids)
    assert clean.template
    known = clean.template.notes["judged"]
    assert isinstance(known, Precedent)
    assert precedent_of(clean, source, known.policy, case, search) is known
    others = (
        precedent_of(clean, source, replace(known.policy), case, search),
        precedent_of(clean, replace(source, template=clean.template), known.policy, case, search),
        precedent_of(
            clean, replace(source, varying=source.varying | {0x00189999: (b"LO", b"")}), known.policy, case, search
        ),
        precedent_of(
            replace(clean, varying=clean.varying | {0x00189999: (b"LO", b"")}), source, known.policy, case, search
        ),
        precedent_of(replace(clean, template=None), source, known.policy, case, search),
        precedent_of(clean, source, known.policy, replace(case, uids=facts.uids | {NEW[STUDY]}), search),
        precedent_of(clean, source, known.policy, case, Search(search.tokens, facts.uids | {b"1.2.3"})),
        precedent_of(clean, source, known.policy, case, Search(tokens_of(facts.words[1:], frozenset()), facts.uids)),
    )
    assert not any(others)
