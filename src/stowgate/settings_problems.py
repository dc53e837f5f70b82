"""What is wrong with a configuration, in plain sentences: where it stands, what it is, what was probably meant."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from stowgate.errors import Misconfigured
from stowgate.toml_lines import Where, lines_of

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails


_AFTER_LINES = 1 << 30


class BadSettings(Misconfigured):
    """Everything that is wrong with a configuration: one sentence each, with its line or variable."""

    def __init__(self, code: str, problems: Sequence[str]) -> None:
        super().__init__(code, problems[0])
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class Given:
    """Values by section and key as they were given, and where each came from."""

    def __init__(self, name: str, text: str) -> None:
        """`text` is that of the TOML file `name`; BadSettings("bad_toml") if it is none."""
        self.name = name
        try:
            self.data = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise BadSettings("bad_toml", [_not_toml(name, text, str(error))]) from None
        self._text = text
        self._other: dict[Where, str] = {}

    def lay(self, values: Mapping[str, Mapping[str, object]], source: Callable[[str, str], str]) -> None:
        """Put values over those given before; `source` names where a section's key came from."""
        for section, keys in values.items():
            table = self.data.setdefault(section, {})
            for key, value in keys.items():
                if value is not None and isinstance(table, list):
                    told = f"{source(section, key)}: [[{section}]] tables can be set in the file only."
                    raise BadSettings("bad_setting", [told])
                if value is not None and isinstance(table, dict):
                    table[key] = value
                    self._other[section, key] = source(section, key)

    def as_json(self) -> str:
        """All of it. No setting is a date or a truth value, so a date becomes one of those and is refused as such."""
        return json.dumps(self.data, default=lambda _: False)

    def problems(
        self, errors: Sequence[ErrorDetails], model: type[BaseModel], more: Sequence[tuple[Where, str]] = ()
    ) -> BadSettings:
        """What pydantic found wrong, and `more` by place, in the order of the lines."""
        lines = lines_of(self._text)
        told: list[tuple[int, str]] = []
        for error in errors:
            where = _untagged(error["loc"])
            line, place = self._place(where, lines)
            told.append((line, f"{place}: {_subject(where)} {_sentence(error, model)}"))
        for where, sentence in more:
            line, place = self._place(where, lines)
            told.append((line, f"{place}: {_subject(where)} {sentence}{'' if sentence.endswith('?') else '.'}"))
        code = "unknown_setting" if errors and errors[0]["type"] == "extra_forbidden" else "bad_setting"
        return BadSettings(code, [sentence for _, sentence in sorted(told)])

    def _place(self, where: Where, lines: Mapping[Where, int]) -> tuple[int, str]:
        """Where a setting came from, behind a number to sort by: lines first, then variables and flags."""
        others = [name for at, name in self._other.items() if at[: len(where)] == where[:2]]
        if others and (len(where) > 1 or where not in lines):
            return _AFTER_LINES, others[0]
        line = next((lines[where[:n]] for n in range(len(where), 0, -1) if where[:n] in lines), 1)
        return line, f"{self.name} line {line}"


def _not_toml(name: str, text: str, message: str) -> str:
    at = re.search(r"\(at line (\d+)", message)
    line = at[1] if at else str(max(1, len(text.splitlines())))
    reason = message.partition(" (at ")[0]
    return f"{name} line {line}: this is no valid TOML: {reason[:1].lower()}{reason[1:]}."


def _subject(where: Where) -> str:
    """The setting as it looks in the file: "[deid] retain", "[[deid.override]] action", "[pixels]"."""
    match [part for part in where if isinstance(part, str)]:
        case ["deid" | "profile" as table, "override", *rest]:
            return " ".join([f"[[{table}.override]]", *rest])
        case ["source" | "dest" | "route" | "profile" | "window" | "triage" as table, *rest]:
            return " ".join([f"[[{table}]]", *rest])
        case [section, *rest]:
            return " ".join([f"[{section}]", *rest])
        case _:
            return "this"


_SENTENCES: Mapping[str, str] = {
    "string_type": "must be a text in quotes.",
    "int_type": "must be a whole number.",
    "int_from_float": "must be a whole number.",
    "float_type": "must be a number.",
    "tuple_type": 'must be a list, such as ["one", "two"].',
    "model_type": "must be a table.",
    "missing": "is missing.",
    "greater_than": "must be more than {gt:g}.",
    "greater_than_equal": "must be at least {ge}.",
    "less_than_equal": "must be at most {le}.",
    "string_too_long": "may have at most {max_length} characters.",
    "string_too_short": "must not be empty.",
    "value_error": "{error}.",
}


def _sentence(error: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context, given = error["type"], error.get("ctx", {}), error["input"]
    if kind == "extra_forbidden":
        return f"is no setting.{_meant(error['loc'], model)}"
    if kind == "literal_error":
        choice = str(context["expected"]).replace("'", '"')
        return f"must be one of {choice}, not {json.dumps(given)[:40]}."
    if kind == "string_pattern_mismatch":
        *table, name = (part for part in error["loc"] if isinstance(part, str))
        return f"has a form it cannot have. {_table(tuple(table), model)[name].description}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        choice = str(context.get("expected_tags", "")).replace("'", '"')
        return f"needs a kind that is one of {choice}." if choice else "needs a kind."
    return _SENTENCES.get(kind, "has a value it cannot have.").format(**context)


def _meant(where: Where, model: type[BaseModel]) -> str:
    """The nearest name in the same table, else in any other."""
    name, table = str(where[-1]), where[:-1]
    close = get_close_matches(name, _table(table, model), n=1)
    if close:
        return f" Did you mean {close[0] if table else f'[{close[0]}]'}?"
    tables = reversed(list(_table((), model)))  # where several have it the first one is meant
    everywhere = {key: section for section in tables for key in _table((section,), model)}
    close = get_close_matches(name, everywhere, n=1)
    return f" Did you mean {_subject((everywhere[close[0]], close[0]))}?" if close else ""


def _table(where: Where, model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """The settings in a table, or in each of a list of tables; behind a list of several kinds comes the kind."""
    kinds: dict[str, type[BaseModel]] = {}
    for part in where:
        if not isinstance(part, str):
            continue
        if part in kinds:
            model, kinds = kinds[part], {}
            continue
        annotation: Any = model.model_fields[part].annotation
        found = _models(annotation)
        kinds = {_kind(one): one for one in found} if len(found) > 1 else {}
        model = found[0] if len(found) == 1 else model
        if not found:
            return {}
    return {} if kinds else model.model_fields


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The tables an annotation holds: one, those of a list, those of a union of kinds."""
    if hasattr(annotation, "model_fields"):
        return [annotation]
    return [one for part in get_args(annotation) for one in _models(part)]


def _kind(model: type[BaseModel]) -> str:
    return str(get_args(model.model_fields["kind"].annotation)[0])


def _untagged(where: Where) -> Where:
    """A place as it is in the file: pydantic puts the kind of a [[source]] behind its number."""
    return (*where[:2], *where[3:]) if where[:1] in (("source",), ("dest",)) and len(where) > 2 else where
