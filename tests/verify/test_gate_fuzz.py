"""Damage never crashes the gate, and a planted name never passes, wherever and however it is planted."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stowgate.errors import Rejected
from stowgate.objects import CleanRef
from stowgate.standard import dictionary
from stowgate.verify.walk import is_pixels
from tests.verify.sample import EXPLICIT, IMPLICIT, PIXELS, VALUES, Sample, items_of

pytestmark = pytest.mark.no_cover  # thousands of objects take the same lines: counting those doubles the time

CODES = st.sampled_from(["latin-1", "utf-8", "utf-16-le", "utf-16-be"])
NAMES = st.sampled_from(["Gregory", "MÜLLER", "Muller", "jane", "House", "NORTHSIDE GENERAL", "Pid-4711", "acc-0815"])
TAGS = [
    tag for tag in dictionary.tags() if tag >> 16 > 4 and dictionary.vr_of(tag) not in ("", "SQ") and not is_pixels(tag)
]


def small(syntax: str = EXPLICIT) -> Sample:
    sample = Sample(syntax=syntax)
    for file in (sample.raw, sample.clean):
        file.top[0x7FE00010] = (b"OW", PIXELS[:400])
    return sample


def verdict(sample: Sample, output: bytes) -> CleanRef | Rejected:
    """The gate's answer to these bytes; anything but a pass or a refusal is a failure of the gate."""
    try:
        return sample.check(lambda _: output)
    except Rejected as error:
        stopped = error
    told = f"{stopped} {stopped.place}".casefold()
    assert stopped.code.startswith("gate_")
    assert not [value for value in VALUES if value.casefold() in told]
    return stopped


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([EXPLICIT, IMPLICIT]))
def test_damaged_outputs_are_judged_and_never_crash_it(chance: random.Random, syntax: str) -> None:
    sample = small(syntax)
    data = bytearray(sample.clean.encode())
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(data))
        what = chance.randrange(4)
        if what == 0:
            data[at] = chance.randrange(256)
        elif what == 1:
            del data[at : at + chance.randrange(1, 40)]
        elif what == 2:
            data[at:at] = chance.randbytes(chance.randrange(1, 40))
        else:
            data[at : at + 4] = chance.choice(
                [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"]
            )
    if isinstance(verdict(sample, bytes(data)), CleanRef):
        held = bytes(data).decode("latin-1").casefold()
        assert not [value for value in ("gregory", "jane", "northside", "19560311", "3680043") if value in held]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=600))
def test_noise_is_stopped(noise: bytes) -> None:
    sample = small()
    assert isinstance(verdict(sample, noise), Rejected)
    assert isinstance(verdict(sample, sample.clean.encode()[:400] + noise), Rejected)


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([EXPLICIT, IMPLICIT]))
def test_damaged_sources_are_judged_and_never_crash_it(chance: random.Random, syntax: str) -> None:
    sample = small(syntax)
    data = bytearray(sample.raw.encode())
    for _ in range(chance.randrange(1, 4)):
        data[chance.randrange(132, len(data))] = chance.randrange(256)
    sample.raw.encode = lambda: bytes(data)  # type: ignore[method-assign]
    verdict(sample, sample.clean.encode())


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(TAGS), NAMES, CODES, st.booleans(), st.integers(0, 2), st.sampled_from([EXPLICIT, IMPLICIT]))
def test_a_planted_name_never_passes(tag: int, name: str, codec: str, wide: bool, depth: int, syntax: str) -> None:
    """`wide`: the original has the same value in the same place, so only the word itself can be noticed."""
    vr = (dictionary.vr_of(tag) or "")[:2].encode()
    planted = f"x {name}, y".encode(codec)
    planted += b" " * (len(planted) % 8 and 8 - len(planted) % 8)
    sample = small(syntax)
    for file in (sample.raw, sample.clean) if wide else (sample.clean,):
        place = file.top
        if depth:
            place = items_of(file.top, *(0x00081140, 0x0040A170)[:depth])[0]
        place[tag] = (vr, planted)
    assert isinstance(verdict(sample, sample.clean.encode()), Rejected)


@pytest.mark.parametrize("at", range(0, 128, 9))
def test_no_byte_of_the_preamble_passes(at: int) -> None:
    sample = small()
    output = bytearray(sample.clean.encode())
    output[at] = 1
    stopped = verdict(sample, bytes(output))
    assert isinstance(stopped, Rejected)
    assert stopped.code == "gate_preamble"


def test_every_byte_of_a_small_output_matters_or_is_harmless() -> None:
    """Each byte changed by itself: what passes is a changed UID suffix or pseudonym-free padding, never a crash."""
    sample = small()
    whole = sample.clean.encode()
    passed = 0
    for at in range(0, len(whole), 3):
        output = bytearray(whole)
        output[at] ^= 0x41
        passed += isinstance(verdict(sample, bytes(output)), CleanRef)
    assert passed < 12
