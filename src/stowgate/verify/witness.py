"""The gate in a process of its own, which has never loaded the engine: asked in rounds while the engine works on."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from stowgate.dicom.source import FileSource
from stowgate.errors import Rejected, StowgateError
from stowgate.objects import CleanRef, Names, Place
from stowgate.policy import Option, Override, Policy
from stowgate.verify import gate

_ROOT = str(Path(__file__).parents[2])
_LARGEST = 1 << 26


class Claim(NamedTuple):
    """An output somebody says is clean: where its original lies and how that looked when it was read."""

    original: Place
    stamp: Sequence[int]
    """See `dicom.source.DescriptorSource.stamp`."""
    written: Place
    names: Names


Verdict = CleanRef | Rejected


def judge(claim: Claim, policy: Policy, secret: bytes) -> Verdict:
    """What the gate says of one output; an original that is not the one that was read is `source_changed`."""
    try:
        with FileSource(claim.original) as raw, FileSource(claim.written) as written:
            if raw.stamp() != claim.stamp:
                return Rejected("source_changed")
            ref = gate.check(raw, written, policy, claim.names, claim.written, secret)
            return ref if raw.stamp() == claim.stamp else Rejected("source_changed")
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
        self._process = 0
        self._ready = False
        there, self._to = os.pipe()
        self._from, back = os.pipe()
        try:
            self._process = _started(there, back)
        finally:
            os.close(there)
            os.close(back)
        self._answers = os.fdopen(self._from, "rb")
        self._tell({"policy": _plain(policy), "secret": secret.hex()})

    def is_ready(self) -> bool:
        """Whether it has started; until then asking would mean waiting."""
        if not self._ready and self._process and select.select([self._from], [], [], 0)[0]:
            self._ready = self._answers.readline() == b"ready\n"
            if not self._ready:
                self.close()
        return self._ready

    def ask(self, claims: Sequence[Claim]) -> None:
        """Hand over a round and go on working."""
        self._asked.append(claims)
        self._tell([_worded(claim) for claim in claims])

    def answer(self) -> list[Verdict]:
        """The verdicts on the oldest round that was asked about, in its order."""
        claims = self._asked.pop(0)
        line = self._answers.readline() if self._process else b""
        if not line.endswith(b"\n"):
            self.close()
            return [judge(claim, self._policy, self._secret) for claim in claims]
        told = json.loads(line)
        return [self._verdict(claim, *one) for claim, one in zip(claims, told, strict=True)]

    def close(self) -> None:
        """End the process; harmless when it is gone."""
        if not self._process:
            return
        process, self._process, self._ready = self._process, 0, False
        os.close(self._to)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, 0)
        self._answers.close()

    def _verdict(self, claim: Claim, code: str, place: str, size: int, sop_class: str) -> Verdict:
        if code:
            return Rejected(code, place)
        return gate.vouched(claim.written, size, claim.names, sop_class, self._policy)

    def _tell(self, message: object) -> None:
        data = memoryview(json.dumps(message).encode() + b"\n")
        try:
            while self._process and data:
                data = data[os.write(self._to, data) :]
        except BrokenPipeError:
            self.close()


def _started(there: int, back: int) -> int:
    """The process id of a fresh interpreter that listens on `there` and answers on `back`; 0 if none can be had."""
    if not sys.executable:
        return 0
    paths = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    moves = [(os.POSIX_SPAWN_DUP2, there, 0), (os.POSIX_SPAWN_DUP2, back, 1)]
    try:
        return os.posix_spawn(
            sys.executable, [sys.executable, "-P", "-m", "stowgate.verify.witness"], environment, file_actions=moves
        )
    except OSError:
        return 0


def _plain(policy: Policy) -> dict[str, object]:
    plain = {**asdict(policy), "options": sorted(policy.options)}
    del plain["edition"], plain["revision"]
    return plain


def _policy(plain: dict[str, Any]) -> Policy:
    options, overrides = plain.pop("options"), plain.pop("overrides")
    return Policy(
        options=frozenset(map(Option, options)), overrides=tuple(Override(**one) for one in overrides), **plain
    )


def _worded(claim: Claim) -> list[object]:
    names = claim.names
    told = [getattr(names, field) for field in Names.__dataclass_fields__]
    return [os.fspath(claim.original), claim.stamp, os.fspath(claim.written), told]


def _answers(claims: Iterable[Claim], policy: Policy, secret: bytes) -> list[list[object]]:
    verdicts = [judge(claim, policy, secret) for claim in claims]
    return [
        ["", "", one.size, one.sop_class] if isinstance(one, CleanRef) else [one.code, one.place, 0, ""]
        for one in verdicts
    ]


def serve(asked: BinaryIO, told: BinaryIO) -> None:
    """The other side: a policy, then rounds of claims, one JSON line each, until the asker is gone."""
    begun = json.loads(asked.readline(_LARGEST))
    policy, secret = _policy(begun["policy"]), bytes.fromhex(begun["secret"])
    told.write(b"ready\n")
    told.flush()
    while line := asked.readline(_LARGEST):
        claims = [Claim(raw, tuple(stamp), out, Names(*names)) for raw, stamp, out, names in json.loads(line)]
        told.write(json.dumps(_answers(claims, policy, secret)).encode() + b"\n")
        told.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asks decides when to stop, and closes the pipe
    with contextlib.suppress(BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer)
