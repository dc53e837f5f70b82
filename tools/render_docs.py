"""Renders the reference pages, tables inside other pages, and the schema of the settings; --check only compares."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from pages import commands, configuration, conformance, library, rules, words
from pages.markdown import filled

from stowgate.settings import schema

ROOT = Path(__file__).resolve().parent.parent

PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/api.md": library.reference,
    "docs/reference/checks.md": words.checks,
    "docs/reference/cli.md": commands.cli,
    "docs/reference/codes.md": words.codes,
    "docs/reference/exit-codes.md": commands.exit_codes,
    "docs/reference/lifecycle.md": words.lifecycle,
    "docs/reference/profile.md": rules.profile_page,
    "docs/reference/roles.md": rules.roles_page,
    "docs/reference/settings.md": configuration.settings,
    "docs/reference/stowgate.schema.json": schema,
}
"""A new page is one function and one line."""

BLOCKS: dict[str, Callable[[], str]] = {
    "always-gone": conformance.always_gone,
    "basic-counts": conformance.counts,
    "characteristics": conformance.characteristics,
    "device-dates": conformance.device_dates,
    "dummies": rules.dummies,
    "exit-codes": commands.exit_table,
    "file-meta": conformance.file_meta,
    "held": words.held,
    "limits": words.limits,
    "marks": conformance.marks_table,
    "options": conformance.options,
    "resolution": rules.resolution,
    "safe-private": conformance.safe_private_counts,
    "settled": words.settled,
    "upgrades": conformance.upgrades,
    "verbs": rules.verbs,
}
"""What stands between `<!-- begin: NAME -->` and `<!-- end: NAME -->` in pages that are written by hand."""


def rendered() -> Iterator[tuple[Path, str, str]]:
    """Path, what stands there, and what should: whole pages, then pages with blocks."""
    for name, render in PAGES.items():
        path = ROOT / name
        yield path, path.read_text(encoding="utf-8") if path.exists() else "", render()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if path.exists() and path.relative_to(ROOT).as_posix() not in PAGES:
            text = path.read_text(encoding="utf-8")
            yield path, text, filled(text, BLOCKS)


def main(arguments: list[str]) -> int:
    """Write what differs, or with --check say what does; exit code 1 if anything is out of date."""
    check = "--check" in arguments
    outdated = 0
    for path, found, wanted in rendered():
        name = path.relative_to(ROOT).as_posix()
        if found == wanted:
            continue
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, encoding="utf-8")
            print(f"rendered {name}")
            continue
        outdated += 1
        print(f"{name} is out of date; run `make docs-tables`")
        print("\n".join(list(difflib.unified_diff(found.splitlines(), wanted.splitlines(), lineterm="", n=0))[:12]))
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
