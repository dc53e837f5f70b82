"""Every command's help says what its source says, down to the square brackets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from stowgate.faces.cli.commands import app_of
from tests.faces.conftest import Stowgate


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


ALL = list(commands(typer.main.get_command(app_of())))


def squeezed(text: str) -> str:
    """Without what breaking lines and framing does to it."""
    return "".join(text.replace("│", " ").split())


def test_there_are_commands_with_square_brackets_in_their_help() -> None:
    told = [one.help or "" for _, command in ALL for one in command.params if hasattr(one, "help")]
    assert len(ALL) > 40
    assert any("[[profile]]" in text for text in told) and any("[[dest]]" in text for text in told)


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) or "stowgate" for path, _ in ALL])
def test_help_shows_every_word_of_the_source(stowgate: Stowgate, path: tuple[str, ...], command: Any) -> None:
    done = stowgate(*path, "--help")
    assert done.code == 0
    shown = squeezed(done.out)
    for paragraph in (command.help or "").split("\n\n"):
        assert squeezed(paragraph) in shown
    for one in command.params:
        assert squeezed(getattr(one, "help", None) or "") in shown, one.name
