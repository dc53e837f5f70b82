"""A run over folders tells what happens, and its tally adds up."""

from __future__ import annotations

from pathlib import Path

from stowgate.events import Event, ItemSettled, RunEnded, RunStarted
from stowgate.folder_run import Request, opened
from stowgate.policy import Policy
from tests.builder import el, small

NAME = "Vandermeer"


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
