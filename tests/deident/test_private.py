"""Private elements go, unless their group, creator and element are known to be safe; only then does a creator stay."""

from __future__ import annotations

import time

import pytest

from stowgate.policy import Option, Override, Policy
from stowgate.standard.safe_private import is_safe
from tests.builder import IMPLICIT, Element, el, item, small
from tests.deident.engine_view import Cleaned, cleaned, code_of, pass_over

SAFE = Option.SAFE_PRIVATE
PET, FACTOR = "Philips PET Private Group", 0x70530000
"""A creator of Table E.3.10-1; elements 00 and 09 of its group 7053 are safe, both DS."""


def block(creator: str, *elements: Element, at: int = 0x10, group: int = 0x7053) -> tuple[Element, ...]:
    """A creator and its elements; those are given by their low byte."""
    return (
        el(group << 16 | at, creator, "LO"),
        *(Element(group << 16 | at << 8 | e.tag, e.vr, e.value, e.undefined) for e in elements),
    )


def factor(value: str = "0.000587", low: int = 0x00) -> Element:
    return el(low, value, "DS")


def kept(*elements: Element, options: tuple[Option, ...] = (SAFE,), **how: object) -> set[str]:
    return cleaned(*elements, options=options, **how).private


def test_the_rows_these_tests_rely_on_are_in_the_table() -> None:
    assert is_safe(0x7053, PET, 0x00) == "DS"
    assert is_safe(0x7053, PET, 0x09) == "DS"
    assert is_safe(0x7053, PET, 0x01) is None


class TestWithoutTheOption:
    @pytest.mark.parametrize("syntax", [None, IMPLICIT])
    def test_all_private_elements_go_with_their_creators_at_every_depth(self, syntax: str | None) -> None:
        how = {"syntax": syntax} if syntax else {}
        inside = el("ProcedureCodeSequence", item(el("CodeValue", "A"), *block(PET, factor())))
        assert kept(*block(PET, factor()), inside, options=(), **how) == set()

    def test_what_the_source_says_does_not_matter(self) -> None:
        assert kept(*block("ACME", factor()), says("ACME", status="SAFE"), options=()) == set()

    def test_the_user_may_keep_one_by_creator_wherever_its_block_lies(self) -> None:
        mine = Override("0019,ACME 1.0,23", "keep")
        elements = [*block("ACME 1.0", el(0x23, "x", "SH"), el(0x24, "y", "SH"), at=0x42, group=0x19)]
        found = cleaned(*elements, overrides=(mine,))
        assert found.private == {"(0019,0042)", "(0019,4223)"}


class TestTable:
    @pytest.mark.parametrize("at", [0x10, 0x11, 0x7F, 0xFF])
    def test_safe_elements_stay_with_their_creator_in_any_block(self, at: int) -> None:
        found = cleaned(*block(PET, factor(), factor("1", 0x01), factor("2.5", 0x09), at=at), options=(SAFE,))
        assert found.private == {f"(7053,00{at:02X})", f"(7053,{at:02X}00)", f"(7053,{at:02X}09)"}
        assert found.value(f"(7053,{at:02X}00)") == b"0.000587"

    def test_blocks_of_other_creators_go(self) -> None:
        elements = [*block(PET, factor()), *block("ACME", factor(), at=0x11)]
        assert kept(*elements) == {"(7053,0010)", "(7053,1000)"}

    def test_one_creator_may_reserve_two_blocks(self) -> None:
        elements = [*block(PET, factor()), *block(PET, factor("1", 0x09), at=0x12), *block(PET, at=0x13)]
        assert kept(*elements) == {"(7053,0010)", "(7053,1000)", "(7053,0012)", "(7053,1209)"}

    def test_no_creator_no_element(self) -> None:
        assert kept(el(0x70531000, "1", "DS")) == set()
        assert kept(*block(PET, factor())[1:], *block(PET, at=0x11)) == set()
        assert kept(el(0x70530010, "", "LO"), el(0x70531000, "1", "DS")) == set()

    @pytest.mark.parametrize("creator", [PET + "  ", " " + PET, PET + "\0"])
    def test_blanks_around_a_creator_do_not_count(self, creator: str) -> None:
        assert kept(*block(creator, factor())) == {"(7053,0010)", "(7053,1000)"}

    @pytest.mark.parametrize("creator", [PET.upper(), PET.lower(), PET.replace(" ", "  "), PET[:-1], PET + "2", "PET"])
    def test_case_and_everything_else_of_a_creator_count(self, creator: str) -> None:
        assert kept(*block(creator, factor())) == set()

    def test_another_group_of_the_same_creator_is_another_block(self) -> None:
        assert kept(*block(PET, factor(), group=0x7055)) == set()

    def test_a_creator_without_any_element_that_stays_goes(self) -> None:
        assert kept(*block(PET)) == set()
        assert kept(*block(PET, factor("1", 0x01))) == set()

    @pytest.mark.parametrize("at", [0x01, 0x0F])
    def test_a_creator_below_0010_reserves_nothing(self, at: int) -> None:
        """PS3.5 7.8.1: creators stand in (gggg,0010) to (gggg,00FF)."""
        assert kept(*block(PET, factor(), at=at)) == set()

    @pytest.mark.parametrize("group", [0x0001, 0x0003, 0x0005, 0x0007])
    def test_reserved_groups_go_whatever_the_source_or_the_user_says(self, group: int) -> None:
        elements = block("ACME", el(1, "x", "SH"), group=group)
        assert kept(*elements, says("ACME", status="SAFE", group=group)) == set()
        mine = Override(f"{group:04X},ACME,01", "keep")
        assert cleaned(*elements, overrides=(mine,)).private == set()

    def test_group_lengths_and_the_space_below_the_creators_go(self) -> None:
        stray = [el(0x70530000, 20, "UL"), el(0x70530001, "x", "LO"), el(0x70530FFF, "x", "LO")]
        assert kept(*stray, *block(PET, factor())) == {"(7053,0010)", "(7053,1000)"}

    def test_implicit_values_follow_the_vr_of_the_table(self) -> None:
        assert kept(*block(PET, factor()), syntax=IMPLICIT) == {"(7053,0010)", "(7053,1000)"}
        assert kept(*block(PET, factor("LISELOTTE")), syntax=IMPLICIT) == set()

    def test_a_number_that_is_none_goes_and_its_creator_with_it(self) -> None:
        found = cleaned(*block(PET, factor("VANDERM")), options=(SAFE,))
        assert found.private == set()
        assert "nonconforming_number" in found.clean.findings

    def test_a_safe_text_that_names_the_patient_goes(self) -> None:
        assert is_safe(0x0019, "GEMS_ACQU_01", 0x9E) == "LO"
        for text, expected in (("FSE-XL", 2), ("FSE Vandermeer", 0)):
            elements = block("GEMS_ACQU_01", el(0x9E, text, "LO"), group=0x19)
            assert len(kept(*elements)) == expected

    def test_dates_and_uids_that_are_safe_still_follow_their_options(self) -> None:
        """No row of the table is a date and few are UIDs, so a source that calls its block safe shows it."""
        elements = block("ACME", el(1, "20240131", "DA"), el(2, "101530", "TM"), el(3, "1.2.3.4", "UI"))

        def values(*options: Option) -> list[object]:
            found = cleaned(*elements, says("ACME", status="SAFE"), options=(SAFE, *options))
            return [found.value(f"(7053,100{low})") for low in (1, 2, 3)]

        assert values()[:2] == [None, None]
        assert str(values()[2]).startswith("b'2.25.")
        assert values(Option.FULL_DATES)[:2] == [b"20240131", b"101530"]
        assert values(Option.MODIFIED_DATES)[:2] == [b"20230308", b"101530"]  # 329 days before: docs/.../derivation.md
        assert values(Option.UIDS)[2] == b"1.2.3.4\0"


class TestNesting:
    def test_blocks_are_those_of_the_item_they_stand_in(self) -> None:
        inside = el("ProcedureCodeSequence", item(el("CodeValue", "A"), *block(PET, factor())))
        orphan = el("AnatomicRegionSequence", item(el("CodeValue", "A"), *block(PET, factor())[1:]))
        found = kept(inside, orphan, *block(PET, factor("1", 0x09)))
        assert found == {
            "(7053,0010)", "(7053,1009)",
            "(0008,1032)[0].(7053,0010)", "(0008,1032)[0].(7053,1000)",
        }  # fmt: skip

    def test_public_attributes_inside_a_kept_private_sequence_are_judged_like_all_others(self) -> None:
        inner = item(
            el("PatientName", "Vandermeer^Liselotte"),
            el("StudyInstanceUID", "1.2.3.4.5.6"),
            el("Manufacturer", "Lumen"),
            el("StudyDate", "20240131"),
            *block("OTHER", el(1, "secret", "LO")),
        )
        elements = block("ACME", el(1, inner, "SQ"), group=0x19)
        found = cleaned(*elements, says("ACME", status="SAFE", group=0x19), options=(SAFE,))
        assert found.value("(0019,1001)") == 1
        assert found.value("(0019,1001)[0].(0008,0070)") == b"Lumen "
        assert found.value("(0019,1001)[0].(0010,0010)") == b"XG3RSPS2VFHHSE33"
        assert str(found.value("(0019,1001)[0].(0020,000D)")).startswith("b'2.25.")
        assert found.value("(0019,1001)[0].(0008,0020)") == b""
        assert not {place for place in found.private if place.count("(") > 1}

    def test_a_private_sequence_goes_without_the_sources_word(self) -> None:
        elements = block("ACME", el(1, item(el("Manufacturer", "x")), "SQ"), group=0x19)
        assert kept(*elements) == set()

    def test_what_was_changed_inside_is_counted_and_told_once(self) -> None:
        deepest = block("ACME", el(2, item(el("SeriesInstanceUID", "1.2")), "SQ"), group=0x19)
        inner = item(el("StudyInstanceUID", "1.2.3"), *deepest)
        elements = block("ACME", el(1, inner, "SQ"), group=0x19)
        found = cleaned(*elements, says("ACME", status="SAFE", group=0x19), options=(SAFE,))
        wheres = [line.change.where for line in found.lines]
        assert len(wheres) == len(set(wheres))
        told = sum(line.change.where.startswith("(0019,1001)[0]") and line.change.action == "U" for line in found.lines)
        assert told == 2
        assert found.clean.counts["U E.1-1"] == 4 + told  # the four of every object


def says(
    creator: str, status: str = "", safe: tuple[int, ...] = (), actions: dict[str, tuple[int, ...]] | None = None,
    group: int = 0x7053,
) -> Element:  # fmt: skip
    """A Private Data Element Characteristics Sequence (PS3.3 C.12.1.1.7)."""
    asked = [item(el(0x00080306, lows, "US"), el(0x00080307, action, "CS")) for action, lows in (actions or {}).items()]
    parts = [el(0x00080301, group, "US"), el(0x00080302, creator, "LO"), el(0x00080303, status, "CS")]
    parts += [el(0x00080304, safe, "US")] if safe else []
    parts += [el(0x00080305, asked, "SQ")] if asked else []
    return el(0x00080300, item(*parts), "SQ")


ACME = block("ACME", el(1, "one", "SH"), el(2, "two", "SH"), el(3, "1.2.3.4", "UI"), el(4, "20240131", "DA"))


def acme(statement: Element, *options: Option) -> Cleaned:
    return cleaned(*ACME, statement, options=(SAFE, *options))


class TestWhatTheSourceSays:
    def test_safe_keeps_the_whole_block(self) -> None:
        found = acme(says("ACME", "SAFE"))
        assert found.private == {"(7053,0010)", "(7053,1001)", "(7053,1002)", "(7053,1003)"}
        assert found.value("(7053,1001)") == b"one "
        assert found.value("(7053,1003)") != b"1.2.3.4\0"  # a UID is mapped all the same, a date goes

    def test_mixed_keeps_what_it_lists(self) -> None:
        assert acme(says("ACME", "MIXED", safe=(2, 0x1004))).private == {"(7053,0010)", "(7053,1002)"}
        assert acme(says("ACME", "MIXED")).private == set()
        assert acme(says("ACME", "UNSAFE", safe=(2,))).private == set()

    @pytest.mark.parametrize("statement", [says("acme", "SAFE"), says("ACME", "SAFE", group=0x7055), says("", "SAFE")])
    def test_it_holds_for_that_creator_and_group_only(self, statement: Element) -> None:
        assert acme(statement).private == set()

    def test_actions_are_obeyed(self) -> None:
        found = acme(says("ACME", "SAFE", actions={"Z": (1,), "D": (2,), "U": (3,)}))
        assert found.value("(7053,1001)") == b""
        assert found.value("(7053,1002)") == b"REMOVED "
        assert str(found.value("(7053,1003)")).startswith("b'2.25.")
        assert acme(says("ACME", "SAFE", actions={"X": (1, 2, 3)})).private == set()

    def test_a_uid_to_be_mapped_stays_under_retain_uids_and_a_text_to_be_mapped_goes(self) -> None:
        found = acme(says("ACME", "SAFE", actions={"U": (1, 3)}), Option.UIDS)
        assert found.value("(7053,1003)") == b"1.2.3.4\0"
        assert found.value("(7053,1001)") is None

    @pytest.mark.parametrize("action", ["", "C", "K", "WHATEVER"])
    def test_an_action_that_is_none_removes(self, action: str) -> None:
        assert "(7053,1001)" not in acme(says("ACME", "SAFE", actions={action: (1,)})).private

    @pytest.mark.parametrize("action", ["X", "Z", "D", "U"])
    def test_a_sequence_that_identifies_goes_whatever_action_is_asked_for(self, action: str) -> None:
        elements = block("ACME", el(1, item(el("Manufacturer", "Lumen")), "SQ"), el(2, "two", "SH"))
        found = cleaned(*elements, says("ACME", "SAFE", actions={action: (1,)}), options=(SAFE,))
        assert found.private == {"(7053,0010)", "(7053,1002)"}

    def test_it_is_stricter_than_the_table_too(self) -> None:
        elements = block(PET, factor(), factor("2", 0x09))
        found = cleaned(*elements, says(PET, actions={"X": (0,)}), options=(SAFE,))
        assert found.private == {"(7053,0010)", "(7053,1009)"}

    def test_the_users_word_counts_more(self) -> None:
        mine = Override("7053,ACME,01", "keep"), Override("7053,ACME,02", "remove")
        found = cleaned(*ACME, says("ACME", "SAFE", actions={"X": (1,)}), options=(SAFE,), overrides=mine)
        assert found.private == {"(7053,0010)", "(7053,1001)", "(7053,1003)"}

    def test_a_known_token_goes_even_from_a_safe_block(self) -> None:
        elements = block("ACME", el(1, "for Vandermeer", "LO"), el(2, "two", "LO"), el(3, "Vandermeer^L", "PN"))
        found = cleaned(*elements, says("ACME", "SAFE"), options=(SAFE,))
        assert found.private == {"(7053,0010)", "(7053,1002)"}

    def test_it_holds_in_implicit_files(self) -> None:
        found = cleaned(*ACME, says("ACME", "SAFE"), options=(SAFE,), syntax=IMPLICIT)
        assert found.private == {"(7053,0010)", "(7053,1001)", "(7053,1002)", "(7053,1003)", "(7053,1004)"}

    def test_a_statement_that_is_no_sequence_or_broken_says_nothing(self) -> None:
        assert acme(Element(0x00080300, "LO", b"SAFE")).private == set()
        assert acme(el(0x00080300, item(el(0x00080303, "SAFE", "CS")), "SQ")).private == set()


class TestBulk:
    """Values that were left where they lie: kept whole or gone whole."""

    LARGE = bytes(range(256)) * 8000

    @pytest.mark.parametrize("syntax", [None, IMPLICIT])
    @pytest.mark.parametrize("vr", ["OB", "UN"])
    def test_a_large_value_that_is_safe_stays_whole(self, vr: str, syntax: str | None) -> None:
        how = {"syntax": syntax} if syntax else {}
        elements = block("ACME", el(1, self.LARGE, vr), el(2, "two", "SH"))
        found = cleaned(*elements, says("ACME", "SAFE"), options=(SAFE,), **how)
        assert found.value("(7053,1001)") == self.LARGE

    @pytest.mark.parametrize("action", ["X", "Z", "D"])
    def test_a_large_value_that_is_not_goes_whole(self, action: str) -> None:
        elements = block("ACME", el(1, self.LARGE, "OB"))
        found = cleaned(*elements, says("ACME", "SAFE", actions={action: (1,)}), options=(SAFE,))
        assert found.value("(7053,1001)") == {"X": None, "Z": b"", "D": b"\0\0"}[action]
        assert cleaned(*elements).private == set()

    def test_a_large_text_whose_vr_only_the_table_knows_is_refused_because_it_was_not_read(self) -> None:
        elements = block("GEMS_ACQU_01", el(0x9E, b"x" * 2_000_000, "UN"), group=0x19)
        policy = Policy(options=frozenset((SAFE,)))
        assert code_of(small(*elements), policy) == "limit_header"
        assert pass_over(small(*elements)).private == set()


def test_thousands_of_creators_are_judged_in_no_time() -> None:
    creators = [el(group << 16 | at, f"C{at}", "LO") for group in range(0x4011, 0x4061, 2) for at in range(0x10, 0x100)]
    data = small(*creators)
    began = time.process_time()
    assert pass_over(data, Policy(options=frozenset((SAFE,)))).private == set()
    assert time.process_time() - began < 20  # a quadratic one takes minutes
