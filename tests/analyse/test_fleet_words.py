"""What is said of a fleet: how it stands, and of each scanner why, since when and what to do; its figures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.figure import Figure

from stowgate.analyse.fleet import JudgedScanner, Scan, Verdict, judge
from stowgate.analyse.fleet_words import advice, because, headline, in_need_first, standing
from stowgate.analyse.plots_fleet import drift_figure, has_points, moved_most, scatter_figure
from stowgate.wording import counted, moment
from tests.analyse.test_fleet import made, of_scanners, off_by

HEAD = "CT HEAD 120kV 512x512"


def heads(number: int = 4, each: int = 20) -> list[Scan]:
    return [replace(one, protocol=HEAD, features={**one.features, "contrast": 200.0 + n % 7})
            for n, one in enumerate(of_scanners(number, each))]  # fmt: skip


def scanner(verdict: Verdict, name: str) -> JudgedScanner:
    return next(one for one in verdict.scanners if one.scanner == name)


@pytest.mark.parametrize(
    ("number", "noun", "said"), [(1, "image", "1 image"), (0, "image", "0 images"), (1, "study", "1 study"),
                                 (2000, "study", "2,000 studies")]
)  # fmt: skip
def test_one_is_one_and_more_are_several(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said


def test_a_scanner_with_broken_pictures_has_something_to_do_though_it_does_not_alarm() -> None:
    broken = [replace(one, codes=("picture_rings",), protocol=HEAD) for one in (made(n, "S1") for n in (900, 901))]
    verdict = judge([*heads(), *broken])
    one = scanner(verdict, "S1")
    assert not one.alert and in_need_first(verdict.scanners)[0] == one
    assert "2 picture_rings" in standing(one) and advice(one).startswith("Look at these pictures: Calibrate the detec")
    word, sentence, tone = headline(verdict)
    assert (word, tone) == ("Look at 2 pictures", "wait") and "2 of these show a fault by themselves" in sentence
    assert advice(scanner(verdict, "S2")) == "Nothing to do."


def test_a_drift_says_feature_size_unit_and_since_when() -> None:
    later = [one if n < 20 else off_by([one], 40)[0] for n, one in enumerate(made(n, "S9") for n in range(500, 540))]
    verdict = judge([*heads(), *(replace(one, protocol=HEAD) for one in later)])
    line = next(line for line in because(scanner(verdict, "S9"), verdict) if line.startswith("Drift since"))
    drift = min(verdict.drifts, key=lambda one: one.began)
    assert moment(60.0 * (500 + drift.began)) in line and f"(scan {drift.began + 1} of 40)" in line
    assert "level +4" in line and " HU" in line
    assert "S9" in headline(verdict)[1]


def test_a_scanner_that_is_off_says_by_how_much_in_its_unit() -> None:
    off = [replace(one, protocol=HEAD) for one in off_by((made(n, "S9") for n in range(500, 520)), 15)]
    verdict = judge([*heads(), *off])
    assert any(line.startswith("Off the other scanners: level +1") and "HU" in line for line in
               because(scanner(verdict, "S9"), verdict))  # fmt: skip


def test_what_no_header_says_stands_beside_the_scanner() -> None:
    verdict = judge([replace(one, unknown=("body part", "kVp")) for one in heads()])
    lines = list(because(verdict.scanners[0], verdict))
    assert lines == ["Not compared by what depends on the body part and kVp: its pictures do not say it."]


def test_pictures_that_are_not_measured_are_not_called_healthy() -> None:
    verdict = judge([*heads(), *(Scan(f"us{n}", "US1", "US 480x640") for n in range(3))])
    one = scanner(verdict, "US1")
    assert (standing(one), advice(one)) == ("not measured", "Nothing can be said.")
    assert headline(judge([Scan("us", "US1", "US")]))[0] == "Nothing was measured"


def test_one_picture_alone_is_not_as_usual() -> None:
    word, sentence, tone = headline(judge([made(1, protocol=HEAD)]))
    assert (word, tone) == ("There is nothing to compare with", "calm")
    assert sentence.startswith("1 image of 1 scanner. ")


# ------------------------------------------------------------------------------------------------------- figures


def said(figure: Figure) -> str:
    axes = [text for one in figure.axes for text in
            (one.get_title(), one.get_title(loc="left"), one.get_xlabel(), one.get_ylabel())]  # fmt: skip
    inside = [text.get_text() for one in figure.axes for text in one.texts]
    legend = [text.get_text() for one in figure.legends for text in one.get_texts()]
    return "\n".join([*axes, *inside, *legend, figure.get_suptitle(), figure.get_supxlabel()])


def test_each_modality_has_its_own_panel_with_its_unit_and_says_what_it_draws() -> None:
    other = [replace(one, source=f"m{n}", protocol="MR HEAD 256x256", scanner="M") for n, one in enumerate(heads(1, 9))]
    bare = [Scan(f"us{n}", "U", "US 9x9") for n in range(3)]
    words = said(scatter_figure(judge([*heads(), *other, *bare])))
    assert "CT: 80 images of 1 protocol\n" in words and "MR: 9 images of 1 protocol\n" in words and "US" not in words
    assert "Average Density (HU)" in words and "Average Density (stored values)" in words
    assert {"S0", "S3", "M", "unlike the rest"} <= set(words.splitlines()) and "U" not in words.splitlines()
    assert not has_points(judge(bare))


def test_scanners_beyond_the_legend_are_counted() -> None:
    assert "and 6 scanners not named here" in said(scatter_figure(judge(heads(30, 2))))


def test_time_lines_name_the_scanner_whole_and_the_drift_and_leave_out_who_has_one_scan() -> None:
    name = "A very long name of a scanner in the cellar"
    later = [one if n < 20 else off_by([one], 300)[0] for n, one in enumerate(made(n, name) for n in range(500, 540))]
    verdict = judge([*heads(), *(replace(one, protocol=HEAD) for one in later), made(990, "single", protocol=HEAD)])
    assert moved_most(verdict)[0] == name and "single" not in moved_most(verdict)
    figure = drift_figure(verdict)
    words = said(figure)
    assert f"{name}: 40 scans" in words and "drift of" in words and "level" in words and "single" not in words
    top = max(float(line.get_ydata().max()) for line in figure.axes[0].lines if len(line.get_ydata()) == 40)
    assert 12 < top <= figure.axes[0].get_ylim()[1], "nothing is cut off"
