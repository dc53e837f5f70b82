"""What the tests of the pass ask of it: bytes in, places and values out, by a reader that is not the engine's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from stowgate.deident.explain import Line, Recorder
from stowgate.deident.rewrite import deidentify
from stowgate.dicom.charset import codecs_of
from stowgate.dicom.emit import MemoryEmitter
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.dicom.scanner import Buffer, scan
from stowgate.dicom.source import MemorySource
from stowgate.errors import Rejected
from stowgate.objects import Clean
from stowgate.policy import Option, Override, Policy
from tests.builder import Element, small
from tests.oracle.compare import Flat, flat_nodes
from tests.oracle.reader import read

KEY = bytes(range(32))


@dataclass(frozen=True)
class Cleaned:
    """What the pass made of one object."""

    data: bytes
    clean: Clean
    lines: tuple[Line, ...] = field(repr=False)

    @property
    def flat(self) -> Flat:
        """VR and value (or the number of items) by place, file meta left out."""
        return flat_nodes(read(self.data).body)

    def value(self, place: str) -> bytes | int | None:
        """A value by its place, None where there is no such element."""
        found = self.flat.get(place)
        return None if found is None else found[1]

    @property
    def private(self) -> set[str]:
        """The places of all private elements that are left."""
        return {place for place in self.flat if int(place[-7], 16) & 1}


def pass_over(data: bytes, policy: Policy | None = None, issuer: str = "", limits: Limits = DEFAULT) -> Cleaned:
    """Run the pass alone: no checks, no holds, no normalising, no gate. Raises what the pass raises."""
    found = scan(MemorySource(data), limits, Buffer())
    found.codecs = codecs_of(found.get(0x00080005) or b"")
    recorder = Recorder(values=True)
    recorded = deidentify(found, policy or Policy(), KEY, issuer, recorder.record)
    written = _written(recorded, data)
    plain = deidentify(scan(MemorySource(data), limits, Buffer()), policy or Policy(), KEY, issuer)
    assert _written(plain, data) == written, "listening changes the output"
    assert Counter(plain.counts) == Counter(recorded.counts)
    return Cleaned(written, recorded, tuple(recorder.lines))


def _written(clean: Clean, data: bytes) -> bytes:
    emitter = MemoryEmitter()
    emitter.emit(clean.pieces, MemorySource(data))
    return bytes(emitter.data)


def cleaned(
    *elements: Element, options: tuple[Option, ...] = (), overrides: tuple[Override, ...] = (), **how: object
) -> Cleaned:
    """The pass over a small CT with some elements more."""
    return pass_over(small(*elements, **how), Policy(options=frozenset(options), overrides=overrides))  # type: ignore[arg-type]


def code_of(data: bytes, policy: Policy | None = None, limits: Limits = DEFAULT) -> str:
    """The code with which the pass refuses an object, or "cleaned"."""
    try:
        pass_over(data, policy, limits=limits)
    except Rejected as error:
        return error.code
    return "cleaned"
