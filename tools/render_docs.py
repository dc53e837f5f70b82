"""Renders the reference pages and the schema of the settings from the code; --check compares and changes nothing."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from stowgate.deident import roles
from stowgate.lifecycle import NEXT, NEXT_DELIVERY
from stowgate.policy import AVAILABLE, EDITION, RULE_REVISION, Option
from stowgate.reasons import REASONS
from stowgate.settings import Settings
from stowgate.standard import profile

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- Rendered from the code by `make docs-tables`; edit the code instead. -->"


def page(title: str, *parts: str) -> str:
    """A page: note, title and its parts, separated by empty lines."""
    return "\n\n".join([NOTE, f"# {title}", *parts]) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; bars in cells are escaped."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def reasons() -> str:
    """Every code, what happens to the object, what it means and what to do."""
    fates = {
        "rejected": "Rejected: not an instance, or it could not be read",
        "quarantined": "Quarantined: damaged, hostile, or stopped by the gate",
        "held": "Held: a person or an option has to decide",
        "failed": "Failed: the run, not the object",
        "finding": "Findings: recorded, and the object goes on",
    }
    parts = ["A code never changes its meaning and is never used again for something else."]
    for fate, heading in fates.items():
        rows = [[f"`{code}`", r.sentence, r.advice] for code, r in REASONS.items() if r.fate == fate]
        parts += [f"## {heading}", table(["code", "what it means", "what to do"], rows)]
    return page("Codes", *parts)


def states() -> str:
    """The life of an item and of a delivery."""
    parts = []
    for title, moves in (("Item", NEXT), ("Delivery", NEXT_DELIVERY)):
        arrows = [f"    {old} --> {new}" for old, news in moves.items() for new in sorted(news)]
        parts += [f"## {title}", "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```"])]
    return page("States", "Every state and every legal move, as in `stowgate/lifecycle.py`.", *parts)


def rules() -> str:
    """Table E.1-1 with the options, as shipped."""
    rows = []
    for row in profile.ROWS:
        options = ", ".join(f"{column} {code}" for column, code in row.options.items())
        rows.append([f"`{row.tag}`", row.name, row.basic.replace("*", "\\*"), options])
    available = ", ".join(f"`{option}`" for option in Option if option in AVAILABLE)
    waiting = ", ".join(f"`{option}`" for option in Option if option not in AVAILABLE)
    return page(
        "Rules",
        f"PS3.15 Table E.1-1, edition {EDITION}, rule revision {RULE_REVISION}. Options available: {available}; "
        f"known and refused by name until they are: {waiting}.",
        "X/Z, X/D, X/Z/D, Z/D and X/Z/U\\* are resolved by the attribute's type in the IOD at that path; a "
        "plain action that would break a Type 1 or 2 attribute gives way to the next stronger one its type permits. "
        "`stowgate explain FILE` shows the outcome for one object.",
        table(["tag", "attribute", "basic", "options"], rows),
    )


def unlisted() -> str:
    """The role of each attribute that the table does not list."""
    found = json.loads(roles.TABLE.read_text(encoding="utf-8"))["rows"]
    kinds = table(["role", "what becomes of it"], ([f"`{kind}`", text] for kind, text in roles.KINDS.items()))
    rows = ([f"`{tag}`", keyword, f"`{kind}`", reason] for tag, keyword, kind, reason in found)
    return page(
        "Unlisted attributes",
        f"What becomes of attributes that Table E.1-1 of edition {EDITION} does not list and whose values could carry "
        "identity or a date.",
        kinds,
        table(["tag", "attribute", "role", "why"], rows),
    )


def settings() -> str:
    """Every key of stowgate.toml with its kind, default and meaning."""
    models = Settings.model_json_schema(mode="validation")["$defs"]
    parts = ["An unknown key is an error. `stowgate.schema.json` beside this page says the same for editors."]
    for section, field in Settings.model_fields.items():
        model = getattr(field.annotation, "__name__", section)
        parts += [f"## [{section}]", field.description or "", _keys(models[model]["properties"])]
    parts += ["## [[deid.override]]", models["Override"]["description"], _keys(models["Override"]["properties"])]
    return page("Settings", *parts)


def _keys(properties: dict[str, Any]) -> str:
    rows = ([f"`{key}`", _kind(one), _default(one), one.get("description", "")] for key, one in properties.items())
    return table(["key", "values", "default", "meaning"], rows)


def _kind(found: dict[str, Any]) -> str:
    """What may stand there, in words."""
    if "enum" in found:
        return ", ".join(f"`{value}`" for value in found["enum"])
    if "anyOf" in found:
        return " or ".join(_kind(one) for one in found["anyOf"] if one.get("type") != "null")
    if found.get("type") == "array":
        return f"list of {_kind(found['items'])}"
    if "$ref" in found:
        return "tables"
    return str({"string": "text", "integer": "whole number"}.get(found["type"], found["type"]))


def _default(found: dict[str, Any]) -> str:
    return f"`{json.dumps(found['default'])}`" if found.get("default") is not None else ""


def schema() -> str:
    """The JSON Schema of stowgate.toml."""
    plain = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/codes.md": reasons,
    "docs/reference/states.md": states,
    "docs/reference/rules.md": rules,
    "docs/reference/unlisted-attributes.md": unlisted,
    "docs/reference/settings.md": settings,
    "docs/reference/stowgate.schema.json": schema,
}
"""A new page is one function and one line."""


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check say which ones are out of date; exit code 1 if any is."""
    check = "--check" in arguments
    outdated = 0
    for name, render in PAGES.items():
        path = ROOT / name
        wanted = render()
        found = path.read_text(encoding="utf-8") if path.exists() else ""
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
