"""The shipped tables are the ones of the standard: digests, a rebuild from the source, and attributions."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import pytest

from stowgate import standard
from stowgate.standard import profile, safe_private
from tests.shared import SHARED, needs_shared

TABLES = Path(standard.__file__).with_name("tables")
BUILDER = Path(__file__).resolve().parents[2] / "tools" / "build_tables.py"

DIGESTS = {
    "codes": "45160e06c3751acb01a5f45b4db5ad5bc33803baeb658f0a36a4d9e013238183",
    "dictionary": "b576bce73fd6f70ca3f0c78f512ad3a6b3083f135c9424244abe60cdb7eaf875",
    "iods": "4b0a0f62d755a08f13d55f7a5569a436cffead4c8da43c02e81b3ae2d2aaaf83",
    "profile": "11ac682f2df00c24ccd1f5c277a53ecd3927983ff11d1a4f31d3a783029019be",
    "safe_private": "3164b927b226863258a7b281d4fa069197cef3b91ceaa50bf40d83ab47b692e5",
    "terms": "42a9d1548eefdfba37471165ad606e0126919f9a9f03b13b76d9116daefcacdb",
    "uids": "7d9befff17aaa2070b5e1ab028643949e898058f6705f7ab5d025d2561d2ab58",
}
"""SHA-256 of each file: a change of a table is a change of the rules and has to be seen in a review."""

PUBLISHED_COLUMNS = {
    "rtnSafePriv": "retain_safe_private",
    "rtnUIDs": "retain_uids",
    "rtnDevId": "retain_device_identity",
    "rtnInstId": "retain_institution_identity",
    "rtnPatChars": "retain_patient_characteristics",
    "rtnLongFullDates": "retain_longitudinal_full_dates",
    "rtnLongModifDates": "retain_longitudinal_modified_dates",
    "cleanDesc": "clean_descriptors",
    "cleanStructCont": "clean_structured_content",
    "cleanGraph": "clean_graphics",
}


def published_digest(rows: tuple[profile.Row, ...]) -> str:
    """SHA-256 over the rows as pymedphys/pymedphys writes its own copy of Table E.1-1 of 2026d."""

    def written(tag: str) -> str:
        return "(gggg,eeee) where gggg is odd" if tag == profile.PRIVATE else f"({tag[:4]},{tag[4:]})"

    plain = [
        {
            "name": row.name,
            "tag": written(row.tag),
            "retired": row.retired,
            "in_standard_iod": row.standard,
            "basic_profile": row.basic,
            "options": {PUBLISHED_COLUMNS[column]: code for column, code in row.options.items()},
        }
        for row in rows
    ]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_rows_of_table_e_1_1_give_the_digest_another_project_publishes_for_2026d():
    assert published_digest(profile.ROWS) == "e257bc5e1cfecb3156ad3b871c43e6d73581cba6e80df460f4a4a87694e89442"
    assert published_digest(profile.ROWS) == profile.PUBLISHED_SHA256


@pytest.mark.parametrize("change", ["drop", "swap", "option", "rename"])
def test_that_digest_notices_every_kind_of_change(change):
    rows = list(profile.ROWS)
    if change == "drop":
        del rows[7]
    elif change == "swap":
        rows[0] = rows[0]._replace(basic="X")
    elif change == "option":
        rows[0] = rows[0]._replace(options={"rtnInstId": "K"})
    else:
        rows[0] = rows[0]._replace(name=rows[0].name + " ")
    assert published_digest(tuple(rows)) != profile.PUBLISHED_SHA256


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_a_table_has_the_content_that_was_reviewed(name):
    assert hashlib.sha256((TABLES / f"{name}.json").read_bytes()).hexdigest() == DIGESTS[name]


def test_there_are_no_other_tables():
    assert {path.stem for path in TABLES.iterdir()} == set(DIGESTS)


def test_the_notice_names_the_origin_of_every_table():
    notice = TABLES.with_name("NOTICE.md").read_text("utf-8")
    assert all(f"`{name}.json`" in notice for name in DIGESTS)
    assert "NEMA" in notice


@pytest.mark.parametrize("name", sorted(set(DIGESTS) - {"codes"}))
def test_every_table_carries_its_acknowledgement_and_edition(name):
    content = json.loads((TABLES / f"{name}.json").read_text("utf-8"))
    assert "NEMA" in content["acknowledgement"]
    assert content["edition"]


@needs_shared
def test_the_tables_are_what_the_builder_makes_of_the_source(capsys):
    builder = _builder()
    assert builder.main([str(SHARED / "standard"), "--check"]) == 0
    assert "different: none" in capsys.readouterr().out


@needs_shared
def test_the_builder_says_which_table_differs(tmp_path, monkeypatch, capsys):
    builder = _builder()
    for path in TABLES.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "uids.json").write_text("{}")
    monkeypatch.setattr(builder, "TABLES", tmp_path)
    assert builder.main([str(SHARED / "standard"), "--check"]) == 1
    assert "different: uids.json" in capsys.readouterr().out
    assert builder.main([str(SHARED / "standard")]) == 0
    assert (tmp_path / "uids.json").read_bytes() == (TABLES / "uids.json").read_bytes()


@needs_shared
def test_the_shipped_rows_are_the_source_rows_column_by_column():
    source = json.loads((SHARED / "standard" / "confidentiality_profile.json").read_text("utf-8"))["rows"]
    assert [(r["name"], r["basic"], r.get("opt", {}), r["retired"], r["std"]) for r in source] == [
        (row.name, row.basic, dict(row.options), row.retired, row.standard) for row in profile.ROWS
    ]
    private = json.loads((SHARED / "standard" / "safe_private.json").read_text("utf-8"))["rows"]
    assert [(int(r["group"], 16), int(r["element"], 16), r["creator"], r["vr"]) for r in private] == [
        (row.group, row.low, row.creator, row.vr) for row in safe_private.rows()
    ]


def _builder():
    spec = importlib.util.spec_from_file_location("build_tables", BUILDER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
