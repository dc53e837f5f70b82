"""The tables of the models against the standard's own."""

from __future__ import annotations

import re

import pytest

from stowgate.standard import dictionary, iods
from stowgate.validate.attributes import VIEWS

CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "MG": "1.2.840.10008.5.1.4.1.1.1.2",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
}
_KNOWN_DIFFERENCES = {
    "frame_of_reference_uid",  # Type 1 only where the module Frame of Reference is mandatory
    "number_of_frames",  # of the module Multi-frame, which these four IODs lack
    "frame_time",  # of the module Cine
    "image_type",  # 1 in CT, MR and MG, 2 in US: judged there
    "image_position_patient",  # 1 in CT and MR: a row of the checks
    "image_orientation_patient",  # 1 in CT and MR: judged there
    "rescale_intercept",  # 1 in CT: judged there
    "rescale_slope",
}


def _snake(keyword: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", keyword).lower()


@pytest.mark.parametrize("name", VIEWS)
def test_every_row_has_the_name_and_the_vr_of_the_dictionary(name: str) -> None:
    for row in VIEWS[name]:
        assert (_snake(dictionary.keyword_of(row.tag) or ""), dictionary.vr_of(row.tag)) == (row.name, row.vr)


@pytest.mark.parametrize("name", VIEWS)
def test_every_row_has_the_type_that_the_iods_give_it(name: str) -> None:
    classes = [CLASSES[name]] if name in CLASSES else list(CLASSES.values())
    for row in VIEWS[name]:
        places = [iods.root(sop_class) for sop_class in classes]
        types = {place.type_of(row.tag) for place in places if place}
        assert row.type in types or row.name in _KNOWN_DIFFERENCES


@pytest.mark.parametrize("name", VIEWS)
def test_no_row_stands_twice(name: str) -> None:
    tags = [row.tag for row in VIEWS[name]]
    assert len(tags) == len(set(tags))
    assert len(tags) == len({row.name for row in VIEWS[name]})
