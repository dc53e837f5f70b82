"""How work on items ends: clean objects get their names, duplicates and reused UIDs are told apart, one commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from stowgate.dicom.budget import NeedMore, OddEncoding
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.dicom.same import same_content
from stowgate.errors import Rejected, Temporary
from stowgate.lifecycle import State
from stowgate.store.clean_object import CleanObject
from stowgate.store.custody import Custody, Ended
from stowgate.store.spool import CleanShelf, RawShelf
from stowgate.way import Passed


@dataclass(slots=True)
class Desk:
    """Ends items of one spool. The comparison with what stands for an instance already happens one at a time."""

    ledger: Custody
    raw: RawShelf
    clean: CleanShelf
    policy: str
    """Digest of the policy that the clean objects are made with."""
    key_id: str
    limits: Limits = DEFAULT
    _turn: Lock = field(default_factory=Lock, init=False)

    def end(self, group: Sequence[Passed]) -> list[Ended]:
        """Make the clean objects durable, then record all ends in one commit; those that were recorded.

        `Temporary` when the disk fails: nothing was recorded, and what was kept is dropped. With "ledger_io" nobody
        knows what was recorded, so it is left for the next start, which deletes what has no row.
        """
        kept: dict[str, str] = {}
        try:
            made = [(passed, self._made(passed, kept)) for passed in group]  # syncs of several workers go on at once
            with self._turn:
                ended = self._each_instance_once([self._ended(passed, clean) for passed, clean in made])
                refused = self.ledger.end(ended)
        except Exception as error:
            if not (isinstance(error, Temporary) and error.code == "ledger_io"):
                for clean in kept.values():
                    self._delete(clean)
            raise
        done = [one for one in ended if one.id not in refused]
        standing = {one.clean.id for one in done if one.clean}
        for clean in kept.values():
            if clean not in standing:
                self._delete(clean)
        self._let_go_of_copies(done)
        return done

    def drop(self, passed: Passed) -> None:
        """Forget what was written for an object that is not ended now."""
        if passed.ref:
            self.clean.drop(passed.ref.path)

    def _ended(self, passed: Passed, clean: CleanObject | None) -> Ended:
        item, ref = passed.item, passed.ref
        if ref is None or clean is None:
            return Ended(item.id, item.state, item.code or "", passed.place, item.findings)
        before = self.ledger.clean_of_instance([clean.instance], clean.policy).get(clean.instance)
        if before is None or before[0] == item.id:
            return Ended(item.id, State.CLEANED, "", "", item.findings, ref.names.modality, clean)
        if self._same(clean.id, before[1].id):
            return Ended(item.id, State.DUPLICATE, modality=ref.names.modality)
        return Ended(item.id, State.QUARANTINED, "uid_reuse", modality=ref.names.modality)

    def _made(self, passed: Passed, all_kept: dict[str, str]) -> CleanObject | None:
        """The clean object, durable, if there is one."""
        ref = passed.ref
        if ref is None:
            return None
        kept, names = self.clean.keep(ref.path), ref.names
        all_kept[passed.item.id] = kept.id
        return CleanObject(
            kept.id, names.instance, names.study, names.series, kept.size, kept.digest,
            self.policy, self.key_id, ref.sop_class, ref.transfer_syntax, names.values(),
        )  # fmt: skip

    def _each_instance_once(self, ended: list[Ended]) -> list[Ended]:
        """Of two in one group with the same new UID, the second is judged again, now against the first."""
        seen: set[str] = set()
        result: list[Ended] = []
        later: list[str] = []
        for one in ended:
            if one.clean and one.clean.instance in seen:
                later.append(one.id)
                continue
            if one.clean:
                seen.add(one.clean.instance)
            result.append(one)
        if later:
            self.ledger.release(later)
        return result

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

    def _delete(self, clean: str) -> None:
        try:
            self.clean.delete(clean)
        except Temporary:
            return  # without a row it is deleted by the next start
