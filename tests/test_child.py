"""A process beside this one starts, answers and ends, however busy this one is."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from stowgate.child import Child
from stowgate.policy import Policy, plain

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def children_of_the_tests_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child starts in a fresh interpreter, which does not have this one's search path."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))


@pytest.fixture
def crowded() -> Iterator[None]:
    """Every descriptor below 1100 is taken, as in a gateway with many senders."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("no more than 2000 descriptors to be had")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, hard))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    while taken[-1] < 1100:
        taken.append(os.open(os.devnull, os.O_RDONLY))
    yield
    for descriptor in taken:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_it_is_waited_for_however_many_descriptors_are_open(crowded: None) -> None:
    child = Child("stowgate.verify.witness", {"policy": plain(Policy()), "secret": "00" * 32})
    child.is_ready()
    assert child.wait_until_ready() and child.is_ready()
    child.tell([])
    assert child.answer() == []
    child.close()


def test_one_that_goes_before_it_is_ready_is_gone() -> None:
    child = Child("stowgate.no_such_module", {})
    assert not child.wait_until_ready()
    assert child.process == 0


def test_noise_is_no_answer_and_nothing_that_follows_it_is_believed() -> None:
    child = Child("tests.child_that_errs", {"does": "noise"})
    assert child.wait_until_ready()
    child.tell("anything")
    assert child.answer() is None
    assert child.process == 0


def test_what_a_library_prints_is_not_taken_for_an_answer() -> None:
    child = Child("tests.child_that_errs", {"does": "prints"})
    assert child.wait_until_ready()
    for message in (1, 2):
        child.tell(message)
        assert child.answer() == message
    child.close()


def test_one_that_hangs_is_killed_when_its_time_is_over() -> None:
    child = Child("tests.child_that_errs", {"does": "hangs"})
    assert child.wait_until_ready()
    process = child.process
    child.tell("anything")
    assert child.answer(0.2) is None
    assert child.process == 0
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_answers_that_come_together_are_heard_one_after_the_other() -> None:
    child = Child("tests.child_that_errs", {"does": "prints"})
    assert child.wait_until_ready()
    for message in range(3):
        child.tell(message)
    assert [child.answer(60.0) for _ in range(3)] == [0, 1, 2]
    child.close()
