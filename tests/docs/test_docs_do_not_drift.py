"""What the documents say is what the code does: rendered pages, examples that run, links, nothing left unmentioned."""

from __future__ import annotations

import difflib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from pydicom import dcmread
from pydicom.data import get_testdata_file

import stowgate
from stowgate.deident.profile import policy_from
from stowgate.faces.cli.commands import app_of
from stowgate.faces.cli.exits import Exit
from stowgate.lifecycle import State
from stowgate.policy import Option, Override
from stowgate.reasons import REASONS
from stowgate.settings import Settings, load
from stowgate.settings_delivery import Route
from stowgate.settings_image import PresetWindow, TriageRule

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))

import retell  # noqa: E402  # a tool, not part of the package

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
WHOLE = "\n".join(TEXTS.values())
STOWGATE = Path(sys.executable).with_name("stowgate")

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    """The fenced examples in one language, with the page they stand on."""
    for page, text in TEXTS.items():
        for found in _FENCE.finditer(text):
            if found[1] == language:
                yield page, found[2]


def commands(command: Any = None, path: tuple[str, ...] = ("stowgate",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    command = command or typer.main.get_command(app_of())
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


COMMANDS = dict(commands())


def options_of(command: Any) -> set[str]:
    return {word for one in command.params if one.param_type_name == "option" for word in one.opts} | {"--help", "-h"}


# nothing is left unmentioned


def test_rendered_pages_are_what_the_code_renders() -> None:
    check = [sys.executable, str(ROOT / "tools" / "render_docs.py"), "--check"]
    shown = subprocess.run(check, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout


def test_every_command_and_option_is_mentioned() -> None:
    reference = TEXTS[ROOT / "docs" / "reference" / "cli.md"]
    assert len(COMMANDS) > 10
    for path, command in COMMANDS.items():
        section = reference.split(f"\n## {' '.join(path)}\n")[1].split("\n## ")[0]
        assert [word for word in options_of(command) - {"--help", "-h"} if f"`{word}`" not in section] == [], path


def test_every_setting_is_mentioned_with_its_variable() -> None:
    reference = TEXTS[ROOT / "docs" / "reference" / "settings.md"]
    for name, field in Settings.model_fields.items():
        if name in ("source", "dest", "route", "profile", "window", "triage"):
            continue  # kinds of their own, below
        section = reference.split(f"\n## [{name}]\n")[1].split("\n## ")[0]
        for key in field.annotation.model_fields:
            assert f"`{key}`" in section, f"[{name}] {key}"
            assert key == "override" or f"`STOWGATE_{name}__{key}`".upper() in section.upper(), f"[{name}] {key}"
    for name in ("source", "dest"):
        for kind in get_args(get_args(get_args(Settings.model_fields[name].annotation)[0])[0]):
            head = f'## [[{name}]] of kind "{get_args(kind.model_fields["kind"].annotation)[0]}"\n'
            section = reference.split(head)[1].split("\n## ")[0]
            assert [key for key in kind.model_fields if f"`{key}`" not in section] == []
    for head, table in (("route", Route), ("window", PresetWindow), ("triage", TriageRule)):
        section = reference.split(f"## [[{head}]]\n")[1].split("\n## ")[0]
        assert [key for key in table.model_fields if f"`{key}`" not in section] == []


@pytest.mark.parametrize("page", ["codes.md"])
def test_every_code_is_mentioned(page: str) -> None:
    reference = TEXTS[ROOT / "docs" / "reference" / page]
    assert [code for code in REASONS if f"`{code}`" not in reference] == []


def test_every_exit_code_state_and_option_is_mentioned() -> None:
    codes, states = TEXTS[ROOT / "docs/reference/exit-codes.md"], TEXTS[ROOT / "docs/reference/lifecycle.md"]
    assert [one for one in Exit if f"| {int(one)} |" not in codes] == []
    assert [state for state in State if f"`{state}`" not in states] == []
    for page in ("docs/how-to/choose-options.md", "docs/conformance/deidentification.md"):
        assert [option for option in Option if f" {option}`" not in TEXTS[ROOT / page]] == [], page


def test_every_public_name_is_mentioned() -> None:
    reference = TEXTS[ROOT / "docs" / "reference" / "api.md"]
    assert [name for name in stowgate.__all__ if f"\n## stowgate.{name}\n" not in reference] == []


def test_codes_that_pages_name_exist() -> None:
    """A code in a table of a how-to is one the product can say."""
    how_to = "\n".join(text for page, text in TEXTS.items() if page.parent.name == "how-to")
    first_cells = re.findall(r"^\| (`[a-z_`, ]+`) \|", how_to, flags=re.MULTILINE)
    told = {word for cell in first_cells for word in re.findall(r"`([a-z]+_[a-z_]+)`", cell)}
    assert len(told) > 10
    assert told - REASONS.keys() == set()


# links and words


def slugs(text: str) -> set[str]:
    """Anchors of the headings, as repositories make them."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", plain, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_inside_the_repository_resolves(page: Path) -> None:
    for link in _LINK.findall(TEXTS[page]):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        assert path.is_relative_to(ROOT), link
        assert not anchor or anchor in slugs(path.read_text(encoding="utf-8")), link


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = {README}, [README]
    while waiting:
        page = waiting.pop()
        for link in _LINK.findall(TEXTS[page]):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target in TEXTS and target not in reached:
                reached.add(target)
                waiting.append(target)
    assert [named(page) for page in PAGES if page not in reached] == []


_UNWANTED = (
    r"(?<![\w./~-])/(?:home|Users|root|work|tmp|mnt)/\w",
    r"\bpypi\.org|\bpythonhosted\b|\bregistry\.\w|\bdocker\.io|\bdebian\.org|--index-url",
    r"(?i)\b(?:seamless|blazing|cutting-edge|world-class|state-of-the-art|effortless|revolutionary|best-in-class)",
)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_page_names_a_machine_a_registry_or_a_superlative(page: Path) -> None:
    assert [found for pattern in _UNWANTED for found in re.findall(pattern, TEXTS[page])] == []


def test_every_guarantee_names_the_test_that_holds_it() -> None:
    text = TEXTS[ROOT / "docs" / "explanation" / "guarantees.md"]
    promises = re.split(r"^## \d+\. ", text.split("## Not yet")[0], flags=re.MULTILINE)[1:]
    assert len(promises) >= 5
    for promise in promises:
        assert re.search(r"\(\.\./\.\./tests/\S+/?test_\w+\.py\)", promise), promise.splitlines()[0]


def test_decisions_are_numbered_without_a_gap_and_have_the_same_form() -> None:
    decisions = sorted(page for page in PAGES if page.parent.name == "decisions" and page.name != "index.md")
    assert [int(page.name[:4]) for page in decisions] == list(range(1, len(decisions) + 1))
    for page in decisions:
        assert re.findall(r"^\*\*(\w+)\.\*\*", TEXTS[page], re.MULTILINE) == ["Context", "Decision", "Consequences"]


# examples


def test_every_settings_example_is_accepted(tmp_path: Path) -> None:
    found = list(blocks("toml"))
    assert len(found) >= 4
    for page, text in found:
        tomllib.loads(text)
        path = tmp_path / "stowgate.toml"
        path.write_text(text, encoding="utf-8")
        deid = load(path, environ={}).deid
        rules = [Override(rule.target, rule.action, rule.value) for rule in deid.override]
        assert policy_from(deid.profile, deid.retain, deid.clean, rules), named(page)


def lines_for_the_shell() -> Iterator[tuple[Path, str]]:
    for page, text in (*blocks("sh"), *blocks("console")):
        for line in text.splitlines():
            command = line.removeprefix("$ ")
            if command.startswith("stowgate "):
                yield page, command


def test_every_command_in_an_example_exists_with_its_options() -> None:
    found = list(lines_for_the_shell())
    assert len(found) > 20
    for page, line in found:
        words = shlex.split(line.split(" | ")[0], comments=True)
        words = words[: words.index(">")] if ">" in words else words
        depth = max(n for n in range(1, len(words) + 1) if tuple(words[:n]) in COMMANDS)
        used = {word for word in words[depth:] if word.startswith("-")}
        assert used <= options_of(COMMANDS[tuple(words[:depth])]), f"{named(page)}: {line}"


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with one real CT image in `scans/`."""
    source = get_testdata_file("CT_small.dcm")
    assert source
    (tmp_path / "scans").mkdir()
    shutil.copyfile(source, tmp_path / "scans" / "scan.dcm")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def test_the_lines_to_try_in_the_readme_run(scans: Path) -> None:
    lines = [line for page, line in lines_for_the_shell() if page == README]
    gateway = (
        "demo",
        "init",
        "run",
        "status",
        "queue",
        "send",
        "study",
    )  # these need a network or a gateway: tests of their own
    lines = [line for line in lines if line.split()[1] not in gateway]
    assert len(lines) == 5
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        done = subprocess.run([STOWGATE, *words], cwd=scans, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}: {done.stderr}"
    assert (scans / "clean.csv").exists()
    assert (scans / "report.html").exists()
    (example,) = [text for page, text in blocks("python") if page == README]
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102  # this is what readers do with it


def test_python_in_the_pages_compiles() -> None:
    examples = [(page, text) for page, text in blocks("python") if page.parent.name != "reference"]
    assert len(examples) >= 2
    for page, text in examples:
        compile(text, named(page), "exec")


def test_json_lines_have_the_keys_the_reference_names(scans: Path) -> None:
    reference = TEXTS[ROOT / "docs" / "reference" / "cli.md"]
    odd = dcmread(scans / "scans" / "scan.dcm")
    del odd.PatientID
    odd.save_as(scans / "odd.dcm")  # something to find
    asked = {
        "deid": ["deid", "scans", "-o", "clean", "--json"],
        "scan": ["scan", "scans", "--json"],
        "explain": ["explain", "scans/scan.dcm", "--json", "--values"],
        "inspect": ["inspect", "odd.dcm", "--json", "--values"],
    }
    for name, words in asked.items():
        done = subprocess.run([STOWGATE, *words], cwd=scans, capture_output=True, text=True, check=False)
        (row,) = re.findall(rf"^\| `{name}` \| (.+)$", reference, flags=re.MULTILINE)
        keys = {key for line in done.stdout.splitlines() for key in json.loads(line)}
        assert keys, name
        assert keys == set(re.findall(r"`(\w+)`", row)), name


def test_the_tutorial_says_what_its_commands_say(tmp_path: Path) -> None:
    """Another key, machine and day aside. `python tools/retell.py` puts it right."""
    text = retell.TUTORIAL.read_text(encoding="utf-8")
    before, after = retell.plain(text), retell.plain(retell.told(text, tmp_path.resolve()))
    assert "\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)) == ""
