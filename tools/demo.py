"""The demonstration behind `make demo`: real files and a made-up series through the real command line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pydicom.data

from stowgate.faces.sample import make_series, real_files

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "demo-out"
HELD = 3
"""Exit code of a run in which something was held, quarantined or rejected."""
EXPECTED = """
Exit code 3 is expected here: some of these files are damaged on purpose, and some (reports, ultrasound, secondary
capture, directories of file-sets) are held or refused, because nothing may pass unless it is proved clean."""


def gather(folder: Path) -> int:
    """Copy the DICOM files that come inside the pydicom package; how many there are."""
    inside = Path(pydicom.data.__file__).parent
    found = list(real_files())
    for path in found:
        target = folder / "pydicom" / path.relative_to(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return len(found)


def main() -> int:
    """Gather, run, and say where everything lies."""
    shutil.rmtree(OUT, ignore_errors=True)
    source = OUT / "input"
    source.mkdir(parents=True)
    real, made = gather(source), len(make_series(source / "synthetic" / "FOSTER_MAEVE_19520417"))
    print(f"{real} files that come inside pydicom, {made} slices of a made-up patient; the originals stay untouched.\n")
    command = ["deid", "demo-out/input", "-o", "demo-out/clean", "--state", "demo-out/state"]
    command += ["--manifest", "demo-out/clean.csv", "--report", "demo-out/report.html"]
    print("$ stowgate " + " ".join(command), flush=True)
    code = subprocess.run([Path(sys.executable).with_name("stowgate"), *command], cwd=ROOT, check=False).returncode
    if code not in (0, HELD):
        return code
    if code == HELD:
        print(EXPECTED)
    print("\nWhat there is to look at:")
    print("  demo-out/clean/         the clean objects, by patient, study and series")
    print("  demo-out/clean.csv      one line for each of them")
    print("  demo-out/report.html    what was done, held and quarantined, and why (open it in a browser)")
    print("  demo-out/state/         the identified side: key and ledger; back the key up in real use")
    print("\nThen try:  .venv/bin/stowgate explain demo-out/input/synthetic/FOSTER_MAEVE_19520417/IM0001.dcm --values")
    return 0


if __name__ == "__main__":
    sys.exit(main())
