"""Before a copy is thrown away, its original is read: only a whole one makes another copy superfluous."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from stowgate.errors import Rejected, Temporary
from stowgate.lifecycle import State
from stowgate.outbox.routing import SEND
from stowgate.store.custody import Coming, Custody
from stowgate.store.sheet import Original
from stowgate.store.spool import CleanShelf, RawShelf

_STEP = 1 << 18


GoesFurther = Callable[[Coming, str], bool]
"""Whether a copy may have to go where its original does not, which came from that source."""


def from_elsewhere(copy: Coming, source: str) -> bool:
    """Where nobody knows the routes, all from another source may; what a person sends is led by who takes it."""
    return copy.source not in (source, SEND)


@dataclass(frozen=True, slots=True)
class Originals:
    """The items of one spool as those that other arrivals are duplicates of."""

    raw: RawShelf
    clean: CleanShelf
    ledger: Custody
    goes_further: GoesFurther = from_elsewhere

    def stands(self, id: str) -> bool:
        """Whether the item is there to its last byte, or was verified elsewhere. `Temporary` when the disk fails."""
        row = self.ledger.row(id)
        if row is None:
            return False
        if row.has_raw and _is_whole(self.raw, id):
            return True
        cleans = self.ledger.cleans_of_item(id) if row.has_clean else []
        if cleans and all(_is_whole(self.clean, one.id) for one in cleans):
            return True
        return row.state in (State.PURGING, State.PURGED)

    def copy_of_nothing_damaged(self, row: Coming) -> Coming:
        """The row of an arrival; one whose original is damaged becomes an item of its own, and takes its place.

        So does one that goes further: who works on it finds the original, and where that has to go as well.
        """
        same = self.ledger.original(row.instance, row.content)
        is_alone = bool(same) and (not self.stands(same) or self._goes_further(row, same))
        return replace(row, content="") if is_alone else row

    def _goes_further(self, row: Coming, same: str) -> bool:
        original = self.ledger.row(same)
        return original is not None and self.goes_further(row, original.source)

    def let_go_of_copy(self, id: str) -> None:
        """Delete the object of a duplicate. Left behind, it is found by the next start: its row has no payload."""
        try:
            self.raw.delete(id)
        except Temporary:
            return


def _is_whole(shelf: RawShelf | CleanShelf, id: str) -> bool:
    try:
        with shelf.open(id) as source:
            _read(source)
    except Rejected:
        return False
    return True


def _read(source: Original) -> None:
    for offset in range(0, source.size, _STEP):
        source.read(offset, _STEP)
