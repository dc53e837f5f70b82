"""Sealing a few bytes for the owner of the key: what the ledger must be able to say, but nobody else may read."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from stowgate.errors import Misconfigured

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


class Seal:
    """AES-256-GCM with a random nonce of 12 bytes in front; `about` is what the bytes belong to, checked on opening.

    cryptography is imported when the first bytes are sealed or opened, not before (it costs 25 ms).
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def close(self, plain: bytes, about: bytes) -> bytes:
        """The sealed bytes: 28 longer than the plain ones, and different every time."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """The plain bytes; Misconfigured("ledger_damaged") if they were changed or belong to something else."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], about)
        except (InvalidTag, ValueError):
            raise Misconfigured("ledger_damaged") from None

    @cached_property
    def _cipher(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._key)
