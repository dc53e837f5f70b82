"""The engine against a slow pydicom implementation of the same rules: real files and generated ones, many policies.

`python -m tests.deident.test_against_oracle` prints what becomes of every real file, by code.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from stowgate.policy import Option, Override, Policy
from tests.oracle import derive, engine, tables
from tests.oracle.access import raw, raw_value
from tests.oracle.compare import assert_same
from tests.oracle.load import Loaded, load, normalised
from tests.oracle.oracle import FORMS, Oracle, UnknownSequence
from tests.oracle.outcome import expected
from tests.planting import Planted, objects
from tests.shared import RealFile, needs_shared, pydicom_files, real_files, shared_files

pytestmark = pytest.mark.no_cover  # thousands of objects take the same lines: counting those doubles the time

LARGE = 128 * 1024
REVIEWED: dict[str, list[str]] = json.loads((Path(__file__).parents[1] / "oracle" / "outcomes.json").read_text("utf-8"))
EVERYTHING = tuple(o for o in Option if o in engine.AVAILABLE and o is not Option.FULL_DATES)
OVERRIDES = (
    Override("00181030", "keep"),
    Override("00081090", "remove"),
    Override("00180050", "empty"),
    Override("00400275/00400007", "replace", "LOCAL PROTOCOL"),
    Override("00080080", "replace", "A hospital"),
)

POLICIES: dict[str, Policy] = {"basic": engine.policy()} | {
    str(option): engine.policy(option) for option in Option if option in engine.AVAILABLE
}
POLICIES |= {
    "everything but full dates": engine.policy(*EVERYTHING),
    "device with modified dates": engine.policy(Option.DEVICE_IDENTITY, Option.MODIFIED_DATES),
    "full dates, uids, device, institution": engine.policy(
        Option.FULL_DATES, Option.UIDS, Option.DEVICE_IDENTITY, Option.INSTITUTION_IDENTITY, Option.SAFE_PRIVATE
    ),
    "overrides and a station name": engine.policy(overrides=OVERRIDES, station_name="TRUCK 7"),
}
FOR_LARGE_FILES = ("basic", "everything but full dates")


# ---------------------------------------------------------------- one comparison


@cache
def loaded(file: RealFile) -> Loaded:
    """What pydicom makes of a file, once for all policies; the oracle never changes it."""
    return load(file.read())


def oracles(source: Loaded, policy: Policy, issuer: str = "") -> tuple[Dataset, bool]:
    """The oracle's data set, and whether it is implicit VR."""
    oracle = Oracle(policy, engine.KEY, issuer)
    try:
        return oracle.deidentify(source.dataset, source.implicit), source.implicit
    except UnknownSequence:
        return oracle.deidentify(normalised(source).dataset, False), False


def compare(written: bytes, source: Loaded, policy: Policy) -> None:
    """Raise `AssertionError` with places, never values."""
    made, implicit = oracles(source, policy)
    old = raw_value(raw(source.dataset, 0x00080018)).strip(b" \0")
    kept = policy.has(Option.UIDS) and not re.search(FORMS["UI"], old)
    new = old if kept else derive.new_uid(engine.KEY, old)
    assert_same(written, made, new, implicit)


def should_be(file: RealFile, data: bytes, policy: Policy) -> str:
    """What has to become of a real file: the reviewed table, else the rules."""
    reviewed = REVIEWED.get(file.name)
    return reviewed[0] if reviewed else expected(data, policy)


# ---------------------------------------------------------------- real files


@pytest.mark.parametrize("risk", ["hold", "pass"])
def test_every_real_file_ends_as_the_rules_say(risk: str) -> None:
    policy = Policy(pixels_risk=risk)
    wrong = []
    for file in real_files():
        data = file.read()
        found, wanted = engine.run(data, policy).short, should_be(file, data, policy)
        if found != wanted:
            wrong.append(f"{file.name}: {found} instead of {wanted}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", list(POLICIES))
def test_every_real_file_is_what_the_oracle_makes_of_it(name: str) -> None:
    policy, faults, compared = POLICIES[name], [], 0
    for file in real_files():
        if file.size > LARGE and name not in FOR_LARGE_FILES:
            continue
        outcome = engine.run(file.read(), policy)
        if outcome.fate != "cleaned":
            continue
        compared += 1
        try:
            compare(outcome.data, loaded(file), policy)
        except AssertionError as fault:
            faults.append(f"{file.name}: {fault}")
    assert not faults, "\n".join([f"{len(faults)} of {compared} files differ", *faults[:20]])
    assert compared >= (220 if shared_files() else 60)


@needs_shared
def test_the_corpus_is_whole() -> None:
    assert len(shared_files()) == 311
    assert not set(REVIEWED) - {"about"} - {file.name for file in real_files()}


def test_there_are_real_files_even_without_the_shared_folder() -> None:
    assert len(pydicom_files()) > 150


def test_the_issuer_of_a_source_counts_where_the_object_names_none() -> None:
    file = next(f for f in pydicom_files() if f.name.endswith("/CT_small.dcm"))
    written = engine.clean(file.read(), POLICIES["basic"], issuer="Mobile unit 4")
    made, implicit = oracles(loaded(file), POLICIES["basic"], "Mobile unit 4")
    new = derive.new_uid(engine.KEY, raw_value(raw(loaded(file).dataset, 0x00080018)).strip(b" \0"))
    assert_same(written, made, new, implicit)
    assert written != engine.clean(file.read(), POLICIES["basic"])


# ---------------------------------------------------------------- generated objects


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False)
@given(objects(most=10), st.sampled_from(sorted(POLICIES)))
def test_every_generated_object_is_what_the_oracle_makes_of_it(planted: Planted, name: str) -> None:
    policy = POLICIES[name]
    compare(engine.clean(planted.data, policy), load(planted.data), policy)


# ---------------------------------------------------------------- the oracle itself


@needs_shared
def test_the_oracle_reads_the_same_from_both_copies_of_the_tables() -> None:
    source, shipped = (read("data_dictionary")["rows"] for read in (tables.shared_table, tables.shipped_table))
    assert {row[0]: row[2] for row in source}.items() <= {row[0]: row[2] for row in shipped}.items()
    source, shipped = (read("confidentiality_profile")["rows"] for read in (tables.shared_table, tables.shipped_table))
    for theirs, ours in zip(source, shipped, strict=True):
        assert (theirs["basic"], theirs.get("opt", {})) == (ours["basic"], ours["opt"])
        assert theirs["tag"] in (ours["tag"], "(50xx,xxxx)", "(gggg,eeee) where gggg is odd")
    source, shipped = (read("iod_types") for read in (tables.shared_table, tables.shipped_table))
    assert source["sop"] == shipped["sop"]
    assert source["iods"].keys() == shipped["iods"].keys()


def test_the_oracle_notices_a_kept_name_a_changed_pixel_and_a_missing_mark() -> None:
    """A comparison that cannot fail proves nothing."""
    file = next(f for f in pydicom_files() if f.name.endswith("/CT_small.dcm"))
    policy, source = POLICIES["basic"], loaded(file)
    written = engine.clean(file.read(), policy)
    compare(written, source, policy)
    for old, new in (
        (b"YES ", b"NO  "),
        (written[-8:], bytes(8)),
        (b"REMOVED ", b"UNKNOWN "),
        (b"STOWGATE_1", b"STOWGATE_2"),
    ):
        with pytest.raises(AssertionError):
            compare(written.replace(old, new), source, policy)
    with pytest.raises(AssertionError):
        compare(b"X" + written[1:], source, policy)


def table() -> str:
    """What becomes of the real files under the basic profile, by code."""
    found: Counter[str] = Counter()
    for file in real_files():
        found[engine.run(file.read(), Policy()).short] += 1
    rows = [f"{number:6}  {outcome}" for outcome, number in sorted(found.items())]
    return "\n".join([*rows, f"{sum(found.values()):6}  files", ""])


if __name__ == "__main__":
    sys.stdout.write(table())
