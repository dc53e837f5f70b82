"""The ways in run beside each other: one that fails is started again, and all of them stop together."""

from __future__ import annotations

import threading
import time

import pytest

from stowgate import events
from stowgate.errors import Misconfigured
from stowgate.gateway import sources as module
from stowgate.gateway.sources import Sources
from stowgate.ingest.memory import HandedSource, MemoryIntake
from stowgate.ingest.source import Accepted, Intake
from tests.builder import small
from tests.ingest.dimse import eventually


class Failing:
    """A source that fails a few times before it does its work."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.left, self.runs = error, times, 0

    def run(self, _: Intake, stop: threading.Event) -> None:
        self.runs += 1
        if self.left:
            self.left -= 1
            raise self.error
        stop.wait()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AGAIN", 0.05)


@pytest.mark.parametrize("error", [Misconfigured("port_unavailable"), OSError(5, "disk"), KeyError("a bug")])
def test_one_that_fails_is_started_again_while_the_others_serve(error: Exception) -> None:
    failing, sound, intake = Failing(error, 3), HandedSource("sound"), MemoryIntake()
    sources = Sources({"failing": failing, "sound": sound}, intake)
    sources.start()
    assert isinstance(sound.hand_over(small()).result(10), Accepted)
    eventually(lambda: failing.runs == 4 and not sources.failed)
    assert sources.stop(10)


def test_one_that_is_down_is_named() -> None:
    sources = Sources({"ct": Failing(OSError(98, "in use"), 1_000_000)}, MemoryIntake())
    sources.start()
    eventually(lambda: sources.failed == {"ct"})
    assert sources.stop(10)


@pytest.mark.parametrize(
    ("error", "code"), [(Misconfigured("folder_missing"), "folder_missing"), (OSError(5, "Foster"), "internal_error")]
)
def test_one_that_is_down_is_told_of_once(error: Exception, code: str) -> None:
    told: list[events.GatewayEvent] = []
    failing = Failing(error, 1_000_000)
    sources = Sources({"drop": failing}, MemoryIntake(), told.append)
    sources.start()
    eventually(lambda: failing.runs > 3)
    assert sources.stop(10)
    assert told == [events.SourceFailed("drop", code)]


def test_one_that_does_not_end_is_told_in_time() -> None:
    go = threading.Event()

    class Deaf:
        def run(self, *_: object) -> None:
            go.wait(20)

    sources = Sources({"deaf": Deaf(), "sound": HandedSource("sound")}, MemoryIntake())
    sources.start()
    began = time.monotonic()
    assert not sources.stop(0.2)
    assert time.monotonic() - began < 2
    go.set()
    assert sources.stop(10)


def test_stopping_what_never_began_is_no_fault() -> None:
    assert Sources({"sound": HandedSource("sound")}, MemoryIntake()).stop(1)
