"""Whether an answer to WADO-RS holds the data set that was sent: compared as it comes, never whole in memory."""

from __future__ import annotations

from collections.abc import Iterator

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


def compared(heard: Heard, instance: Instance) -> Found:
    """Preamble and file meta information may be others: each writer makes its own.

    Raises Temporary("peer_not_dicom") for what is no answer to the question, Temporary("peer_broke_off") for one that
    may have been cut off. What was not needed is left unread.
    """
    pieces = _first(heard)
    ours = instance.chunks()
    mine = bytearray(next(ours, b""))
    head = bytearray()
    try:
        start = data_set_at(mine)
        begins = None
        for piece in pieces:
            head += piece
            if begins := data_set_at(head):
                break
    except ValueError:
        return _OTHER
    if start is None:
        raise ValueError("a clean object begins with file meta information of its own")
    if begins is None:
        return _ended(heard)
    if begins[1] != instance.ref.transfer_syntax:
        return _REENCODED
    return _rest(heard, bytes(mine[start[0] :]), ours, bytes(head[begins[0] :]), pieces)


def _rest(heard: Heard, mine: bytes, ours: Iterator[bytes], theirs: bytes, pieces: Iterator[bytes]) -> Found:
    while True:
        step = min(len(mine), len(theirs))
        if mine[:step] != theirs[:step]:
            return _OTHER
        mine, theirs = mine[step:], theirs[step:]
        mine = mine or next(ours, b"")
        theirs = theirs or next(pieces, b"")
        if not mine or not theirs:
            break
    if mine:
        return _ended(heard)
    return _OTHER if theirs else _SAME


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
