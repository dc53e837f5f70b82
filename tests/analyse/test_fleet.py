"""A fleet that watches itself: faults are found, healthy scans are left alone, protocols are never mixed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from stowgate.analyse.baseline import Baseline
from stowgate.analyse.drift import FIRST
from stowgate.analyse.fleet import Scan, Verdict, judge
from stowgate.analyse.scanners import CLOCK
from stowgate.errors import Misconfigured
from tests.analyse.simulated_fleet import FAULTS, HELD_OUT, Simulated, judged, scans

ALL = tuple(FAULTS)


def made(n: int, scanner: str = "A", protocol: str = "CT", noise: float = 6.0, **more: object) -> Scan:
    """A healthy scan out of a narrow distribution."""
    chance = random.Random(n)
    features = {
        "density": chance.gauss(100, 5), "level": chance.gauss(40, 2), "noise": noise * chance.uniform(0.95, 1.05),
        "sharpness": chance.uniform(0.39, 0.41), "peak": chance.gauss(900, 9),
    }  # fmt: skip
    return replace(Scan(f"{n:05}", scanner, protocol, 60.0 * n, features), **more)  # type: ignore[arg-type]


def of_scanners(number: int = 4, each: int = 20) -> list[Scan]:
    return [made(n, f"S{n % number}") for n in range(number * each)]


def alerts(verdict: Verdict) -> dict[str, tuple[str, ...]]:
    return {one.scanner: one.reasons for one in verdict.scanners if one.alert}


# ------------------------------------------------------------------------------------- against a fleet with faults


@pytest.mark.no_cover
@pytest.mark.parametrize(("seed", "share"), [(HELD_OUT[0], 0.02), (HELD_OUT[1], 0.1)])
def test_faults_are_found_and_healthy_scans_are_left_alone(seed: int, share: float) -> None:
    fleet = list(scans(seed, 900, fault=ALL, share=share))
    verdict = judged(fleet)
    found, there = Counter[str](), Counter[str]()
    for one, image in zip(fleet, verdict.images, strict=True):
        found[one.fault] += image.outlier
        there[one.fault] += 1
    assert found[""] <= 0.01 * there[""]
    faults = [name for name in there if name]
    assert len(faults) >= 4
    assert sum(found[name] for name in faults) >= 0.95 * sum(there[name] for name in faults)
    assert all(found[name] >= 0.85 * there[name] for name in faults if there[name] >= 7), (found, there)


@pytest.mark.no_cover
def test_a_healthy_fleet_has_next_to_no_outlier_no_drift_and_no_alert() -> None:
    verdict = judged(list(scans(HELD_OUT[2], 600)))
    assert sum(image.outlier for image in verdict.images) <= 6
    assert (alerts(verdict), verdict.drifts) == ({}, ())
    assert [len(group.scanners) for group in verdict.groups] == [8]


def step(name: str, n: int) -> float:
    return 40.0 if name == "S02" and n > 25 else 0.0


def ramp(name: str, n: int) -> float:
    return 3.0 * max(0, n - 25) if name == "S02" else 0.0


@pytest.mark.no_cover
@pytest.mark.parametrize("way", [step, ramp])
def test_a_scanner_that_drifts_is_found_within_twenty_scans(way: Callable[[str, int], float]) -> None:
    fleet: list[Simulated] = list(scans(HELD_OUT[3], 400, drifting=way))
    verdict = judged(fleet)
    assert {one.scanner for one in verdict.drifts} == {"S02"}
    assert 25 <= verdict.drifts[0].at < 25 + 20
    assert "scanner_drifts" in alerts(verdict)["S02"]
    assert set(alerts(verdict)) == {"S02"}


# ----------------------------------------------------------------------------------------------- the rules alone


def test_the_order_of_the_input_does_not_matter() -> None:
    fleet = [*of_scanners(), made(900, "S1", noise=30.0)]
    shuffled = list(fleet)
    random.Random(1).shuffle(shuffled)
    assert judge(shuffled) == judge(fleet)


def test_an_outlier_says_what_is_unlike_the_farthest_first() -> None:
    odd = made(900, "S1", noise=60.0)
    odd = replace(odd, features={**odd.features, "level": 400.0})
    (image,) = [one for one in judge([*of_scanners(), odd]).images if one.scan == odd]
    assert image.outlier and image.reasons == ("level_high", "noise_high")


def test_what_is_amiss_by_itself_makes_an_outlier_too() -> None:
    verdict = judge([*of_scanners(), made(900, "S1", codes=("picture_blank",))])
    assert [one.reasons for one in verdict.images if one.outlier] == [("picture_blank",)]


def test_protocols_are_never_mixed() -> None:
    other = [made(n, f"S{n % 4}", "MR", noise=60.0) for n in range(1000, 1040)]
    assert not any(image.outlier for image in judge([*of_scanners(), *other]).images)


def test_one_more_healthy_scanner_makes_no_outlier_of_the_others() -> None:
    more = [made(n, "S9") for n in range(500, 520)]
    assert not any(image.outlier for image in judge([*of_scanners(), *more]).images)


def test_few_images_and_one_scanner_are_not_judged_and_that_is_said() -> None:
    verdict = judge([made(n) for n in range(3)])
    assert verdict.cannot == ("fleet_small", "fleet_of_one")
    assert not any(image.outlier for image in verdict.images) and alerts(verdict) == {}
    assert judge([]).images == ()


def test_a_scanner_with_more_outliers_than_its_fleet_alarms_and_bad_luck_does_not() -> None:
    bad = [made(n, "S1", codes=("picture_blank",)) for n in range(900, 906)]
    assert alerts(judge([*of_scanners(), *bad])) == {"S1": ("scanner_outliers",)}
    each = [made(n, f"S{n % 4}", codes=("picture_blank",)) for n in range(900, 924)]
    assert alerts(judge([*of_scanners(), *each])) == {}, "all have as many"
    assert alerts(judge([*of_scanners(), *bad[:2]])) == {}, "two are chance"


def test_odd_slices_of_one_series_are_no_alarm_for_its_scanner() -> None:
    odd = [made(n, "S1", codes=("picture_noisy",), series="1.2") for n in range(900, 908)]
    assert alerts(judge([*of_scanners(), *odd])) == {}
    apart = [replace(one, series=f"1.2.{n % 4}") for n, one in enumerate(odd)]
    assert alerts(judge([*of_scanners(), *apart])) == {"S1": ("scanner_outliers",)}


def test_a_bad_scanner_is_not_hidden_by_a_worse_one() -> None:
    worse = [replace(one, codes=("picture_rings",)) if n >= 8 else one for n, one in
             enumerate(made(n, "S1") for n in range(900, 920))]  # fmt: skip
    bad = [made(n, "S2", codes=("picture_dead_lines",)) for n in range(950, 956)]
    assert {name: codes[0] for name, codes in alerts(judge([*of_scanners(6), *worse, *bad])).items()} == {
        "S1": "scanner_outliers", "S2": "scanner_outliers"
    }  # fmt: skip
    drifted = [replace(one, features={**one.features, "level": one.features["level"] + 60 * (n >= 20)}) for n, one in
               enumerate(made(n, "S1") for n in range(900, 940))]  # fmt: skip
    found = alerts(judge([*of_scanners(6), *drifted, *bad]))
    assert "scanner_drifts" in found["S1"] and found["S2"] == ("scanner_outliers",)
    assert set(found) == {"S1", "S2"}


def test_a_scanner_says_what_its_odd_pictures_have_and_what_they_show_by_themselves() -> None:
    rings = [made(n, "S1", codes=("picture_rings",)) for n in range(900, 902)]
    noisy = made(910, "S1", noise=60.0)
    one = next(one for one in judge([*of_scanners(), *rings, noisy]).scanners if one.scanner == "S1")
    assert (one.alert, dict(one.codes), dict(one.faults)) == (
        False, {"picture_rings": 2, "noise_high": 1}, {"picture_rings": 2}
    )  # fmt: skip


def off_by(scans: Iterable[Scan], level: float) -> list[Scan]:
    return [replace(one, features={**one.features, "level": one.features["level"] + level}) for one in scans]


def test_of_two_scanners_that_differ_both_are_named() -> None:
    fleet = [*of_scanners(1, 40), *off_by((made(n, "S9") for n in range(500, 520)), 60)]
    found = alerts(judge(fleet))
    assert {name for name, codes in found.items() if "scanners_differ" in codes} == {"S0", "S9"}
    assert not any("scanner_differs" in codes for codes in found.values())


def test_scanners_are_not_compared_by_what_depends_on_a_body_part_that_no_header_says() -> None:
    heads = [replace(one, unknown=("body part",)) for one in of_scanners(3)]
    livers = [replace(one, unknown=("body part",)) for one in off_by((made(n, "S9") for n in range(500, 520)), 60)]
    verdict = judge([*heads, *livers])
    assert alerts(verdict) == {} and alerts(judge([replace(one, unknown=()) for one in (*heads, *livers)]))
    assert {one.scanner: one.lacks for one in verdict.scanners}["S9"] == ("body part",)
    air = [replace(one, features={**one.features, "air": -1000.0 + (40 if one.scanner == "S9" else 0)})
           for one in (*heads, *livers)]  # fmt: skip
    (off,) = [one for one in judge(air).scanners if one.scanner == "S9"]
    assert "scanner_differs" in off.reasons and set(off.shift) == {"air"} and off.off["air"] == 40


def test_a_drift_says_by_how_much_and_since_when() -> None:
    later = [one if n < 20 else off_by([one], 40)[0] for n, one in enumerate(made(n, "S9") for n in range(500, 540))]
    drift = next(one for one in judge([*of_scanners(), *later]).drifts if one.feature == "level")
    assert drift.direction == 1 and 20 <= drift.began <= drift.at and drift.since == 60.0 * (500 + drift.began)
    assert drift.size == pytest.approx(40, abs=4)


def test_a_scanner_that_always_differs_from_its_like_is_named() -> None:
    off = [replace(one, features={**one.features, "level": one.features["level"] + 15}) for one in
           (made(n, "S9") for n in range(500, 520))]  # fmt: skip
    (differs,) = [one for one in judge([*of_scanners(), *off]).scanners if one.scanner == "S9"]
    assert "scanner_differs" in differs.reasons and differs.shift["level"] > 5


def test_a_clock_that_is_off_is_named() -> None:
    fleet = [replace(one, clock=(CLOCK + 60 if one.scanner == "S2" else 0.0) + 3600) for one in of_scanners()]
    assert alerts(judge(fleet)) == {"S2": ("scanner_clock",)}


def test_groups_are_as_many_as_there_are() -> None:
    low = [made(n, f"L{n % 3}") for n in range(60)]
    high = [replace(made(n, f"H{n % 3}", "CT"), features={**made(n).features, "level": 70.0 + n % 5, "noise": 12.0})
            for n in range(100, 160)]  # fmt: skip
    assert {group.scanners for group in judge([*low, *high]).groups} == {("H0", "H1", "H2"), ("L0", "L1", "L2")}
    assert [group.scanners for group in judge(low).groups] == [("L0", "L1", "L2")]


# --------------------------------------------------------------------------------------------------- the baseline


def test_a_fleet_is_compared_with_what_it_was() -> None:
    before = judge(of_scanners()).baseline
    off = [replace(one, features={**one.features, "level": one.features["level"] + 15}) for one in of_scanners(4, 3)]
    assert not any(image.outlier for image in judge(off).images)
    again = Baseline.from_json(before.to_json())
    assert again.to_json() == before.to_json()
    verdict = judge(off, again)
    assert verdict.cannot == ()
    assert all(abs(one).max() > 3 for one in verdict.series.values())


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"kind": "other", "version": 1, "protocols": {}}', '{"kind": "stowgate-baseline", "version": 2}',
     '{"kind": "stowgate-baseline", "version": 1, "protocols": {"CT": {"number": "x", "features": {}}}}',
     '{"kind": "stowgate-baseline", "version": 1, "protocols": {"CT": {"number": 1, "features": {"level":'
     ' {"middle": 1, "scale": 0}}}}}'],
)  # fmt: skip
def test_what_is_no_baseline_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        Baseline.from_json(text)
    assert refused.value.code == "bad_baseline"


def test_what_is_usual_for_a_scanner_is_what_its_first_scans_were_and_so_a_habit_is_no_drift() -> None:
    habit = [replace(one, features={**one.features, "level": one.features["level"] + 3}) for one in
             (made(n, "S9") for n in range(500, 540))]  # fmt: skip
    assert "S9" not in {one.scanner for one in judge([*of_scanners(), *habit]).drifts}
    later = [one if n < 2 * FIRST else replace(one, features={**one.features, "level": one.features["level"] + 25})
             for n, one in enumerate(habit)]  # fmt: skip
    drifts = [one for one in judge([*of_scanners(), *later]).drifts if one.scanner == "S9"]
    assert drifts and drifts[0].at >= 2 * FIRST
