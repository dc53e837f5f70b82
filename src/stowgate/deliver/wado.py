"""Whether an answer to WADO-RS holds the data set that was sent: compared as it comes, never whole in memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from stowgate.deliver.compare import is_same
from stowgate.deliver.http import Heard
from stowgate.deliver.part10 import data_set_at
from stowgate.deliver.sink import Found, Instance
from stowgate.errors import Rejected, Temporary
from stowgate.ingest.multipart import Bounds, End, Splitter, boundary_of, media_type
from stowgate.lifecycle import Evidence

ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*, application/dicom; transfer-syntax=*'
"""As it is stored there (PS3.18 8.7.3.5.2); Orthanc refuses the second form by itself, and takes both together."""

_FILE = frozenset(("application/dicom", "application/octet-stream"))
_SAME, _OTHER = Found(Evidence.CONTENT), Found(code="peer_has_other_bytes")
_REENCODED = Found(Evidence.PRESENCE, "peer_reencoded")
_PRESENT = Found(Evidence.PRESENCE)
"""It gives something in the syntax it was sent in; what it was sent lies here no more."""


def compared(heard: Heard, instance: Instance) -> Found:
    """Preamble and file meta information may be others: each writer makes its own.

    Raises Temporary("peer_not_dicom") for what is no answer to the question, Temporary("peer_broke_off") for one that
    may have been cut off. What was not needed is left unread.
    """
    pieces = _first(heard)
    head = bytearray()
    try:
        begins = None
        for piece in pieces:
            head += piece
            if begins := data_set_at(head):
                break
    except ValueError:
        return _OTHER
    if begins is None:
        return _ended(heard)
    start, syntax = begins
    if syntax != instance.ref.transfer_syntax:
        return _REENCODED
    try:
        same = is_same(instance, chain((bytes(head[start:]),), pieces))
    except Rejected:
        return _PRESENT
    if same is None:
        return _ended(heard)
    return _SAME if same else _OTHER


def _ended(heard: Heard) -> Found:
    """They have less than we have; or the line was cut where nothing says how long the answer is."""
    if not heard.sized:
        raise Temporary("peer_broke_off", heard.place)
    return _OTHER


def _first(heard: Heard) -> Iterator[bytes]:
    """The file in the answer: its first part, or all of it."""
    try:
        kind, parameters = media_type(heard.type)
        is_file = kind in _FILE
        if not is_file and kind != "multipart/related":
            raise Temporary("peer_not_dicom", heard.place)
        splitter = None if is_file else Splitter(boundary_of(parameters), Bounds())
    except Rejected:
        raise Temporary("peer_not_dicom", heard.place) from None
    for chunk in heard.chunks:
        if splitter is None:
            yield chunk
            continue
        try:
            found = list(splitter.feed(chunk))
        except Rejected:
            raise Temporary("peer_not_dicom", heard.place) from None
        yield from (one for one in found if isinstance(one, bytes))
        if any(isinstance(one, End) for one in found):
            return
    if splitter is not None:  # it ends in the middle, or there was no part
        raise Temporary("peer_not_dicom", heard.place)
