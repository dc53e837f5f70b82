"""Which fields a log line may have, and which form each must have: everything else is dropped, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from stowgate.events import ACTS
from stowgate.lifecycle import Delivery, State
from stowgate.reasons import REASONS

EVENTS = frozenset(
    "started stopping received refused settled reserve intake_stopped source_failed payload_lost "
    "caller_turned_away association act delivered destination_down destination_up destination_paused purged noticed "
    "library_message uncaught uncaught_in_thread unraisable upload_failed request_failed".split()
)
"""Every event a line may name: a word that is not here could be anybody's name."""

_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CLASS = re.compile(r"[A-Z][A-Za-z]{0,48}(?:Error|Exception|Warning)")
_OUR_CLASSES = frozenset(
    "Rejected Temporary Misconfigured BrokenOff NeedMore OddEncoding KeyboardInterrupt SystemExit MemoryError".split()
)
_PLACE = re.compile(r"stowgate(?:\.[a-z_]{1,32}){0,4}:[0-9]{1,5}")
_VERSION = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){1,3}")
_LEVELS = frozenset(("debug", "info", "warning", "error", "critical"))
_LIBRARIES = ("pynetdicom", "pydicom", "uvicorn", "asyncio", "watchfiles", "httpx", "httpcore", "starlette", "h11")
_STATES = frozenset((*map(str, State), *map(str, Delivery)))

Judge = Callable[[object], bool]


def _like(pattern: re.Pattern[str]) -> Judge:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _one_of(words: Collection[str]) -> Judge:
    return lambda value: isinstance(value, str) and value in words


def is_class(value: object) -> bool:
    """Whether this is the name of a class of errors, and no other capitalised word."""
    return isinstance(value, str) and (value in _OUR_CLASSES or _CLASS.fullmatch(value) is not None)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < 1e18


def library_of(logger: str) -> str:
    """The library behind a logger's name, "other" for one that is not known: such names may hold anything."""
    first = logger.partition(".")[0]
    if first in ("py", "stowgate"):
        return {"py": "warnings", "stowgate": "stowgate"}[first]
    return first if first in _LIBRARIES else "other"


def allowed(names: Collection[str]) -> Mapping[str, Judge]:
    """The judge of each field. `names` -- of the sources, callers and destinations that the configuration has."""
    named = _one_of(frozenset((*names, "web")))
    number = dict.fromkeys(("size", "seconds", "count", "room", "port", "attempts", "number", "pid"), _number)
    return {
        "event": _one_of(EVENTS),
        "level": _one_of(_LEVELS),
        "at": _number,
        "up": _number,
        "item": _like(_ID),
        "study": _like(_ID),
        "scanner": _like(_ID),
        "boot": _like(_ID),
        "code": _one_of(REASONS),
        "state": _one_of(_STATES),
        "source": named,
        "peer": named,
        "destination": named,
        "library": _one_of((*_LIBRARIES, "warnings", "stowgate", "other")),
        "error": is_class,
        "place": _like(_PLACE),
        "kind": _one_of(ACTS),
        "version": _like(_VERSION),
        "policy": _like(_DIGEST),
        "duplicate": lambda value: isinstance(value, bool),
        "opened": lambda value: isinstance(value, bool),
        "originals": lambda value: isinstance(value, bool),
        "reached": lambda value: isinstance(value, bool),
        **number,
    }


def sift(fields: Mapping[str, object], judges: Mapping[str, Judge]) -> dict[str, object]:
    """The fields that may be shown; how many may not is shown as "withheld"."""
    kept = {name: value for name, value in fields.items() if name in judges and judges[name](value)}
    withheld = len(fields) - len(kept)
    return {**kept, "withheld": withheld} if withheld else kept
