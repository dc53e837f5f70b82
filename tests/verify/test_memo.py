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
from tests.verify.sample import EXPLICIT, IMPLICIT, PIXELS, Sample, element


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


def slice_of(number: int, uid: bytes = b"2.25.1000", series_uid: bytes = b"1.2.3.4") -> Sample:
    sample = Sample()
    sample.clean.top[0x7FE00010] = (b"OW", PIXELS[:64])
    sample.clean.top[0x00080018] = sample.clean.meta[0x00020003] = (b"UI", uid + b"%d" % number)
    sample.clean.top[0x0020000E] = (b"UI", series_uid)
    sample.clean.top[0x00200013] = (b"IS", b"%d" % number)
    return sample


@pytest.fixture
def fresh() -> None:
    memo._threads.__dict__.clear()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("strict", [False, True])
def test_the_length_of_a_uid_is_no_reason_to_follow_a_header_in_full(strict: bool) -> None:
    for number, uid in enumerate((b"2.25.1", b"2.25.1", b"2.25.100", b"2.25.10000", b"2.25.1", b"2.25.100")):
        data = slice_of(number, uid).clean.encode()
        here, plain = follow(data, strict), apart(data, strict)
        assert here and plain
        assert (here.template is not None) == (number > 1)
        assert (here.top, here.meta, here.start) == (plain.top, plain.meta, plain.start)


@pytest.mark.usefixtures("fresh")
def test_a_series_is_followed_by_its_own_neighbours_from_the_third_slice_on() -> None:
    remembered = []
    for number in range(16):
        here = follow(slice_of(number, series_uid=b"1.2.%d" % (number // 8)).clean.encode(), True)
        assert here
        remembered.append(here.template is not None and 0x0020000E in here.template.base)
    assert remembered == ([False] * 2 + [True] * 6) * 2


@pytest.mark.usefixtures("fresh")
def test_slices_of_two_series_in_turn_are_remembered_until_one_series_goes_on_alone() -> None:
    found = []
    for number in range(40):
        here = follow(slice_of(number, series_uid=b"1.2.%d" % (number % 2 if number < 12 else 1)).clean.encode(), True)
        assert here
        found.append(here.template and 0x0020000E in here.template.base)
    assert found[3:12] == [False] * 9
    assert found[-10:] == [True] * 10


@pytest.mark.usefixtures("fresh")
def test_what_stands_in_the_header_must_not_stand_behind_the_pixels_again() -> None:
    files = [slice_of(number).clean for number in range(6)]
    for file in files[:5]:
        assert follow(file.encode(), False)
    files[5].trailing = element(0x00180060, b"DS", b"120 ")
    assert follow(files[5].encode(), False) is None
    files[5].trailing = element(0x00189999, b"DS", b"120 ")
    found = follow(files[5].encode(), False)
    assert found
    assert found.template
    assert found.top[0x00189999] == found.varying[0x00189999] == (b"DS", b"120 ")
