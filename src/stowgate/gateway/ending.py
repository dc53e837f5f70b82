"""How work on items ends: clean objects get their names, duplicates and reused UIDs are told apart, one commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock

from stowgate.dicom.budget import NeedMore, OddEncoding
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.dicom.same import same_content
from stowgate.errors import Rejected, Temporary
from stowgate.gateway.profiles import Profile
from stowgate.lifecycle import State
from stowgate.objects import CleanRef
from stowgate.outbox.routing import SEND
from stowgate.store.clean_object import CleanObject
from stowgate.store.custody import Custody, Ended
from stowgate.store.deliveries import FORGOTTEN, LOST, Bound
from stowgate.store.spool import CleanShelf, RawShelf
from stowgate.way import Passed

_WORST = (State.QUARANTINED, State.REJECTED, State.HELD)


@dataclass(frozen=True, slots=True)
class Worked:
    """How the work on one item ended.

    passed -- how its journey ended by each profile that it was cleaned by
    kept   -- ids of clean objects made before that go on standing for it
    spare  -- ids of those that nobody wants any more
    wants  -- where it goes, by policy and key of what goes there
    """

    id: str
    passed: tuple[tuple[Profile, Passed], ...]
    kept: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()
    wants: Mapping[tuple[str, str], Sequence[Bound]] = field(default_factory=dict)


@dataclass(slots=True)
class Desk:
    """Ends items of one spool. The comparison with what stands for an instance already happens one at a time."""

    ledger: Custody
    raw: RawShelf
    clean: CleanShelf
    limits: Limits = DEFAULT
    _turn: Lock = field(default_factory=Lock, init=False)

    def end(self, group: Sequence[Worked]) -> list[Ended]:
        """Make the clean objects durable, then record all ends in one commit; those that were recorded.

        `Temporary` when the disk fails: nothing was recorded, and what was kept is dropped. With "ledger_io" nobody
        knows what was recorded, so it is left for the next start, which deletes what has no row.
        """
        written: list[str] = []
        try:
            made = [(one, self._all_made(one, written)) for one in group]  # syncs of several workers go on at once
            with self._turn:
                ended = self._each_instance_once([self._ended(one, cleans) for one, cleans in made])
                refused = self.ledger.end(ended)
        except Exception as error:
            if not (isinstance(error, Temporary) and error.code == "ledger_io"):
                self._delete(written)
            raise
        done = [one for one in ended if one.id not in refused]
        standing = {clean.id for one in done for clean in one.cleans}
        self._delete(id for id in written if id not in standing)
        self._let_go_of_copies(done)
        over = {one.id for one in done}
        self._delete(id for one in group if one.id in over for id in one.spare)
        return done

    def drop(self, worked: Worked) -> None:
        """Forget what was written for an object that is not ended now."""
        for _, passed in worked.passed:
            if passed.ref:
                self.clean.drop(passed.ref.path)

    def _ended(self, worked: Worked, cleans: Sequence[CleanObject]) -> Ended:
        """Stopped by one profile, it goes nowhere by any: what was wrong with it may be wrong with all of them."""
        stopped = [passed for _, passed in worked.passed if passed.ref is None]
        if stopped:
            passed = min(stopped, key=lambda one: _WORST.index(one.item.state))
            item = passed.item
            return Ended(worked.id, item.state, item.code or "", passed.place, item.findings)
        fresh: list[CleanObject] = []
        there: list[tuple[str, CleanObject]] = []
        modality = next((passed.ref.names.modality for _, passed in worked.passed if passed.ref), "")
        for clean in cleans:
            before = self.ledger.clean_of_instance([clean.instance], clean.policy, clean.key_id).get(clean.instance)
            if before is None or before[0] == worked.id or self._goes_anew(worked, clean, *before):
                fresh.append(clean)
            elif code := self._differs(clean, *before):
                return Ended(worked.id, State.QUARANTINED, code, modality=modality)
            else:
                there.append(before)
        if not all(self._leads(worked, item, clean) for item, clean in there):
            return Ended(worked.id, State.HELD, "original_stopped", modality=modality)
        if not (fresh or worked.kept):
            original = next((item for item, _ in there), "")
            return Ended(worked.id, State.DUPLICATE, modality=modality, original=original)
        findings = tuple(dict.fromkeys(code for _, passed in worked.passed for code in passed.item.findings))
        return Ended(worked.id, State.CLEANED, "", "", findings, modality, tuple(fresh), worked.kept)

    def _all_made(self, worked: Worked, written: list[str]) -> list[CleanObject]:
        """The clean objects, durable; none where a profile has stopped the object."""
        if any(passed.ref is None for _, passed in worked.passed):
            self.drop(worked)
            return []
        return [self._made(profile, passed.ref, written) for profile, passed in worked.passed if passed.ref]

    def _made(self, profile: Profile, ref: CleanRef, written: list[str]) -> CleanObject:
        kept, names = self.clean.keep(ref.path), ref.names
        written.append(kept.id)
        return CleanObject(
            kept.id, names.instance, names.study, names.series, kept.size, kept.digest,
            *profile.mark, ref.sop_class, ref.transfer_syntax, names.values(),
        )  # fmt: skip

    def _each_instance_once(self, ended: list[Ended]) -> list[Ended]:
        """Of two in one group with the same new UID, the second is judged again, now against the first."""
        seen: set[tuple[str, str, str]] = set()
        result: list[Ended] = []
        later: list[str] = []
        for one in ended:
            instances = {(clean.instance, clean.policy, clean.key_id) for clean in one.cleans}
            if not instances.isdisjoint(seen):
                later.append(one.id)
                continue
            seen |= instances
            result.append(one)
        if later:
            self.ledger.release(later)
        return result

    def _leads(self, worked: Worked, item: str, clean: CleanObject) -> bool:
        """Whether what is here already goes wherever its copy was to go; what it lacks it is bound for now.

        Not if a person sent the copy to a place that nobody knows any more: as a duplicate it would never go there.
        """
        mine = self.ledger.row(worked.id)
        if mine is not None and mine.source == SEND and not worked.wants:
            return False
        if lacking := self._lacking(worked, item, clean):
            self.ledger.deliveries.bind({clean.id: lacking})
            return not self._lacking(worked, item, clean)
        return True

    def _lacking(self, worked: Worked, item: str, clean: CleanObject) -> list[Bound]:
        """Where an object goes that is the same as one of that item, which never was on its way there.

        From the same source the same routes lead, and lead both.
        """
        mine, theirs = self.ledger.row(worked.id), self.ledger.row(item)
        if mine is None or theirs is None or mine.source == theirs.source != SEND:
            return []
        wanted = worked.wants.get((clean.policy, clean.key_id), ())
        ways = self.ledger.deliveries.of_items([item]).get(item, ()) if wanted else ()
        there = {one.destination for one in ways if one.code != FORGOTTEN}
        return [one for one in wanted if one.destination not in there]

    def _goes_anew(self, worked: Worked, clean: CleanObject, item: str, before: CleanObject) -> bool:
        """Whether the same was here and was deleted, and is to go somewhere else or its destination has lost it."""
        if clean.digest != before.digest or not self._was_purged(item):
            return False
        return bool(self._lacking(worked, item, clean)) or self._was_lost(item)

    def _differs(self, clean: CleanObject, item: str, before: CleanObject) -> str:
        """Why two are not the same, "" where they are."""
        if clean.digest == before.digest or self._same(clean.id, before.id):
            return ""
        if not self._was_purged(item):
            return "uid_reuse"
        return "copy_of_lost" if self._was_lost(item) else "copy_of_purged"

    def _was_purged(self, item: str) -> bool:
        row = self.ledger.row(item)
        return row is not None and row.state is State.PURGED

    def _was_lost(self, item: str) -> bool:
        """Whether a destination of it had it and has it no more; for each recipient, so that one item has it all."""
        return any(one.code in LOST for one in self.ledger.deliveries.of_items([item]).get(item, ()))

    def _same(self, one: str, other: str) -> bool:
        """Whether two clean objects say the same; one that was damaged since cannot be asked."""
        try:
            with self.clean.open(one) as mine, self.clean.open(other) as theirs:
                return same_content(mine, theirs, self.limits)
        except (Rejected, OddEncoding, NeedMore):
            return False

    def _let_go_of_copies(self, done: Sequence[Ended]) -> None:
        """The raw object of a duplicate is not needed: its original is safe. The row stays and counts."""
        copies = [one.id for one in done if one.state is State.DUPLICATE]
        if copies:
            try:
                self.ledger.forget_payload(copies, raw=True, clean=False)
                for id in copies:
                    self.raw.delete(id)
            except Temporary:
                return  # their rows are recorded; what is left of them takes room and does no harm

    def _delete(self, cleans: Iterable[str]) -> None:
        for id in cleans:
            with suppress(Temporary):  # what stands for nothing is deleted by the next start
                self.clean.delete(id)
