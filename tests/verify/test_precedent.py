"""In a series only what changed is judged again, and never by what held for another object."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stowgate.errors import Rejected
from stowgate.policy import Option, Policy
from stowgate.verify import judge, memo
from stowgate.verify.elements import DataSet
from tests.verify.sample import FRAME, NEW, Sample


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
