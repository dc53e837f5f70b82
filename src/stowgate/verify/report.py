"""The report of a run: one self-contained page and a few lines for a terminal, of counts and codes, never of values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from stowgate.policy import EDITION, RULE_REVISION, Option, Policy
from stowgate.reasons import REASONS
from stowgate.verify.page import template
from stowgate.verify.wording import ACTIONS, LIMITATIONS, MODALITIES, STANDING, rule_label


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers: received = cleaned + held + quarantined + rejected + already done.

    rules       -- "X E.1-1" and the like, action and origin of a rule -> attributes it changed
    modalities  -- modality -> objects cleaned; "none" where there is none
    reasons     -- code -> inputs that were held, quarantined or rejected for it
    findings    -- code -> objects in which it was found
    limitations -- codes of `wording.LIMITATIONS`, see `limitations_of`
    bytes       -- size of the inputs
    """

    received: int
    cleaned: int
    held: int
    quarantined: int
    rejected: int
    already_done: int
    bytes: int
    started: datetime
    ended: datetime
    policy: str
    profile: str
    options: tuple[str, ...] = ()
    overrides: int = 0
    key_id: str = ""
    edition: str = EDITION
    revision: int = RULE_REVISION
    rules: Mapping[str, int] = field(default_factory=dict)
    modalities: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    findings: Mapping[str, int] = field(default_factory=dict)
    limitations: tuple[str, ...] = ()
    dry_run: bool = False

    def __str__(self) -> str:
        return "\n".join(summary_lines(self))

    @property
    def seconds(self) -> float:
        """Wall time of the run."""
        return max(0.0, (self.ended - self.started).total_seconds())

    @property
    def missing(self) -> int:
        """Inputs that are in no state: anything but 0 means that the run was cut short or miscounted."""
        return self.received - self.cleaned - self.held - self.quarantined - self.rejected - self.already_done

    @property
    def not_dicom(self) -> int:
        """Rejected inputs that simply are no DICOM instance, which is nobody's fault."""
        return sum(count for code, count in self.reasons.items() if REASONS[code].not_dicom)

    @property
    def waiting(self) -> int:
        """Inputs that somebody has to look at."""
        return self.held + self.quarantined + self.rejected - self.not_dicom

    @property
    def failed_closed(self) -> int:
        """Objects that were thought clean and stopped by the gate, or by a failure of the program."""
        return sum(count for code, count in self.reasons.items() if _failed_closed(code))

    @property
    def by_action(self) -> Mapping[str, int]:
        """Changed attributes by action letter, in the order of `wording.ACTIONS`."""
        found: Counter[str] = Counter()
        for rule, count in self.rules.items():
            found[rule.partition(" ")[0]] += count
        return {letter: found[letter] for letter in ACTIONS if found[letter]}

    @property
    def by_rule(self) -> Mapping[str, Mapping[str, int]]:
        """Origin of the rule -> action letter -> changed attributes, most frequent origin first."""
        found: dict[str, dict[str, int]] = {}
        for rule, count in self.rules.items():
            letter, _, origin = rule.partition(" ")
            found.setdefault(origin, {})[letter] = count
        return dict(sorted(found.items(), key=lambda pair: (-sum(pair[1].values()), pair[0])))


class Verdict(NamedTuple):
    """The state of a run in a big word, the tone it is said in, and one sentence."""

    word: str
    tone: str
    """good, wait, alarm or calm."""
    sentence: str


class Group(NamedTuple):
    """Inputs that share a fate, by code, most frequent first."""

    name: str
    title: str
    codes: Sequence[tuple[str, int]]


def limitations_of(policy: Policy) -> tuple[str, ...]:
    """What a reader has to know about a policy, as codes of `wording.LIMITATIONS`."""
    dates_meet_devices = policy.has(Option.DEVICE_IDENTITY) and policy.has(Option.MODIFIED_DATES)
    found = {
        "pixels_risk_pass": policy.pixels_risk == "pass",
        "device_dates": dates_meet_devices,
        "own_rules": bool(policy.overrides),
        "gate_windows": policy.gate_pixels != "full",
    }
    return tuple(code for code, is_so in found.items() if is_so)


def verdict(summary: Summary) -> Verdict:
    """The state of the run, the gravest first."""
    clean = summary.cleaned + summary.already_done
    if summary.missing:
        return Verdict("Not finished", "alarm", f"{_inputs(summary.missing)} without an end; run it again to go on.")
    if summary.failed_closed:
        stopped = f"{_objects(summary.failed_closed)} stopped by the gate or by a failure; nothing unsafe was kept."
        return Verdict("Failed closed", "alarm", stopped)
    if not summary.received:
        return Verdict("Nothing found", "calm", "There was no input to take.")
    if not clean and not summary.waiting:
        return Verdict("No DICOM found", "calm", f"{_inputs(summary.received)}, none of them a DICOM instance.")
    if summary.waiting:
        word = "Some held back" if clean else "All held back"
        return Verdict(word, "wait", f"{_objects(clean)} clean; {_inputs(summary.waiting)} for somebody to look at.")
    return Verdict("All clean", "good", f"{_objects(clean)} cleaned and passed by the gate. Nothing waits for you.")


def groups(summary: Summary) -> tuple[Group, ...]:
    """Why inputs did not become clean objects: failures, holds, damage and what is no DICOM, each apart."""
    ways: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
        ("failed", "Stopped by the gate or by a failure", _failed_closed),
        ("held", "Held: a person or an option has to decide", lambda code: REASONS[code].fate == "held"),
        ("quarantined", "Quarantined: damaged or hostile", _is_damage),
        ("rejected", "Rejected: may be DICOM, could not be taken", _is_fault),
        ("not-dicom", "Rejected: not DICOM", lambda code: REASONS[code].not_dicom),
    )
    made = (Group(name, title, _ranked(summary.reasons, belongs)) for name, title, belongs in ways)
    return tuple(group for group in made if group.codes)


def summary_lines(summary: Summary) -> list[str]:
    """The same for a terminal: the state, the conservation line, then holds and failures apart."""
    state = verdict(summary)
    line = " + ".join(f"{count:,} {name}" for name, count in _parts(summary))
    lines = [f"{state.word}. {state.sentence}", f"{summary.received:,} received = {line}"]
    if summary.dry_run:
        lines.append("Dry run: nothing was written.")
    for group in groups(summary):
        lines += ["", group.title]
        for code, count in group.codes:
            reason = REASONS[code]
            lines.append(f"  {count:>7,}  {code}: {reason.sentence} {reason.advice}".rstrip())
    if summary.findings:
        total = sum(summary.findings.values())
        kinds = len(summary.findings)
        told = f"{total:,} finding{'s' * (total != 1)} of {kinds} kind{'s' * (kinds != 1)} in the originals"
        lines += ["", f"{told}; the report lists them."]
    lines += ["", f"{_pace(summary)}; policy {summary.policy[:16]}, {_profile(summary)}."]
    return lines


def render_html(summary: Summary) -> str:
    """One HTML page that loads nothing and tells no identity."""
    return template("report.html").render(
        summary=summary,
        state=verdict(summary),
        parts=_parts(summary),
        groups=groups(summary),
        findings=_ranked(summary.findings),
        reasons=REASONS,
        actions=ACTIONS,
        rule_label=rule_label,
        modalities=_ranked(summary.modalities),
        modality_names=MODALITIES,
        limitations=[LIMITATIONS[code] for code in summary.limitations],
        standing=STANDING,
        pace=_pace(summary),
        when=_when(summary),
    )


def _failed_closed(code: str) -> bool:
    return code.startswith("gate_") or REASONS[code].fate == "failed"


def _is_damage(code: str) -> bool:
    return REASONS[code].fate == "quarantined" and not _failed_closed(code)


def _is_fault(code: str) -> bool:
    return REASONS[code].fate == "rejected" and not REASONS[code].not_dicom


def _ranked(counts: Mapping[str, int], belongs: Callable[[str], bool] = bool) -> list[tuple[str, int]]:
    chosen = [(code, count) for code, count in counts.items() if count and belongs(code)]
    return sorted(chosen, key=lambda pair: (-pair[1], pair[0]))


def _parts(summary: Summary) -> list[tuple[str, int]]:
    parts = [
        ("cleaned", summary.cleaned),
        ("held", summary.held),
        ("quarantined", summary.quarantined),
        ("rejected", summary.rejected),
        ("already done", summary.already_done),
    ]
    return parts + ([("unfinished", summary.missing)] if summary.missing else [])


def _objects(count: int) -> str:
    return f"{count:,} object{'s' * (count != 1)}"


def _inputs(count: int) -> str:
    return f"{count:,} input{'s' * (count != 1)}"


def _profile(summary: Summary) -> str:
    return f"profile {' + '.join((summary.profile, *summary.options))}, PS3.15 {summary.edition}, key {summary.key_id}"


def _pace(summary: Summary) -> str:
    """ "1.08 GB in 3.2 s, 625 objects and 337 MB a second"."""
    size, seconds = _size(summary.bytes), summary.seconds
    if seconds < 0.05:
        return f"{size} in under 0.1 s"
    return f"{size} in {_duration(seconds)}, {_size(summary.bytes / seconds)} a second"


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:,.0f} bytes" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.2f} TB"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _when(summary: Summary) -> tuple[str, str]:
    """Start and end, the day of the end only if it is another one."""
    same = summary.started.date() == summary.ended.date()
    end = summary.ended.strftime("%H:%M:%S %Z" if same else "%Y-%m-%d %H:%M:%S %Z")
    return summary.started.strftime("%Y-%m-%d %H:%M:%S"), end.strip()
