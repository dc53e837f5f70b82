"""The gateway as a process: real senders in front, and everything that was answered is there, clean, exactly once."""

from __future__ import annotations

import shutil

import pytest

from tests.journeys.unit import STORESCU, Unit, send, series, told

pytestmark = pytest.mark.skipif(shutil.which(STORESCU) is None, reason="dcmtk is absent: no real sender")


def test_everything_that_was_sent_waits_clean_with_the_bytes_that_deid_would_make(unit: Unit) -> None:
    objects = series(unit.root / "in", range(50))
    with unit.running() as life:
        assert len(told(send(life.ports["ct"], [*objects]))) == 50
        line = unit.settled()
        assert (line["received"], line["waiting"]) == (50, 50)
        assert unit.exported() == unit.expected(*objects.values())
        assert life.stop() == 0
    assert unit.status() == line
