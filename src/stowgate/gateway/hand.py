"""The process beside a worker: takes what it is lent through check, engine and gate, and syncs what it wrote.

It has the project's key and, for each object, the keys of that object alone: not the spool's, not the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
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


def beginning(way: Way) -> dict[str, Any]:
    """What such a process has to know before anything else."""
    return {
        "policy": plain(way.policy), "key": way.key.hex(), "scratch": str(way.scratch), "limits": asdict(way.limits),
    }  # fmt: skip


def request(raw: Raw, original: Loan, part: Loan) -> list[Any]:
    """One object to be taken through."""
    return [raw.id, raw.issuer, original.plain(), part.plain()]


def heard(raw: Raw, answer: dict[str, Any], place: str, way: Way) -> tuple[Passed, Kept | None]:
    """What a process says became of an object, and of the part at `place`."""
    if "code" in answer:
        return stopped(raw, answer["code"], answer["place"]), None
    names = Names(**answer["names"])
    ref = vouched(place, answer["size"], names, answer["sop_class"], answer["syntax"], way.policy)
    return passed(raw, ref, tuple(answer["findings"]), {}), Kept(*answer["kept"])


def begin(told: dict[str, Any]) -> Callable[[Any], dict[str, Any]]:
    """What takes one object through after the other."""
    policy, key, limits = from_plain(told["policy"]), bytes.fromhex(told["key"]), Limits(**told["limits"])
    bench = Bench(Memo())

    def taken(message: Any) -> dict[str, Any]:
        id, issuer, original, part = message
        raw, shelf, lent = Raw(id, "", issuer), LentShelf(loan_from(part)), loan_from(original)
        way = Way(policy, key, shelf, Path(told["scratch"]), limits, open=lambda _: open_lent(lent.path, lent.header))
        try:
            done = process(raw, way, bench)
            return _said(done, shelf.synced() if done.ref else None)
        except StowgateError as error:
            return {AGAIN: ""} if shelf.is_worn else {AGAIN: error.code}
        except Exception:  # noqa: BLE001 - given back it would be tried for ever; its text could quote a value
            return _said(stopped(raw, "internal_error"), None)
        finally:
            shelf.close()

    return lambda message: {ID: message[0], **taken(message)}


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
