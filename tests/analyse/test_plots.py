"""Figures say what they show: windows with centre and width, units, what changed, and what a picture is not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image as Pillow

from stowgate.analyse.clusters import DISCLAIMER, clusters
from stowgate.analyse.intensity import Intensity, of_array
from stowgate.analyse.plots import changes_figure, raw_figure, windows_figure
from stowgate.analyse.plots_clusters import clusters_figure
from stowgate.analyse.windows import choose, show

STORED = np.tile(np.array([0, 1000, 1064, 2500], np.int16), (8, 4))
CT = Intensity(STORED, 1.0, -1024.0, "HU", modality="CT")


def drawn(figure: Figure) -> np.ndarray:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=60)
    with Pillow.open(buffer) as picture:
        return np.asarray(picture.convert("L"))


def texts(figure: Figure) -> str:
    titles = [axes.get_title() for axes in figure.axes]
    labels = [axes.get_ylabel() for axes in figure.axes]
    legend = [text.get_text() for one in figure.legends for text in one.get_texts()]
    return "\n".join([*titles, *labels, *legend, figure.get_suptitle()])


def test_a_raw_view_has_a_scale_in_its_unit() -> None:
    assert "HU" in texts(raw_figure(CT))
    assert "stored values" in texts(raw_figure(of_array(STORED)))
    assert drawn(raw_figure(CT)).std() > 10


def test_windows_in_a_row_have_centre_and_width_above_them() -> None:
    names = ("brain", "bone", "lung")
    figure = windows_figure([(show(CT, choose(CT, preset=name)), choose(CT, preset=name)) for name in names], "HU")
    said = texts(figure)
    for words in ("brain", "C 40 W 80 HU", "C 400 W 1800 HU", "C -600 W 1500 HU"):
        assert words in said
    assert len(figure.axes) == 3
    height, width = drawn(figure).shape
    assert width > 2 * height


def test_more_windows_than_a_row_can_hold_go_into_rows_of_one_length() -> None:
    one = (show(CT, choose(CT)), choose(CT))
    for number, rows, columns in ((5, 1, 5), (6, 2, 3), (9, 2, 5), (11, 3, 4)):
        figure = windows_figure([one] * number, "HU")
        grid = figure.axes[0].get_gridspec()
        assert (grid.nrows, grid.ncols, len(figure.axes)) == (rows, columns, number)


def test_classes_stand_beside_the_slice_with_name_range_and_share() -> None:
    found = clusters(CT, 3)
    figure = clusters_figure(show(CT, choose(CT)), found.labels(CT), found)
    said = texts(figure)
    assert DISCLAIMER in said
    for one in found.classes:
        assert f"{one.name}: {one.lower:g} to {one.upper:g} HU, {one.fraction:.1%}" in said
    assert drawn(figure).std() > 10


def test_the_slice_says_how_it_was_windowed_and_the_legend_what_is_padding() -> None:
    padded = Intensity(STORED, 1.0, -1024.0, "HU", valid=STORED > 0)
    for intensity, has in ((CT, False), (padded, True)):
        found = clusters(intensity, 3)
        figure = clusters_figure(show(CT, choose(CT)), found.labels(intensity), found, "bone, C 400 W 1800 HU")
        assert figure.axes[0].get_title() == "bone, C 400 W 1800 HU"
        assert ("padding, not counted" in texts(figure)) == has


@pytest.mark.parametrize("array", [np.zeros((4, 4), np.int16), np.full((4, 4), 9, np.uint8)])
def test_a_constant_slice_is_drawn_too(array: np.ndarray) -> None:
    intensity = of_array(array)
    found = clusters(intensity)
    assert drawn(clusters_figure(show(intensity, choose(intensity)), found.labels(intensity), found)).size


def test_classes_get_brighter_with_their_intensity_so_that_no_colour_has_to_be_told_apart() -> None:
    found = clusters(of_array(np.arange(160).reshape(10, 16)), 5)
    figure = clusters_figure(np.zeros((10, 16), np.uint8), np.zeros((10, 16), np.uint8), found)
    colours = [patch.get_facecolor() for patch in figure.legends[0].get_patches()]
    brightness = [0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue, _ in colours]
    assert brightness == sorted(brightness)
    assert min(np.diff(brightness)) > 0.05


def test_a_table_shows_what_changed() -> None:
    figure = changes_figure([("PatientID", "4711", "K3Q9"), ("StudyDate", "20200102", "20191107"), ("X", "a" * 99, "")])
    cells = [cell.get_text().get_text() for cell in figure.axes[0].tables[0].get_celld().values()]
    assert {"attribute", "before", "after", "PatientID", "4711", "K3Q9"} <= set(cells)
    assert max(map(len, cells)) <= 44
