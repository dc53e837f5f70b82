"""The settings: every key of stowgate.toml with its values, default, variable and meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pages.markdown import code, listed, page, table
from stowgate.settings import Settings


def settings() -> str:
    """docs/reference/settings.md."""
    parts = [
        "One TOML file, named with `-c`. No file is read unless it is named. A flag goes before a variable, a "
        "variable before the file, the file "
        "before the default. An unknown key is an error that names the line and, if one is near, the key that was "
        "meant. "
        "[stowgate.schema.json](stowgate.schema.json) says the same for editors.",
        "`stowgate profile validate -c stowgate.toml` checks a file and shows all that is wrong in one go. Relative "
        "paths in a file count from the "
        "file's own folder. In a variable a list is written with commas.",
    ]
    models = Settings.model_json_schema()["$defs"]
    for section, description, properties in sections():
        keys = (
            [code(k), _values(p, models), _default(p), _variable(section, k, p), p.get("description", "")]
            for k, p in properties.items()
        )
        parts += [f"## [{section}]", description, table(["key", "values", "default", "variable", "meaning"], keys)]
    rule = models["Override"]
    keys = (
        [code(key), _values(one, models), _default(one), one["description"]] for key, one in rule["properties"].items()
    )
    parts += ["## [[deid.override]]", rule["description"], table(["key", "values", "default", "meaning"], keys)]
    parts += [*_sources(models), *_delivery(models)]
    parts.append("How to write them: [write-overrides.md](../how-to/write-overrides.md).")
    return page("Settings", *parts)


def sections() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, description and keys of each table."""
    whole = Settings.model_json_schema()
    for section, found in whole["properties"].items():
        if section in ("source", "dest", "route", "profile", "window", "triage"):
            continue
        model = found.get("$ref") or found["allOf"][0]["$ref"]
        definition = whole["$defs"][model.rpartition("/")[2]]
        yield section, found.get("description") or definition["description"], definition["properties"]


def _sources(models: dict[str, Any]) -> Iterator[str]:
    """The kinds of [[source]], with the tables inside them."""
    for name in ("Dimse", "Folder", "Stow", "Caller", "DimseTls"):
        model = models[name]
        title = {"Caller": "allow of [[source]]", "DimseTls": "tls of [[source]] and [commitment]"}.get(name)
        kind = model["properties"].get("kind", {}).get("const")
        yield f"## {title}" if title else f'## [[source]] of kind "{kind}"'
        yield model["description"]
        keys = (
            [code(key), _values(one, models), _default(one), one.get("description", "")]
            for key, one in model["properties"].items()
        )
        yield table(["key", "values", "default", "meaning"], keys)


def _delivery(models: dict[str, Any]) -> Iterator[str]:
    """The kinds of [[dest]], [[route]], [[profile]], [[window]] and [[triage]]."""
    for name in ("FolderDest", "DimseDest", "StowDest", "DestTls", "Route", "Profile", "PresetWindow", "TriageRule"):
        model = models[name]
        kind = model["properties"].get("kind", {}).get("const")
        titles = {
            "Route": "[[route]]",
            "Profile": "[[profile]]",
            "PresetWindow": "[[window]]",
            "TriageRule": "[[triage]]",
            "DestTls": "tls of [[dest]]",
        }
        title = titles.get(name, f'[[dest]] of kind "{kind}"')
        yield f"## {title}"
        yield model["description"]
        keys = (
            [code(key), _values(one, models), _default(one), one.get("description", "")]
            for key, one in model["properties"].items()
        )
        yield table(["key", "values", "default", "meaning"], keys)


def _values(found: dict[str, Any], models: dict[str, Any]) -> str:
    """What may stand there, in words."""
    if "const" in found:
        return listed([found["const"]])
    if "$ref" in found:
        return "table, below"
    if "enum" in found:
        return listed(found["enum"])
    if "anyOf" in found:
        return " or ".join(_values(one, models) for one in found["anyOf"] if one.get("type") != "null")
    if found.get("type") == "array":
        return "tables, below" if "$ref" in found["items"] else f"list of {_values(found['items'], models)}"
    kind = {"string": "text", "integer": "whole number"}.get(found["type"], found["type"])
    return ", ".join([kind, *_bounds(found)])


def _bounds(found: dict[str, Any]) -> Iterator[str]:
    words = {
        "minimum": "at least {}",
        "exclusiveMinimum": "more than {}",
        "maximum": "at most {}",
        "maxLength": "at most {} characters",
    }
    for name, text in words.items():
        if name in found:
            yield text.format(f"{found[name]:,}" if isinstance(found[name], int) else f"{found[name]:g}")


def _default(found: dict[str, Any]) -> str:
    default = found.get("default")
    return "" if default is None else code(json.dumps(default))


def _variable(section: str, key: str, found: dict[str, Any]) -> str:
    tables = found.get("type") == "array" and "$ref" in found["items"]
    return "" if tables else code(f"STOWGATE_{section}__{key}".upper())
