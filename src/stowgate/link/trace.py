"""How a link is at each moment: a trace of rates, delays and outages, read from text; pure look-ups."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum

_MOST_LINES = 1_000_000


class State(StrEnum):
    """Whether a link carries something. `down` swallows everything in silence, `reset` ends every connection, too."""

    UP = "up"
    DOWN = "down"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Span:
    """How the link is from a moment on.

    at    -- seconds since the trace began
    rate  -- bytes each second, each way, for all connections together; None: as fast as it goes
    delay -- seconds there and back
    """

    at: float
    rate: float | None = None
    delay: float = 0.0
    state: State = State.UP


@dataclass(frozen=True, slots=True)
class Trace:
    """Spans in order, the first at 0. After `period` seconds it begins anew; None: the last span stays."""

    spans: tuple[Span, ...] = (Span(0.0),)
    period: float | None = None

    def at(self, seconds: float) -> Span:
        """How the link is so many seconds after the trace began."""
        within = seconds % self.period if self.period else seconds
        return self.spans[max(0, bisect_right(self.spans, within, key=lambda span: span.at) - 1)]

    def open_seconds(self, begin: float, end: float) -> float:
        """Seconds between these two in which the link carried something."""
        return self._open_until(end) - self._open_until(begin)

    def _open_until(self, seconds: float) -> float:
        if not self.period:
            return self._open_within(seconds)
        whole, rest = divmod(seconds, self.period)
        return whole * self._open_within(self.period) + self._open_within(rest)

    def _open_within(self, seconds: float) -> float:
        ends = [*(span.at for span in self.spans[1:]), float("inf")]
        return sum(
            max(0.0, min(end, seconds) - span.at)
            for span, end in zip(self.spans, ends, strict=True)
            if span.state is State.UP
        )


def cycle(rate: float | None, delay: float, period: float, away: float, state: State = State.DOWN) -> Trace:
    """A link that is away for the last `away` seconds of each period."""
    gone = Span(period - away, rate, delay, state)
    return Trace((Span(0.0, rate, delay), *([gone] if away else ())), period)


def trace_of(text: str) -> Trace:
    """A trace as text. A line: seconds since the beginning, kbit/s ("-": no limit), ms there and back, and the state.

        # seconds  kbit/s  ms   state
        0          2000    80   up
        12         300     350  up
        16         -       0    down
        20         end

    `up` carries, `down` swallows in silence, `reset` ends connections and refuses new ones. `end` says when it begins
    anew; without one the last line stays. What follows a # is for people. Raises ValueError with the line's number.
    """
    spans: list[Span] = []
    for number, line in enumerate(text.splitlines()[:_MOST_LINES], 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            at = _number(words[0])
            if at < 0 or (spans and at <= spans[-1].at) or (not spans and at):
                raise ValueError
            if words[1:] == ["end"] and spans:
                return Trace(tuple(spans), at)
            rate, delay, state = words[1:]
            spans.append(Span(at, _rate(rate), _number(delay) / 1000, State(state)))
        except ValueError:
            raise ValueError(f"line {number} is none of a trace: seconds that grow from 0, kbit/s, ms, state") from None
    if not spans:
        raise ValueError("a trace has at least one line")
    return Trace(tuple(spans))


def _rate(word: str) -> float | None:
    if word == "-":
        return None
    rate = _number(word) * 125
    if rate == 0:
        raise ValueError
    return rate


def _number(word: str) -> float:
    value = float(word)
    if not 0 <= value < 1e9:
        raise ValueError
    return value
