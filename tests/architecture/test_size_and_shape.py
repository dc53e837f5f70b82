"""Modules and functions stay small, files say what they are for, rooms are named after what lives in them."""

from __future__ import annotations

import ast
import statistics

import pytest
from tests.architecture.tree import PACKAGE, ROOT, functions, modules, packages, tree_of

PATHS = sorted(modules())
LONGEST_MODULE, LONGEST_FUNCTION, USUAL_FUNCTION = 300, 50, 20


@pytest.mark.parametrize("name", PATHS)
def test_a_module_fits_in_three_hundred_lines(name: str) -> None:
    assert len(modules()[name].read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("name", PATHS)
def test_a_function_fits_on_a_screen(name: str) -> None:
    long = [f.name for f in functions(modules()[name]) if f.end_lineno and f.end_lineno - f.lineno >= LONGEST_FUNCTION]
    assert long == []


def test_nine_functions_of_ten_are_short() -> None:
    lengths = [(f.end_lineno or f.lineno) - f.lineno + 1 for path in modules().values() for f in functions(path)]
    assert statistics.quantiles(lengths, n=10)[-1] <= USUAL_FUNCTION


@pytest.mark.parametrize("name", PATHS)
def test_a_file_begins_with_one_sentence_about_its_purpose(name: str) -> None:
    text = ast.get_docstring(tree_of(modules()[name]))
    assert text, "no docstring"
    assert modules()[name].read_text(encoding="utf-8").startswith('"""'), "something stands before it"
    assert len(text.splitlines()[0]) > 20, "the first line says too little"
    assert text.splitlines()[0].rstrip()[-1] in ".:;)?", "the first line is no sentence"


def test_no_module_is_named_after_nothing() -> None:
    empty_words = {"utils", "util", "helpers", "helper", "misc", "common", "manager", "base", "core", "tools", "stuff"}
    assert [name for name in PATHS if name.removesuffix(".py").rsplit("/")[-1] in empty_words] == []


def test_no_class_is_a_manager() -> None:
    classes = [n.name for path in modules().values() for n in ast.walk(tree_of(path)) if isinstance(n, ast.ClassDef)]
    assert [name for name in classes if name.endswith(("Manager", "Helper", "Util", "Utils", "Handler"))] == []


def test_no_room_is_empty() -> None:
    for package in PACKAGE.rglob("__init__.py"):
        alone = [path for path in package.parent.iterdir() if path.name not in ("__init__.py", "__pycache__")]
        assert alone, package.parent.name


def test_the_journey_fits_on_its_pages() -> None:
    assert len((PACKAGE / "pipeline.py").read_text(encoding="utf-8").splitlines()) <= 200


def test_nothing_is_left_unfinished() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X:", "NotImplemented" + "Error")
    found = [name for name, path in modules().items() if any(m in path.read_text(encoding="utf-8") for m in marks)]
    assert found == []


def test_no_exception_is_swallowed_without_a_word() -> None:
    """`except Exception: pass` hides what nobody foresaw; a handler gives a code, raises, or says why it may be silent."""
    for name, path in modules().items():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None
                or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))
            ):
                assert not all(isinstance(line, ast.Pass) for line in node.body), f"{name}:{node.lineno}"


def test_the_tests_lie_as_the_package_does() -> None:
    beside = {"architecture", "contracts", "journeys", "oracle"}
    rooms = {p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and any(p.glob("*.py"))}
    assert rooms - beside <= packages()
