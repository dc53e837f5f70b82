"""The checks on the rules: each returns what it finds wrong; tests ask them, and seeded faults prove them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as anonymizer

from stowgate.deident import overrides, profile, resolve, roles, rules
from stowgate.errors import Misconfigured
from stowgate.policy import Option, Override, Policy
from stowgate.standard import codes, dictionary, iods
from stowgate.standard import profile as table
from tests.shared import SHARED

BASIC = Policy()
CT = "1.2.840.10008.5.1.4.1.1.2"

DROPPED_WHATEVER_THE_TYPE = {"60xx3000", "04000550", "04000552"}
"""Overlays go as whole groups; old values of changed attributes go with Original Attributes Sequence around them."""


@cache
def _oracle() -> dict:
    assert SHARED is not None
    return json.loads((SHARED / "standard" / "resolved_basic_actions.json").read_text("utf-8"))


def _number(tag: str) -> int:
    return int(tag.replace("x", "0"), 16)


def fresh() -> None:
    """Forget every rule that was compiled before."""
    for cached in (
        rules._book,
        rules._private_rules,
        rules._standard_overrides,
        profile.claims,
        profile.claim_findings,
        iods.top_of,
        iods.mandatory,
    ):
        clear = getattr(cached, "cache_clear", None)
        if clear:  # a seeded fault may stand in its place
            clear()


def against_the_oracle() -> list[str]:
    """Every listed attribute at the top level of every IOD: type and action of `resolved_basic_actions.json`."""
    wrong = []
    for iod, expected in _oracle()["iods"].items():
        node = rules.rules_for_iod(BASIC, iod)
        for tag, (kind, action) in expected.items():
            rule = node.rule(_number(tag))
            if tag == "60xx3000":
                if rule.action != "X":
                    wrong.append(f"{iod} {tag} {rule.action}")
            elif (rule.type, rule.action) != (kind, action.rstrip("!")):
                wrong.append(f"{iod} {tag}: {rule.type} {rule.action}, not {kind} {action}")
            elif (rule.origin == "type") != action.endswith("!"):
                wrong.append(f"{iod} {tag}: {rule.origin}")
    return wrong


def against_the_oracle_at_depth() -> list[str]:
    """Every path at which the plain action would break the type: the stronger form, in the IODs that have the path."""
    wrong = []
    for tag, conflict in _oracle()["plain_action_type_conflicts"].items():
        for path, kinds in conflict["where"].items():
            found = {(rule.type, rule.action) for rule in _rules_at(path, _number(tag))}
            if tag in DROPPED_WHATEVER_THE_TYPE:
                wrong += [f"{path}/{tag}: {action}" for _, action in found if action != "X"]
                continue
            for kind in kinds:
                expected = resolve_by_hand(conflict["basic"], kind)
                if (kind, expected) not in found:
                    wrong.append(f"{path}/{tag}: {kind} {expected} is not among {sorted(found)}")
    return wrong


def _rules_at(path: str, tag: int) -> Iterator[rules.Rule]:
    for iod in iods.iod_names():
        node = rules.rules_for_iod(BASIC, iod)
        for step in () if path == "top" else path.split("/"):
            node = node.child(_number(step))
        yield node.rule(tag)


def resolve_by_hand(code: str, kind: str) -> str:
    """Section 2 of the reading of the standard, written a second time: the first letter the type permits."""
    letters = code.rstrip("*").split("/")
    if kind.startswith("1"):
        return next((letter for letter in letters if letter in "DU"), "D")
    if kind.startswith("2"):
        return next((letter for letter in sorted(letters, reverse=True) if letter in "ZDU"), "Z")
    return letters[0]


def resolution_by_type() -> list[str]:
    """Every code under every type, against the second reading and the strictest branch written out."""
    wrong = [
        f"{code} {kind}"
        for code in {row.basic for row in table.ROWS}
        for kind in ("1", "1C", "2", "2C", "3", "")
        if resolve.resolve(code, kind) != resolve_by_hand(code, kind)
    ]
    strictest = "X:X Z:Z D:D U:U X/Z:Z X/D:D X/Z/D:D Z/D:D X/Z/U*:U"
    for pair in strictest.split():
        code, action = pair.split(":")
        if resolve.resolve(code, resolve.NO_TABLES) != action:
            wrong.append(f"{code} without tables")
    return wrong


ANONYMIZER_CODES = {
    "D_TAGS": "D", "Z_TAGS": "Z", "X_TAGS": "X", "U_TAGS": "U", "Z_D_TAGS": "Z/D",
    "X_Z_TAGS": "X/Z", "X_D_TAGS": "X/D", "X_Z_D_TAGS": "X/Z/D", "X_Z_U_STAR_TAGS": "X/Z/U*",
}  # fmt: skip


def second_opinion() -> list[str]:
    """dicom-anonymizer's newest table (2026c, made by other people) against the codes that our rules start from."""
    theirs = {}
    for name, code in ANONYMIZER_CODES.items():
        for group, element, *mask in getattr(anonymizer, name):
            digits = f"{group:04X}{element:04X}"
            if mask:
                digits = digits[:2] + "xx" + (digits[4:] if mask[1] else "xxxx")
            theirs[digits] = code
    ours = {row.tag: row.basic for row in table.ROWS if row.tag != table.PRIVATE}
    different = {tag for tag in ours.keys() | theirs.keys() if ours.get(tag) != theirs.get(tag)}
    looked_up = {tag for tag, code in theirs.items() if getattr(table.row_of(_number(tag)), "basic", None) != code}
    return sorted(different | looked_up)


COLUMN_OF_OPTION = {
    "safe-private": "rtnSafePriv", "uids": "rtnUIDs", "device-identity": "rtnDevId",
    "institution-identity": "rtnInstId", "patient-characteristics": "rtnPatChars", "full-dates": "rtnLongFullDates",
    "modified-dates": "rtnLongModifDates", "descriptors": "cleanDesc",
}  # fmt: skip
TEXT = {"LO", "SH", "ST", "LT", "UC", "UT", "CS", "SQ"}
CAN_BE_CLEANED = {
    "modified-dates": {"DA", "DT", "TM"},
    "descriptors": TEXT,
    "patient-characteristics": TEXT,
    "device-identity": {"AE"},
}


def options_by_column() -> list[str]:
    """Each option alone: every row of its column is kept or cleaned, and every other row is as without it."""
    wrong = []
    for name, column in COLUMN_OF_OPTION.items():
        options = {Option(name)}
        for row in table.ROWS:
            if row.tag == table.PRIVATE:
                continue
            tag = _number(row.tag)
            expected = row.options.get(column, row.basic)
            if expected == "C" and dictionary.vr_of(tag) not in CAN_BE_CLEANED.get(name, ()):
                expected = row.basic
            verdict = resolve.judge(tag, options)
            origin = f"option:{name}" if expected in "KC" else "E.1-1"
            if verdict is None or (verdict.code, verdict.origin, verdict.basic) != (expected, origin, row.basic):
                wrong.append(f"{name} {row.tag} {row.basic}: {verdict}")
    return wrong


def options_together() -> list[str]:
    """K beats C; where a device's date would be moved like a patient's, the profile's own code is used."""
    wrong = []
    both = {Option.DEVICE_IDENTITY, Option.MODIFIED_DATES}
    device_dates = [row for row in table.ROWS if {"rtnDevId", "rtnLongModifDates"} <= row.options.keys()]
    if len(device_dates) != 11:
        wrong.append(f"{len(device_dates)} dates of devices")
    for row in device_dates:
        verdict = resolve.judge(_number(row.tag), both)
        if verdict is None or (verdict.code, verdict.origin) != (row.basic, "E.1-1"):
            wrong.append(f"{row.name}: {verdict}")
        kept = resolve.judge(_number(row.tag), {Option.DEVICE_IDENTITY, Option.FULL_DATES})
        if kept is None or kept.code != "K":
            wrong.append(f"{row.name}: {kept}")
    everything = set(Option) - {Option.MODIFIED_DATES}
    for row in table.ROWS:
        if row.tag != table.PRIVATE and "K" in row.options.values():
            verdict = resolve.judge(_number(row.tag), everything)
            if verdict is None or verdict.code != "K":
                wrong.append(f"{row.name}: {verdict}")
    return wrong


def repeating_groups() -> list[str]:
    """Curves and overlays go, every even group, every element, whatever the options."""
    wrong = []
    everything = Policy(options=frozenset(Option) - {Option.FULL_DATES})
    for policy in (BASIC, everything):
        node = rules.rules_for(policy, CT)
        for group in (*range(0x5000, 0x5100, 2), *range(0x6000, 0x6100, 2)):
            for element in (0x0010, 0x0022, 0x0045, 0x1500, 0x2500, 0x3000, 0x4000):
                rule = node.rule(group << 16 | element)
                if (rule.action, rule.origin) != ("X", "repeating"):
                    wrong.append(f"{group:04X},{element:04X} {rule.action}")
    return wrong


ALWAYS = (
    0xFFFAFFFA, 0x4FFE0001, 0x00880200, 0x04000500, 0x04000550, 0x04000551, 0x04000552, 0x04000561, 0xFFFCFFFC,
    0x00100000, 0x00020010, 0x00020016, 0x00000002, 0x00001000, 0x00041500, 0x00041511, 0x7FE00000,
)  # fmt: skip


def always_removed() -> list[str]:
    """Group lengths, command, meta and directory groups, signatures, icons, old values: at every depth and option."""
    wrong = []
    everything = Policy(options=frozenset(Option) - {Option.FULL_DATES})
    for policy in (BASIC, everything):
        for sop_class in (CT, "1.2.840.10008.5.1.4.1.1.4.1", ""):
            top = rules.rules_for(policy, sop_class)
            for node in (top, top.child(0x00081140), top.child(0x04000561), top.child_private()):
                wrong += [f"{tag:08X} {node.rule(tag)}" for tag in ALWAYS if node.rule(tag).action != "X"]
    return wrong


def unknown_goes() -> list[str]:
    """Tags that are not in the dictionary, rows without VR, and private ones go everywhere."""
    wrong = []
    for sop_class in (CT, ""):
        top = rules.rules_for(BASIC, sop_class)
        for node in (top, top.child(0x00081140), top.child_private()):
            unknown = dict.fromkeys((0x00100001, 0x00083FFF, 0x12345678, 0x00280020, 0x00189445), "unknown")
            private = dict.fromkeys((0x00091001, 0x00090010, 0x7FE11001, 0xFFFF0010), "private")
            found = ((node.rule(tag), origin) for tag, origin in (unknown | private).items())
            wrong += [str(rule) for rule, origin in found if (rule.action, rule.origin) != ("X", origin)]
    return wrong


ROLE_ACTIONS = {
    # kind: without options, uids, full-dates, modified-dates
    "technical": "KKKK",
    "uid_definition": "KKKK",
    "bulk": "KKKK",
    "operator": "XXXX",
    "person": "XXXX",
    "ae": "XXXX",
    "url": "XXXX",
    "uid_instance": "UKUU",
    "temporal": "XXKC",
}
KEPT_VRS = {"DS", "IS", "CS", "US", "SS", "UL", "SL", "FL", "FD", "SV", "UV", "AT", "SQ", "OW", "OF", "OD", "OL", "OV"}


def unlisted_by_role() -> list[str]:
    """Every attribute that Table E.1-1 does not list does what its role says; without role only harmless VRs stay."""
    wrong = []
    settings = ([], [Option.UIDS], [Option.FULL_DATES], [Option.MODIFIED_DATES])
    for column, options in enumerate(settings):
        node = rules.rules_for(Policy(options=frozenset(options)), "")
        for tag in dictionary.tags():
            if table.row_of(tag) or rules.is_structure(tag) or rules.is_repeating(tag) or tag >> 16 == 0xFFFE:
                continue
            role, vr = roles.role_of(tag), dictionary.vr_of(tag) or ""
            kept = "K" if vr.split("/")[0] in KEPT_VRS else "X"
            expected = ROLE_ACTIONS[role.kind][column] if role else kept
            if node.rule(tag).action != expected:
                wrong.append(f"{tag:08X} {vr} {role}: {node.rule(tag)}")
    return wrong


def strictest_without_tables() -> list[str]:
    """A SOP class without IOD tables takes the strictest branch, at every depth."""
    wrong = []
    top = rules.rules_for(BASIC, "1.2.840.10008.5.1.4.1.1.601.1")
    for node in (top, top.child(0x00081140), top.child(0x00081140).child(0x00400275)):
        for tag, action in (
            (0x00080023, "D"), (0x00080022, "Z"), (0x0008002A, "D"), (0x00081140, "U"), (0x00081110, "Z"),
            (0x00081030, "X"), (0x00080020, "Z"), (0x00080012, "D"), (0x00100020, "D"), (0x00080018, "U"),
        ):  # fmt: skip
            if (node.rule(tag).action, node.rule(tag).type) != (action, ""):
                wrong.append(f"{tag:08X} {node.rule(tag)}")
        if node.known or node.required():
            wrong.append("tables where there are none")
    return wrong


def safe_private_rules() -> list[str]:
    """Private attributes: only those of Table E.3.10-1, only under the option; UIDs mapped, no dates."""
    wrong = []
    safe = Policy(options=frozenset({Option.SAFE_PRIVATE}))
    uids_too = Policy(options=frozenset({Option.SAFE_PRIVATE, Option.UIDS}))
    for policy, group, creator, low, action in (
        (BASIC, 0x0019, "SIEMENS MR HEADER", 0x0C, "X"),
        (safe, 0x0019, "SIEMENS MR HEADER", 0x0C, "K"),
        (safe, 0x0019, "SIEMENS MR HEADER  ", 0x0C, "K"),
        (safe, 0x0021, "SIEMENS MR HEADER", 0x0C, "X"),
        (safe, 0x0019, "GEMS_ACQU_01", 0x0C, "X"),
        (safe, 0x0019, "", 0x0C, "X"),
        (safe, 0x0099, "NQHeader", 0x02, "U"),
        (uids_too, 0x0099, "NQHeader", 0x02, "K"),
        (safe, 0x0119, "SIEMENS Ultrasound SC2000", 0x11, "X"),
    ):
        rule = rules.private_rule(policy, group, creator, low)
        if rule.action != action or rules.rules_for(policy, CT).private_rule(group, creator, low) != rule:
            wrong.append(f"{group:04X},{creator},{low:02X} {rule}")
    for policy, keeps in ((BASIC, False), (safe, True)):
        if rules.rules_for(policy, CT).keeps_private != keeps:
            wrong.append("keeps_private")
    return wrong


CLAIMS = {
    (): "113100",
    ("safe-private",): "113100 113111",
    ("uids",): "113100 113110",
    ("device-identity",): "113100 113109",
    ("institution-identity",): "113100 113112",
    ("patient-characteristics",): "113100 113108",
    ("full-dates",): "113100 113106",
    ("modified-dates",): "113100 113107",
    ("descriptors",): "113100 113105",
    ("modified-dates", "device-identity"): "113100 113107",
    ("full-dates", "device-identity"): "113100 113106 113109",
}


def claims_follow_facts() -> list[str]:
    """The codes claimed are those of CID 7050, and none where an override keeps what the profile removes."""
    wrong = [
        f"{options}: {profile.claims(Policy(options=frozenset(map(Option, options))))}"
        for options, expected in CLAIMS.items()
        if list(profile.claims(Policy(options=frozenset(map(Option, options))))) != expected.split()
    ]
    named = (code for code in codes.deidentification_methods().values() if code.column)
    wrong += [code.meaning for code in named if codes.code_of_column(code.column) != code.value]
    weaker = Policy(overrides=(Override("00081030", "keep"),))
    if profile.claims(weaker) or profile.claim_findings(weaker) != ("claim_dropped",):
        wrong.append("a weaker policy claims the profile")
    return wrong


def overrides_hold_where_they_say() -> list[str]:
    """An override acts at its own path and nowhere else, and wins over the table."""
    wrong = []
    policy = Policy(
        overrides=(
            Override("00081030", "keep"),
            Override("00081090", "remove"),
            Override("00100020", "empty"),
            Override("00400275/00400007", "replace", "DONE"),
        )
    )
    top = rules.rules_for(policy, CT)
    request = top.child(0x00400275)
    for rule, action, origin, value in (
        (top.rule(0x00081030), "K", "override", None),
        (top.rule(0x00081090), "X", "override", None),
        (top.rule(0x00100020), "Z", "override", None),
        (request.rule(0x00400007), "D", "override", "DONE"),
        (top.rule(0x00400007), "X", "E.1-1", None),
        (request.rule(0x00081030), "X", "E.1-1", None),
        (top.child(0x00081140).child(0x00400275).rule(0x00400007), "X", "E.1-1", None),
        (top.rule(0x00100010), "Z", "E.1-1", None),
    ):
        if (rule.action, rule.origin, rule.value) != (action, origin, value):
            wrong.append(str(rule))
    if top.rule(0x00100020).flavour == "patient_id":
        wrong.append("an emptied Patient ID takes the pseudonym")
    return wrong


BREAKING = (
    ("ImageType", "remove"), ("ImageType", "empty"), ("SOPInstanceUID", "remove"), ("StudyInstanceUID", "empty"),
    ("PatientID", "remove"), ("PatientName", "remove"), ("StudyDate", "remove"), ("Modality", "empty"),
    ("PixelData", "remove"), ("ProtocolName", "remove"), ("RequestAttributesSequence/RequestedProcedureID", "remove"),
)  # fmt: skip
HARMLESS = (
    ("PatientID", "empty"), ("StudyDate", "empty"), ("StudyDescription", "remove"), ("StudyDescription", "empty"),
    ("ImageType", "keep"), ("ProtocolName", "keep"), ("PatientComments", "empty"), ("AccessionNumber", "empty"),
)  # fmt: skip


def overrides_do_not_break_types() -> list[str]:
    """What would leave a Type 1 attribute without a value, or a Type 2 one out, is refused; the rest is not."""
    wrong = []
    for target, action in BREAKING:
        try:
            overrides.accepted([Override(target, action)])
            wrong.append(f"{action} {target} was accepted")
        except Misconfigured as error:
            if error.code != "override_breaks_type":
                wrong.append(f"{action} {target}: {error.code}")
    for target, action in HARMLESS:
        try:
            overrides.accepted([Override(target, action)])
        except Misconfigured as error:
            wrong.append(f"{action} {target}: {error.code}")
    return wrong


PSEUDONYMS = {
    (0x00100010, "Z"): "patient_id",
    (0x00100020, "Z"): "patient_id",
    (0x00120040, "D"): "patient_id",
    (0x00120042, "D"): "patient_id",
    (0x00080050, "Z"): "text",
    (0x00080090, "Z"): "person",
    (0x00080018, "U"): "uid",
}


def flavours() -> list[str]:
    """Which kind of value an attribute holds: it chooses the verb."""
    node = rules.rules_for(BASIC, CT)
    wrong = [
        f"{tag:08X} {node.rule(tag)}"
        for (tag, action), flavour in PSEUDONYMS.items()
        if (node.rule(tag).action, node.rule(tag).flavour) != (action, flavour)
    ]
    described = rules.rules_for(Policy(options=frozenset({Option.DESCRIPTORS})), CT)
    for tag, action, flavour in ((0x00081030, "C", "text"), (0x04000565, "C", "text"), (0x00400275, "C", "sequence")):
        rule = described.rule(tag)
        if (rule.action, rule.flavour) != (action, flavour):
            wrong.append(f"{tag:08X} {rule}")
    return wrong


CHECKS = {
    check.__name__: check
    for check in (
        against_the_oracle,
        against_the_oracle_at_depth,
        resolution_by_type,
        second_opinion,
        options_by_column,
        options_together,
        repeating_groups,
        always_removed,
        unknown_goes,
        unlisted_by_role,
        strictest_without_tables,
        safe_private_rules,
        claims_follow_facts,
        overrides_hold_where_they_say,
        overrides_do_not_break_types,
        flavours,
    )
}
NEED_SHARED = frozenset(("against_the_oracle", "against_the_oracle_at_depth"))
EXPECTED = {
    "second_opinion": ["3004007F"],  # Dose Calculation Model Name came with 2026d, their table is 2026c
}
"""Differences that are right, by check."""
