"""Only the engine makes a Clean, and only the gate (or the ledger, from its verdict) a CleanRef."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.tree import calls, functions, modules, tree_of

MAKERS = {"Clean": ("deident/",), "CleanRef": ("verify/gate.py", "store/clean_ref.py")}


@pytest.mark.parametrize("record", sorted(MAKERS))
def test_a_record_of_the_wall_is_made_in_its_own_place_only(record: str) -> None:
    made = [name for name, path in modules().items() if list(calls(path, record))]
    assert made, f"nobody makes a {record}: this test looks for nothing"
    assert [name for name in made if not name.startswith(MAKERS[record])] == []


@pytest.mark.parametrize("record", sorted(MAKERS))
def test_a_record_of_the_wall_is_never_renamed_copied_or_made_by_the_back_door(record: str) -> None:
    """`import Clean as X`, `Y = Clean`, `Clean.__new__` and subclasses would slip past the test above."""
    for name, path in modules().items():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom):
                assert all(alias.asname is None for alias in node.names if alias.name == record), name
            if isinstance(node, ast.Assign | ast.AnnAssign):
                assert not (isinstance(node.value, ast.Name) and node.value.id == record), name
            if isinstance(node, ast.Attribute):
                assert not (isinstance(node.value, ast.Name) and node.value.id == record), name
            if isinstance(node, ast.ClassDef):
                assert record not in [base.id for base in node.bases if isinstance(base, ast.Name)], name


def test_the_ledger_makes_a_reference_from_a_row_and_after_reading_every_byte() -> None:
    """It takes nothing but the row and the shelf, and it compares before it returns; or nothing lies on the shelf."""
    source = modules()["store/clean_ref.py"]
    reads, misses, makes = functions(source)
    assert [reads.name, misses.name, makes.name] == ["ref_of", "ref_of_purged", "_made"]
    for maker in (reads, misses, makes):
        taken = {argument.arg: ast.unparse(argument.annotation) for argument in maker.args.args if argument.annotation}
        assert taken == {"clean": "CleanObject", "shelf": "CleanView"}
    assert len(list(calls(source, "CleanRef"))) == 1
    made = sorted(calls(source, "_made"))
    compared = [node.lineno for node in ast.walk(reads) if isinstance(node, ast.Raise)]
    assert len(made) == 2 and len(compared) == 2 and max(compared) < made[0]
    (handler,) = [node for node in ast.walk(misses) if isinstance(node, ast.ExceptHandler)]
    (only,) = [node for node in handler.body if isinstance(node, ast.If)]
    assert ast.unparse(only.test) == "gone.code == 'payload_lost'" and only.body[0].lineno == made[1]


def test_nothing_is_unpickled_or_evaluated() -> None:
    """Objects come from strangers: no pickle, marshal, eval or exec anywhere in the package."""
    for name, path in modules().items():
        imported = {
            alias.name.split(".")[0]
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
        }
        assert imported.isdisjoint({"pickle", "marshal", "shelve", "dill"}), name
        plain = {n.func.id for n in ast.walk(tree_of(path)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert plain.isdisjoint({"eval", "exec", "__import__"}), name
