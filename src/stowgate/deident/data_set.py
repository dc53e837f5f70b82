"""The loop of the pass: one data set's elements in, pieces out; untouched runs stay views of the source."""

from __future__ import annotations

from stowgate.deident.actions import Frame
from stowgate.deident.plan import Plan

Inserts = list[tuple[int, bytes]]
"""New elements by ascending tag; one that exists already is replaced."""

_NO_INSERT = 1 << 33


def rewrite(
    frame: Frame, plan: Plan, start: int, end: int, inserts: Inserts | None = None
) -> list[bytes | memoryview] | None:
    """The pieces of the data set between `start` and `end`, or None when nothing has to change.

    Pops from `inserts` what it has put in.
    """
    view = frame.view
    entries = plan.entries
    done, record = frame.job.done, frame.job.record
    pieces: list[bytes | memoryview] = []
    run = start
    queue = inserts if inserts is not None else []
    coming = queue[0][0] if queue else _NO_INSERT
    changed = False
    for tag, (vr, at, value, stop) in frame.elements.items():
        while tag >= coming:
            if run < at:
                pieces.append(view[run:at])
            pieces.append(queue[0][1])
            run = stop if tag == coming else at
            queue.pop(0)
            changed = True
            replaced = tag == coming
            coming = queue[0][0] if queue else _NO_INSERT
            if replaced:
                break
        else:
            entry = entries.get(tag)
            if entry is None or entry[0] != vr:
                entry = plan.entry(tag, vr)
            verb = entry[1]
            new = verb if verb is None or verb.__class__ is bytes else verb(frame, at, value, stop)  # type: ignore[operator]
            if record is not None:
                record(frame, tag, vr, entry[2], new)
            if new is None:
                continue
            if run < at:
                pieces.append(view[run:at])
            if new:
                pieces.append(new)
            run = stop
            changed = True
            done.append(entry[3])
    if not changed:
        return None
    if run < end:
        pieces.append(view[run:end])
    return pieces
