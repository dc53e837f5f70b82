"""Every code the product can say stands in one table, once, with a sentence; and nothing in the table is left over."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from stowgate.errors import Misconfigured, Rejected, StowgateError, Temporary
from stowgate.reasons import REASONS

ROOT = Path(__file__).parents[1]
TABLES = ("reasons.py", "reasons_custody.py", "reasons_image.py", "reasons_fleet.py")
SOURCES = sorted((ROOT / "src" / "stowgate").rglob("*.py"))
RAISING = {"Rejected": 0, "Temporary": 0, "Misconfigured": 0, "StowgateError": 0, "stopped": 1, "Finding": 0, "_C": 0}
"""What a code is given to, and as which argument."""


@cache
def trees() -> tuple[tuple[Path, ast.Module], ...]:
    return tuple((path, ast.parse(path.read_text("utf-8"))) for path in SOURCES if path.name not in TABLES)


def literals(node: ast.AST) -> Iterator[str]:
    """The texts an expression can be: itself, or either side of a choice."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from literals(value)


def said() -> Iterator[tuple[str, str]]:
    """File and code of every place in the source where a code is said outright."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func
                name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
                at = RAISING.get(name)
                if at is not None and len(node.args) > at:
                    for code in literals(node.args[at]):
                        yield path.name, code


@cache
def texts() -> set[str]:
    """Every text constant of the source: tables hold codes as well."""
    return {
        node.value
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_there_are_places_where_codes_are_said() -> None:
    assert len(set(said())) > 60


@pytest.mark.parametrize(("file", "code"), sorted(set(said())))
def test_every_code_that_is_said_stands_in_the_table(file: str, code: str) -> None:
    assert code in REASONS


@pytest.mark.parametrize("code", sorted(REASONS))
def test_every_code_of_the_table_is_said_somewhere(code: str) -> None:
    audited = code.replace("scan_", "gate_")  # the audit says what the gate would, in words of its own
    assert code in texts() or (audited != code and audited in texts())


def test_no_code_is_used_twice() -> None:
    """A dictionary would keep the later one without a word."""
    trees = [ast.parse((ROOT / "src/stowgate" / name).read_text("utf-8")) for name in TABLES]
    tables = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Dict) and len(node.keys) > 10]
    assert len(tables) == len(TABLES)
    keys = Counter(key.value for table in tables for key in table.keys if isinstance(key, ast.Constant))
    assert keys.keys() == REASONS.keys()
    assert max(keys.values()) == 1


@pytest.mark.parametrize("code", sorted(REASONS))
def test_codes_are_lower_snake_and_sentences_whole(code: str) -> None:
    reason = REASONS[code]
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", code)
    for text in filter(None, (reason.sentence, reason.advice)):
        assert text.endswith(".")
        assert text[0].isupper() or text.startswith("`")
        assert text == " ".join(text.split())
        assert "{" not in text
        assert "%s" not in text


def test_no_two_codes_say_the_same() -> None:
    assert max(Counter(reason.sentence for reason in REASONS.values()).values()) == 1


@pytest.mark.parametrize("code", sorted(REASONS))
def test_what_stops_an_object_or_a_run_says_what_to_do(code: str) -> None:
    reason = REASONS[code]
    assert reason.fate == "finding" or reason.advice


def test_only_what_is_rejected_can_be_no_dicom() -> None:
    assert {reason.fate for reason in REASONS.values() if reason.not_dicom} == {"rejected"}


def test_the_document_has_every_code_with_its_sentence() -> None:
    text = (ROOT / "docs/reference/codes.md").read_text("utf-8")
    for code, reason in REASONS.items():
        assert f"`{code}`" in text
        assert reason.sentence.replace("|", "\\|") in text


@pytest.mark.parametrize("kind", [Rejected, Temporary, Misconfigured])
def test_an_error_speaks_in_the_tables_words_and_names_the_place(kind: type[StowgateError]) -> None:
    reason = REASONS["unreadable"]
    assert str(kind("unreadable")) == f"{reason.sentence} {reason.advice}"
    assert str(kind("unreadable", "(0010,0010)")) == f"{reason.sentence} (0010,0010) {reason.advice}"
    assert repr(kind("unreadable", "(0010,0010)")).count("0010") == 0
