"""The gate in a process of its own, which has never loaded the engine: asked in rounds while the engine works on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from stowgate.child import Child, serve
from stowgate.dicom.source import FileSource
from stowgate.errors import Rejected, StowgateError
from stowgate.objects import CleanRef, Names, Place
from stowgate.policy import Policy, from_plain, plain
from stowgate.verify import gate


class Claim(NamedTuple):
    """An output somebody says is clean: where its original lies and how that looked when it was read."""

    original: Place
    stamp: Sequence[int]
    """See `dicom.source.DescriptorSource.stamp`."""
    written: Place
    names: Names


Verdict = CleanRef | Rejected

_PATIENCE = 900.0
"""Seconds after which one hangs that judges a round: then it is judged here."""


def judge(claim: Claim, policy: Policy, secret: bytes) -> Verdict:
    """What the gate says of one output; an original that is not the one that was read is `source_changed`.

    It is looked at once, when all has been read: what changed before that, changed before then.
    """
    try:
        with FileSource(claim.original) as raw, FileSource(claim.written) as written:
            verdict = _checked(raw, written, claim, policy, secret)
            return verdict if raw.stamp() == claim.stamp else Rejected("source_changed")
    except Rejected as rejected:
        return rejected


def _checked(raw: FileSource, written: FileSource, claim: Claim, policy: Policy, secret: bytes) -> Verdict:
    try:
        return gate.check(raw, written, policy, claim.names, claim.written, secret)
    except Rejected as rejected:
        return rejected
    except StowgateError:
        raise
    except Exception:  # noqa: BLE001 - a bug must stop one object, never the run; its text could quote a value
        return Rejected("internal_error")


class Witness:
    """One such process, for one thread. Whatever it does not answer is judged here: nothing passes unseen."""

    def __init__(self, policy: Policy, secret: bytes) -> None:
        self._policy, self._secret = policy, secret
        self._asked: list[Sequence[Claim]] = []
        self._child = Child(__name__, {"policy": plain(policy), "secret": secret.hex()})

    @property
    def process(self) -> int:
        """Its process id, 0 when it is gone."""
        return self._child.process

    def is_ready(self) -> bool:
        """Whether it has started; until then asking would mean waiting."""
        return self._child.is_ready()

    def ask(self, claims: Sequence[Claim]) -> None:
        """Hand over a round and go on working."""
        self._asked.append(claims)
        self._child.tell([_worded(claim) for claim in claims])

    def answer(self) -> list[Verdict]:
        """The verdicts on the oldest round that was asked about, in its order."""
        claims, told = self._asked.pop(0), self._child.answer(_PATIENCE)
        if told is None:
            return [judge(claim, self._policy, self._secret) for claim in claims]
        return [self._verdict(claim, *one) for claim, one in zip(claims, told, strict=True)]

    def close(self) -> None:
        """End the process; harmless when it is gone."""
        self._child.close()

    def _verdict(self, claim: Claim, code: str, place: str, size: int, sop_class: str, syntax: str) -> Verdict:
        if code:
            return Rejected(code, place)
        return gate.vouched(claim.written, size, claim.names, sop_class, syntax, self._policy)


def _worded(claim: Claim) -> list[object]:
    names = claim.names
    told = [getattr(names, field) for field in Names.__dataclass_fields__]
    return [os.fspath(claim.original), claim.stamp, os.fspath(claim.written), told]


def _begin(told: dict[str, Any]) -> Callable[[Any], object]:
    """What answers each round of claims by this policy and secret."""
    policy, secret = from_plain(told["policy"]), bytes.fromhex(told["secret"])

    def answered(round_: Any) -> list[list[object]]:
        claims = [Claim(raw, tuple(stamp), out, Names(*names)) for raw, stamp, out, names in round_]
        return [_said(judge(claim, policy, secret)) for claim in claims]

    return answered


def _said(verdict: Verdict) -> list[object]:
    if isinstance(verdict, CleanRef):
        return ["", "", verdict.size, verdict.sop_class, verdict.transfer_syntax]
    return [verdict.code, verdict.place, 0, "", ""]


if __name__ == "__main__":
    serve(_begin)
