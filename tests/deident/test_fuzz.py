"""Mutations of real and built files: clean bytes or a code, in time, and a planted person never passes.

`STOWGATE_FUZZ` says how many (20,000 without it), `STOWGATE_FUZZ_SEED` where to start. A failure names seed and index:
`python -m tests.deident.test_fuzz SEED INDEX [FILE]` does that one again and writes the input to FILE.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from types import FrameType

import pytest

from stowgate.errors import Rejected
from stowgate.policy import Option
from tests import builder
from tests.builder import Element, Fragments, Item, el, item
from tests.oracle import engine
from tests.oracle.compare import PIXELS
from tests.oracle.reader import File, Malformed, Node, read
from tests.shared import real_files

pytestmark = pytest.mark.no_cover  # thousands of objects take the same lines: counting those doubles the time

COUNT = int(os.environ.get("STOWGATE_FUZZ", "20000"))
SEED = int(os.environ.get("STOWGATE_FUZZ_SEED", "2026"))
SMALL = 64 * 1024
SECONDS = 5
POLICIES = (
    engine.policy(),
    engine.policy(Option.SAFE_PRIVATE, Option.DESCRIPTORS, Option.PATIENT_CHARACTERISTICS, Option.MODIFIED_DATES),
)

# ---------------------------------------------------------------- what is mutated

CANARIES = (b"QVARNZELIUS", b"THORXILDAR", b"CXN7734190ZQ", b"WOBBURQUAY")
"""Family name, given name, Patient ID, institution. The first three stand in several attributes, so that no single
mutation can take away all that tells the engine who the patient is."""

PLANTS = (
    el("InstitutionName", "WOBBURQUAY HOSPITAL"),
    el("ReferringPhysicianName", "QVARNZELIUS^THORXILDAR^^DR"),
    el("PhysiciansOfRecord", "THORXILDAR^QVARNZELIUS"),
    el("OperatorsName", "WOBBURQUAY^QVARNZELIUS"),
    el("PatientName", "QVARNZELIUS^THORXILDAR"),
    el("PatientID", "CXN7734190ZQ"),
    el("OtherPatientIDs", "CXN7734190ZQ"),
    el("PatientComments", "QVARNZELIUS CALLED FROM WOBBURQUAY"),
    el("AccessionNumber", "CXN7734190ZQ"),
    el(
        "ContributingEquipmentSequence",
        (item(el("InstitutionName", "WOBBURQUAY"), el("OperatorsName", "QVARNZELIUS")),),
    ),
    el(
        "RequestAttributesSequence",
        (item(el("RequestingPhysician", "QVARNZELIUS^THORXILDAR"), undefined=True),),
        undefined=True,
    ),
)


def planted(data: bytes) -> bytes | None:
    """The file with the canaries in it, None where it cannot be read strictly."""
    try:
        file = read(data)
    except (Malformed, struct.error, UnicodeDecodeError):
        return None
    elements = [_element(node) for node in file.body]
    return builder.part10(builder.merged(elements, PLANTS), file.syntax)


def _element(node: Node) -> Element:
    vr = node.vr or ("SQ" if node.items is not None else "ZZ")
    if node.items is not None:
        return Element(node.tag, vr, tuple(Item(tuple(map(_element, inner))) for inner in node.items))
    if node.tag == builder.PIXEL_DATA and node.value[:4] == b"\xfe\xff\x00\xe0" and node.vr == "OB":
        return Element(node.tag, vr, Fragments(tuple(_pieces(node.value))), True)
    return Element(node.tag, vr, node.value)


def _pieces(value: bytes) -> list[bytes]:
    pieces, pos = [], 0
    while pos < len(value):
        length = struct.unpack_from("<I", value, pos + 4)[0]
        pieces.append(value[pos + 8 : pos + 8 + length])
        pos += 8 + length
    return pieces


@cache
def seeds() -> tuple[bytes, ...]:
    """Small real files and built ones in every encoding, with the canaries in them."""
    found = [
        builder.small(*PLANTS, syntax=s)
        for s in (builder.EXPLICIT, builder.IMPLICIT, builder.DEFLATED, builder.BIG_ENDIAN)
    ]
    found.append(
        builder.small(
            *PLANTS, el("PixelData", Fragments((b"", b"\xff\xd8\xff\xd9")), "OB"), syntax=builder.JPEG_BASELINE
        )
    )
    for file in real_files():
        if 256 < file.size <= SMALL:
            data = planted(file.read())
            if data is not None and len(data) <= SMALL:
                found.append(data)
    return tuple(found)


# ---------------------------------------------------------------- how

Mutation = Callable[[bytearray, random.Random], bytearray]


def flip_bytes(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 1, 2, 8, 32))):
        data[rng.randrange(128, len(data))] = rng.randrange(256)
    return data


def flip_bits(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 1, 3))):
        data[rng.randrange(128, len(data))] ^= 1 << rng.randrange(8)
    return data


def truncate(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data))]


def cut_out(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(132, len(data))
    return data[:start] + data[start + rng.choice((1, 2, 8, rng.randrange(1, 256))) :]


def splice(data: bytearray, rng: random.Random) -> bytearray:
    other = rng.choice(seeds())
    start, stop = sorted((rng.randrange(len(other)), rng.randrange(len(other))))
    at = rng.randrange(132, len(data))
    return data[:at] + other[start : min(stop, start + 4096)] + data[at:]


def repeat(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(132, len(data))
    piece = data[start : start + rng.choice((2, 8, 16, 64))]
    return data[: start + len(piece)] + piece * rng.choice((1, 2, 50)) + data[start + len(piece) :]


def edit_length(data: bytearray, rng: random.Random) -> bytearray:
    """Another length for some element: absurd, odd, or open-ended."""
    spot = rng.choice(_spots(data))
    wild = (0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 0xFFFF)
    near = (spot.length + 1, spot.length - 2, spot.length + 2)
    return _with_length(data, spot, rng.choice((*wild, *near)))


def swallow(data: bytearray, rng: random.Random) -> bytearray:
    """An element grows exactly over the next few: the structure stays sound, and names hide in a number or pixels."""
    spots = _spots(data)
    index = rng.randrange(len(spots))
    last = spots[min(len(spots) - 1, index + rng.choice((1, 1, 2, 3, 10)))]
    return _with_length(data, spots[index], last.value + last.length - spots[index].value)


def edit_tag(data: bytearray, rng: random.Random) -> bytearray:
    """Another tag for some element: technical text, a number, something private, pixels, a delimiter."""
    tag = rng.choice((0x00080070, 0x00181030, 0x00181210, 0x00280010, 0x00080016, 0x7FE00010, 0xFFFEE000, 0xFFFEE00D,
                      0x00091001, 0x00090010, 0x60003000, 0x0008103E, rng.randrange(1 << 32)))  # fmt: skip
    struct.pack_into("<HH", data, rng.choice(_spots(data)).pos, tag >> 16, tag & 0xFFFF)
    return data


def retag_in_order(data: bytearray, rng: random.Random) -> bytearray:
    """Another tag between its neighbours' tags, one of the dictionary if there is one: order stays right."""
    spots = _spots(data)
    index = rng.randrange(len(spots))
    low = spots[index - 1].tag if index else 0x00080000
    high = spots[index + 1].tag if index + 1 < len(spots) else 0x7FE00010
    known = [tag for tag in _known_tags() if low < tag < high]
    if known and rng.random() < 0.9:
        struct.pack_into("<HH", data, spots[index].pos, *divmod(rng.choice(known), 0x10000))
    elif high - low > 1:
        struct.pack_into("<HH", data, spots[index].pos, *divmod(rng.randrange(low + 1, high), 0x10000))
    return data


def edit_vr(data: bytearray, rng: random.Random) -> bytearray:
    pos = rng.choice(_spots(data)).pos
    data[pos + 4 : pos + 6] = rng.choice(
        (b"UN", b"SQ", b"OB", b"LO", b"PN", b"US", b"UI", b"DA", b"??", b"\0\0", b"UT")
    )
    return data


def edit_short_vr(data: bytearray, rng: random.Random) -> bytearray:
    """Another VR of the same shape of header."""
    spot = rng.choice(_spots(data))
    same = (
        sorted(builder.LONG) if spot.wide else ["AE", "CS", "DA", "DS", "DT", "IS", "LO", "PN", "SH", "TM", "UI", "US"]
    )
    data[spot.pos + 4 : spot.pos + 6] = rng.choice(same).encode()
    return data


def edit_value(data: bytearray, rng: random.Random) -> bytearray:
    """Other bytes in some value: a canary, another value, noise."""
    spots = [spot for spot in _spots(data) if 0 < spot.length < 4096]
    spot, other = rng.choice(spots or _spots(data)), rng.choice(spots or _spots(data))
    stop = min(spot.value + spot.length, len(data))
    copied = bytes(data[other.value : other.value + other.length])
    new = rng.choice((*CANARIES, copied, rng.randbytes(16))) + b" "  # whole words: glued ones nobody can know
    data[spot.value : stop] = (new + bytes(data[spot.value : stop]))[: stop - spot.value]
    return data


def double_element(data: bytearray, rng: random.Random) -> bytearray:
    spots = _spots(data)
    spot, at = rng.choice(spots), rng.choice(spots).pos
    return data[:at] + data[spot.pos : spot.value + spot.length] + data[at:]


def swap_elements(data: bytearray, rng: random.Random) -> bytearray:
    spots = _spots(data)
    a, b = sorted((rng.choice(spots), rng.choice(spots)), key=lambda spot: spot.pos)
    first, second = data[a.pos : a.value + a.length], data[b.pos : b.value + b.length]
    return data[: a.pos] + second + data[a.value + a.length : b.pos] + first + data[b.value + b.length :]


def stretch_value(data: bytearray, rng: random.Random) -> bytearray:
    """A long value of one short pattern again and again, which slow searches dislike."""
    spot = rng.choice(_spots(data))
    pattern = "".join(rng.choices("1aA-./: (+@#,'^\\", k=rng.choice((1, 2, 3))))
    new = (pattern * 20000)[: rng.choice((64, 1024, 20000))].encode()
    data = data[: spot.value] + new + data[spot.value + spot.length :]
    return _with_length(data, spot, len(new))


def drop_element(data: bytearray, rng: random.Random) -> bytearray:
    spot = rng.choice(_spots(data))
    return data[: spot.pos] + data[spot.value + spot.length :]


def depth_bomb(data: bytearray, rng: random.Random) -> bytearray:
    at = rng.choice(_spots(data)).pos
    opening = struct.pack("<HH2sHI", 0x0018, 0xA001, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    return data[:at] + opening * rng.choice((3, 65, 1000)) + data[at:]


@cache
def _known_tags() -> tuple[int, ...]:
    from pydicom.datadict import DicomDictionary

    return tuple(sorted(DicomDictionary))


@dataclass(frozen=True)
class Spot:
    """An element of the top level: where it stands, and its length field (2 bytes, or 4 where `wide`)."""

    pos: int
    tag: int
    value: int
    length: int
    wide: bool


def _spots(data: bytearray) -> list[Spot]:
    """The top level as far as it can be followed; one made-up element where it cannot."""
    implicit = b"1.2.840.10008.1.2\0" in data[:400]
    found, pos = [], 132
    while pos + 12 <= len(data) and len(found) < 4096:
        vr = bytes(data[pos + 4 : pos + 6]).decode("latin-1")
        group, element = struct.unpack_from("<HH", data, pos)
        if implicit and group != 2:
            wide, value, length = True, pos + 8, struct.unpack_from("<I", data, pos + 4)[0]
        elif vr in builder.LONG:
            wide, value, length = True, pos + 12, struct.unpack_from("<I", data, pos + 8)[0]
        elif vr.isalpha() and vr.isupper():
            wide, value, length = False, pos + 8, struct.unpack_from("<H", data, pos + 6)[0]
        else:
            break
        if value + length > len(data):
            break
        found.append(Spot(pos, group << 16 | element, value, length, wide))
        pos = value + length
    body = [spot for spot in found if spot.tag >> 16 != 2]
    return body or found or [Spot(132, 0, 140, 0, False)]


def _with_length(data: bytearray, spot: Spot, length: int) -> bytearray:
    if spot.wide:
        struct.pack_into("<I", data, spot.value - 4, length & 0xFFFFFFFF)
    else:
        struct.pack_into("<H", data, spot.pos + 6, length & 0xFFFF)
    return data


WILD: tuple[Mutation, ...] = (
    flip_bytes, flip_bits, truncate, cut_out, splice, repeat, edit_length, edit_tag, edit_vr, double_element,
    swap_elements, depth_bomb,
)  # fmt: skip
SOUND: tuple[Mutation, ...] = (swallow, retag_in_order, edit_short_vr, edit_value, stretch_value, drop_element)
"""The structure mostly stays whole, so that the rules meet what was changed."""


def mutated(seed: int, index: int) -> bytes:
    """The input of one try; the same for the same numbers."""
    rng = random.Random(f"{seed}/{index}")
    data = bytearray(rng.choice(seeds()))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if len(data) > 160:
            data = rng.choice(rng.choice((WILD, SOUND)))(data, rng)
    return bytes(data)


# ---------------------------------------------------------------- what must hold


@dataclass
class Tally:
    """What became of a run of tries; `faults` name index and kind."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0


class TooSlow(BaseException):
    """A try did not end in time. No `except Exception` on the way may swallow it."""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlow


def outside_pixels(data: bytes) -> bytes:
    """All that is not Pixel Data; raises `Malformed` where the output is no clean file."""
    file: File = read(data)
    pixels = [node.value for node in file.body if node.tag in PIXELS and node.items is None]
    for value in pixels:
        data = data.replace(value, b"") if len(value) > 16 else data
    return data


def judge(data: bytes, policy: engine.Policy) -> tuple[str, str]:
    """Outcome and fault ("" where all is well): the engine, and the gate behind it where a canary is left."""
    try:
        plain = outside_pixels(engine.clean(data, policy))
    except Rejected as stop:
        return stop.code, ""
    except (Malformed, struct.error):
        plain = None
    except Exception as error:  # noqa: BLE001  # every other one is a fault; its text may quote values
        return "crash", f"crash {type(error).__name__} {_where(error)}"
    left = [number for number, canary in enumerate(CANARIES) if plain is None or canary in plain.upper()]
    if not left:
        return "cleaned", ""
    stopped = engine.gated(data, policy)
    what = "a broken file" if plain is None else f"canaries {left}"
    return (stopped.code, "") if stopped.fate != "cleaned" else ("passed", f"{what} passed")


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""


def run(seed: int, start: int, stop: int) -> Tally:
    """Try `start` to `stop` one after the other, each under a timer."""
    tally = Tally()
    signal.signal(signal.SIGALRM, _stop)
    for index in range(start, stop):
        data = mutated(seed, index)
        began = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            outcome, fault = judge(data, POLICIES[index % len(POLICIES)])
        except TooSlow:
            outcome, fault = "too slow", f"longer than {SECONDS} s"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        tally.slowest = max(tally.slowest, time.monotonic() - began)
        tally.outcomes[outcome] += 1
        if fault and len(tally.faults) < 20:
            tally.faults.append(f"seed {seed} index {index}: {fault}")
    return tally


def run_all(seed: int, count: int, workers: int = 2) -> Tally:
    """`count` tries, shared out among processes (fresh ones: a child that normalises must have one parent)."""
    total = Tally()
    step = max(1, -(-count // (workers * 4)))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        starts = range(0, count, step)
        for part in pool.map(run, [seed] * len(starts), starts, [min(s + step, count) for s in starts]):
            total.outcomes += part.outcomes
            total.faults += part.faults
            total.slowest = max(total.slowest, part.slowest)
    return total


# ---------------------------------------------------------------- tests


def test_the_canaries_stand_in_every_seed_and_in_no_output() -> None:
    assert len(seeds()) >= 20
    for data in seeds():
        if data[:132] != builder.small(*PLANTS, syntax=builder.DEFLATED)[:132] or b"QVARN" in data:
            outcome = engine.run(data, POLICIES[0])
            assert not [c for c in CANARIES if c in outcome.data]


def test_a_mutated_object_is_cleaned_or_refused_and_never_passes() -> None:
    tally = run_all(SEED, COUNT)
    lines = [f"{sum(tally.outcomes.values())} mutations, seed {SEED}, slowest {tally.slowest:.2f} s"]
    lines += [f"{number:8} {outcome}" for outcome, number in tally.outcomes.most_common()]
    sys.stdout.write("\n".join(["", *lines, ""]))
    how = "do one again with: python -m tests.deident.test_fuzz SEED INDEX [FILE]"
    assert not tally.faults, "\n".join([f"{len(tally.faults)} faults; {how}", *tally.faults[:20]])
    assert tally.outcomes["cleaned"] > COUNT // 5, "hardly anything was cleaned: the mutations are too wild to tell"
    gate = sum(n for outcome, n in tally.outcomes.items() if outcome.startswith("gate_"))
    assert gate <= COUNT // 500, "the gate is the second line: the engine itself should let hardly anything through"


def again(arguments: list[str]) -> None:
    """One try again, from the command line."""
    seed, index = int(arguments[0]), int(arguments[1])
    data = mutated(seed, index)
    if len(arguments) > 2:
        Path(arguments[2]).write_bytes(data)
    outcome, fault = judge(data, POLICIES[index % len(POLICIES)])
    sys.stdout.write(f"{len(data)} bytes: {outcome} {fault}\n")


if __name__ == "__main__":
    again(sys.argv[1:])
