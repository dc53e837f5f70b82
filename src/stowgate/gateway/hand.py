"""The process beside a worker: takes what it is lent through check, engine and gate, and syncs what it wrote.

It has the keys of the profiles and, for each object, the keys of that object alone: not the spool's, not the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stowgate.child import serve
from stowgate.deident.memo import Memo
from stowgate.dicom.limits import Limits
from stowgate.errors import StowgateError
from stowgate.objects import Names, Raw
from stowgate.observe.service import seal_process
from stowgate.pipeline import passed, process, stopped
from stowgate.policy import from_plain, plain
from stowgate.store.lent_shelf import LentShelf
from stowgate.store.loan import Loan, loan_from
from stowgate.store.sealed import open_lent
from stowgate.store.spool import Kept
from stowgate.verify.gate import vouched
from stowgate.way import Bench, Passed, Way

ID = "id"
"""Of the object that an answer is about."""

AGAIN = "again"
"""It could not be done with what was lent; whoever has the keys has to do it."""


@dataclass(frozen=True, slots=True)
class Job:
    """One object to be taken through, by the profile of this name; "" is the unit's own."""

    raw: Raw
    profile: str = ""

    @property
    def mark(self) -> str:
        """What its answer is known by."""
        return f"{self.raw.id} {self.profile}".rstrip()


def beginning(ways: Mapping[str, Way]) -> dict[str, Any]:
    """What such a process has to know before anything else. `ways` by the name of their profile."""
    one = next(iter(ways.values()))
    profiles = {name: [plain(way.policy), way.key.hex()] for name, way in ways.items()}
    return {"profiles": profiles, "scratch": str(one.scratch), "limits": asdict(one.limits)}


def request(job: Job, original: Loan, part: Loan) -> list[Any]:
    """One object to be taken through."""
    return [job.raw.id, job.raw.issuer, job.profile, original.plain(), part.plain()]


def heard(raw: Raw, answer: dict[str, Any], place: str, way: Way) -> tuple[Passed, Kept | None]:
    """What a process says became of an object, and of the part at `place`."""
    if "code" in answer:
        return stopped(raw, answer["code"], answer["place"]), None
    names = Names(**answer["names"])
    ref = vouched(place, answer["size"], names, answer["sop_class"], answer["syntax"], way.policy)
    return passed(raw, ref, tuple(answer["findings"]), {}), Kept(*answer["kept"])


def begin(told: dict[str, Any]) -> Callable[[Any], dict[str, Any]]:
    """What takes one object through after the other."""
    profiles = {
        name: (from_plain(policy), bytes.fromhex(key), Bench(Memo()))
        for name, (policy, key) in told["profiles"].items()
    }
    scratch, limits = Path(told["scratch"]), Limits(**told["limits"])

    def taken(message: Any) -> dict[str, Any]:
        id, issuer, profile, original, part = message
        policy, key, bench = profiles[profile]
        raw, shelf, lent = Raw(id, "", issuer), LentShelf(loan_from(part)), loan_from(original)
        way = Way(policy, key, shelf, scratch, limits, open=lambda _: open_lent(lent.path, lent.header))
        try:
            done = process(raw, way, bench)
            return _said(done, shelf.synced() if done.ref else None)
        except StowgateError as error:
            return {AGAIN: ""} if shelf.is_worn else {AGAIN: error.code}
        except Exception:  # noqa: BLE001 - given back it would be tried for ever; its text could quote a value
            return _said(stopped(raw, "internal_error"), None)
        finally:
            shelf.close()

    return lambda message: {ID: Job(Raw(message[0], ""), message[2]).mark, **taken(message)}


def _said(done: Passed, kept: Kept | None) -> dict[str, Any]:
    ref = done.ref
    if ref is None or kept is None:
        return {"code": done.item.code, "place": done.place}
    return {
        "names": ref.names.values(), "size": ref.size, "sop_class": ref.sop_class, "syntax": ref.transfer_syntax,
        "findings": done.item.findings, "kept": [kept.id, kept.size, kept.digest],
    }  # fmt: skip


if __name__ == "__main__":
    seal_process()  # what kills it may be a codec, and its image holds an object and keys
    serve(begin)
