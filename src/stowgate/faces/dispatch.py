"""What a person sends by hand: handed to the gateway that runs, or taken through here; watched on its way."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from stowgate.errors import Temporary
from stowgate.gateway import acts, control
from stowgate.gateway.acts import Done
from stowgate.gateway.sending import CODE, ITEM
from stowgate.ingest.folder import Input, find
from stowgate.lifecycle import Delivery, State
from stowgate.questions_delivery import UNKNOWN, View
from stowgate.reasons import REASONS
from stowgate.settings import Settings
from stowgate.store.custody import Row
from stowgate.store.custody_view import read_custody
from stowgate.store.deliveries import Destination, OnItsWay
from stowgate.store.lock import is_held
from stowgate.vault.folder import LEDGER
from stowgate.wording import counted

_EVERY = 1.0
_GROUP = 32
"""Files of one request: few enough that one sees it go on."""

_STOPPED = {
    State.HELD: "quarantined", State.QUARANTINED: "quarantined", State.REJECTED: "rejected", State.DROPPED: "rejected",
    State.DUPLICATE: "already_done",
}  # fmt: skip
_FAR = {"received": 0, "cleaned": 1, "acknowledged": 2, "verified": 3}


class Dispatch:
    """One sending. `ask` hands over a destination and paths; `view` shows the ledger as it is at that moment."""

    def __init__(
        self, destination: str, ask: Callable[[list[str]], Done], view: Callable[[], AbstractContextManager[View]]
    ) -> None:
        self._destination, self._ask, self._view = destination, ask, view
        self.answers: list[tuple[Input, str]] = []
        self._rows: dict[str, Row] = {}
        self._ways: dict[str, OnItsWay] = {}
        self._began, self._place = time.time(), Destination(destination)

    @property
    def items(self) -> list[str]:
        """Ids of what goes there now, each once."""
        return list(dict.fromkeys(said[len(ITEM) :] for _, said in self.answers if not said.startswith(CODE)))

    def take(self, places: Sequence[Path]) -> None:
        """Hand over every input; what is no file is accounted for."""
        group: list[Input] = []
        for one in find(places):
            if one.code:
                self.answers.append((one, CODE + one.code))
                continue
            group.append(one)
            if len(group) == _GROUP:
                self._hand_over(group)
                group = []
        self._hand_over(group)
        self._refresh()

    def _hand_over(self, group: list[Input]) -> None:
        if group:
            said = self._ask([self._destination, *(one.path for one in group)]).ids
            self.answers += zip(group, said, strict=True)

    def look(self) -> None:
        """Wait a moment, and see how far it is."""
        time.sleep(_EVERY)
        self._refresh()

    def _refresh(self) -> None:
        ids = [id for id in self.items if self._far(id) < _FAR["verified"]]
        with self._view() as view:
            self._place = view.deliveries.destinations().get(self._destination, self._place)
            self._rows |= {id: row for id in ids if (row := view.row(id))}
            for id, ways in view.deliveries.of_items(ids).items():
                for way in ways:
                    if way.destination == self._destination:
                        self._ways[id] = way

    def _far(self, id: str) -> int:
        """How far one is: 0 in custody to 3 proved; 4 where it goes no further by itself."""
        row, way = self._rows.get(id), self._ways.get(id)
        if row is None or row.state is State.RECEIVED:
            return 0
        if self._is_stopped(row, way) or (way and way.state is Delivery.REFUSED):
            return 4
        if way and way.stand == "over":
            return 4 if way.code else 3
        return 2 if way and way.state in (Delivery.ACKNOWLEDGED, Delivery.VERIFIED) else 1

    def _is_stopped(self, row: Row, way: OnItsWay | None) -> bool:
        """Whether it goes nowhere; of a copy, its original goes there."""
        return row.state in _STOPPED and not (way and row.state is State.DUPLICATE)

    def left(self, wanted: str) -> int:
        """How many are not so far yet."""
        return sum(self._far(id) < _FAR[wanted] for id in self.items)

    @property
    def is_partly(self) -> bool:
        """Whether something will not arrive, though it may be DICOM."""
        stopped = any(self._far(id) == 4 and not self._is_done_already(id) for id in self.items)
        return stopped or any(
            said.startswith(CODE) and not REASONS[said[len(CODE) :]].not_dicom for _, said in self.answers
        )

    def _is_done_already(self, id: str) -> bool:
        return self._rows[id].state is State.DUPLICATE and id not in self._ways

    def words(self) -> str:
        """How far it is, in a line."""
        far = [self._far(id) for id in self.items]
        there, stopped = sum(one == 3 for one in far), sum(one == 4 for one in far)
        verb = "is" if len(far) == 1 else "are"
        return f"{there:,} of {len(far):,} {verb} there" + (f", {stopped:,} stopped" if stopped else "") + "."

    def taken(self) -> str:
        """What was taken in, in a sentence."""
        number = len(self.items)
        if not number:
            return f"No DICOM object was found there; nothing goes to {self._destination}."
        verbs = ("is", "goes") if number == 1 else ("are", "go")
        return f"{counted(number, 'object')} {verbs[0]} safe and {verbs[1]} to {self._destination}."

    def hindered(self) -> str:
        """Why nothing arrives there now, "" where nothing is known to keep it."""
        code = self._place.paused or self._place.code
        if not code:
            return ""
        reason = REASONS.get(code, UNKNOWN)
        how = "paused" if self._place.paused else "down"
        return f"{self._destination} is {how}. {reason.sentence} {reason.advice}".strip()

    def stopped(self) -> Iterator[str]:
        """What a person has to look at, by its code, and how; nothing where that is nothing."""
        found = Counter(
            ("held" if row.state is State.HELD else "quarantined", row.code)
            for id in self.items
            if (row := self._rows.get(id)) and row.state in (State.HELD, State.QUARANTINED)
        )
        for (state, code), number in sorted(found.items()):
            reason = REASONS.get(code, UNKNOWN)
            yield f"{number:,} {state}: {code}. {reason.sentence} {reason.advice}".strip()
        if found:
            yield "`stowgate quarantine list` shows them."

    def lines(self) -> Iterator[dict[str, Any]]:
        """What became of each input, as `stowgate deid --json` says it."""
        for one, said in self.answers:
            state, code = self._state(said)
            reason = f"{REASONS[code].sentence} {REASONS[code].advice}".strip() if code in REASONS else None
            yield {
                "kind": "item", "source": one.path, "output": None, "state": state, "code": code or None,
                "reason": reason, "item": None if said.startswith(CODE) else said[len(ITEM) :],
            }  # fmt: skip

    def _state(self, said: str) -> tuple[str, str]:
        if said.startswith(CODE):
            code = said[len(CODE) :]
            return "rejected", code
        id = said[len(ITEM) :]
        row, way = self._rows.get(id), self._ways.get(id)
        if row and self._is_stopped(row, way):
            return _STOPPED[row.state], row.code
        if self._far(id) == 3:
            was_there = way and way.stand == "over" and way.updated < self._began
            return ("already_done" if was_there else "delivered"), ""
        return "waiting", way.code if way else ""

    def summary(self, lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The counts, which add up to what was found."""
        names = ("delivered", "waiting", "quarantined", "rejected", "already_done")
        return {"kind": "summary", "received": len(lines)} | {
            name: sum(line["state"] == name for line in lines) for name in names
        }


@contextmanager
def dispatch(
    settings: Settings,
    base: Path,
    destination: str,
    passphrase: Callable[[], str],
    made: Callable[[Path], None] = lambda _: None,
) -> Iterator[Dispatch]:
    """By the gateway that runs; where none does, this process is one until the end of the block.

    made -- told of each key file that was made: whoever sends first has to back them up
    """
    from stowgate.faces.service import hands_of, plan_of
    from stowgate.gateway.opened import opened

    spool = (settings.spool.path or Path()).expanduser()
    if spool.exists() and is_held(spool):
        yield Dispatch(destination, lambda names: _asked(spool, names), lambda: read_custody(spool / LEDGER))
        return
    with opened(plan_of(settings, base), ask=passphrase, made=made) as gateway:
        hands, actor = hands_of(settings, gateway), control.account(os.getuid())
        yield Dispatch(destination, lambda names: acts.send(hands, names, actor), lambda: nullcontext(gateway.ledger))


def _asked(spool: Path, names: list[str]) -> Done:
    told = control.ask(spool, "send", names, None)
    if told is None:
        raise Temporary("gateway_silent")
    return told
