"""Names on a command line, looked up in the configuration: one that is not there is told with those that are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from stowgate.errors import Misconfigured


class _Named(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=_Named)


def known(name: str, kind: str, tables: Iterable[T]) -> T:
    """The [[kind]] of this name; Misconfigured("unknown_name"), a wrong command line, where there is none."""
    by_name = {one.name: one for one in tables}
    if name not in by_name:
        raise unknown(name, f"[[{kind}]]", by_name)
    return by_name[name]


def unknown(name: str, what: str, names: Iterable[str]) -> Misconfigured:
    """The error for a name that is not among these."""
    there = ", ".join(names)
    return Misconfigured("unknown_name", f"no {what} is called {name}; there {f'is: {there}' if there else 'is none'}")
