"""Links as they are known from the field, in a table; each can be tried on any peer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stowgate.link.trace import Span, State, Trace, cycle


@dataclass(frozen=True, slots=True)
class Profile:
    """A link: its trace, and what chance adds to it.

    jitter    -- seconds that each piece is earlier or later by, at most; no piece overtakes another
    stalls    -- chance in each second that nothing moves for `stall` seconds, though nothing is lost
    stall     -- seconds
    seed      -- of the chance: the same seed, the same link
    """

    trace: Trace = field(default_factory=Trace)
    jitter: float = 0.0
    stalls: float = 0.0
    stall: float = 0.0
    seed: int = 1


_MBIT = 125_000.0

PROFILES: Mapping[str, Profile] = {
    "open": Profile(),
    "steady": Profile(Trace((Span(0.0, 4 * _MBIT, 0.06),)), jitter=0.02),
    "4g": Profile(cycle(2 * _MBIT, 0.08, 20.0, 4.0), jitter=0.04),
    "edge": Profile(cycle(0.2 * _MBIT, 0.6, 60.0, 6.0), jitter=0.2, stalls=0.02, stall=3.0),
    "satellite": Profile(cycle(0.384 * _MBIT, 0.715, 600.0, 60.0), jitter=0.02),
    "truck": Profile(
        Trace(
            (
                Span(0.0, 4 * _MBIT, 0.06),
                Span(15.0, 1 * _MBIT, 0.12),
                Span(25.0, 0.25 * _MBIT, 0.4),
                Span(30.0, state=State.DOWN),
                Span(38.0, 1 * _MBIT, 0.15),
                Span(45.0, state=State.RESET),
                Span(49.0, 2 * _MBIT, 0.08),
            ),
            60.0,
        ),
        jitter=0.03,
        stalls=0.01,
        stall=2.0,
    ),
    "flapping": Profile(cycle(2 * _MBIT, 0.08, 6.0, 3.0, State.RESET)),
}
"""steady: only cut by hand. 4g: 2 Mbit/s, 80 +- 40 ms, away for a fifth of the time. edge: 200 kbit/s, 600 ms, and it
stalls. satellite: what an MRI unit in Malawi had, 384 kbit/s and 715 ms. truck: a drive with dead zones and changing
cells. flapping: gone every three seconds, with all connections."""
