"""The loop of the pass: one data set's elements in, pieces out; untouched runs stay views of the source."""

from __future__ import annotations

from collections.abc import Iterable

from stowgate.deident.actions import Frame
from stowgate.deident.plan import Plan
from stowgate.dicom.walk import Element

Inserts = list[tuple[int, bytes]]
"""New elements by ascending tag; one that exists already is replaced."""

_NO_INSERT = 1 << 33


def rewrite(
    frame: Frame, plan: Plan, start: int, end: int, inserts: Inserts | None = None
) -> list[bytes | memoryview] | None:
    """The pieces of the data set between `start` and `end`, or None when nothing has to change.

    Pops from `inserts` what it has put in.
    """
    view, entries = frame.view, plan.entries
    done, record = frame.job.done, frame.job.record
    pieces: list[bytes | memoryview] = []
    run = before = start
    queue = inserts if inserts is not None else []
    coming = queue[0][0] if queue else _NO_INSERT
    for tag, (vr, at, value, stop) in _seen(frame, plan):
        if at != before:  # what lay between goes unseen
            if run < before:
                pieces.append(view[run:before])
            run = at
        before = stop
        if tag >= coming:
            run = _put_in(queue, tag, pieces, view, run, at, stop)
            coming = queue[0][0] if queue else _NO_INSERT
            if run == stop:
                continue
        entry = entries.get(tag)
        if entry is None or entry[0] != vr:
            entry = plan.entry(tag, vr)
        _, verb, rule, said = entry
        if verb is None and record is None:
            continue
        new = verb if verb is None or verb.__class__ is bytes else verb(frame, at, value, stop)  # type: ignore[operator]
        if record is not None:
            record(frame, tag, vr, rule, new)
        if new is None:
            continue
        if run < at:
            pieces.append(view[run:at])
        if new:
            pieces.append(new)
        run = stop
        done[said] = done.get(said, 0) + 1
    if run == start and before == end and not pieces:
        return None
    if run < before:
        pieces.append(view[run:before])
    return pieces


def _seen(frame: Frame, plan: Plan) -> Iterable[tuple[int, Element]]:
    """The elements but for those that go whatever they hold; where each is recorded, all of them."""
    elements, gone = frame.elements, plan.gone
    if not gone or frame.job.record is not None:
        return elements.items()
    left = [found for found in elements.items() if gone.get(found[0]) != found[1][0]]
    done, count = frame.job.done, len(elements) - len(left)
    if count:
        done[plan.gone_as] = done.get(plan.gone_as, 0) + count
    return left


def _put_in(
    queue: Inserts, tag: int, pieces: list[bytes | memoryview], view: memoryview, run: int, at: int, stop: int
) -> int:
    """Put in all that comes before `tag`, or in its place; from where on bytes are still untouched."""
    if run < at:
        pieces.append(view[run:at])
    run = at
    while queue and queue[0][0] <= tag:
        coming, new = queue.pop(0)
        pieces.append(new)
        if coming == tag:
            run = stop
    return run
