"""What happened, as typed facts with codes and never values; the tally listens, and so may logs, metrics and audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stowgate.item import Item
from stowgate.lifecycle import Delivery, State


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A batch began, under the policy of this digest."""

    policy: str


@dataclass(frozen=True, slots=True)
class ItemSettled:
    """An input reached its final state of this run and is durable there.

    size         -- of the input, in bytes
    already_done -- an earlier run made it for the same target, or it is a duplicate
    counts       -- attributes changed, by action and origin of the rule ("X E.1-1")
    """

    item: Item
    size: int
    already_done: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A batch is over, and everything it counts is durable."""

    received: int


Event = RunStarted | ItemSettled | RunEnded
Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Started:
    """The gateway runs. `version` is the package's, `policy` the digest of what it was told to do."""

    version: str
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The gateway was told to stop and finishes what is under way."""


@dataclass(frozen=True, slots=True)
class Received:
    """An instance is in custody, and its sender was told so.

    size    -- bytes of its PS3.10 file
    seconds -- from its first byte to the answer
    """

    source: str
    item: str
    size: int
    seconds: float
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """An instance was not taken, and its sender was told so."""

    source: str
    code: str


@dataclass(frozen=True, slots=True)
class Settled:
    """Work on an item ended in this state, waiting, held or quarantined for one."""

    source: str
    item: str
    state: State
    code: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Reserve:
    """The spool reached its reserve (`reached`), or has room again. `room` in bytes."""

    reached: bool
    room: int


@dataclass(frozen=True, slots=True)
class IntakeStopped:
    """Nothing more is taken in until a person has acted, "spool_failed" for one."""

    code: str


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """A source is down and takes nothing in; it is started again and again."""

    source: str
    code: str


@dataclass(frozen=True, slots=True)
class PayloadLost:
    """The ledger knows an object that is not on its shelf."""

    item: str


@dataclass(frozen=True, slots=True)
class Purged:
    """What is proved to be at its destinations is being deleted here; `originals`: of these items nothing else is."""

    ids: tuple[str, ...]
    count: int
    originals: bool = False


@dataclass(frozen=True, slots=True)
class CallerTurnedAway:
    """Somebody who is not on the list of a source called, or had no valid token."""

    source: str
    code: str = "caller_not_allowed"


@dataclass(frozen=True, slots=True)
class Association:
    """An association of a source began (`opened`) or ended."""

    source: str
    opened: bool


@dataclass(frozen=True, slots=True)
class Delivered:
    """A clean object is this far on its way to a destination: acknowledged, verified, refused, or queued again.

    size    -- of its file, in bytes
    seconds -- that its part of the parcel took
    """

    destination: str
    item: str
    state: Delivery
    code: str = ""
    size: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class DestinationDown:
    """A destination cannot be reached or takes nothing; it is tried again and again."""

    destination: str
    code: str


@dataclass(frozen=True, slots=True)
class DestinationUp:
    """A destination that was down takes things again. `seconds` it was down."""

    destination: str
    seconds: float


@dataclass(frozen=True, slots=True)
class DestinationPaused:
    """Nothing is sent to a destination until a person has acted and resumes it."""

    destination: str
    code: str


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something is amiss with a picture, with a study as a whole, or with a scanner: one of the three is named.

    item -- id; study, scanner -- keyed aliases; count -- how many instances a study lacks
    """

    code: str
    source: str = ""
    item: str = ""
    study: str = ""
    scanner: str = ""
    count: int | None = None


ACTS = frozenset(
    "hold release drop export quarantine_export quarantine_release quarantine_drop audit_export keys_rotate "
    "retry verify dest_pause dest_resume dest_catch_up dest_forget purge "
    "caller_allowed intake_closed intake_opened settings_changed".split()
)
"""What a person can do that is recorded."""


@dataclass(frozen=True, slots=True)
class Act:
    """A person did something; `ValueError` for a kind that is not one of `ACTS`.

    actor -- name of the account on this machine
    ids   -- of the items it was done to; `count` where there are too many to name
    """

    kind: str
    actor: str
    ids: tuple[str, ...] = ()
    count: int = 0
    code: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ACTS:
            raise ValueError("an act is one of the table of acts")


GatewayEvent = (
    Started
    | Stopping
    | Received
    | Refused
    | Settled
    | Reserve
    | IntakeStopped
    | SourceFailed
    | PayloadLost
    | Purged
    | CallerTurnedAway
    | Association
    | Delivered
    | DestinationDown
    | DestinationUp
    | DestinationPaused
    | Noticed
    | Act
)
Watcher = Callable[[GatewayEvent], None]
