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

from stowgate.errors import Rejected
from stowgate.policy import Option
from tests import builder
from tests.builder import Element, Fragments, Item, el, item
from tests.oracle import engine
from tests.oracle.compare import PIXELS
from tests.oracle.reader import File, Malformed, Node, read
from tests.shared import real_files

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
    sequence = [e for e in PLANTS if e.tag not in (0x0018A001, 0x00400275)] if file.implicit else PLANTS
    return builder.part10(builder.merged(elements, sequence), file.syntax)


def _element(node: Node) -> Element:
    vr = node.vr or ("SQ" if node.items is not None else "ZZ")
    if node.items is not None:
        return Element(node.tag, vr, tuple(Item(tuple(map(_element, inner))) for inner in node.items))
    if node.tag == builder.PIXEL_DATA and node.value[:4] == b"\xfe\xff\x00\xe0" and node.vr == "OB":
        return Element(node.tag, vr, Fragments(tuple(_pieces(node.value))), True)
    return Element(node.tag, vr, node.value)


def _pieces(value: bytes) -> list[bytes]:
    pieces, pos = [], 0
    while struct.unpack_from("<HH", value, pos) == (0xFFFE, 0xE000):
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
    """Another length for some element: absurd, odd, open-ended, or reaching exactly over the next few elements."""
    spots = _heads(data)
    if not spots:
        return flip_bytes(data, rng)
    index = rng.randrange(len(spots))
    pos, size, value, length = spots[index]
    further = [spot[0] - value for spot in spots[index + 1 : index + 6]]
    new = rng.choice([0, 1, length + 1, length - 2, length + 2, 0xFFFFFFFF, 0x7FFFFFFF, 0xFFFF, *further])
    if size == 2:
        struct.pack_into("<H", data, pos + 6, new & 0xFFFF)
    else:
        struct.pack_into("<I", data, value - 4, new & 0xFFFFFFFF)
    return data


def edit_tag(data: bytearray, rng: random.Random) -> bytearray:
    """Another tag for some element: a text becomes technical, a name becomes a number, something private, a delimiter."""
    spots = _heads(data)
    if not spots:
        return flip_bytes(data, rng)
    tag = rng.choice((0x00080070, 0x00181030, 0x00181210, 0x00280010, 0x00080016, 0x7FE00010, 0xFFFEE000, 0xFFFEE00D,
                      0x00091001, 0x00090010, 0x60003000, 0x0008103E, rng.randrange(1 << 32)))  # fmt: skip
    struct.pack_into("<HH", data, rng.choice(spots)[0], tag >> 16, tag & 0xFFFF)
    return data


def edit_vr(data: bytearray, rng: random.Random) -> bytearray:
    spots = _heads(data)
    if not spots:
        return flip_bytes(data, rng)
    pos = rng.choice(spots)[0]
    data[pos + 4 : pos + 6] = rng.choice(
        (b"UN", b"SQ", b"OB", b"LO", b"PN", b"US", b"UI", b"DA", b"??", b"\0\0", b"UT")
    )
    return data


def double_element(data: bytearray, rng: random.Random) -> bytearray:
    spots = _heads(data)
    if not spots:
        return repeat(data, rng)
    pos, _, value, length = rng.choice(spots)
    piece = data[pos : value + length]
    at = rng.choice([pos, rng.choice(spots)[0]])
    return data[:at] + piece + data[at:]


def depth_bomb(data: bytearray, rng: random.Random) -> bytearray:
    spots = _heads(data)
    at = rng.choice(spots)[0] if spots else 132
    opening = struct.pack("<HH2sHI", 0x0018, 0xA001, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    return data[:at] + opening * rng.choice((3, 65, 1000)) + data[at:]


def _heads(data: bytearray) -> list[tuple[int, int, int, int]]:
    """Explicit element headers of the top level: position, bytes of the length field, value, length."""
    found, pos = [], 132
    while pos + 12 <= len(data) and len(found) < 4096:
        vr = bytes(data[pos + 4 : pos + 6]).decode("latin-1")
        if vr in builder.LONG:
            size, value, length = 4, pos + 12, struct.unpack_from("<I", data, pos + 8)[0]
        elif vr.isalpha() and vr.isupper():
            size, value, length = 2, pos + 8, struct.unpack_from("<H", data, pos + 6)[0]
        else:
            break
        found.append((pos, size, value, length))
        if length == 0xFFFFFFFF:
            break
        pos = value + length
    return found


MUTATIONS: tuple[Mutation, ...] = (
    flip_bytes, flip_bits, truncate, cut_out, splice, repeat, edit_length, edit_length, edit_tag, edit_vr, edit_vr,
    double_element, depth_bomb,
)  # fmt: skip


def mutated(seed: int, index: int) -> bytes:
    """The input of one try; the same for the same numbers."""
    rng = random.Random(f"{seed}/{index}")
    data = bytearray(rng.choice(seeds()))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if len(data) > 160:
            data = rng.choice(MUTATIONS)(data, rng)
    return bytes(data)


# ---------------------------------------------------------------- what must hold


@dataclass
class Tally:
    """What became of a run of tries; `faults` name index and kind."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0


class TooSlow(Exception):
    """A try did not end in time."""


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
    """Outcome and fault ("" where all is well) of one try."""
    try:
        written = engine.clean(data, policy)
    except Rejected as stop:
        return stop.code, ""
    except TooSlow:
        return "too slow", "too slow"
    except Exception as error:  # every other exception is a fault; its text may quote values
        return "crash", f"crash {type(error).__name__} {_where(error)}"
    try:
        plain = outside_pixels(written)
    except (Malformed, struct.error) as error:
        return "malformed", f"malformed output: {error}"
    left = [number for number, canary in enumerate(CANARIES) if canary in plain.upper()]
    return "cleaned", f"canaries {left} passed" if left else ""


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
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        tally.slowest = max(tally.slowest, time.monotonic() - began)
        tally.outcomes[outcome] += 1
        if fault and len(tally.faults) < 20:
            tally.faults.append(f"seed {seed} index {index}: {fault}")
    return tally


def run_all(seed: int, count: int, workers: int = 2) -> Tally:
    """`count` tries, shared out among processes."""
    total = Tally()
    step = max(1, -(-count // (workers * 4)))
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
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
    print(f"\n{sum(tally.outcomes.values())} mutations, seed {SEED}, slowest {tally.slowest:.2f} s")
    for outcome, number in tally.outcomes.most_common():
        print(f"{number:8} {outcome}")
    how = "do one again with: python -m tests.deident.test_fuzz SEED INDEX [FILE]"
    assert not tally.faults, "\n".join([f"{len(tally.faults)} faults; {how}", *tally.faults[:20]])
    assert tally.outcomes["cleaned"] > COUNT // 100, "hardly anything was cleaned: the mutations are too wild to tell"


def again(arguments: list[str]) -> None:
    """One try again, from the command line."""
    seed, index = int(arguments[0]), int(arguments[1])
    data = mutated(seed, index)
    if len(arguments) > 2:
        Path(arguments[2]).write_bytes(data)
    outcome, fault = judge(data, POLICIES[index % len(POLICIES)])
    print(f"{len(data)} bytes: {outcome} {fault}")


if __name__ == "__main__":
    again(sys.argv[1:])
