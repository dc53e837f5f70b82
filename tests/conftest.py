"""What holds for every test: nothing of the person's own state is touched, and generated examples are reproducible."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("fixed", deadline=None, derandomize=True, database=None, print_blob=True)
settings.register_profile("search", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("STOWGATE_EXAMPLES", "fixed"))


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder, a home and settings of the test's own."""
    home: Path = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    for name in [name for name in os.environ if name.startswith(("STOWGATE_", "XDG_"))]:
        if name not in ("STOWGATE_SHARED", "STOWGATE_FUZZ", "STOWGATE_FUZZ_SEED", "STOWGATE_EXAMPLES"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")


PRIVILEGED = ("mount", "trace", "strace", "mkfs.ext4", "descriptors")
"""What a skip says that only a privileged user can do something about."""


def _left_out(config: pytest.Config) -> list[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    reasons = [str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped]
    return [reason for reason in reasons if any(word in reason for word in PRIVILEGED)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In `.ci/run`, where it is root, a test that needed root and did not run is a failure."""
    if os.geteuid() == 0 and os.environ.get("STOWGATE_CI") and _left_out(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was skipped for want of privileges."""
    for reason in _left_out(terminalreporter.config):
        terminalreporter.write_line(f"not run for want of privileges: {reason}")
