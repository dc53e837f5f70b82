"""Headers that are like the one before are followed quicker, and never otherwise than in full."""

from __future__ import annotations

import random
import threading

import pytest

from stowgate.dicom.source import MemorySource
from stowgate.verify import memo
from stowgate.verify.elements import Broken
from stowgate.verify.tokens import gather
from stowgate.verify.walk import Walked, walk
from tests.verify.sample import EXPLICIT, IMPLICIT, PIXELS, Sample


def apart(data: bytes, strict: bool) -> Walked | None:
    """The same file as a fresh thread sees it, which remembers nothing."""
    found: list[Walked | None] = []
    thread = threading.Thread(target=lambda: found.append(follow(data, strict)))
    thread.start()
    thread.join()
    return found[0]


def follow(data: bytes, strict: bool) -> Walked | None:
    try:
        return walk(MemorySource(data), strict)
    except Broken:
        return None


def series(count: int, syntax: str, seed: int) -> list[bytes]:
    """Neighbours of a series: a few values differ in content and length, and some slices are unlike the rest."""
    chance = random.Random(seed)
    files = []
    for number in range(count):
        sample = Sample(syntax=syntax)
        top = sample.clean.top
        top[0x7FE00010] = (b"OW", PIXELS[:64])
        top[0x00080018] = (b"UI", b"2.25.%d" % chance.randrange(10**12))
        top[0x00200013] = (b"IS", b"%d" % number)
        top[0x00200032] = (b"DS", b"0\\0\\%d" % chance.randrange(10**6))
        if chance.random() < 0.2:
            top[0x00181020] = (b"LO", b"other")
        if chance.random() < 0.1:
            del top[0x00081140]
        if chance.random() < 0.1:
            top[0x00180050] = (b"DS", b"5")
        files.append(sample.clean.encode())
    return files


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_remembering_changes_nothing(syntax: str, strict: bool, seed: int) -> None:
    remembered = 0
    for data in series(30, syntax, seed):
        here, plain = follow(data, strict), apart(data, strict)
        assert here is not None
        assert plain is not None
        assert (here.top, here.meta, here.start, here.size) == (plain.top, plain.meta, plain.start, plain.size)
        assert {**(here.template.base if here.template else {}), **here.varying} == here.top
        mine, theirs = gather(here), gather(plain)
        assert (set(mine.words), mine.uids) == (set(theirs.words), theirs.uids)
        remembered += here.template is not None
    assert remembered > 3


def test_damage_is_seen_in_the_middle_of_a_series() -> None:
    chance = random.Random(7)
    files = series(6, EXPLICIT, 0)
    for data in files:
        follow(data, True)
    for _ in range(400):
        data = bytearray(chance.choice(files))
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(132, len(data))] = chance.randrange(256)
        here, plain = follow(bytes(data), True), apart(bytes(data), True)
        assert (here and here.top) == (plain and plain.top)
        follow(chance.choice(files), True)


def test_threads_do_not_share_what_they_remember() -> None:
    here = memo.of_thread(True)
    other: list[memo.Memo] = []
    thread = threading.Thread(target=lambda: other.append(memo.of_thread(True)))
    thread.start()
    thread.join()
    assert other[0] is not here
    assert memo.of_thread(True) is here
    assert memo.of_thread(False) is not here
