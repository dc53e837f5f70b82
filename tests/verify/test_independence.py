"""The witness shares no code with the accused: the gate loads neither the engine nor its scanner."""

from __future__ import annotations

import subprocess
import sys

from stowgate.deident import marks
from stowgate.policy import Option, Policy
from stowgate.verify import gate

FORBIDDEN = (
    "stowgate.deident",
    "stowgate.dicom.scanner",
    "stowgate.dicom.walk",
    "pydicom",
    "numpy",
    "pydantic",
    "sqlite3",
)


def test_the_gate_loads_nothing_of_the_engine() -> None:
    names = "gate", "scan"
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; import {', '.join(f'stowgate.verify.{name}' for name in names)}; print(*sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    ).stdout.split()
    assert "stowgate.verify.judge" in loaded
    assert [name for name in loaded if name.startswith(FORBIDDEN)] == []


def test_what_is_said_twice_is_said_alike() -> None:
    assert gate.IMPLEMENTATION_CLASS == marks.IMPLEMENTATION_CLASS
    assert gate.IMPLEMENTATION_VERSION == marks.IMPLEMENTATION_VERSION
    for options in (frozenset[Option](), frozenset({Option.UIDS, Option.FULL_DATES})):
        policy = Policy(options=options)
        assert gate.method_text(policy) == marks.method_text(policy)
