"""The repository as the architecture tests see it: its files, its modules, and their syntax trees."""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "stowgate"
_LEFT_BEHIND = {".git", ".venv", "__pycache__", "build", "dist", "demo-out", "node_modules"}


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its path below the package, such as "dicom/scanner.py"."""
    return {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=path.name)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def calls(path: Path, name: str) -> Iterator[int]:
    """Lines on which something is called by this name, plainly or as an attribute."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            called = node.func
            if (isinstance(called, ast.Name) and called.id == name) or (
                isinstance(called, ast.Attribute) and called.attr == name
            ):
                yield node.lineno


def packages() -> set[str]:
    """Names of everything directly below the package: rooms and single modules."""
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return rooms | {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}


@cache
def tracked() -> tuple[Path, ...]:
    """Files that are or could be committed: those git does not ignore; without git, all but what tools leave behind."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, check=True, text=True, env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        found = [p for p in ROOT.rglob("*") if not _LEFT_BEHIND & set(p.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in found if path.is_file()))
