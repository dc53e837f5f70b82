"""Runs the commands of the tutorial in a folder of their own and puts what they say in place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import demo

from stowgate.faces.sample import make_series

ROOT = Path(__file__).resolve().parent.parent
TUTORIAL = ROOT / "docs" / "tutorial" / "first-folder.md"
_BLOCK = re.compile(r"(<!-- run(?:: (\d+))? -->\n```console\n)(.*?)(```)", re.DOTALL)
_COMMAND = re.compile(r"^\$ (.*)$", re.MULTILINE)
_CHANGING = (
    (re.compile(r"in (?:under )?[\d.]+ s(?:, [\d.]+ \w+ a second)?"), "in some time"),
    (re.compile(r"\b2\.25\.\d+"), "2.25.0"),
    (re.compile(r"\b[0-9A-HJKMNP-TV-Z]{16}\b"), "PSEUDONYM"),
    (re.compile(r"(?<=after:  )\d{8}\b"), "20000101"),
    (re.compile(r"\b[0-9a-f]{8}\b(?=\.?$|  )", re.MULTILINE), "key"),
)
"""What another key, another machine and another day say otherwise."""


def told(text: str, folder: Path) -> str:
    """The tutorial with its commands run in order in `folder`, which is made for it."""
    source = folder / "demo-out" / "input"
    source.mkdir(parents=True)
    demo.gather(source)
    make_series(source / "synthetic" / "FOSTER_MAEVE_19520417")
    run = _runner(folder)
    status = "0"

    def block(found: re.Match[str]) -> str:
        nonlocal status
        out = []
        for command in _COMMAND.findall(found[3]):
            if command == "echo $?":
                said = status
            else:
                said, status = run(command)
            lines = said.splitlines()
            most = int(found[2] or len(lines))
            out += [f"$ {command}", *lines[:most], *(["..."] if len(lines) > most else []), ""]
        return "\n".join([found[1] + out[0], *out[1:-1], found[4]])

    return _BLOCK.sub(block, text)


def _runner(folder: Path) -> Callable[[str], tuple[str, str]]:
    """Runs one line of shell as a user with a home of their own would."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    environment = {"PATH": ":".join(places), "HOME": str(folder), "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}

    def run(command: str) -> tuple[str, str]:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout.replace(str(folder), "~").rstrip(), str(done.returncode)

    return run


def plain(text: str) -> str:
    """The text without what changes from run to run."""
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return text


def main() -> int:
    """Retell the tutorial."""
    with tempfile.TemporaryDirectory() as folder:
        text = told(TUTORIAL.read_text(encoding="utf-8"), Path(folder).resolve())
    TUTORIAL.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
