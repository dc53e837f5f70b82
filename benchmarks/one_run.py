"""One run of the engine in a process of its own, for measuring: folders in, a clean tree out."""

from __future__ import annotations

import argparse
from pathlib import Path

from stowgate.folder_run import Request, opened
from stowgate.policy import Policy


def main() -> None:
    """As `stowgate deid`, with the memo as a switch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--no-memo", action="store_true")
    asked = parser.parse_args()
    request = Request([asked.source], asked.out, Policy(), asked.state, workers=asked.workers, memo=not asked.no_memo)
    with opened(request) as run:
        for _ in run.settled():
            pass
    line = run.tally.line()
    if line["cleaned"] != line["received"]:
        raise SystemExit(f"not everything was cleaned: {line}")


if __name__ == "__main__":
    main()
