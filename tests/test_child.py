"""A process beside this one starts, answers and ends, however busy this one is."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

import pytest

from stowgate.child import Child
from stowgate.policy import Policy, plain


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
