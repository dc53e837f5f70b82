"""Derivation gives what docs/reference/derivation.md says, for ever, and keeps apart what has to be kept apart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.deident import derive
from stowgate.framing import mac
from stowgate.standard.uids import is_registered
from stowgate.vault.key import Key
from tests.oracle import derive as oracle

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "derivation.md"
KEY, OTHER = bytes(range(32)), bytes(range(32, 64))
CELL = re.compile(r'`("(?:[^"`\\]|\\.)*"|-?\d+)`')


def sections() -> Iterator[tuple[bytes, str, str]]:
    """Key, its name, and the tables under it."""
    text = PAGE.read_text("utf-8").split("## Test vectors")[1]
    for found in re.split(r"\nKey (?=`[0-9a-f]{64}`)", text)[1:]:
        key, name = re.findall(r"`([0-9a-f]+)`", found.splitlines()[0])
        yield bytes.fromhex(key), name, found


def rows(columns: int) -> list[tuple[bytes, list[object]]]:
    """The vectors of the tables with so many columns, each with its key."""
    return [
        (key, [json.loads(cell) for cell in cells])
        for key, _, tables in sections()
        for line in tables.splitlines()
        if len(cells := CELL.findall(line)) == columns and line.startswith("|")
    ]


def titles() -> list[tuple[bytes, str, str]]:
    """The vectors of application entity titles, which have two columns as UIDs have."""
    return [
        (key, *(json.loads(cell) for cell in CELL.findall(line)))
        for key, _, tables in sections()
        for line in tables.split("| application entity title |")[1].splitlines()
        if CELL.search(line)
    ]


def raw(text: object) -> bytes:
    return str(text).encode()


class TestVectorsOfTheDocument:
    def test_there_are_enough_of_each(self) -> None:
        assert len(list(sections())) == 2
        assert len(rows(2)) > 15
        assert len(rows(5)) > 10
        assert len(titles()) > 3

    @pytest.mark.parametrize(("key", "name"), [(key, name) for key, name, _ in sections()])
    def test_the_key_is_named(self, key: bytes, name: str) -> None:
        assert Key(key).id == name == mac(key, b"key-id").hex()[:8]

    @pytest.mark.parametrize(("key", "cells"), [row for row in rows(2) if (row[0], *row[1]) not in titles()])
    def test_uids(self, key: bytes, cells: list[object]) -> None:
        value, result = map(raw, cells)
        assert derive.uid(key, value) == oracle.new_uid(key, value.strip(b" \0")) == result

    @pytest.mark.parametrize(("key", "cells"), rows(5))
    def test_patients(self, key: bytes, cells: list[object]) -> None:
        identifier, issuer, study, pseudonym, days = cells
        made = derive.patient(key, str(identifier), str(issuer), raw(study))
        assert (made.pseudonym.decode(), made.days) == (pseudonym, days)
        arguments = key, str(identifier), str(issuer), raw(study).strip(b" \0")
        assert (oracle.pseudonym(*arguments), oracle.offset_days(*arguments)) == (pseudonym, days)

    @pytest.mark.parametrize(("key", "value", "result"), titles())
    def test_application_entity_titles(self, key: bytes, value: str, result: str) -> None:
        assert derive.alias(key, b"ae", raw(value)) == oracle.ae_alias(key, raw(value.strip())) == raw(result)

    def test_the_alphabet_and_the_version_word_are_those_of_the_page(self) -> None:
        text = PAGE.read_text("utf-8")
        assert f"`{derive._ALPHABET}`" in text
        assert '"stowgate-1" 00 domain 00' in text


UIDS = st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,8})){2,6}", fullmatch=True).map(str.encode)


class TestUids:
    @given(UIDS)
    def test_a_derived_uid_is_valid_and_of_at_most_44_characters(self, value: bytes) -> None:
        made = derive.uid(KEY, value)
        if not is_registered(value.decode()):
            assert re.fullmatch(rb"2\.25\.(0|[1-9][0-9]{0,38})", made)
            assert len(made) <= 44

    @given(UIDS, UIDS)
    def test_two_uids_never_meet(self, one: bytes, other: bytes) -> None:
        assert (derive.uid(KEY, one) == derive.uid(KEY, other)) is (one == other)

    def test_another_key_gives_another_uid(self) -> None:
        assert derive.uid(KEY, b"1.2.3") != derive.uid(OTHER, b"1.2.3")

    def test_a_derived_uid_is_derived_again_like_any_other(self) -> None:
        once = derive.uid(KEY, b"1.2.3")
        assert derive.uid(KEY, once) not in (once, b"1.2.3")

    @pytest.mark.parametrize("value", [b"", b" ", b"\0", b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.5.1.4.1.1.4"])
    def test_empty_and_registered_values_stay_byte_for_byte(self, value: bytes) -> None:
        assert derive.uid(KEY, value) == value

    @pytest.mark.parametrize(
        "value", [b"1.2.840.10008.1.2.1.9.9", b"1.2.840.100089.1", b"1.2.840.10008.1.2.1.", b"1.2.840.10008.01.2.1"]
    )
    def test_what_only_looks_registered_is_mapped(self, value: bytes) -> None:
        assert derive.uid(KEY, value).startswith(b"2.25.")

    @pytest.mark.parametrize("value", [b"\xff\xfe", b"VANDERMEER", b"1..2", b"../../x", b"1.2.3\n", b"9" * 200])
    def test_malformed_values_are_mapped_too(self, value: bytes) -> None:
        made = derive.uid(KEY, value)
        assert re.fullmatch(rb"2\.25\.\d+", made)
        assert made == oracle.new_uid(KEY, value)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


class TestPatients:
    @given(NAMES, NAMES, NAMES)
    def test_the_pseudonym_is_sixteen_readable_characters_and_the_offset_whole_weeks_back(
        self, identifier: str, issuer: str, study: str
    ) -> None:
        made = derive.patient(KEY, identifier, issuer, study.encode())
        assert re.fullmatch(rb"[0-9A-HJKMNP-TV-Z]{16}", made.pseudonym)
        assert made.days % 7 == 0
        assert -7 * 520 <= made.days <= -7
        assert date(2024, 1, 31).weekday() == (date(2024, 1, 31) + timedelta(made.days)).weekday()

    @given(st.tuples(NAMES, NAMES, NAMES), st.tuples(NAMES, NAMES, NAMES))
    def test_two_patients_meet_only_if_id_and_issuer_or_study_are_the_same(
        self, one: tuple[str, str, str], other: tuple[str, str, str]
    ) -> None:
        def who(identifier: str, issuer: str, study: str) -> tuple[bytes, ...]:
            plain = oracle.plain(identifier)
            return (b"id", plain, oracle.plain(issuer)) if plain else (b"study", study.encode().strip(b" \0"))

        pseudonyms = [derive.patient(KEY, *person[:2], person[2].encode()).pseudonym for person in (one, other)]
        assert (pseudonyms[0] == pseudonyms[1]) is (who(*one) == who(*other))

    def test_all_offsets_occur_and_none_is_zero(self) -> None:
        weeks = {derive.patient(KEY, str(number), "", b"").days // -7 for number in range(6000)}
        assert weeks == set(range(1, 521))

    def test_pseudonym_and_offset_come_from_different_domains(self) -> None:
        assert mac(KEY, b"patient", b"1", b"")[:8] != mac(KEY, b"offset", b"1", b"")[:8]

    def test_an_id_that_is_a_study_uid_is_no_study(self) -> None:
        assert derive.patient(KEY, "1.2.3", "", b"") != derive.patient(KEY, "", "", b"1.2.3")

    def test_another_key_gives_another_person_and_another_offset(self) -> None:
        people = [[derive.patient(key, str(n), "", b"") for n in range(30)] for key in (KEY, OTHER)]
        assert not {p.pseudonym for p in people[0]} & {p.pseudonym for p in people[1]}
        assert [p.days for p in people[0]] != [p.days for p in people[1]]


class TestBase32:
    def test_the_first_bits_come_first(self) -> None:
        assert derive.base32(bytes(10)) == "0" * 16
        assert derive.base32(b"\xff" * 10) == "Z" * 16
        assert derive.base32(b"\x08" + bytes(9)) == "1" + "0" * 15
        assert derive.base32(bytes(9) + b"\x01") == "0" * 15 + "1"

    @given(st.binary(min_size=10, max_size=10), st.binary(max_size=20))
    def test_eighty_bits_become_sixteen_characters_and_the_rest_does_not_count(self, ten: bytes, more: bytes) -> None:
        assert derive.base32(ten + more) == derive.base32(ten) == oracle.crockford(ten)
