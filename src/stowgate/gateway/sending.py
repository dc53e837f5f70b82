"""What a person sends to one destination: into custody like all else, with where it goes in its header and its row."""

from __future__ import annotations

from stowgate.dicom.source import FileSource
from stowgate.errors import Rejected
from stowgate.gateway.outbox import Outbox
from stowgate.ingest.source import Announced, Arrival, BrokenOff, Duplicate, Intake, Outcome, Refused
from stowgate.ingest.whole_file import reader
from stowgate.outbox.routing import SEND

ITEM, COPY, CODE = "item:", "copy:", "code:"
"""How an answer begins: it is an item now; it is a copy of an item, which goes there, too; it was not taken."""


def sent(path: str, destination: str, intake: Intake, outbox: Outbox) -> str:
    """One file: ITEM and its id, COPY and the id of the one before, or CODE and why nothing came of it.

    A copy of what cannot go there, because it was made for another recipient or is gone, becomes an item of its own.
    """
    try:
        with FileSource(path) as source:
            outcome = _taken(source, destination, intake)
            if isinstance(outcome, Duplicate):
                if outbox.also(outcome.original, destination):
                    return COPY + outcome.original
                outcome = _taken(source, destination, intake, apart=True)
    except BrokenOff:
        return CODE + "source_changed"
    except (OSError, Rejected):
        return CODE + "unreadable"
    return CODE + outcome.code if isinstance(outcome, Refused) else ITEM + outcome.item


def _taken(source: FileSource, destination: str, intake: Intake, *, apart: bool = False) -> Outcome:
    size, changed = source.stamp()
    announced = Announced(SEND, size=size, apart=apart)
    return intake.receive(Arrival(announced, reader(source, (size, changed)), destination))
