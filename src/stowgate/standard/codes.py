"""PS3.16 CID 7050: the codes that say which profile and options were applied (edition 2026d)."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from stowgate.standard.load import table

BASIC_PROFILE = "113100"


class Code(NamedTuple):
    """A coded concept; `column` is the column of Table E.1-1 it stands for, "" where it has none."""

    value: str
    scheme: str
    meaning: str
    column: str = ""


@cache
def deidentification_methods() -> dict[str, Code]:
    """CID 7050 by code value, ascending."""
    return {row[0]: Code(*row) for row in sorted(table("codes")["cid_7050"])}


def meaning_of(value: str) -> str:
    """Code meaning of a code of CID 7050; KeyError for any other."""
    return deidentification_methods()[value].meaning


def code_of_column(column: str) -> str:
    """Code value of an option column of Table E.1-1; KeyError if no code stands for it."""
    return {code.column: value for value, code in deidentification_methods().items()}[column]


@cache
def deidentifying_equipment() -> Code:
    """The purpose of reference (CID 7005) of a device that de-identified the object."""
    return Code(*table("codes")["purpose"])
