"""The command line: `stowgate`. Each command is a thin skin over the library."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run a command and leave with its exit code; nothing that is said quotes an object's content."""
    from stowgate.faces.cli.app import run

    sys.exit(run())
