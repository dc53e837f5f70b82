"""What a DICOMweb peer's word about one object means for what happens next, with what it said of it before."""

from __future__ import annotations

from collections.abc import Callable

from stowgate.deliver import refusals
from stowgate.deliver.http import Answered
from stowgate.deliver.sink import Answer, Instance, Journal
from stowgate.deliver.status import REFUSED, answer_of
from stowgate.deliver.stow_answer import is_of_store
from stowgate.errors import Misconfigured, Temporary
from stowgate.lifecycle import Delivery

_KNOWN, _OUT_OF_RESOURCES = 0x0111, 0xA7
_KEEPS = Answer(Delivery.REFUSED, "peer_keeps_refusing")
_SO_FAR = Answer(Delivery.SENT, "peer_refuses")
_AT_ONCE = {
    413: Answer(Delivery.REFUSED, "peer_object_too_large"),
    415: Answer(Delivery.REFUSED, "peer_takes_no_such_object"),
}
"""What HTTP itself says of an object that came by itself, whoever says it."""


class Verdicts:
    """Those of one sink. A refusal ends a delivery when the standard says that it is for good, or when it comes again.

    Of what is no fault of an object by name (0110, HTTP 500) only those count between which the peer took others.
    """

    def __init__(self, there: Callable[[Instance], bool]) -> None:
        """there -- asks the peer whether it has one"""
        self._there = there
        self._stored = self._began = 0
        self._failed: dict[str, int] = {}
        """How many it had stored when it failed with this one last, by UID."""

    def begin(self) -> None:
        """A parcel begins."""
        self._began = self._stored

    def of_status(self, one: Instance, status: int, journal: Journal) -> Answer:
        """Of the status it gave this one, see `status.answer_of`. Raises as that."""
        if status == _KNOWN:
            return self._again(one, f"{status:04X}", journal, Answer(Delivery.SENT))
        answer = answer_of(status)
        if answer.state is Delivery.ACKNOWLEDGED:
            self._stored += 1
            self._failed.pop(one.uid, None)
            refusals.forget(journal, one.uid)
        elif answer.state is Delivery.QUEUED and status >> 8 != _OUT_OF_RESOURCES:
            return self._stumbles(one, f"{status:04X}", journal, answer)
        return answer

    def of_code(self, one: Instance, answered: Answered, journal: Journal) -> Answer:
        """Of the code it answered this one by itself with, without a word about it."""
        code = answered.code
        if code in _AT_ONCE:
            return _AT_ONCE[code]
        if code >= 500:
            return self._stumbles(one, str(code), journal, Answer(Delivery.QUEUED, "peer_busy", answered.after))
        if code != 409 and is_of_store(answered.body):
            return REFUSED
        return self._again(one, str(code), journal, _SO_FAR)

    def silent(self, one: Instance, journal: Journal) -> Answer:
        """It said yes to all, and nothing of this one."""
        refusals.count(journal, one.uid, refusals.SILENT)
        return Answer(Delivery.SENT, "peer_said_nothing")

    def _again(self, one: Instance, why: str, journal: Journal, before: Answer) -> Answer:
        """Some say so of what they have, so it is asked for, each time and at the end."""
        if refusals.count(journal, one.uid, why) < refusals.TRIES:
            return before
        try:
            if self._there(one):
                return Answer(Delivery.SENT)
        except Temporary:
            return before
        except Misconfigured:  # it cannot be asked, so its word has to do
            pass
        refusals.forget(journal, one.uid)  # a person's wish begins anew
        return _KEEPS

    def _stumbles(self, one: Instance, why: str, journal: Journal, before: Answer) -> Answer:
        works = self._stored > self._failed.get(one.uid, self._began)
        self._failed[one.uid] = self._stored
        if not works or refusals.count(journal, one.uid, why) < refusals.TRIES:
            return before
        del self._failed[one.uid]
        refusals.forget(journal, one.uid)
        return _KEEPS
