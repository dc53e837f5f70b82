"""Types of attributes by IOD and path, against the source tables and a few places known by heart."""

from __future__ import annotations

import json

import pytest

from stowgate.standard import iods
from stowgate.standard.iods import NOWHERE
from tests.shared import SHARED, needs_shared

CT = "1.2.840.10008.5.1.4.1.1.2"
RANK = ["1", "1C", "2", "2C", "3", ""]


def test_a_sop_class_leads_to_its_iod():
    assert iods.iod_of(CT) == "ct-image"
    assert iods.iod_of("1.2.3") is None
    assert iods.root("1.2.3") is None
    assert len(iods.iod_names()) == 175
    assert len(iods.sop_classes()) == 180


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        (0x00100010, "2"),
        (0x00080008, "1"),
        (0x00080018, "1"),
        (0x00280010, "1"),
        (0x00180060, "2"),
        (0x00080005, "1C"),
        (0x00102297, "2C"),
        (0x00081030, "3"),
        (0x00700082, ""),
        (0x60003000, "1"),
        (0x60FE3000, "1"),
        (0x60013000, ""),
    ],
)
def test_types_at_the_top_of_a_ct_image(tag, kind):
    assert iods.root(CT).type_of(tag) == kind


def test_types_inside_sequences_are_those_of_the_path():
    request = iods.root(CT).child(0x00400275)
    assert request.type_of(0x00401001) == "1C"
    assert request.child(0x00400008).type_of(0x00080104) == "1"
    assert iods.root(CT).type_of(0x00401001) == ""


def test_where_the_iod_says_nothing_is_nowhere():
    assert iods.root(CT).child(0x00100010) == NOWHERE
    assert iods.root(CT).child(0x00091001) == NOWHERE
    assert NOWHERE.child(0x00400275) == NOWHERE
    assert NOWHERE.type_of(0x00100010) == ""
    assert NOWHERE.types() == {}


def test_all_attributes_of_a_place_come_in_ascending_order():
    types = iods.root(CT).types()
    assert list(types) == sorted(types)
    assert types[0x00100020] == "2"
    assert all(kind == iods.root(CT).type_of(tag) for tag, kind in types.items())


def test_a_usage_narrows_the_modules():
    everything, mandatory = iods.top_of("ct-image"), iods.top_of("ct-image", "M")
    assert set(mandatory) < set(everything)
    assert mandatory.type_of(0x00180010) == ""  # Contrast/Bolus Agent, in a module that is Conditional
    assert everything.type_of(0x00180010) == "2"
    assert iods.mandatory().type_of(0x00100020) in ("1", "2")


@needs_shared
def test_every_type_at_every_path_is_the_strictest_of_the_source():
    """Walks all paths of all IODs in the source and in the shipped tables side by side."""
    source = json.loads((SHARED / "standard" / "iod_types.json").read_text("utf-8"))
    seen = set()
    for iod, modules in source["iods"].items():
        trees = [source["modules"][name] for name, _, _ in modules if name in source["modules"]]
        _compare(source["subtrees"], trees, iods.top_of(iod), seen, iod)
    assert len(seen) > 900


def _compare(subtrees, trees, place, seen, where):
    key = (tuple(place), tuple(map(id, trees)))
    if key in seen:
        return
    seen.add(key)
    tags = {tag for tree in trees for tag in tree}
    assert {int(tag.replace("x", "0"), 16) for tag in tags} == set(place.types()), where
    for tag in tags:
        number = int(tag.replace("x", "0"), 16)
        cells = [tree[tag] for tree in trees if tag in tree]
        kinds = [cell if isinstance(cell, str) else cell[0] for cell in cells]
        assert place.type_of(number) == min(kinds, key=RANK.index), f"{where}/{tag}"
        below = [subtrees[cell[1]] for cell in cells if isinstance(cell, list)]
        unique = list({id(tree): tree for tree in below}.values())
        if unique:
            _compare(subtrees, unique, place.child(number), seen, f"{where}/{tag}")
        else:
            assert place.child(number) == NOWHERE, f"{where}/{tag}"
