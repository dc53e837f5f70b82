"""How often a peer has refused the same object the same way: noted in the sink's journal, so that it ends some day."""

from __future__ import annotations

from stowgate.deliver.sink import Journal

TRIES = 5
"""Refusals of the same kind after which a peer is believed. Faults of the way never count."""

SILENT = "silent"
"""Not refused: taken without a word, and not there."""


def count(journal: Journal, uid: str, why: str) -> int:
    """Note one more; how many there were in a row. Another `why` begins anew."""
    before, _, times = journal.read(uid).partition(" ")
    now = int(times) + 1 if before == why and times.isdigit() else 1
    journal.write(uid, f"{why} {now}")
    return now


def noted(journal: Journal, uid: str) -> tuple[str, int]:
    """What was noted last, and how often; "" and 0 for nothing."""
    why, _, times = journal.read(uid).partition(" ")
    return (why, int(times)) if times.isdigit() else ("", 0)


def forget(journal: Journal, uid: str) -> None:
    """What was noted is over."""
    if journal.read(uid):
        journal.write(uid, "")
