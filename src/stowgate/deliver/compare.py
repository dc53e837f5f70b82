"""Two data sets, ours from the shelf and theirs as it comes: compared piece by piece, never whole in memory."""

from __future__ import annotations

from collections.abc import Iterator

from stowgate.deliver.part10 import data_set_at
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


def is_same(ours: Iterator[bytes], theirs: Iterator[bytes]) -> bool | None:
    """Whether both are byte for byte the same; None where theirs is so far and ends early.

    It stops at the first difference.
    """
    mine = other = b""
    while True:
        mine, other = mine or _next(ours), other or _next(theirs)
        if not mine or not other:
            return False if other else None if mine else True
        step = min(len(mine), len(other))
        if mine[:step] != other[:step]:
            return False
        mine, other = mine[step:], other[step:]


def _next(pieces: Iterator[bytes]) -> bytes:
    """The next one that holds something; nothing at the end."""
    return next((piece for piece in pieces if piece), b"")
