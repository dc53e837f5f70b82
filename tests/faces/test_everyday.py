"""An everyday `stowgate deid` is read without Typer, and just as Typer reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from stowgate.faces.cli import cleaning, everyday
from stowgate.faces.cli.cleaning import Asked
from stowgate.faces.cli.commands import app_of

DEID: Any = typer.main.get_command(app_of(["deid"])).commands["deid"]  # type: ignore[attr-defined]
OPTIONS = {word: one for one in DEID.params if one.param_type_name == "option" for word in one.opts}

LINES = (
    "a -o out",
    "a b/c.dcm --out out d",
    "-o out a -n -q",
    "a -o out --dry-run --quiet --json -v --verbose",
    "a -o out --profile basic --retain uids --retain safe-private --clean descriptors",
    "a -o out --state s -c stowgate.toml --report r.html --limit 3 --workers 64",
    "a -o out --config one.toml --config two.toml -o last",
)
UNUSUAL = (
    "", "a", "-o out", "a -o", "a -o -n", "a --out=out", "a -oout", "a -qv -o out", "a -o out --", "- -o out",
    "a -o out --help", "a -o out --manifest m.csv", "a -o out --limit 0", "a -o out --workers 65", "a -o out --limit x",
    "a -o out --limit 1_0", "a -o out --limit +3", "a -o out --unknown b", "a -o out --retain",
)  # fmt: skip


def read_by_typer(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Asked:
    heard: list[Asked] = []
    monkeypatch.setattr(cleaning, "clean", lambda asked: heard.append(asked) or 0)
    app_of(["deid"])(["deid", *words], standalone_mode=False)
    return heard[0]


def plain(asked: Asked) -> list[object]:
    return [list(one) if isinstance(one, (list, tuple)) else one or None for one in asked]


@pytest.mark.parametrize("line", LINES)
def test_both_read_the_same(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = everyday.read(line.split())
    assert asked is not None
    assert plain(asked) == plain(read_by_typer(line.split(), monkeypatch))


@pytest.mark.parametrize("line", UNUSUAL)
def test_what_is_unusual_or_wrong_is_left_to_typer(line: str) -> None:
    assert everyday.read(line.split()) is None


def test_every_option_it_knows_is_one_of_typer_and_means_the_same() -> None:
    for word, name in everyday.FLAGS.items():
        assert OPTIONS[word].name == name and OPTIONS[word].is_flag
    for word, name in {**everyday.PATHS, **everyday.WORDS, **everyday.LISTS}.items():
        assert OPTIONS[word].name == name and not OPTIONS[word].is_flag
        assert OPTIONS[word].multiple == (word in everyday.LISTS)
    for word, (name, sound) in everyday.COUNTS.items():
        assert (OPTIONS[word].name, OPTIONS[word].min) == (name, sound.start)
        assert OPTIONS[word].max in (None, sound.stop - 1)


def test_every_option_but_those_of_a_manifest_and_a_destination_is_known() -> None:
    known = {*everyday.FLAGS, *everyday.PATHS, *everyday.WORDS, *everyday.LISTS, *everyday.COUNTS}
    assert set(OPTIONS) - known == {"--manifest", "--dest"}


def test_a_name_beginning_with_a_dash_is_never_taken_for_an_input() -> None:
    asked = everyday.read(["./-a", "-o", "out"])
    assert asked is not None and asked.inputs == [Path("./-a")]
