"""Outputs of real objects of different IODs, each reviewed by hand against PS3.15 and kept, element for element.

expected/NAME.json holds the source, its digest, the policy, and one line for each element of the output under a fixed
key; expected/REVIEW.md says what was looked at. `python -m tests.deident.test_expected NAME ...` writes them anew: look
at the difference, line by line, before keeping it.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stowgate.api import deidentify_bytes
from stowgate.dicom.charset import codecs_of, decode
from stowgate.policy import Option, Policy
from stowgate.standard.dictionary import implicit_vr
from tests.oracle.reader import Node, read
from tests.shared import SHARED, RealFile, real_files

FOLDER = Path(__file__).with_name("expected")
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
KEY = bytes(range(32))
TEXTS = frozenset("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}


def file_named(source: str) -> RealFile:
    """A real file; skips loudly where the shared folder is absent."""
    if source.startswith("shared/") and SHARED is None:
        pytest.skip("the shared folder is not beside this checkout: set STOWGATE_SHARED to run the checks on its files")
    return next(file for file in real_files() if file.name == source)


def policy_of(expected: dict[str, Any]) -> Policy:
    """Pictures pass: what is reviewed here are attributes."""
    return Policy(options=frozenset(Option(name) for name in expected["options"]), pixels_risk="pass")


def value_of(vr: str, raw: bytes, codecs: tuple[str, ...]) -> Any:
    """A value as it is reviewed: text with its padding, numbers, or the digest of what nobody can read."""
    if vr in TEXTS:
        return decode(raw, codecs).replace("\0", "␀")
    code = NUMBERS.get(vr)
    if code and len(raw) <= 64 and len(raw) % struct.calcsize(code) == 0:
        return list(struct.unpack(f"<{len(raw) // struct.calcsize(code)}{code}", raw))
    if vr == "AT":
        return [f"{a:04X}{b:04X}" for a, b in struct.iter_unpack("<HH", raw)]
    return f"{len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()}"


def lines(nodes: list[Node], codecs: tuple[str, ...], prefix: str = "") -> Iterator[list[Any]]:
    """Every element as [path, VR, value]; of a sequence, the number of its items."""
    own = next((codecs_of(node.value) for node in nodes if node.tag == 0x00080005), codecs)
    for node in nodes:
        path = f"{prefix}({node.tag >> 16:04X},{node.tag & 0xFFFF:04X})"
        vr = node.vr or implicit_vr(node.tag).decode()
        yield [path, vr, value_of(vr, node.value, own) if node.items is None else f"{len(node.items)} items"]
        for number, inner in enumerate(node.items or []):
            yield from lines(inner, own, f"{path}[{number}].")


def output(source: str, options: list[str]) -> list[list[Any]]:
    """The whole output, file meta included."""
    data = file_named(source).read()
    written = read(deidentify_bytes(data, policy_of({"options": options}), KEY))
    assert written.preamble == bytes(128)
    return [*lines(written.meta, ("ascii",)), *lines(written.body, ("ascii",))]


def load(name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / f"{name}.json").read_text("utf-8")))


@pytest.mark.parametrize("name", NAMES)
def test_the_output_is_the_one_that_was_reviewed(name: str) -> None:
    expected = load(name)
    data = file_named(expected["source"]).read()
    assert hashlib.sha256(data).hexdigest() == expected["sha256"], "this is not the file that was reviewed"
    found = output(expected["source"], expected["options"])
    pairs = zip(found, expected["elements"], strict=False)
    differing = [f"{ours} instead of {theirs}" for ours, theirs in pairs if ours != theirs]
    assert not differing
    assert len(found) == len(expected["elements"])


def test_there_are_at_least_twenty_kinds_half_of_them_without_the_shared_folder() -> None:
    kinds = {
        next(e[2] for e in load(name)["elements"] if e[0] == "(0002,0002)"): load(name)["source"] for name in NAMES
    }
    assert len(kinds) >= 20
    assert sum(source.startswith("pydicom/") for source in kinds.values()) >= 10


@pytest.mark.parametrize("name", NAMES)
def test_each_has_its_review(name: str) -> None:
    assert f"## {name}\n" in (FOLDER / "REVIEW.md").read_text("utf-8")


def write(name: str, source: str, options: list[str]) -> None:
    """Make an expectation out of what the engine does today."""
    head = {"source": source, "sha256": hashlib.sha256(file_named(source).read()).hexdigest(), "options": options}
    rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in output(source, options))
    text = json.dumps(head, indent=1)[:-2] + f',\n "elements": [\n{rows}\n ]\n}}\n'
    (FOLDER / f"{name}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        known = load(argument)
        write(argument, known["source"], known["options"])
