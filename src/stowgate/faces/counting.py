"""What is said of an audit log in words, with its number of records."""

from __future__ import annotations

from stowgate.wording import counted


def as_written(records: int) -> str:
    """What is said of an audit log that is sound."""
    return f"{counted(records, 'record')}, {'as it was' if records == 1 else 'all as they were'} written."
