"""The audit log: whatever is done to it is named with its place, and a crash is no tampering."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from stowgate import events
from stowgate.errors import Misconfigured, Temporary
from stowgate.observe.audit import ANCHOR, LOG, AuditLog
from stowgate.observe.audit_check import Verdict, export, verify
from stowgate.observe.record import Entry, Moment

KEY = bytes(range(32))


class Clock:
    """A moment that a test moves."""

    seconds = 100.0

    def __call__(self) -> Moment:
        return Moment(1.8e9 + self.seconds, "b" * 32, self.seconds)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    found = AuditLog(tmp_path, KEY, Clock())
    for number in range(1, 8):
        found.append(Entry("release", "anna", ids=(f"{number:032x}",), count=1))
    return found


def lines(folder: Path) -> list[bytes]:
    return (folder / LOG).read_bytes().splitlines(keepends=True)


def test_an_untouched_log_is_sound(log: AuditLog, tmp_path: Path) -> None:
    assert verify(tmp_path, KEY) == Verdict(7)
    assert verify(tmp_path, KEY, at_least=7) == Verdict(7)
    verify(tmp_path, KEY).check()


def test_a_broken_log_is_said_with_its_place() -> None:
    with pytest.raises(Misconfigured, match=r"audit.log, record 5: dropped"):
        Verdict(4, "dropped", 5).check()


@pytest.mark.parametrize("number", range(1, 8))
def test_an_edited_record_is_named_whichever_byte_was_changed(log: AuditLog, tmp_path: Path, number: int) -> None:
    sound = lines(tmp_path)
    for at in range(0, len(sound[number - 1]) - 1, 5):
        line = bytearray(sound[number - 1])
        line[at] ^= 1
        (tmp_path / LOG).write_bytes(b"".join([*sound[: number - 1], bytes(line), *sound[number:]]))
        assert verify(tmp_path, KEY) == Verdict(number - 1, "edited", number), at


@pytest.mark.parametrize("number", range(1, 7))
def test_a_dropped_record_is_named(log: AuditLog, tmp_path: Path, number: int) -> None:
    sound = lines(tmp_path)
    (tmp_path / LOG).write_bytes(b"".join(sound[: number - 1] + sound[number:]))
    assert verify(tmp_path, KEY) == Verdict(number - 1, "dropped", number)


@pytest.mark.parametrize("number", range(1, 7))
def test_two_records_in_the_wrong_order_are_named(log: AuditLog, tmp_path: Path, number: int) -> None:
    sound = lines(tmp_path)
    sound[number - 1 : number + 1] = reversed(sound[number - 1 : number + 1])
    (tmp_path / LOG).write_bytes(b"".join(sound))
    assert verify(tmp_path, KEY) == Verdict(number - 1, "reordered", number)


def test_a_record_that_stands_twice_is_named(log: AuditLog, tmp_path: Path) -> None:
    sound = lines(tmp_path)
    (tmp_path / LOG).write_bytes(b"".join([*sound[:4], sound[2], *sound[4:]]))
    assert verify(tmp_path, KEY) == Verdict(4, "reordered", 5)


@pytest.mark.parametrize("kept", range(7))
def test_records_cut_off_at_the_end_are_missed(log: AuditLog, tmp_path: Path, kept: int) -> None:
    (tmp_path / LOG).write_bytes(b"".join(lines(tmp_path)[:kept]))
    assert verify(tmp_path, KEY) == Verdict(kept, "truncated", kept + 1)


def test_half_a_record_that_was_durable_once_is_missed(log: AuditLog, tmp_path: Path) -> None:
    (tmp_path / LOG).write_bytes((tmp_path / LOG).read_bytes()[:-20])
    assert verify(tmp_path, KEY) == Verdict(6, "truncated", 7)


def test_a_log_that_is_gone_is_missed(log: AuditLog, tmp_path: Path) -> None:
    (tmp_path / LOG).unlink()
    assert verify(tmp_path, KEY) == Verdict(0, "truncated", 1)


@pytest.mark.parametrize("content", [None, b"", b"0" * 512])
def test_an_anchor_that_is_gone_or_forged_is_missed(log: AuditLog, tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / ANCHOR).unlink()
    if content is not None:
        (tmp_path / ANCHOR).write_bytes(content)
    assert verify(tmp_path, KEY) == Verdict(7, "anchor_missing", 7)


def test_a_log_and_anchor_of_yesterday_are_missed_by_who_knows_a_later_number(log: AuditLog, tmp_path: Path) -> None:
    yesterday = [(tmp_path / name).read_bytes() for name in (LOG, ANCHOR)]
    log.append(Entry("drop", "anna", ids=("f" * 32,), count=1))
    for name, content in zip((LOG, ANCHOR), yesterday, strict=True):
        (tmp_path / name).write_bytes(content)
    assert verify(tmp_path, KEY) == Verdict(7)
    assert verify(tmp_path, KEY, at_least=8) == Verdict(7, "truncated", 8)


def test_records_sealed_with_another_key_are_not_ours(log: AuditLog, tmp_path: Path) -> None:
    assert verify(tmp_path, bytes(32)) == Verdict(0, "edited", 1)


def test_after_the_end_was_cut_the_log_goes_on_and_the_gap_stays_in_sight(log: AuditLog, tmp_path: Path) -> None:
    (tmp_path / LOG).write_bytes(b"".join(lines(tmp_path)[:4]))
    again = AuditLog(tmp_path, KEY, Clock())
    assert again.append(Entry("started")) == 8
    assert verify(tmp_path, KEY) == Verdict(4, "dropped", 5)


@pytest.mark.parametrize("kept", [1, 30, 200])
def test_a_record_torn_by_a_crash_is_repaired_and_noted_and_is_no_tampering(
    log: AuditLog, tmp_path: Path, kept: int
) -> None:
    anchor = (tmp_path / ANCHOR).read_bytes()
    log.append(Entry("release", "anna", ids=("f" * 32,), count=1))
    whole = lines(tmp_path)
    (tmp_path / LOG).write_bytes(b"".join(whole[:7]) + whole[7][:kept])
    (tmp_path / ANCHOR).write_bytes(anchor)
    assert verify(tmp_path, KEY) == Verdict(7, torn=kept)
    AuditLog(tmp_path, KEY, Clock())
    assert verify(tmp_path, KEY) == Verdict(8)
    assert json.loads(lines(tmp_path)[7])["kind"] == "repaired"
    assert json.loads(lines(tmp_path)[7])["count"] == kept


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("kept", [1, 4, 7])
def test_after_end_and_anchor_were_taken_away_the_log_goes_on_and_that_stays_in_sight(
    log: AuditLog, tmp_path: Path, kept: int, running: bool
) -> None:
    if not running:
        log = AuditLog(tmp_path, KEY, Clock())
    (tmp_path / LOG).write_bytes(b"".join(lines(tmp_path)[:kept]))
    (tmp_path / ANCHOR).unlink()
    if kept == 7 and running:
        assert log.append(Entry("started")) == 8  # it knows that nothing is missing
        assert verify(tmp_path, KEY) == Verdict(8)
        return
    log = log if running else AuditLog(tmp_path, KEY, Clock())
    log.append(Entry("started"))
    log.append(Entry("stopping"))
    assert verify(tmp_path, KEY) == Verdict(kept, "dropped", kept + 1)


def test_an_anchor_that_cannot_be_read_is_none_that_is_gone(
    log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_: Path) -> bytes:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", none_left)
        with pytest.raises(Temporary) as told:
            AuditLog(tmp_path, KEY, Clock())
    assert told.value.code == "no_descriptors"
    assert AuditLog(tmp_path, KEY, Clock()).append(Entry("started")) == 8
    assert verify(tmp_path, KEY) == Verdict(8)


def test_before_the_first_record_both_names_are_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[list[str]] = []
    sync = os.fsync

    def noted(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            synced.append(sorted(os.listdir(handle)))
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    log = AuditLog(tmp_path, KEY, Clock())
    assert synced == [[ANCHOR, LOG]]
    log.append(Entry("started"))
    assert verify(tmp_path, KEY) == Verdict(1)


def test_a_record_whose_end_alone_reached_the_disk_is_repaired_and_noted_and_is_no_tampering(
    log: AuditLog, tmp_path: Path
) -> None:
    anchor = (tmp_path / ANCHOR).read_bytes()
    log.append(Entry("release", "anna", ids=("f" * 32,), count=1))
    *whole, last = lines(tmp_path)
    (tmp_path / LOG).write_bytes(b"".join(whole) + bytes(100) + last[100:])
    assert verify(tmp_path, KEY) == Verdict(7, "edited", 8)
    (tmp_path / ANCHOR).write_bytes(anchor)
    assert verify(tmp_path, KEY) == Verdict(7, torn=len(last))
    AuditLog(tmp_path, KEY, Clock())
    assert verify(tmp_path, KEY) == Verdict(8)
    assert json.loads(lines(tmp_path)[7])["count"] == len(last)


def test_a_crash_between_log_and_anchor_is_no_tampering(log: AuditLog, tmp_path: Path) -> None:
    anchor = (tmp_path / ANCHOR).read_bytes()
    log.append(Entry("started"))
    (tmp_path / ANCHOR).write_bytes(anchor)
    assert verify(tmp_path, KEY) == Verdict(8)
    AuditLog(tmp_path, KEY, Clock()).append(Entry("stopping"))
    assert verify(tmp_path, KEY) == Verdict(9)


@pytest.mark.parametrize("slot", [0, 1])
def test_a_torn_write_of_one_slot_of_the_anchor_leaves_the_other(log: AuditLog, tmp_path: Path, slot: int) -> None:
    data = bytearray((tmp_path / ANCHOR).read_bytes())
    data[slot * 256 + 40] ^= 1
    (tmp_path / ANCHOR).write_bytes(bytes(data))
    assert verify(tmp_path, KEY) == Verdict(7)


def test_two_processes_and_many_threads_share_one_chain(tmp_path: Path) -> None:
    logs = [AuditLog(tmp_path, KEY, Clock()) for _ in range(2)]

    def work(log: AuditLog) -> None:
        for _ in range(20):
            log.append(Entry("release", "anna"))

    threads = [threading.Thread(target=work, args=(log,)) for log in logs * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(tmp_path, KEY) == Verdict(80)


def test_an_act_that_cannot_be_recorded_fails_and_leaves_the_chain_sound(
    log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(Temporary) as told:
            log.watch(events.Act("drop", "anna", ("f" * 32,)))
        assert told.value.code == "disk_full"
        log.watch(events.Stopping())  # the gateway itself goes on
    assert verify(tmp_path, KEY) == Verdict(7)
    assert log.append(Entry("release", "anna")) == 8
    assert verify(tmp_path, KEY) == Verdict(8)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "Vandermeer"}, {"kind": "x", "actor": "Vandermeer^Liselotte"}, {"kind": "x", "code": "no_code"},
        {"kind": "x", "ids": ("1.2.840.10008",)}, {"kind": "x", "source": "../up"}, {"kind": "x", "actor": "=1+1"},
    ],
)  # fmt: skip
def test_a_record_holds_words_ids_and_codes_only(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="holds words"):
        Entry(**wrong)  # type: ignore[arg-type]


def test_callers_that_knock_all_day_are_one_record_a_minute(tmp_path: Path) -> None:
    clock = Clock()
    log = AuditLog(tmp_path, KEY, clock)
    for _ in range(1000):
        log.watch(events.CallerTurnedAway("ct"))
    clock.seconds += 61
    log.watch(events.CallerTurnedAway("ct"))
    assert [json.loads(line)["count"] for line in lines(tmp_path)] == [1, 1000]


def test_callers_of_a_minute_that_could_not_be_recorded_are_counted_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    clock = Clock()
    log = AuditLog(tmp_path, KEY, clock)
    for _ in range(10):
        log.watch(events.CallerTurnedAway("ct"))
    clock.seconds += 61
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        log.watch(events.CallerTurnedAway("ct"))
    clock.seconds += 61
    log.watch(events.CallerTurnedAway("ct"))
    assert [json.loads(line)["count"] for line in lines(tmp_path)] == [1, 11]


def test_records_of_another_log_are_not_exported(log: AuditLog, tmp_path: Path) -> None:
    """Two gateways of one project seal with the same key."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = AuditLog(elsewhere, KEY, Clock())
    for _ in range(7):
        other.append(Entry("drop", "eve"))
    (tmp_path / LOG).write_bytes(b"".join(lines(tmp_path)[:4] + lines(elsewhere)[4:]))
    assert verify(tmp_path, KEY) == Verdict(4, "edited", 5)
    assert len(list(export(tmp_path, KEY, "json"))) == 4


def test_the_log_is_exported_as_json_and_csv(log: AuditLog, tmp_path: Path) -> None:
    as_json = [json.loads(line) for line in export(tmp_path, KEY, "json")]
    assert [one["n"] for one in as_json] == list(range(1, 8))
    assert as_json[0]["actor"] == "anna" and as_json[0]["boot"] == "b" * 32 and "mac" not in as_json[0]
    table = list(export(tmp_path, KEY, "csv"))
    assert table[0].startswith("n,at,boot,up,kind") and len(table) == 8


def test_the_files_are_closed_to_everybody_else(log: AuditLog, tmp_path: Path) -> None:
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in (LOG, ANCHOR)] == [0o600, 0o600]
