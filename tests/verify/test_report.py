"""The report of a run: what it says, what it can never say, and that anybody can read it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from stowgate.policy import Option, Override, Policy
from stowgate.reasons import REASONS
from stowgate.verify.report import Summary, groups, limitations_of, render_html, summary_lines, verdict
from stowgate.verify.wording import ACTIONS, LIMITATIONS, STANDING, rule_label

START = datetime(2026, 3, 1, 23, 59, 58, tzinfo=UTC)
POLICY = Policy(options=frozenset({Option.MODIFIED_DATES}))

MIXED = Summary(
    received=2214,
    cleaned=1987,
    held=41,
    quarantined=12,
    rejected=9,
    already_done=165,
    bytes=1_083_400_000,
    started=START,
    ended=START + timedelta(seconds=4.7),
    policy=POLICY.digest,
    profile="basic",
    options=("modified-dates",),
    key_id="7f3a90c1",
    rules={"X E.1-1": 48210, "U E.1-1": 15812, "X private": 371000, "C option:modified-dates": 21800, "X role:url": 1},
    modalities={"MR": 310, "CT": 1644, "none": 33},
    reasons={"burned_in_risk": 41, "truncated": 12, "not_dicom": 8, "unreadable": 1},
    findings={"missing_type_2": 512, "bad_time": 40},
)
GOOD = replace(MIXED, received=1987, held=0, quarantined=0, rejected=0, already_done=0, reasons={})
EMPTY = replace(GOOD, received=0, cleaned=0, bytes=0, rules={}, modalities={}, findings={})


class _Page(HTMLParser):
    """Tags in order, text, and whether every tag is closed."""

    VOID = frozenset(("meta", "br", "hr", "img", "link", "input"))

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize(
    ("summary", "word", "tone"),
    [
        (GOOD, "All clean", "good"),
        (replace(GOOD, cleaned=0, already_done=1987), "All clean", "good"),
        (replace(GOOD, received=1995, rejected=8, reasons={"not_dicom": 8}), "All clean", "good"),
        (MIXED, "Some held back", "wait"),
        (replace(GOOD, received=2, cleaned=0, held=2, reasons={"graphics": 2}), "All held back", "wait"),
        (replace(GOOD, received=1988, rejected=1, reasons={"unreadable": 1}), "Some held back", "wait"),
        (replace(GOOD, received=1988, quarantined=1, reasons={"gate_structure": 1}), "Failed closed", "alarm"),
        (replace(GOOD, received=1988, quarantined=1, reasons={"internal_error": 1}), "Failed closed", "alarm"),
        (replace(MIXED, received=2215), "Not finished", "alarm"),
        (EMPTY, "Nothing found", "calm"),
        (replace(EMPTY, received=3, rejected=3, reasons={"not_dicom": 3}), "No DICOM found", "calm"),
    ],
)
def test_one_big_word_says_the_state_of_the_run(summary: Summary, word: str, tone: str) -> None:
    assert verdict(summary)[:2] == (word, tone)
    assert f"<span>{word}</span></h1>" in render_html(summary)
    assert f'<body class="{tone}">' in render_html(summary)
    assert summary_lines(summary)[0].startswith(f"{word}. ")


def test_the_conservation_line_names_every_place_an_input_can_be_in() -> None:
    parts = "= 1,987 cleaned + 41 held + 12 quarantined + 9 rejected + 165 already done"
    assert f"2,214 received {parts}" in _Page(render_html(MIXED)).text
    assert summary_lines(MIXED)[1] == f"2,214 received {parts}"


def test_a_run_that_was_cut_short_shows_what_is_missing() -> None:
    cut = replace(MIXED, received=2220)
    assert cut.missing == 6
    assert "+ 6 unfinished" in _Page(render_html(cut)).text
    assert "6 inputs without an end" in _Page(render_html(cut)).text


def test_holds_stand_apart_from_damage_and_from_what_is_no_dicom() -> None:
    assert [(group.name, group.codes) for group in groups(MIXED)] == [
        ("held", [("burned_in_risk", 41)]),
        ("quarantined", [("truncated", 12)]),
        ("rejected", [("unreadable", 1)]),
        ("not-dicom", [("not_dicom", 8)]),
    ]
    lines = summary_lines(MIXED)
    assert lines.index("Held: a person or an option has to decide") < lines.index("Quarantined: damaged or hostile")


def test_what_the_gate_stopped_comes_first() -> None:
    stopped = replace(MIXED, reasons={**MIXED.reasons, "gate_structure": 1, "internal_error": 2})
    assert groups(stopped)[0].codes == [("internal_error", 2), ("gate_structure", 1)]


@pytest.mark.parametrize("code", REASONS)
def test_every_reason_can_be_reported_in_one_group_with_its_sentence_and_advice(code: str) -> None:
    reason = REASONS[code]
    found = {code: 3}
    summary = replace(EMPTY, findings=found) if reason.fate == "finding" else replace(EMPTY, reasons=found)
    text = _Page(render_html(summary)).text
    assert " ".join(reason.sentence.split()) in text
    assert " ".join(reason.advice.split()) in text
    assert len(groups(summary)) == (reason.fate != "finding")


def test_actions_rules_and_modalities_are_counted_and_called_by_name() -> None:
    text = _Page(render_html(MIXED)).text
    assert MIXED.by_action == {"X": 419_211, "U": 15_812, "C": 21_800}
    assert list(MIXED.by_rule) == ["private", "E.1-1", "option:modified-dates", "role:url"]
    assert "Table E.1-1, Basic Profile X 48,210 · U 15,812 64,022" in text
    assert "Not in the table, reviewed: addresses Removed 1" in text
    assert text.index("CT Computed tomography 1,644") < text.index("MR Magnetic resonance 310")
    assert "\u2013 No modality 33" in text


@pytest.mark.parametrize("letter", "XZDUCK")
def test_every_action_has_a_name(letter: str) -> None:
    assert ACTIONS[letter][0] in _Page(render_html(replace(MIXED, rules={f"{letter} E.1-1": 5}))).text


@pytest.mark.parametrize("origin", ["E.1-1", "override", "repeating", "private", "unknown", "type", "structure"])
def test_every_origin_of_a_rule_has_a_name(origin: str) -> None:
    assert rule_label(origin) != origin
    assert rule_label("option:full-dates") == "Option: full-dates"


def test_by_which_rules_is_told_in_full() -> None:
    text = _Page(render_html(replace(MIXED, overrides=2))).text
    for fact in (
        MIXED.policy,
        "edition 2026d",
        "basic",
        "modified-dates",
        "Rules of your own 2",
        "7f3a90c1",
        STANDING[0],
    ):
        assert fact in text


def test_limitations_follow_from_the_policy() -> None:
    assert limitations_of(Policy(gate_pixels="full")) == ()
    loose = Policy(
        options=frozenset({Option.DEVICE_IDENTITY, Option.MODIFIED_DATES}),
        overrides=(Override("00081030", "keep"),),
        pixels_risk="pass",
    )
    assert limitations_of(loose) == tuple(LIMITATIONS)
    text = _Page(render_html(replace(MIXED, limitations=limitations_of(loose)))).text
    assert all(sentence in text for sentence in LIMITATIONS.values())


def test_a_dry_run_says_so_where_it_cannot_be_missed() -> None:
    dry = replace(GOOD, dry_run=True)
    assert "Dry run: nothing was written" in render_html(dry)
    assert "Dry run: nothing was written." in summary_lines(dry)
    assert "Dry run" not in render_html(GOOD)


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    page = render_html(MIXED)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|\ssrc=|href=|<script|<link|<img|<iframe|\son\w+=", page)
    policies = [
        tag["content"] for tag in _Page(page).named("meta") if tag.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert len(page) < 60_000


def test_whatever_stands_in_a_setting_is_text_and_not_markup() -> None:
    evil = "<script>alert(1)</script>"
    page = render_html(
        replace(MIXED, profile=evil, options=(evil,), key_id=evil, rules={f"X {evil}": 1}, modalities={evil: 1})
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 5


def test_a_summary_has_room_for_counts_and_codes_only() -> None:
    """A new field has to be looked at here: could a name, a path or a header value get into it?"""
    assert {field.name for field in fields(Summary)} == {
        *("received", "cleaned", "held", "quarantined", "rejected", "already_done", "bytes", "started", "ended"),
        *("policy", "profile", "options", "overrides", "key_id", "edition", "revision", "dry_run"),
        *("rules", "modalities", "reasons", "findings", "limitations"),
    }


@pytest.mark.parametrize("summary", [MIXED, GOOD, EMPTY])
def test_the_page_is_well_formed_and_its_tables_are_named(summary: Summary) -> None:
    page = _Page(render_html(summary))
    assert page.open == []
    assert page.named("html") == [{"lang": "en"}]
    assert len(page.named("caption")) == len(page.named("table"))
    assert len(page.named("h1")) == 1
    assert all(cell.get("scope") in ("col", "row") for cell in page.named("th"))


def test_the_time_of_the_run_shows_the_second_day_only_if_there_is_one() -> None:
    assert "2026-03-01 23:59:58 to 2026-03-02 00:00:02 UTC" in render_html(MIXED)
    assert "23:59:58 to 23:59:59 UTC" in render_html(replace(MIXED, ended=START + timedelta(seconds=1)))


@pytest.mark.parametrize(
    ("size", "seconds", "words"),
    [
        (1_083_400_000, 4.7, "1.08 GB in 4.7 s, 231 MB a second"),
        (999, 0.0, "999 bytes in under 0.1 s"),
        (5_000_000, 192, "5 MB in 3 min 12 s, 26 kB a second"),
        (3 * 10**15, 7322, "3,000.00 TB in 2 h 2 min, 410 GB a second"),
        (999_600, 0.0, "1 MB in under 0.1 s"),
    ],
)
def test_size_and_pace_are_said_in_few_digits(size: int, seconds: float, words: str) -> None:
    summary = replace(GOOD, bytes=size, ended=START + timedelta(seconds=seconds))
    assert words in render_html(summary)
    assert summary_lines(summary)[-1].startswith(words)


def _schemes(page: str) -> Iterator[dict[str, str]]:
    """The colours of the light, the dark and the printed page."""
    for block in re.findall(r":root \{(.*?)\}", page, re.DOTALL):
        yield dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", block))


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_every_text_colour_has_the_contrast_that_wcag_aa_asks_for() -> None:
    schemes = list(_schemes(render_html(MIXED)))
    assert len(schemes) == 3
    for colours in schemes:
        for ground in ("paper", "card"):
            for ink in ("ink", "soft", "good", "wait", "alarm", "calm"):
                assert _contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        for tone in ("good", "wait", "alarm", "calm"):
            assert _contrast(colours[tone], colours["on-tone"]) >= 3
