"""A normal object costs neither pydicom nor numpy; templates, databases and networks wait until they are needed."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.architecture.tree import ROOT
from tests.builder import BIG_ENDIAN, small

HEAVY = ("pydicom", "numpy", "sqlalchemy", "jinja2", "socket", "http", "asyncio")


def imported_by(code: str, data: bytes = b"") -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running `code`."""
    script = f"import sys\n{code}\nsys.stderr.write(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        input=data, capture_output=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    return set(ran.stderr.decode().split())


DEIDENTIFY = """
from stowgate.api import deidentify_bytes
from stowgate.deident.profile import policy_from
out = deidentify_bytes(sys.stdin.buffer.read(), policy_from("basic", [], []), bytes(32))
assert out[128:132] == b"DICM" and b"Vandermeer" not in out
"""


def test_importing_the_package_is_cheap() -> None:
    assert imported_by("import stowgate").isdisjoint(HEAVY)


def test_de_identifying_a_normal_object_imports_nothing_heavy() -> None:
    assert imported_by(DEIDENTIFY, small()).isdisjoint(HEAVY)


def test_even_an_odd_object_keeps_pydicom_out_of_this_process() -> None:
    assert imported_by(DEIDENTIFY, small(syntax=BIG_ENDIAN)).isdisjoint({"pydicom", "numpy"})


def test_a_spool_costs_no_cryptography_before_something_is_sealed() -> None:
    code = "import stowgate.store.spool_folder, stowgate.store.key_change, stowgate.store.clean_ref"
    assert imported_by(code).isdisjoint({*HEAVY, "cryptography", "sqlite3"})
