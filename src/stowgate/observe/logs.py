"""Logs: JSON lines that hold ids, codes and numbers; what libraries say is reduced to who said it and how loud."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import fields
from enum import StrEnum
from types import TracebackType
from typing import Any, TextIO

from stowgate import events
from stowgate.lifecycle import Delivery, State
from stowgate.observe.fields import Judge, allowed, is_class, library_of, sift

_EVENT_NAMES = {
    events.Started: "started", events.Stopping: "stopping", events.Received: "received", events.Refused: "refused",
    events.Settled: "settled", events.Reserve: "reserve", events.IntakeStopped: "intake_stopped",
    events.SourceFailed: "source_failed",
    events.PayloadLost: "payload_lost", events.CallerTurnedAway: "caller_turned_away",
    events.Association: "association", events.Act: "act", events.Delivered: "delivered",
    events.DestinationDown: "destination_down", events.DestinationUp: "destination_up",
    events.DestinationPaused: "destination_paused", events.Purged: "purged", events.Noticed: "noticed",
}  # fmt: skip
_LOUD = {
    events.Refused: "warning", events.IntakeStopped: "critical", events.PayloadLost: "critical",
    events.CallerTurnedAway: "warning", events.SourceFailed: "error", events.DestinationDown: "warning",
    events.DestinationPaused: "error", events.Noticed: "warning",
}  # fmt: skip
_KNOWN = ("pynetdicom", "pydicom", "uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "py.warnings")
_QUIET = {
    events.Received: "debug", events.Settled: "debug", events.Association: "debug", events.Delivered: "debug",
}  # fmt: skip


class Log:
    """Writes lines. `watch` takes the gateway's events; `write` takes an event's name and fields."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def write(self, level: str, event: str, **told: object) -> None:
        """One line, if its level is loud enough; fields that are not allowed are dropped."""
        with suppress(OSError, ValueError):  # whoever read the lines is gone: custody goes on
            getattr(self._logger, level)(event, **told)

    def watch(self, event: events.GatewayEvent) -> None:
        """One line for one event: loud for what a person has to see, at DEBUG for each object that went well."""
        kind = type(event)
        told = {field.name: getattr(event, field.name) for field in fields(event)}
        for name in ("actor", "ids"):  # the audit log has them
            told.pop(name, None)
        plain = {name: _plain(value) for name, value in told.items() if value not in ("", None)}
        level = "warning" if _wants_a_person(event) else _LOUD.get(kind) or _QUIET.get(kind, "info")
        self.write(level, _EVENT_NAMES[kind], **plain)


def _wants_a_person(event: events.GatewayEvent) -> bool:
    """Whether this one of many is one that goes on only when a person acts, or that is lost where it was sent."""
    match event:
        case events.Settled(state=State.HELD | State.QUARANTINED):
            return True
        case (
            events.Delivered(state=Delivery.REFUSED)
            | events.Delivered(code="peer_lost_object" | "peer_lost_purged" | "peer_has_other_bytes")
        ):
            return True
        case _:
            return False


def configure(
    names: Collection[str] = (), level: str = "info", file: TextIO | None = None, clock: Callable[[], float] = time.time
) -> Log:
    """Take over all logging of the process: structlog's, the standard library's, warnings and uncaught exceptions.

    names -- of sources, callers and destinations in the configuration: no other name is shown
    level -- "debug", "info", "warning", "error"
    file  -- where lines go, standard error by default
    """
    import structlog

    least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _Stamp(clock),
            _Sieve(allowed(names)),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file or sys.stderr),
        cache_logger_on_first_use=False,
    )
    log = Log(structlog.get_logger())
    _take_over(_Reduced(log))
    _catch_uncaught(log)
    return log


class _Stamp:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def __call__(self, _: object, __: str, told: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {"at": round(self._clock(), 3), **told}


class _Sieve:
    """The last thing before a line is written."""

    def __init__(self, judges: Mapping[str, Judge]) -> None:
        self._judges = judges

    def __call__(self, _: object, __: str, told: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return sift(told, self._judges)


class _Reduced(logging.Handler):
    """What anybody says through the standard library: no text, only the library, the level, and the kind of error."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One line without the record's message, arguments, extras and traceback."""
        library = library_of(record.name)
        if library != "stowgate" and record.levelno < logging.WARNING:
            return
        told = of_error(record.exc_info[1]) if record.exc_info else {}
        event = record.msg if library == "stowgate" and isinstance(record.msg, str) else "library_message"
        self._log.write(_level(record.levelno), event, library=library, **told)


def of_error(error: BaseException | None) -> dict[str, object]:
    """What may be said of an exception: its class, and the last line of ours that it came through."""
    if error is None:
        return {}
    name = type(error).__name__
    told: dict[str, object] = {"error": name if is_class(name) else "Exception"}
    trace: TracebackType | None = error.__traceback__
    while trace:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if isinstance(module, str) and module.partition(".")[0] == "stowgate":
            told["place"] = f"{module}:{trace.tb_lineno}"
        trace = trace.tb_next
    return told


def _take_over(handler: logging.Handler) -> None:
    """One handler for everything; those that libraries brought along are removed, and theirs do not speak below it."""
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a handler that fails would print the record it failed on
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in {*_KNOWN, *logging.root.manager.loggerDict}:
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


def _catch_uncaught(log: Log) -> None:
    """Tracebacks quote values, so nobody prints one: not the interpreter, not a thread, not a finaliser."""

    def hook(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
        log.write("critical", "uncaught", **of_error(error))

    def thread_hook(told: threading.ExceptHookArgs) -> None:
        log.write("critical", "uncaught_in_thread", **of_error(told.exc_value))

    def unraisable(told: Any) -> None:
        log.write("error", "unraisable", **of_error(told.exc_value))

    sys.excepthook = hook
    threading.excepthook = thread_hook
    sys.unraisablehook = unraisable


def _level(number: int) -> str:
    loud = ((logging.CRITICAL, "critical"), (logging.ERROR, "error"), (logging.WARNING, "warning"))
    return next((name for least, name in loud if number >= least), "info")


def _plain(value: object) -> object:
    return str(value) if isinstance(value, StrEnum) else value
