"""Modules and functions stay small, files say what they are for, rooms are named after what lives in them."""

from __future__ import annotations

import ast
import statistics

from tests.architecture.tree import PACKAGE, ROOT, functions, modules, packages, tree_of

LONGEST_MODULE, LONGEST_FUNCTION, USUAL_FUNCTION = 300, 50, 20


def lines_of(name: str) -> list[str]:
    return modules()[name].read_text(encoding="utf-8").splitlines()


def test_a_module_fits_in_three_hundred_lines() -> None:
    assert [name for name in modules() if len(lines_of(name)) > LONGEST_MODULE] == []


def lengths() -> dict[str, int]:
    """Lines of each function, by module and name."""
    return {
        f"{name}:{found.lineno} {found.name}": (found.end_lineno or found.lineno) - found.lineno + 1
        for name, path in modules().items()
        for found in functions(path)
    }


def test_a_function_fits_on_a_screen() -> None:
    assert [name for name, length in lengths().items() if length > LONGEST_FUNCTION] == []


def test_nine_functions_of_ten_are_short() -> None:
    assert statistics.quantiles(lengths().values(), n=10)[-1] <= USUAL_FUNCTION


def test_a_file_begins_with_one_sentence_about_its_purpose() -> None:
    for name, path in modules().items():
        first = (ast.get_docstring(tree_of(path)) or "").partition("\n")[0].rstrip()
        assert lines_of(name)[0].startswith('"""'), name
        assert len(first) > 20 and first[-1] in ".:;)?", name


def test_no_module_is_named_after_nothing() -> None:
    empty_words = {"utils", "util", "helpers", "helper", "misc", "common", "manager", "base", "core", "tools", "stuff"}
    assert [name for name in modules() if name.removesuffix(".py").rsplit("/")[-1] in empty_words] == []


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


def catches_all(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    return caught is None or (isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException"))


def test_no_exception_is_swallowed_without_a_word() -> None:
    """`except Exception: pass` hides what nobody foresaw; a handler gives a code or raises."""
    for name, path in modules().items():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler) and catches_all(node):
                assert not all(isinstance(line, ast.Pass) for line in node.body), f"{name}:{node.lineno}"


def test_the_tests_lie_as_the_package_does() -> None:
    beside = {"architecture", "contracts", "docs", "journeys", "oracle"}
    rooms = {p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and any(p.glob("*.py"))}
    assert rooms - beside <= packages()
