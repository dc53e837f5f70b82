"""Every outcome has the status of the standard, and only custody is a success."""

from __future__ import annotations

import pytest

from stowgate.ingest.cstore_status import status_of
from stowgate.ingest.source import Accepted, Duplicate, Refused
from stowgate.reasons import REASONS


def test_only_what_is_in_custody_is_a_success() -> None:
    assert {status_of(Accepted("0" * 32)), status_of(Duplicate("0" * 32))} == {0x0000}
    assert all(status_of(Refused(code)) != 0 for code in REASONS)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("disk_full", 0xA700),
        ("spool_reserve", 0xA700),
        ("spool_failed", 0xA700),
        ("intake_stopped", 0xA700),
        ("no_descriptors", 0xA700),
        ("announced_differs", 0xA900),
        ("not_dicom", 0xC000),
        ("truncated", 0xC000),
        ("sop_class_not_taken", 0x0122),
        ("transfer_syntax_not_taken", 0xC000),
        ("internal_error", 0x0110),
    ],
)
def test_a_refusal_says_what_the_sender_can_do(code: str, status: int) -> None:
    assert status_of(Refused(code)) == status


def test_every_status_is_a_failure_of_the_storage_service() -> None:
    """PS3.4 table B.2-1: A7xx, A9xx, Cxxx; PS3.7 annex C: 0110, 0122."""
    for code in REASONS:
        status = status_of(Refused(code))
        assert status >> 8 in (0xA7, 0xA9) or status >> 12 == 0xC or status in (0x0110, 0x0122), code
