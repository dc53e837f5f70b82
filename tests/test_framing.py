"""The framed HMAC: fixed vectors, and no two different inputs share a message."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.framing import mac

KEY = bytes(range(32))
PARTS = st.lists(st.binary(max_size=12), max_size=4)
DOMAINS = st.sampled_from([b"uid", b"patient", b"offset", b"key-id"])


def test_the_message_is_version_domain_and_each_part_behind_its_length() -> None:
    message = b"stowgate-1\0uid\0" + b"\0\0\0\0\0\0\0\x03" + b"1.2" + b"\0" * 8
    assert mac(KEY, b"uid", b"1.2", b"") == hmac.new(KEY, message, hashlib.sha256).digest()


def test_fixed_vectors_never_change() -> None:
    assert mac(KEY, b"key-id").hex()[:16] == "72c4a44f5f0186aa"
    assert mac(KEY, b"patient", b"4711", b"").hex()[:16] == "f0c26a9dc13b3d52"


def test_a_key_of_another_length_gives_another_result() -> None:
    assert mac(KEY, b"uid", b"1.2") != mac(KEY + b"\x01", b"uid", b"1.2")


@given(DOMAINS, PARTS, DOMAINS, PARTS)
def test_two_inputs_meet_only_if_they_are_the_same(
    first: bytes, parts: list[bytes], second: bytes, others: list[bytes]
) -> None:
    same = (first, parts) == (second, others)
    assert (mac(KEY, first, *parts) == mac(KEY, second, *others)) is same


def test_moving_a_byte_between_neighbours_changes_the_result() -> None:
    assert mac(KEY, b"patient", b"ab", b"c") != mac(KEY, b"patient", b"a", b"bc")
    assert mac(KEY, b"patient", b"a") != mac(KEY, b"patient", b"a", b"")


def test_a_domain_with_a_zero_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="zero byte"):
        mac(KEY, b"uid\0x", b"1.2")
