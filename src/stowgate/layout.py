"""Where a clean object lies below the output folder: a template filled with clean values only."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from string import Formatter

from stowgate.errors import Misconfigured
from stowgate.objects import Names

DEFAULT = "{patient}/{study}/{series}/{instance}.dcm"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
FIELDS = tuple(Names.__dataclass_fields__)


@lru_cache(maxsize=32)
def check(template: str) -> str:
    """The template itself if it can be used; raises `Misconfigured("bad_layout")` with what is wrong as place."""
    try:
        fields = [name for _, name, spec, conversion in Formatter().parse(template) if name is not None]
        plain = all(not spec and not conversion for _, _, spec, conversion in Formatter().parse(template))
    except ValueError:
        raise Misconfigured("bad_layout", "the braces do not match") from None
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise Misconfigured("bad_layout", f"unknown field {{{unknown[0]}}}")
    if not plain or "instance" not in fields:
        raise Misconfigured("bad_layout", "{instance} has to be part of it, plainly")
    parts = [part.strip() for part in template.split("/")]
    if not template.endswith(".dcm") or not all(parts) or "\\" in template or not template.isprintable():
        raise Misconfigured("bad_layout", "it has to be a relative path that ends in .dcm")
    if any(part.startswith(".") for part in parts):
        raise Misconfigured("bad_layout", "no part of it may begin with a dot: hidden files are lost sight of")
    return template


def usable(template: str) -> str:
    """As `check`, for the models of settings: `ValueError` says what is wrong."""
    try:
        return check(template)
    except Misconfigured as error:
        raise ValueError(f"cannot be used: {error.place}") from None


def path_of(template: str, names: Names) -> str:
    """The relative path of one object; a value it does not have becomes "none"."""
    return template.format_map({field: _part(getattr(names, field)) for field in _fields(template)})


@lru_cache(maxsize=32)
def _fields(template: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in Formatter().parse(template) if name)


@lru_cache(maxsize=1024)
def _part(value: str) -> str:
    """A value as part of a path: retained UIDs are others' text, and none of it may climb, hide or clash."""
    plain = _UNSAFE.sub("_", value).strip(".").lstrip("-.")[:64] or "none"
    return plain if plain == value or not value else f"{plain}-{sha256(value.encode()).hexdigest()[:12]}"
