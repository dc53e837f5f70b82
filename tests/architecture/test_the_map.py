"""What is written about the tree is true: the code map, the layers, the lock file, the commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib

from tests.architecture.tree import ROOT, packages

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def layers() -> list[str]:
    (contract,) = [c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    return [name.strip("() ") for layer in contract["layers"] for name in re.split(r"[|:]", layer)]


def test_every_room_and_module_stands_in_the_code_map() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code_map = text.split("## The code map")[1].split("\n## ")[0]
    mapped = set(re.findall(r"^\| `(\w+)(?:/|\.py)`", code_map, flags=re.MULTILINE))
    assert mapped == packages()


def test_every_room_and_module_has_its_layer() -> None:
    assert packages() <= set(layers())


def test_the_lock_names_no_address_and_every_version_has_its_hash() -> None:
    assert "://" not in LOCK
    assert "index-url" not in LOCK
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    assert len(entries) > 30
    assert [entry.split(" ")[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_holds_everything_the_project_asks_for() -> None:
    asked = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    names = {re.split(r"[<>=~\[; ]", line)[0].lower() for line in asked}
    locked = {line.split("==")[0].lower() for line in LOCK.splitlines() if "==" in line and not line.startswith(" ")}
    assert names <= locked


def test_no_second_lock_lies_there_that_records_addresses() -> None:
    assert not (ROOT / "uv.lock").exists()


def test_the_commands_that_are_written_about_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {"demo", "test", "fuzz", "bench", "lint", "docs-tables", "lock"} <= targets
    for page in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert set(re.findall(r"(?:^ *|`)make ([a-z][a-z-]*)\b", text, flags=re.MULTILINE)) <= targets, page


def test_ci_runs_the_command_the_readme_names() -> None:
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"\bmake test$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_hooks_are_local_so_nothing_is_fetched() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"- repo: (\S+)", text)) == {"local"}


def test_rendered_pages_are_what_the_code_renders() -> None:
    check = [sys.executable, str(ROOT / "tools" / "render_docs.py"), "--check"]
    places = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    shown = subprocess.run(check, capture_output=True, text=True, check=False, env=places)
    assert shown.returncode == 0, shown.stdout
