"""The same profile with pydicom's read, edit, write, for comparison: the rules are ours, the bytes are pydicom's."""

from __future__ import annotations

import argparse
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from stowgate.deident.rules import Node, rules_for
from stowgate.policy import Policy


def edit(dataset: Dataset, node: Node) -> None:
    """Walk once, delete, empty, replace and map as the rules say."""
    for element in list(dataset):
        tag = int(element.tag)
        rule = node.rule(tag)
        if rule.action == "X":
            del dataset[element.tag]
        elif rule.action == "Z":
            element.value = None
        elif rule.action == "D":
            element.value = "REMOVED" if element.VR in ("LO", "SH", "PN", "ST", "LT") else None
        elif rule.action == "U" and element.VR == "UI":
            element.value = generate_uid(entropy_srcs=[str(element.value)])
        elif element.VR == "SQ":
            for item in element.value:
                edit(item, node.child(tag))


def main() -> None:
    """Every file below a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    for path in sorted(asked.source.rglob("*.dcm")):
        dataset = dcmread(path)
        edit(dataset, rules_for(Policy(), str(dataset.SOPClassUID)))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        target = asked.out / path.relative_to(asked.source)
        target.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(target)


if __name__ == "__main__":
    main()
