"""Numbers of things in words, so that nobody reads of 1 objects."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things in words: "1 object", "2,000 objects"; `many` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def as_written(records: int) -> str:
    """What is said of an audit log that is sound."""
    return f"{counted(records, 'record')}, {'as it was' if records == 1 else 'all as they were'} written."
