"""The library: everything `import stowgate` gives, with signatures and docstrings as they stand in the code."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields, is_dataclass
from typing import Any

import stowgate
from pages.markdown import code, page, table
from stowgate import api, errors
from stowgate.deident import profile
from stowgate.objects import Change
from stowgate.policy import Policy
from stowgate.vault import key
from stowgate.verify.report import Summary

BESIDE: dict[str, Any] = {
    "stowgate.api.ObjectReport": api.ObjectReport,
    "stowgate.objects.Change": Change,
    "stowgate.verify.report.Summary": Summary,
    "stowgate.deident.profile.policy_from": profile.policy_from,
    "stowgate.policy.Policy": Policy,
    "stowgate.vault.key.Key": key.Key,
    "stowgate.vault.key.load": key.load,
    "stowgate.errors.StowgateError": errors.StowgateError,
    "stowgate.errors.Rejected": errors.Rejected,
    "stowgate.errors.Misconfigured": errors.Misconfigured,
    "stowgate.errors.Temporary": errors.Temporary,
}
"""What the public functions take, give and raise."""


def reference() -> str:
    """docs/reference/api.md."""
    parts = [
        "`import stowgate` costs nothing: the parts are loaded on first use. Everything is typed (`py.typed`). The "
        "command line is a skin over this.",
        "De-identifying a data set or bytes checks and cleans, and does not pass the gate. What leaves the house goes "
        "through "
        "`deidentify_folder`, which writes, gates and keeps a ledger.",
    ]
    for name in stowgate.__all__:
        parts += [f"## stowgate.{name}", *described(name, getattr(stowgate, name))]
    parts.append("# What they take, give and raise")
    for name, found in BESIDE.items():
        parts += [f"## {name}", *described(name.rpartition(".")[2], found)]
    return page("Python", *parts)


def described(name: str, found: Any) -> list[str]:
    """Signature, docstring and fields."""
    text = _prose(inspect.getdoc(found) or "")
    if not is_dataclass(found):
        return [f"```python\n{_signature(name, found)}\n```", text]
    rows = ([code(one.name), code(_kind(one.type))] for one in fields(found))
    methods = [(n, f) for n, f in vars(found).items() if not n.startswith("_") and callable(getattr(found, n))]
    shown = [f"- `{n}{_parameters(getattr(found, n))}`: {_first(f)}" for n, f in methods]
    properties = [f"- `{n}`: {_first(f)}" for n, f in vars(found).items() if isinstance(f, property)]
    return [text, table(["field", "type"], rows), *(["\n".join(shown + properties)] if shown or properties else [])]


def _first(found: Any) -> str:
    return " ".join((inspect.getdoc(found) or "").partition("\n\n")[0].split())


def _prose(text: str) -> str:
    """A docstring as Markdown: lines of "name -- meaning" become a list."""
    paragraphs: list[str] = []
    for line in text.splitlines():
        item = re.fullmatch(r"(\w+)\s* -- (.+)", line)
        if item:
            paragraphs.append(f"- `{item[1]}`: {item[2]}")
        else:
            paragraphs.append(line.strip())
    joined = "\n".join(paragraphs)
    return re.sub(r"(?<!\n)\n(Raises )", r"\n\n\1", re.sub(r"(?<![\n])\n(?=- `)(?<!\))", "\n", joined))


def _kind(annotation: Any) -> str:
    return str(annotation if isinstance(annotation, str) else getattr(annotation, "__name__", annotation)).strip("'\"")


def _signature(name: str, found: Any) -> str:
    if inspect.isclass(found):
        return f"class {name}{_parameters(found)}"
    whole = inspect.signature(found)
    lines = [f"    {_parameter(one)}," for one in _with_star(whole)]
    return "\n".join([f"{name}(", *lines, f") -> {_kind(whole.return_annotation)}"])


def _with_star(whole: inspect.Signature) -> list[inspect.Parameter | str]:
    out: list[inspect.Parameter | str] = []
    for one in whole.parameters.values():
        if one.kind is one.KEYWORD_ONLY and "*" not in out:
            out.append("*")
        out.append(one)
    return out


def _parameter(one: inspect.Parameter | str) -> str:
    if isinstance(one, str):
        return one
    kind = "" if one.annotation is one.empty else f": {_kind(one.annotation)}"
    if one.default is one.empty:
        return f"{one.name}{kind}"
    return f"{one.name}{kind} = {_value(one.default)}"


def _value(default: Any) -> str:
    """A default as one would write it; what has no such form is left out."""
    shown = repr(default)
    return "..." if "<" in shown or "(" in shown.strip("()") else shown


def _parameters(found: Any) -> str:
    try:
        whole = inspect.signature(found)
    except (TypeError, ValueError):
        return ""
    shown = [_parameter(one) for one in _with_star(whole) if isinstance(one, str) or one.name not in ("self", "cls")]
    return f"({', '.join(shown)})"
