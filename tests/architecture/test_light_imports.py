"""A normal object costs neither pydicom nor numpy, and what few runs need waits until it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.architecture.tree import ROOT
from tests.builder import BIG_ENDIAN, small

SELDOM = (
    "logging", "concurrent", "tempfile", "shutil", "random", "subprocess", "traceback",
    "csv", "html", "email", "importlib.metadata", "pydantic", "typer", "click", "rich", "jinja2",
)  # fmt: skip
"""What takes as long to load as an object takes to clean, and no everyday run over a folder needs."""
HEAVY = ("pydicom", "numpy", "sqlalchemy", "jinja2", "socket", "http", "asyncio")


def imported_by(code: str, data: bytes = b"") -> set[str]:
    """Modules that a fresh interpreter has loaded after running `code`, but for those it loads by itself."""
    script = f"import sys\nown = {{*sys.modules}}\n{code}\nsys.stderr.write(' '.join({{*sys.modules}} - own))"
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


def test_the_batch_and_the_witness_load_nothing_that_few_runs_need() -> None:
    assert imported_by("import stowgate.folder_run").isdisjoint({*HEAVY, *SELDOM})
    assert imported_by("import stowgate.verify.witness").isdisjoint({*HEAVY, *SELDOM, "sqlite3", "pathlib", "ctypes"})


def test_an_everyday_run_loads_nothing_that_few_runs_need(tmp_path: Path) -> None:
    (tmp_path / "in.dcm").write_bytes(small())
    line = ["stowgate", "deid", f"{tmp_path}/in.dcm", "-o", f"{tmp_path}/out", "--state", f"{tmp_path}/state", "-q"]
    loaded = imported_by(f"from stowgate.faces.cli.app import run\nsys.argv = {line}\nassert run() == 0")
    assert loaded.isdisjoint({*HEAVY, *SELDOM})
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 1


def test_a_command_loads_no_other_one() -> None:
    code = "from stowgate.faces.cli.app import run\nsys.argv = ['stowgate', 'status', '-h']\nassert run() == 0"
    assert not {"stowgate.batch", "stowgate.faces.cli.deid", "stowgate.faces.cli.queue"} & imported_by(code)
    code = "from stowgate.faces.cli.app import run\nsys.argv = ['stowgate', '--version']\nassert run() == 0"
    assert not {"typer", "pydantic", "stowgate.batch"} & imported_by(code)
