"""Codes, states and checks: what can happen to an object, what is looked at, and what it is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields

from pages.markdown import code, listed, meanings, page, table, tag
from stowgate.deident import risk
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.lifecycle import NEXT, NEXT_DELIVERY, Delivery, State
from stowgate.policy import Policy
from stowgate.reasons import REASONS
from stowgate.standard import uids
from stowgate.store.store import SETTLED
from stowgate.validate.attributes import MANY, VIEWS, Attribute
from stowgate.validate.checks import CHECKS

FATES = {
    "rejected": ("Rejected", "Not an instance, or it could not be read."),
    "quarantined": (
        "Quarantined",
        "Damaged, hostile, or stopped by the gate. The original is untouched and nothing was written.",
    ),
    "held": (
        "Held",
        "Sound, but a person or an option has to decide. In JSON lines and exit codes a hold counts as quarantined.",
    ),
    "failed": ("Failed", "The run, not the object. Nothing is lost; run again when the cause is gone."),
    "finding": ("Findings", "Recorded; the object goes on."),
}
"""Fate of `reasons.Reason` -> heading and what it means."""


def codes() -> str:
    """docs/reference/codes.md."""
    parts = [
        "A code never changes its meaning and is never used again for something else. No message holds a value of a "
        "header."
    ]
    for fate, (title, meaning) in FATES.items():
        rows = [[code(name), r.sentence, r.advice] for name, r in REASONS.items() if r.fate == fate]
        head = ["code", "what it means", "what to do"]
        if fate == "finding":
            rows, head = [row[:2] for row in rows], head[:2]
        parts += [f"## {title}", meaning, table(head, rows)]
    return page("Codes", *parts)


def lifecycle() -> str:
    """docs/reference/lifecycle.md."""
    parts = [
        "Every state and every legal move, from one table in the code. The ledger refuses any other move. A row is "
        "never deleted.",
        f"A batch leaves an input in {listed(SETTLED)}. The other states are those of a gateway.",
        "What waits is delivered when every destination has given the evidence that it is asked for; it is then "
        "counted as delivered, and it alone may be deleted without being dropped.",
    ]
    parts += ["## Item", _table_of(State, NEXT), _diagram(NEXT), "## Delivery", _diagram(NEXT_DELIVERY)]
    return page("Lifecycle", *parts)


def _table_of(kind: type[State], moves: Mapping[State, frozenset[State]]) -> str:
    said = meanings(kind)
    rows = ([code(one), said[one.name], listed(sorted(moves[one])) or "nothing: it ends here"] for one in kind)
    return table(["state", "meaning", "may become"], rows)


def _diagram(moves: Mapping[State, frozenset[State]] | Mapping[Delivery, frozenset[Delivery]]) -> str:
    arrows = [f"    {old} --> {new}" for old, news in moves.items() for new in sorted(news)]
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```"])


def checks() -> str:
    """docs/reference/checks.md."""
    first, rest = [c for c in CHECKS if c.severity == "quarantine"], [c for c in CHECKS if c.severity == "warning"]
    head = ["code", "place", "meaning"]
    parts = [
        "What is looked at before an object is de-identified. Only what makes an object unusable or unsafe to follow "
        "quarantines it; "
        "everything else is a finding, recorded by code and place, never by value, and the object goes on.",
        "## What quarantines",
        table(head, ([code(c.code), code(tag(c.place)), REASONS[c.code].sentence] for c in first)),
        "So do a structure that cannot be followed to its last byte, an element that stands twice, and the limits "
        "below.",
        "## Limits",
        limits(),
        "Each can be changed under `[limits]` in the [settings](settings.md#limits).",
        "## What holds, by SOP class",
        held(),
        "## What is a finding, by relation",
        table(head, ([code(c.code), code(tag(c.place)), REASONS[c.code].sentence] for c in rest)),
        "## What is a finding, by attribute",
        "A legal empty Type 2 value is fine. Codes: `missing_type_1`, `missing_type_2`, `value_multiplicity`, "
        "`value_out_of_range`, "
        "`unknown_term`, and one for each form, such as `bad_date`. US and MG are looked at in objects of their SOP "
        "classes only, CT and MR too.",
    ]
    for name, rows in VIEWS.items():
        lines = ([code(tag(a.tag)), a.name.replace("_", " "), a.vr, a.type, _many(a), _range(a)] for a in rows)
        parts += [f"### {name}", table(["tag", "attribute", "VR", "type", "values", "range or terms"], lines)]
    return page("Checks", *parts)


def limits() -> str:
    """The bounds of one object, and what happens beyond."""
    said = dict(line.strip().split(" -- ", 1) for line in (Limits.__doc__ or "").splitlines() if " -- " in line)
    said = {name.strip(): text for name, text in said.items()}
    return table(
        ["limit", "default", "meaning"],
        ([code(f.name), f"{getattr(DEFAULT, f.name):,}", said[f.name]] for f in fields(Limits)),
    )


def _many(row: Attribute) -> str:
    most = "n" if row.most == MANY else str(row.most)
    return most if most == str(row.least) else f"{row.least}-{most}"


def _range(row: Attribute) -> str:
    if row.terms:
        return " ".join(sorted(term.decode() for term in row.terms))
    low, high = ("" if bound is None else f"{bound:g}" for bound in (row.low, row.high))
    years = " years" if row.vr == "AS" else ""
    return (
        f"{low} to {high}{years}"
        if low and high
        else f"{low} or more"
        if low
        else f"up to {high}{years}"
        if high
        else ""
    )


class _Silent:
    """A header that says nothing, so that only the SOP class decides."""

    def get(self, _tag: int) -> bytes | None:
        """See `risk.Header.get`."""
        return None

    def text(self, _tag: int) -> str:
        """See `risk.Header.text`."""
        return ""


def held() -> str:
    """Which SOP classes are held, and what in a header holds an object of any other."""
    by_code: dict[str, list[str]] = {}
    for uid, name in uids.storage_sop_classes().items():
        by_code.setdefault(risk.why_held(uid, _Silent(), Policy()) or "", []).append(name)
    passing = by_code.pop("", [])
    rows = [[code(name), REASONS[name].sentence, _names(found)] for name, found in by_code.items()]
    rows.append(
        [
            code("unknown_sop_class"),
            REASONS["unknown_sop_class"].sentence,
            "every SOP class that is private or not a registered storage class",
        ]
    )
    types = listed(word.decode() for word in risk._RISKY_TYPES)
    rest = (
        "In any other class `burned_in_risk` also holds an object whose Burned In Annotation (0028,0301) is YES or "
        f"whose Image Type (0008,0008) contains one of {types}. "
        'The setting `[pixels] risk = "pass"` lets `burned_in_risk` through, and nothing else.'
    )
    through = f"<details><summary>The other {len(passing)} storage SOP classes of the registry pass.</summary>"
    return "\n\n".join([table(["code", "meaning", "SOP classes"], rows), rest, through, _names(passing), "</details>"])


def _names(found: list[str]) -> str:
    return ", ".join(sorted({name.removesuffix(" (Retired)").removesuffix(" Storage") for name in found}))


def conservation() -> Mapping[str, str]:
    """State -> what it means, of those a batch leaves an input in."""
    said = meanings(State)
    return {str(one): said[one.name] for one in SETTLED}


def settled() -> str:
    """Where a batch leaves an input."""
    return table(["state", "meaning"], _settled())


def _settled() -> Iterator[list[str]]:
    for name, meaning in conservation().items():
        yield [code(name), meaning]
