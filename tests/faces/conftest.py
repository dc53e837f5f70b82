"""Runs the command line inside the test's own process: fast, and seen by the coverage measurement."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stowgate.faces.cli.app import run
from tests.journeys.stage import Done

Stowgate = Callable[..., Done]


@pytest.fixture
def stowgate(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Stowgate:
    """`stowgate("deid", folder, "-o", out)` as if typed in `tmp_path`."""
    monkeypatch.chdir(tmp_path)

    def typed(*argv: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["stowgate", *map(str, argv)])
        capfd.readouterr()
        try:
            code = run()
        except SystemExit as left:
            code = int(left.code or 0)
        sys.stdout.flush()
        sys.stderr.flush()
        return Done(code, *capfd.readouterr())

    return typed
