"""Arrivals, clean objects and clocks made up for the tests of the gateway's ledger."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.store.clean_object import CleanObject
from stowgate.store.clocks import Clocks
from stowgate.store.custody import Coming, Custody, Ended, Leased
from stowgate.store.deliveries import Bound, Outcome
from stowgate.vault.key import Key

KEY, OTHER = Key(bytes(range(32))), Key(bytes(32))
POLICY, OTHER_POLICY = "a" * 64, "b" * 64
CT = "1.2.840.10008.5.1.4.1.1.2"


@dataclass
class Hands:
    """Clocks that move when they are told to; the wall clock may tick by itself, and be set wrong."""

    wall: float = 1_700_000_000.0
    monotonic: float = 100.0
    boot: str = "first"
    ticking: bool = True
    clocks: Clocks = field(init=False)

    def __post_init__(self) -> None:
        ticks = itertools.count()
        self.clocks = Clocks(
            lambda: self.wall + (next(ticks) if self.ticking else 0), lambda: self.monotonic, lambda: self.boot
        )


def hex32(n: int, kind: int = 1) -> str:
    return f"{n:08x}{kind:024x}"


def coming(n: int, instance: int | None = None, content: int | None = None, **more: object) -> Coming:
    """Arrival `n`: by default an instance and content of its own, in study 1 of source "ct"."""
    facts: dict[str, object] = {
        "source": "ct",
        "size": 1000 + n,
        "instance": hex32(n if instance is None else instance, 2),
        "content": hex32(n if content is None else content, 3),
        "study": hex32(1, 4),
        "modality": "CT",
        "sop_class": CT,
    }
    return Coming(hex32(n), **(facts | more))  # type: ignore[arg-type]


def clean(n: int, instance: int | None = None, policy: str = POLICY, key_id: str = KEY.id) -> CleanObject:
    uid = f"2.25.{n if instance is None else instance}"
    names = {"patient": "P1", "study": "2.25.9", "series": "2.25.8", "instance": uid}
    return CleanObject(
        hex32(n, 5), uid, "2.25.9", "2.25.8", 900 + n, f"{n:064x}", policy, key_id, CT, "1.2.840.10008.1.2.1", names
    )


def cleaned(n: int, instance: int | None = None, made: int | None = None, policy: str = POLICY) -> Ended:
    result = clean(n if made is None else made, n if instance is None else instance, policy)
    return Ended(hex32(n), State.CLEANED, findings=("burned_in", "graphics"), cleans=(result,))


def leased(n: int, attempts: int = 0, **more: bool) -> Leased:
    """What is given out of arrival `n`."""
    return Leased(hex32(n), "ct", attempts, "CT", CT, **more)


def ended(n: int, state: State, code: str = "uid_reuse") -> Ended:
    return Ended(hex32(n), state, code=code, place="(0008,0018)")


def deliver(ledger: Custody, n: int, destination: str = "pacs") -> None:
    """Clean object `n`, which waits, is verified at the only place it goes to."""
    ledger.deliveries.bind({hex32(n, 5): [Bound(destination)]})
    (due,) = ledger.deliveries.lease(destination, 1, 1 << 30)
    assert not ledger.deliveries.record([Outcome(due.number, Delivery.VERIFIED, evidence=Evidence.CONTENT, done=True)])


def bring(ledger: Custody, n: int, state: State) -> None:
    """A fresh item `n`, taken to `state` by legal moves."""
    id = [hex32(n)]
    if state is State.REJECTED:
        ledger.receive([coming(n)])
        ledger.lease("w", 1)
        assert not ledger.end([ended(n, state)])
        return
    ledger.receive([coming(n)])
    way = {
        State.RECEIVED: (),
        State.HELD: (State.HELD,),
        State.QUARANTINED: (State.QUARANTINED,),
        State.DUPLICATE: (State.DUPLICATE,),
        State.DROPPED: (State.HELD, State.DROPPED),
        State.CLEANED: (State.WAITING, State.CLEANED),
        State.WAITING: (State.WAITING,),
        State.PURGING: (State.WAITING, State.PURGING),
        State.PURGED: (State.WAITING, State.PURGING, State.PURGED),
    }[state]
    for step in way:
        if step is State.PURGING and state is not State.DROPPED:
            deliver(ledger, n)
        if step is State.WAITING:
            assert [item.id for item in ledger.lease("w", 1)] == id
            assert not ledger.end([cleaned(n)])
        else:
            assert not ledger.move(id, step, "uid_reuse" if step in (State.HELD, State.QUARANTINED) else "")
