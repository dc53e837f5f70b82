"""A run over folders tells what happens, and its tally adds up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stowgate import batch
from stowgate.errors import Misconfigured
from stowgate.events import Event, ItemSettled, RunEnded, RunStarted
from stowgate.folder_run import FolderRun, Request, opened
from stowgate.ingest.folder import find
from stowgate.look.looking import NOTHING, Looking
from stowgate.policy import Option, Policy
from tests.builder import el, small

NAME = "Vandermeer"


class Left(Exception):
    """Raised by who does not want to go on."""


def run(folder: Path, heard: list[Event]) -> dict[str, int]:
    request = Request([folder / "in"], folder / "out", Policy(), folder / "state", listeners=(heard.append,))
    with opened(request) as ready:
        for _ in ready.settled():
            pass
        return ready.tally.line()


def three_inputs(folder: Path) -> None:
    (folder / "in" / NAME).mkdir(parents=True)
    (folder / "in" / NAME / "a.dcm").write_bytes(small())
    (folder / "in" / NAME / "b.dcm").write_bytes(small(el("Modality", "US"), sop_class="1.2.840.10008.5.1.4.1.1.6.1"))
    (folder / "in" / NAME / "c.txt").write_text("no image")


def test_listeners_hear_the_start_each_input_once_and_the_end(tmp_path: Path) -> None:
    three_inputs(tmp_path)
    heard: list[Event] = []
    line = run(tmp_path, heard)
    assert isinstance(heard[0], RunStarted)
    assert heard[-1] == RunEnded(3)
    settled = [event for event in heard if isinstance(event, ItemSettled)]
    assert [str(event.item.state) for event in settled] == ["cleaned", "held", "rejected"]
    assert line == {"received": 3, "cleaned": 1, "quarantined": 1, "rejected": 1, "already_done": 0}


def test_what_listeners_hear_names_nobody(tmp_path: Path) -> None:
    three_inputs(tmp_path)
    heard: list[Event] = []
    run(tmp_path, heard)
    assert NAME not in repr(heard)
    assert "PID-480026" not in repr(heard)


def test_a_second_run_says_of_the_clean_one_that_it_was_done_before(tmp_path: Path) -> None:
    three_inputs(tmp_path)
    run(tmp_path, [])
    heard: list[Event] = []
    run(tmp_path, heard)
    settled = [event for event in heard if isinstance(event, ItemSettled)]
    assert [str(event.item.state) for event in settled if event.already_done] == ["cleaned"]
    assert len(settled) == 3


@pytest.mark.parametrize("looking", [NOTHING, Looking(quality=True)], ids=["plain", "looked at"])
@pytest.mark.parametrize("workers", [1, 2])
def test_whoever_leaves_in_the_middle_is_no_fault_of_the_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, looking: Looking
) -> None:
    """Three starts without an end are how poison is found; a caller that raised, or Ctrl-C, gives them back."""
    monkeypatch.setattr(batch, "GROUP", 1)
    (tmp_path / "in").mkdir()
    for number in range(12):
        (tmp_path / "in" / f"{number}.dcm").write_bytes(small(uid=f"1.2.3.{number}"))
    request = Request(
        [tmp_path / "in"], tmp_path / "out", Policy(), tmp_path / "state", workers=workers, looking=looking
    )

    def leave(event: Event) -> None:
        if isinstance(event, ItemSettled):
            raise Left

    def begin(ready: FolderRun) -> None:
        left.append(ready.settled())
        for _ in left[-1]:
            raise Left

    left: list[object] = []
    for one in (request, replace(request, listeners=(leave,))) * 3:
        with pytest.raises(Left) as stop, opened(one) as ready:
            begin(ready)
        left.append(stop.tb)  # whoever looks at the error holds every frame
    with opened(request) as ready:
        ids = [ready.ledger.fingerprint(one.path, one.size, one.mtime_ns) for one in find([tmp_path / "in"], ())]
        assert {known.attempts for known in ready.ledger.lookup(ids, ready.batch.target).values()} == {0}
        ended = [str(one.item.state) for one in ready.settled()]
    assert ended == ["cleaned"] * 12


@pytest.mark.parametrize(
    ("place", "layout"),
    [("1.2.3.4.5.6.7.dcm", "{instance}.dcm"), ("link", "{instance}.dcm"), ("in", "in/{instance}.dcm")],
)
def test_no_clean_object_is_ever_written_over_an_original(tmp_path: Path, place: str, layout: str) -> None:
    """With UIDs kept, an output can have the name that its original has, and lie in the same folder."""
    home = tmp_path / "study"
    (home / "in").mkdir(parents=True)
    (tmp_path / "link").symlink_to(home)
    original = home / ("in" if place == "in" else "") / "1.2.3.4.5.6.7.dcm"
    original.write_bytes(small())
    where = {"link": tmp_path / "link" / original.name, "in": home / "in"}.get(place, original)
    policy = Policy(options=frozenset({Option.UIDS}))
    with (
        opened(Request([where], home, policy, tmp_path / "state", layout=layout)) as ready,
        pytest.raises(Misconfigured) as told,
    ):
        list(ready.settled())
    assert told.value.code == "output_is_input"
    assert original.read_bytes() == small()


def test_an_input_in_the_output_folder_is_fine_where_nothing_comes_to_lie_over_it(tmp_path: Path) -> None:
    original = tmp_path / "study" / "a.dcm"
    original.parent.mkdir()
    original.write_bytes(small())
    with opened(Request([original], original.parent, Policy(), tmp_path / "state")) as ready:
        (settled,) = ready.settled()
    assert settled.output and settled.output.is_file()
    assert original.read_bytes() == small()


@pytest.mark.parametrize("state", ["out", "out/state", "link/state"])
def test_no_key_and_no_ledger_come_to_lie_where_clean_objects_go(tmp_path: Path, state: str) -> None:
    three_inputs(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    request = Request([tmp_path / "in"], tmp_path / "out", Policy(), tmp_path / state)
    with pytest.raises(Misconfigured) as told, opened(request):
        pass
    assert told.value.code == "state_in_output"
    assert not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize("dry_run", [True, False])
def test_duplicates_and_reused_uids_are_found_however_far_apart_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    """A dry run has forgotten the first of them by then."""
    monkeypatch.setattr(batch, "GROUP", 2)
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("first", "other", "third", "same", "reused", "fourth", "same again")):
        uid = "1.2.3.1" if name in ("first", "same", "same again", "reused") else f"1.2.3.{number + 2}"
        more = [el("InstanceNumber", "77")] if name == "reused" else []
        (tmp_path / "in" / f"{number} {name}").write_bytes(small(*more, uid=uid))
    request = Request([tmp_path / "in"], tmp_path / "out", Policy(), tmp_path / "state", dry_run=dry_run)
    with opened(request) as ready:
        ended = {Path(one.source).name[2:]: one.item.code or str(one.item.state) for one in ready.settled()}
    assert ended == {
        **dict.fromkeys(("first", "other", "third", "fourth"), "cleaned"),
        **dict.fromkeys(("same", "same again"), "duplicate"),
        "reused": "uid_reuse",
    }
