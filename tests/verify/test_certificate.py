"""A certificate is whole as it was signed or it is none: every bit counts, and nobody else's signature will do."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.verify.certificate import (
    Checked,
    canonical,
    checked,
    checked_page,
    fingerprint,
    public_key,
    signed,
    signed_page,
)

SEED, OTHER = bytes(range(32)), bytes(range(1, 33))
WHO = fingerprint(public_key(SEED))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), inner),
    max_leaves=12,
)


class TestCanonical:
    def test_the_order_of_keys_and_blanks_does_not_count(self) -> None:
        assert (
            canonical({"b": [1, None], "a": "é"})
            == canonical({"a": "é", "b": [1, None]})
            == '{"a":"é","b":[1,null]}'.encode()
        )

    @given(plain)
    def test_it_reads_back_as_what_it_was_and_gives_the_same_bytes(self, data: Any) -> None:
        assert json.loads(canonical(data)) == data
        assert canonical(json.loads(canonical(data))) == canonical(data)

    @pytest.mark.parametrize("data", [1.5, {"a": 0.1}, [2**60], {1: "a"}, {"é": 1}, {"a": {1, 2}}, b"x"])
    def test_what_has_no_single_form_is_refused(self, data: Any) -> None:
        with pytest.raises(ValueError, match="can be signed"):
            canonical(data)


class TestData:
    DATA: ClassVar[dict[str, Any]] = {
        "study": {"alias": "aa"},
        "instances": [{"sha256": "0" * 64, "bytes": 17}],
        "word": "Grüße",
    }

    def test_as_it_was_signed_it_is_whole_whatever_its_layout(self) -> None:
        made = signed(self.DATA, SEED)
        again = json.loads(json.dumps(made, indent=3, sort_keys=True))
        assert checked(made) == checked(again) == Checked(True, WHO)

    @pytest.mark.parametrize("change", [
        lambda one: one.update(word="Gruse"),
        lambda one: one["instances"][0].update(bytes=18),
        lambda one: one.update(more=1),
        lambda one: one.pop("study"),
        lambda one: one["signature"].update(public_key=public_key(OTHER).hex()),
        lambda one: one["signature"].update(fingerprint="0" * 64),
        lambda one: one["signature"].update(algorithm="none"),
        lambda one: one["signature"].update(value="00" * 64),
        lambda one: one["signature"].update(more=1),
        lambda one: one.pop("signature"),
    ])  # fmt: skip
    def test_whatever_is_changed_is_noticed(self, change: Any) -> None:
        made = json.loads(json.dumps(signed(self.DATA, SEED)))
        change(made)
        assert not checked(made).is_whole

    @pytest.mark.parametrize("data", [None, [], {}, "x", {"signature": 1}, {"signature": {"value": "zz"}}])
    def test_what_is_none_is_none(self, data: Any) -> None:
        assert checked(data) == Checked(False)

    def test_another_s_signature_is_another_s(self) -> None:
        assert checked(signed(self.DATA, OTHER)) == Checked(True, fingerprint(public_key(OTHER)))


class TestPage:
    PAGE = "<!doctype html>\n<p>All of it, <b>größer</b></p>\n"

    def test_as_it_was_signed_it_is_whole(self) -> None:
        assert checked_page(signed_page(self.PAGE, SEED)) == Checked(True, WHO)

    def test_every_single_bit_counts(self) -> None:
        page = signed_page(self.PAGE, SEED)
        for at in range(len(page)):
            for bit in range(8):
                changed = page[:at] + bytes([page[at] ^ 1 << bit]) + page[at + 1 :]
                found = checked_page(changed)
                assert not found.is_whole or found.fingerprint != WHO

    def test_nothing_can_be_put_before_behind_or_between(self) -> None:
        page = signed_page(self.PAGE, SEED)
        for changed in (b" " + page, page + b" ", page + page, page[:20] + b" " + page[20:], page[:-2]):
            assert not checked_page(changed).is_whole
