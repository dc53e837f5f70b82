"""Two data sets, ours from the shelf and theirs as it comes: compared piece by piece, never whole in memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from stowgate.deliver.part10 import data_set_at
from stowgate.deliver.plain_form import EndsEarly, Unreadable, plain_form
from stowgate.deliver.sink import Instance


def data_set_of(instance: Instance) -> tuple[Iterator[bytes], int]:
    """The data set of a stored file as it is, without preamble and file meta information (PS3.10 7.1), and its size."""
    chunks = instance.chunks()
    first = next(chunks)
    begins = data_set_at(first)
    if begins is None:
        raise ValueError("a clean object begins with file meta information of its own")
    start, _ = begins

    def pieces() -> Iterator[bytes]:
        yield first[start:]
        yield from chunks

    return pieces(), instance.ref.size - start


def is_same(instance: Instance, theirs: Iterator[bytes]) -> bool | None:
    """Whether both data sets are the same; None where theirs is so far and ends early.

    It stops at the first difference. Byte for byte, or where bytes differ, in the plain form of both: a peer may give
    lengths in its own way. What cannot be followed element by element has other bytes. Raises Rejected("payload_lost")
    where ours is here no more.
    """
    alike, same, rest = _alike(data_set_of(instance)[0], theirs)
    if same:
        return True
    syntax = instance.ref.transfer_syntax
    again = chain(_first(alike, data_set_of(instance)[0]), rest)  # what has come is as ours is, so it need not be kept
    try:
        _, same, more = _alike(plain_form(data_set_of(instance)[0], syntax), _theirs(again, syntax))
        return same or (None if next(more, None) is None else False)
    except _TheirsEnds:
        return None
    except Unreadable:
        return False


class _TheirsEnds(Exception):
    """Theirs ends in the middle of an element."""


def _theirs(pieces: Iterator[bytes], syntax: str) -> Iterator[bytes]:
    try:
        yield from plain_form(pieces, syntax)
    except EndsEarly:
        raise _TheirsEnds from None


def _alike(ours: Iterator[bytes], theirs: Iterator[bytes]) -> tuple[int, bool, Iterator[bytes]]:
    """How many bytes are the same from the beginning, whether that is all of both, and what is left of theirs."""
    mine = other = b""
    alike = 0
    while True:
        mine, other = mine or _next(ours), other or _next(theirs)
        step = min(len(mine), len(other))
        if not step or mine[:step] != other[:step]:
            return alike, not mine and not other, chain((other,) if other else (), theirs)
        alike += step
        mine, other = mine[step:], other[step:]


def _first(size: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """So many bytes of them."""
    while size:
        piece = _next(pieces)[:size]
        size -= len(piece)
        yield piece


def _next(pieces: Iterator[bytes]) -> bytes:
    """The next one that holds something; nothing at the end."""
    return next((piece for piece in pieces if piece), b"")
