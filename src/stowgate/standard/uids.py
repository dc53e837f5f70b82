"""The UID registry (PS3.6 Annex A): which UIDs name a definition of the standard and so are never replaced."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from stowgate.standard.load import table

REGISTERED_ROOTS = ("1.2.840.10008.6.1.", "1.2.840.10008.9.")
"""Roots of context groups and templates (PS3.6 Tables A-3 and A-4), under which nothing else is registered."""


@cache
def _rows() -> dict[str, str]:
    """UID -> "type|R if retired|name"."""
    rows: dict[str, str] = table("uids")["rows"]
    return rows


@cache
def _storage() -> frozenset[str]:
    return frozenset(table("uids")["storage"])


def is_registered(uid: str) -> bool:
    """Whether a UID, without padding, is one of the standard's own. By registry, not by the prefix 1.2.840.10008."""
    return uid in _rows() or uid.startswith(REGISTERED_ROOTS)


def name_of(uid: str) -> str | None:
    """Registered name such as "CT Image Storage", None if not in the registry."""
    row = _rows().get(uid)
    return None if row is None else row.split("|", 2)[2]


def kind_of(uid: str) -> str | None:
    """Kind of UID as in the registry: "SOPClass", "TransferSyntax", "CodingScheme", ...; None if not there."""
    row = _rows().get(uid)
    return None if row is None else row.split("|", 1)[0]


def is_transfer_syntax(uid: str) -> bool:
    """Whether a UID names a transfer syntax, retired ones included."""
    return kind_of(uid) == "TransferSyntax"


def is_storage_sop_class(uid: str) -> bool:
    """Whether a UID names a SOP class whose instances are stored, retired ones included; a DICOMDIR is none."""
    return uid in _storage()


@cache
def transfer_syntaxes() -> Mapping[str, str]:
    """UID -> name of every transfer syntax of the registry."""
    return {uid: row.split("|", 2)[2] for uid, row in _rows().items() if row.startswith("TransferSyntax|")}


@cache
def storage_sop_classes() -> Mapping[str, str]:
    """UID -> name of every SOP class whose instances are stored."""
    return {uid: _rows()[uid].split("|", 2)[2] for uid in sorted(_storage())}
