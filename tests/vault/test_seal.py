"""Sealed bytes: different every time, readable with the key alone, and only where they belong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.errors import Misconfigured
from stowgate.vault.seal import Seal

SEAL = Seal(bytes(range(32)))


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_what_was_sealed_opens_again(plain: bytes, about: bytes) -> None:
    sealed = SEAL.close(plain, about)
    assert len(sealed) == len(plain) + 28
    assert SEAL.open(sealed, about) == plain


def test_the_same_bytes_never_look_the_same() -> None:
    assert len({SEAL.close(b"/in/one", b"") for _ in range(20)}) == 20


@given(st.integers(min_value=0))
def test_every_changed_bit_is_noticed(where: int) -> None:
    sealed = bytearray(SEAL.close(b"/in/one", b"id"))
    sealed[where % len(sealed)] ^= 1 << where % 8
    with pytest.raises(Misconfigured) as refused:
        SEAL.open(bytes(sealed), b"id")
    assert refused.value.code == "ledger_damaged"


@pytest.mark.parametrize("keep", [0, 5, 12, 20])
def test_cut_bytes_are_noticed(keep: int) -> None:
    with pytest.raises(Misconfigured):
        SEAL.open(SEAL.close(b"/in/one", b"id")[:keep], b"id")


def test_another_key_or_another_owner_opens_nothing() -> None:
    sealed = SEAL.close(b"/in/one", b"id")
    for seal, about in ((Seal(bytes(32)), b"id"), (SEAL, b"other")):
        with pytest.raises(Misconfigured):
            seal.open(sealed, about)
