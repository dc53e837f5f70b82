"""Safe private attributes: by group, creator and low byte, wherever the block lies."""

from __future__ import annotations

import pytest

from stowgate.standard.safe_private import is_safe, rows


def test_a_listed_attribute_is_safe():
    assert is_safe(0x0019, "SIEMENS MR HEADER", 0x0C) == "IS"
    assert is_safe(0x7053, "Philips PET Private Group", 0x00) == "DS"


def test_blanks_around_the_creator_do_not_matter():
    assert is_safe(0x0019, " SIEMENS MR HEADER  ", 0x0C) == "IS"


@pytest.mark.parametrize(
    ("group", "creator", "low"),
    [
        (0x0021, "SIEMENS MR HEADER", 0x0C),
        (0x0019, "siemens mr header", 0x0C),
        (0x0019, "SIEMENS MR HEADER 2", 0x0C),
        (0x0019, "", 0x0C),
        (0x0019, "SIEMENS MR HEADER", 0x0D + 0x80),
    ],
)
def test_another_group_creator_or_element_is_not(group, creator, low):
    assert is_safe(group, creator, low) is None


def test_all_rows_are_found_under_their_own_key():
    assert len(rows()) == 479
    for row in rows():
        assert is_safe(row.group, row.creator, row.low) == row.vr
        assert row.group & 1


def test_a_row_without_vr_is_known_as_such():
    assert is_safe(0x0119, "SIEMENS Ultrasound SC2000", 0x11) == ""
