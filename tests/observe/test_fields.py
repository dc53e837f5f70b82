"""A log line has the fields of a table, each in its form; what anybody else would like to say is dropped."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.lifecycle import State
from stowgate.observe.fields import EVENTS, allowed, is_class, library_of, sift
from stowgate.reasons import REASONS

JUDGES = allowed(["ct", "upload"])
SOUND: dict[str, object] = {
    "event": "received", "level": "info", "at": 1.5, "item": "0" * 32, "code": "disk_full", "state": "waiting",
    "source": "ct", "size": 5, "seconds": 0.1, "library": "pydicom", "error": "ValueError", "version": "0.1.0",
    "place": "stowgate.ingest.stow:12", "duplicate": True, "policy": "ab" * 32,
}  # fmt: skip
NAMES = ["Vandermeer^Liselotte", "Vandermeer", "vandermeer", "PID-480026", "19471113", "1.2.840.10008.5", "Åsa"]


def test_what_is_in_the_table_is_kept() -> None:
    assert sift(SOUND, JUDGES) == SOUND


@pytest.mark.parametrize("name", sorted(JUDGES))
@pytest.mark.parametrize("value", [*NAMES, b"Vandermeer", ["Vandermeer"], {"a": "Vandermeer"}, None, ValueError("x")])
def test_a_value_of_another_form_is_dropped_from_every_field(name: str, value: object) -> None:
    assert sift({name: value}, JUDGES) == {"withheld": 1}


@given(st.dictionaries(st.text(max_size=12), st.one_of(st.text(), st.binary(), st.integers(), st.none()), max_size=6))
def test_a_field_nobody_knows_is_dropped(fields: dict[str, object]) -> None:
    kept = sift({name: value for name, value in fields.items() if name not in JUDGES}, JUDGES)
    assert set(kept) <= {"withheld"}


def test_every_code_and_state_may_be_told() -> None:
    for code in REASONS:
        assert sift({"code": code}, JUDGES) == {"code": code}
    for state in State:
        assert sift({"state": str(state)}, JUDGES) == {"state": state}
    for event in EVENTS:
        assert sift({"event": event}, JUDGES) == {"event": event}


def test_a_library_is_named_by_its_own_name_only() -> None:
    assert [library_of(name) for name in ("pynetdicom.acse", "uvicorn.error", "Vandermeer.x", "", "py.warnings")] == [
        "pynetdicom", "uvicorn", "other", "other", "warnings",
    ]  # fmt: skip


def test_a_class_of_errors_is_no_other_word() -> None:
    assert is_class("ValueError") and is_class("BrokenOff") and not is_class("Vandermeer")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Where this test's log goes; afterwards all logging is as it was."""
    import logging
    import sys
    import threading

    import structlog

    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield io.StringIO()
    root.handlers[:], root.level, logging.raiseExceptions = before
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(False)
    structlog.reset_defaults()


def test_a_line_is_json_with_a_time_and_a_level_and_quiet_ones_are_not_written(lines: io.StringIO) -> None:
    from stowgate import events
    from stowgate.observe.logs import configure

    log = configure(["ct"], "info", lines, clock=lambda: 7.0)
    log.watch(events.Received("ct", "a" * 32, 5, 0.1))
    log.watch(events.Refused("ct", "disk_full"))
    log.watch(events.Settled("ct", "a" * 32, State.WAITING))
    log.watch(events.Act("release", "anna", ("a" * 32,), 1))
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert first == {"at": 7.0, "level": "warning", "event": "refused", "source": "ct", "code": "disk_full"}
    assert second == {"at": 7.0, "level": "info", "event": "act", "kind": "release", "count": 1}


def test_what_waits_for_a_person_is_a_warning_with_ids_and_codes_and_no_more(lines: io.StringIO) -> None:
    from stowgate import events
    from stowgate.lifecycle import Delivery
    from stowgate.observe.logs import configure

    log, id = configure(["ct", "pacs"], "info", lines, clock=lambda: 7.0), "a" * 32
    told = [
        events.Settled("ct", id, State.HELD, "graphics"),
        events.Settled("ct", id, State.QUARANTINED, "internal_error"),
        events.Delivered("pacs", id, Delivery.REFUSED, "peer_refused_object"),
        events.Delivered("pacs", id, Delivery.QUEUED, "peer_lost_object"),
        events.Delivered("pacs", id, Delivery.VERIFIED, "peer_lost_purged"),
        events.Delivered("pacs", id, Delivery.QUEUED, "peer_has_other_bytes"),
    ]
    for one in (*told, events.Delivered("pacs", id, Delivery.VERIFIED), events.Settled(NAMES[0], id, State.HELD)):
        log.watch(one)
    *known, strange = (json.loads(line) for line in lines.getvalue().splitlines())
    assert [(one["level"], one["item"], one["code"]) for one in known] == [("warning", id, one.code) for one in told]
    fields = {"at", "level", "event", "item", "state", "code", "seconds", "size", "source", "destination"}
    assert all(set(one) <= fields for one in known)
    assert strange["withheld"] == 1 and NAMES[0] not in lines.getvalue()


def test_a_reader_that_went_away_does_not_stop_the_gateway(lines: io.StringIO) -> None:
    from stowgate.observe.logs import configure

    log = configure([], "info", lines)
    lines.close()
    log.write("error", "refused")
