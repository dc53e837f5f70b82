"""Measures speed and memory as ratios within one run, and writes the table into docs/benchmarks.md.

Every contestant is a process of its own, start-up included; they take turns, round by round, in a new order each time,
so that other load meets all alike. Needs a RAM disk with about 6 GB free.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import corpus

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs" / "benchmarks.md"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""An installed package has its bytecode."""
MARK = "<!-- measured below: written by benchmarks/measure.py -->"


@dataclass
class Contestant:
    """A command that is measured; `divide` scales a contestant that is given fewer files."""

    name: str
    command: Callable[[Path], Sequence[str]]
    seconds: list[float] = field(default_factory=list)
    peak: int = 0
    divide: float = 1.0

    def run(self, work: Path) -> None:
        """Run once in an empty folder; wall seconds and peak memory in KiB are noted."""
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        started = time.perf_counter()
        child = os.posix_spawnp(self.command(work)[0], list(self.command(work)), ENVIRONMENT)
        _, status, usage = os.wait4(child, 0)
        self.seconds.append((time.perf_counter() - started) / self.divide)
        if status:
            raise SystemExit(f"{self.name} failed")
        self.peak = max(self.peak, usage.ru_maxrss)
        shutil.rmtree(work)

    @property
    def median(self) -> float:
        """Median wall time of all rounds."""
        return statistics.median(self.seconds)


def engine(source: Path, *options: str) -> Callable[[Path], Sequence[str]]:
    """Our own run over a folder."""
    script = str(HERE / "one_run.py")
    return lambda work: [sys.executable, script, str(source), str(work / "out"), str(work / "state"), *options]


def command_line(source: Path, *options: str) -> Callable[[Path], Sequence[str]]:
    """The command as a user types it."""
    program = str(Path(sys.executable).with_name("stowgate"))
    return lambda work: [
        program, "deid", str(source), "-o", str(work / "out"), "--state", str(work / "state"), "-q", *options
    ]  # fmt: skip


def copy(source: Path) -> Callable[[Path], Sequence[str]]:
    """cp -r, the measure of all."""
    return lambda work: ["cp", "-r", str(source), str(work / "copy")]


def with_pydicom(source: Path) -> Callable[[Path], Sequence[str]]:
    """The same profile by pydicom."""
    return lambda work: [sys.executable, str(HERE / "pydicom_run.py"), str(source), str(work / "out")]


def turns(contestants: Sequence[Contestant], rounds: int, work: Path) -> None:
    """All contestants, round by round; the first round warms up and does not count."""
    for number in range(rounds + 1):
        for contestant in random.sample(contestants, len(contestants)):
            contestant.run(work)
            if number == 0:
                contestant.seconds.clear()


def table(contestants: Sequence[Contestant]) -> list[str]:
    """Markdown rows with the ratio to the first contestant."""
    base = contestants[0].median
    rows = ["| what | seconds | x cp | peak memory |", "| --- | ---: | ---: | ---: |"]
    for one in contestants:
        rows.append(f"| {one.name} | {one.median:.2f} | {one.median / base:.2f} | {one.peak // 1024} MB |")
    return rows


def slices_table(ram: Path, rounds: int) -> list[str]:
    """2,000 CT slices."""
    source, few = ram / "ct", ram / "few"
    corpus.slices(source, 2000, 512, 512)
    corpus.slices(few, 200, 512, 512)
    contestants = [
        Contestant("cp -r", copy(source)),
        Contestant("one worker, memo off", engine(source, "--no-memo")),
        Contestant("one worker", engine(source)),
        Contestant("two workers", engine(source, "--workers", "2")),
        Contestant("`stowgate deid`, one worker", command_line(source)),
        Contestant("`stowgate deid`, two workers", command_line(source, "--workers", "2")),
        Contestant("pydicom, same profile (200 files, times 10)", with_pydicom(few), divide=0.1),
    ]
    turns(contestants, rounds, ram / "work")
    return ["## 2,000 CT slices of 0.5 MB", "", *table(contestants), ""]


def large_table(ram: Path, rounds: int) -> list[str]:
    """One object of 470 MB."""
    source = ram / "large"
    corpus.large(source / "large.dcm", 470)
    contestants = [Contestant("cp -r", copy(source)), Contestant("one worker", engine(source))]
    turns(contestants, rounds, ram / "work")
    return ["## One object of 470 MB", "", *table(contestants), ""]


def growth_table(ram: Path) -> list[str]:
    """Time and memory from 100 to 20,000 small files."""
    rows = ["| files | seconds | milliseconds a file | peak memory |", "| ---: | ---: | ---: | ---: |"]
    for count in (100, 1000, 5000, 20000):
        source = ram / f"n{count}"
        corpus.slices(source, count, 32, 32)
        one = Contestant(str(count), engine(source))
        turns([one], 1, ram / "work")
        shutil.rmtree(source)
        each = one.median / count * 1000
        rows.append(f"| {count:,} | {one.median:.2f} | {each:.3f} | {one.peak // 1024} MB |")
    return ["## Growth: slices of 32 x 32, start-up included", "", *rows, ""]


def header_table() -> list[str]:
    """Microseconds of header work for one CT header, in one process, CPU time of the thread."""
    from stowgate.deident.memo import Memo
    from stowgate.dicom.source import MemorySource
    from stowgate.pipeline import cleaned
    from stowgate.policy import Policy

    key, policy = bytes(range(32)), Policy()
    pixels = corpus.element(0x7FE00010, b"OW", bytes(32 * 32 * 2))
    objects = [MemorySource(corpus.header(corpus.CT, 1, 1, number + 1, 32, 32) + pixels) for number in range(400)]
    rows = ["| what | microseconds a header |", "| --- | ---: |"]
    for name, memo in (("scan, checks and pass", None), ("with the memo", Memo())):
        best = []
        for _ in range(5):
            started = time.thread_time()
            for source in objects:
                cleaned(source, policy, key, memo=memo)
            best.append((time.thread_time() - started) / len(objects) * 1e6)
        rows.append(f"| {name} | {min(best):.0f} |")
    elements = len(objects[0].read(0, 100_000)) - len(pixels)
    return [f"## Header work: about 250 elements, {elements:,} bytes", "", *rows, ""]


def main() -> None:
    """Measure everything and write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ram", type=Path, default=Path("/dev/shm/stowgate-bench"), help="folder on a RAM disk")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("slices", "large", "growth", "header"))
    parser.add_argument("--print", action="store_true", help="do not touch the document")
    asked = parser.parse_args()
    asked.ram.mkdir(parents=True, exist_ok=True)
    parts = {
        "slices": lambda: slices_table(asked.ram, asked.rounds),
        "large": lambda: large_table(asked.ram, asked.rounds),
        "growth": lambda: growth_table(asked.ram),
        "header": header_table,
    }
    try:
        chosen = [asked.only] if asked.only else list(parts)
        lines = [line for name in chosen for line in parts[name]()]
    finally:
        shutil.rmtree(asked.ram, ignore_errors=True)
    said = "\n".join(lines)
    print(said)
    if not asked.print and not asked.only:
        machine = (
            f"{os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, CPython {platform.python_version()}"
        )
        head = DOCS.read_text(encoding="utf-8").partition(MARK)[0]
        DOCS.write_text(f"{head}{MARK}\n\n{machine}; RAM disk; medians of {asked.rounds} rounds.\n\n{said}", "utf-8")


if __name__ == "__main__":
    main()
