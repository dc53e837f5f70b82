"""STOW-RS of the exact stored bytes, reconciled by UID whatever the code says; QIDO-RS and WADO-RS as evidence."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from stowgate.deliver import refusals
from stowgate.deliver.dest_tls import DestTls
from stowgate.deliver.dicomweb import DicomWeb
from stowgate.deliver.http import Answered, is_dicom
from stowgate.deliver.login import Access
from stowgate.deliver.sink import Answer, Found, Instance, Journal, Parcel, Trial
from stowgate.deliver.stow_answer import said_of
from stowgate.deliver.stow_verdicts import Verdicts
from stowgate.errors import Misconfigured, Temporary
from stowgate.lifecycle import Delivery, Evidence

_UNKNOWN, _LATER = Answer(Delivery.SENT, "peer_broke_off"), Answer(Delivery.QUEUED, "peer_broke_off")
_TAKEN = frozenset((Delivery.ACKNOWLEDGED, Delivery.REFUSED))
_OPEN = Access()
_AT_ONCE = 20
"""UIDs of one question: an address has to stay short."""

_NOT_STOW = frozenset((404, 405, 406, 410, 411, 414, 417, 426, 501, 505))
"""Codes that speak of the address, not of what was sent."""

_MOST_FAILED = 8
"""Requests that fail without a word, and nothing is taken, until no more are tried: halving 64 comes down to one."""


class StowSink:
    """See `deliver.sink.Sink`. What the answer does not speak of is sent by itself, or asked for."""

    def __init__(self, url: str, access: Access = _OPEN, tls: DestTls | None = None, *, content: bool = False) -> None:
        """content -- `verify` retrieves each object again"""
        self._url, self._fetches, self._content = url, bool(access.token_url), content
        self._peer = DicomWeb(url, access, tls)
        self._verdicts = Verdicts(lambda one: one.uid in self._peer.there([one]))
        self._most: int | None = None
        """Bytes of one request that it takes, as far as it has said so."""

    def open(self) -> None:
        """Read secrets and certificates anew: they may have been renewed."""
        self._peer.open()

    def close(self) -> None:
        """Let go of the connections."""
        self._peer.close()

    def reachable(self) -> bool:
        """Whether somebody listens there."""
        return self._peer.reachable()

    def deliver(self, parcel: Parcel, journal: Journal) -> Mapping[str, Answer]:
        """Together, then in parts what an answer to all did not speak of, down to one by one."""
        self._verdicts.begin()
        answers: dict[str, Answer] = {}
        rest = _LATER
        try:
            self._send(parcel.instances, answers, journal)
        except (Misconfigured, Temporary) as error:
            if not answers:
                raise
            rest = Answer(Delivery.QUEUED, error.code, error.after if isinstance(error, Temporary) else None)
        return {one.uid: answers.get(one.uid, rest) for one in parcel.instances}

    def verify(self, parcel: Parcel, journal: Journal) -> Mapping[str, Found]:
        """By QIDO-RS: as lists, then one by one for those that a list does not find. Or by reading each again."""
        if self._content:
            return self._read_again(parcel.instances, journal)
        there: set[str] = set()
        instances = parcel.instances
        for at in range(0, len(instances), _AT_ONCE):
            there |= self._peer.there(instances[at : at + _AT_ONCE])
        for one in instances:
            if len(instances) > 1 and one.uid not in there:
                there |= self._peer.there([one])
        present = Found(Evidence.PRESENCE)
        return {one.uid: present if one.uid in there else _missed(one, journal) for one in instances}

    def read_back(self, instance: Instance) -> Found:
        """By WADO-RS."""
        found = self._peer.read_back(instance)
        if found.wait is not None:
            raise Temporary(found.code, self._url, after=found.wait)
        return found

    def trial(self) -> Iterator[Trial]:
        """Get a token, if it takes one; ask for an instance that nobody has, by QIDO-RS and, if need be, by WADO-RS."""
        step = "token" if self._fetches else "QIDO-RS"
        try:
            self.open()
            if self._fetches:
                self._peer.log_in()
                yield Trial(step, "It gives us a token.")
            step = "QIDO-RS"
            if not self._peer.knows_nobody():
                yield Trial(step, "It knows an instance that nobody can have made.", "peer_not_dicom")
                return
            yield Trial(step, "It answers, and can be asked what it has.")
            if self._content:
                step = "WADO-RS"
                if not self._peer.may_give():
                    raise Misconfigured("peer_gives_nothing_back", self._url)
                yield Trial(step, "It can be asked for objects.")
        except (Misconfigured, Temporary) as error:
            yield Trial(step, str(error), error.code)

    def _send(self, instances: Sequence[Instance], answers: dict[str, Answer], journal: Journal) -> None:
        """Until all have their answers, or the connection breaks."""
        waiting = deque([instances] if instances else [])
        failed = 0
        while waiting:
            batch = waiting.popleft()
            if self._most is not None and len(batch) > 1 and _size(batch) > self._most:
                waiting.extendleft(reversed(_cut(batch, self._most)))
                continue
            left, answered = self._sent(batch, answers, journal)
            if answered is None:
                return
            if len(batch) == 1:
                answers |= {one.uid: self._verdicts.of_code(one, answered, journal) for one in left}
            else:
                waiting.extendleft(reversed(self._parts(left, answered.code)))
            failed += bool(left)
            if failed >= _MOST_FAILED and not any(one.state in _TAKEN for one in answers.values()):
                raise Temporary("peer_busy", self._url, after=answered.after)

    def _sent(
        self, batch: Sequence[Instance], answers: dict[str, Answer], journal: Journal
    ) -> tuple[list[Instance], Answered | None]:
        """Those that the answer does not speak of, and the answer; None where the connection broke."""
        answered, whole = self._peer.store(batch)
        if answered is None:
            answers |= {one.uid: _UNKNOWN if one.uid in whole else _LATER for one in batch}
            return [], None
        said = said_of(answered.body, [one.uid for one in batch])
        for one in sorted(batch, key=lambda one: said.get(one.uid) != 0):  # what it has stored first: so it works
            if one.uid in said:
                answers[one.uid] = self._verdicts.of_status(one, said[one.uid], journal)
        left = [one for one in batch if one.uid not in said]
        if answered.code < 300:
            if not is_dicom(answered):  # a log-in page says 200, too
                raise Temporary("peer_not_dicom", self._url)
            answers |= {one.uid: self._verdicts.silent(one, journal) for one in left}
            return [], answered
        if answered.code in _NOT_STOW and not said:
            raise Misconfigured("peer_not_dicom", self._url)
        return left, answered

    def _parts(self, left: Sequence[Instance], code: int) -> list[Sequence[Instance]]:
        """How those are sent that the answer to all does not speak of."""
        if code == 413:
            self._most = max(1, _size(left) // 2)
            return _cut(left, self._most)
        if code >= 500:
            half = (len(left) + 1) // 2
            return [part for part in (left[:half], left[half:]) if part]
        return [[one] for one in left]

    def _read_again(self, instances: Sequence[Instance], journal: Journal) -> dict[str, Found]:
        found: dict[str, Found] = {}
        for one in instances:
            try:
                found[one.uid] = self._same(one, journal)
            except Temporary as error:
                if not found:
                    raise
                rest = Found(code=error.code, wait=error.after or 0.0)
                return {one.uid: found.get(one.uid, rest) for one in instances}
        return found

    def _same(self, one: Instance, journal: Journal) -> Found:
        found = self._peer.read_back(one)
        if found == Found():
            raise Misconfigured("peer_gives_nothing_back", self._url)
        return _missed(one, journal) if found.code == "peer_lost_object" else found


def _missed(one: Instance, journal: Journal) -> Found:
    """It has not got it: lost where it had said yes, else what it said."""
    why, _ = refusals.noted(journal, one.uid)
    if why == refusals.SILENT:
        return Found(code="peer_said_nothing")
    return Found(code="peer_lost_object" if not why else "peer_refuses")


def _size(instances: Sequence[Instance]) -> int:
    return sum(one.ref.size for one in instances)


def _cut(instances: Sequence[Instance], most: int) -> list[Sequence[Instance]]:
    """In groups of so many bytes at most, or of one."""
    groups: list[list[Instance]] = []
    room = 0
    for one in instances:
        if not groups or one.ref.size > room:
            groups.append([])
            room = most
        groups[-1].append(one)
        room -= one.ref.size
    return list(groups)
