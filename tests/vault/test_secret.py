"""Short secrets: found behind their references, never shown, never repeated in an error (row G6)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stowgate.errors import Misconfigured
from stowgate.vault.secret import Secret, load

TEXT = "correct-horse-battery"


def file(folder: Path, content: bytes = TEXT.encode() + b"\n", mode: int = 0o600) -> str:
    path = folder / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return f"file:{path}"


def test_a_secret_is_read_from_a_file_the_environment_or_a_credential(tmp_path: Path) -> None:
    reference = file(tmp_path)
    assert load(reference) == Secret(TEXT)
    assert load("env:TOKEN", environ={"TOKEN": TEXT}) == Secret(TEXT)
    assert load("systemd:token", environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}) == Secret(TEXT)


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [
        (TEXT.encode(), 0o640, "secret_permissions"), (b"kurz", 0o600, "secret_unusable"),
        (b"", 0o600, "secret_missing"),
        (b"with a space inside it", 0o600, "secret_unusable"), ("ü".encode() * 20, 0o600, "secret_unusable"),
    ],
)  # fmt: skip
def test_a_secret_others_can_read_or_guess_is_refused(tmp_path: Path, content: bytes, mode: int, code: str) -> None:
    with pytest.raises(Misconfigured) as told:
        load(file(tmp_path, content, mode))
    assert told.value.code == code
    if content:
        assert content.decode() not in str(told.value)


@pytest.mark.parametrize(
    "reference",
    ["file:/no/such/file", "file:/dev", "env:NOT_SET", "systemd:token", "systemd:../token", "file:", "env:"],
)
def test_a_secret_that_is_not_there_is_named_by_its_reference(reference: str) -> None:
    with pytest.raises(Misconfigured) as told:
        load(reference, environ={})
    assert told.value.code == "secret_missing"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token", 0o600)
    with pytest.raises(Misconfigured):
        load(f"file:{tmp_path / 'token'}")


@pytest.mark.parametrize("literal", [TEXT, f"literal:{TEXT}", f"token {TEXT}"])
def test_a_literal_secret_is_refused_and_not_repeated(literal: str) -> None:
    with pytest.raises(Misconfigured) as told:
        load(literal)
    assert TEXT not in str(told.value) + repr(told.value) + told.value.place


def test_a_secret_is_shown_nowhere() -> None:
    secret = Secret(TEXT)
    assert TEXT not in f"{secret} {secret!r} {[secret]} {(secret,)}"


def test_only_the_whole_secret_fits() -> None:
    secret = Secret(TEXT)
    assert secret.fits(TEXT)
    assert not any(secret.fits(given) for given in ("", TEXT[:-1], TEXT + "x", TEXT.upper(), "ü" * 20, "\udcff"))
