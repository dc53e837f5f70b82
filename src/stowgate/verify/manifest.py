"""Side metadata of the clean objects, as .csv, .json or .xml: read back from the outputs, never from an input."""

from __future__ import annotations

import csv
import html
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TextIO

from stowgate.dicom.source import FileSource
from stowgate.errors import Misconfigured, Rejected, Temporary, disk_code
from stowgate.standard.uids import name_of
from stowgate.verify.elements import Broken
from stowgate.verify.walk import Walked, walk


@dataclass(frozen=True, slots=True)
class Row:
    """One clean object. The fields are the columns, in this order; UIDs, ids and dates are the new ones."""

    output: str
    """Path relative to the output folder, with forward slashes."""
    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    sop_class: str
    """Name in the registry of PS3.6."""
    modality: str
    transfer_syntax_uid: str
    rows: int | None
    columns: int | None
    number_of_frames: int
    study_date: str
    series_number: str
    instance_number: str
    bytes: int
    policy: str
    """Digest of the policy the object was cleaned by."""
    findings: tuple[str, ...] = ()
    """Codes of `reasons.REASONS`."""


COLUMNS = tuple(field.name for field in fields(Row))

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet takes a cell that begins so for something to execute."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write (section 2.2)."""


def row_of(path: Path, output: str, policy: str, findings: tuple[str, ...] = ()) -> Row:
    """The row of a clean file, by its own bytes. Raises `Rejected` when the file cannot be followed or read."""
    with FileSource(path) as source:
        try:
            walked = walk(source, strict=True)
        except Broken:
            raise Rejected("gate_structure") from None
    sop_class = _text(walked, 0x00080016)
    return Row(
        output=output,
        patient_id=_text(walked, 0x00100020),
        study_instance_uid=_text(walked, 0x0020000D),
        series_instance_uid=_text(walked, 0x0020000E),
        sop_instance_uid=_text(walked, 0x00080018),
        sop_class_uid=sop_class,
        sop_class=name_of(sop_class) or "",
        modality=_text(walked, 0x00080060),
        transfer_syntax_uid=walked.syntax.decode("ascii", "replace"),
        rows=_number(walked, 0x00280010),
        columns=_number(walked, 0x00280011),
        number_of_frames=_frames(walked),
        study_date=_text(walked, 0x00080020),
        series_number=_text(walked, 0x00200011),
        instance_number=_text(walked, 0x00200013),
        bytes=walked.size,
        policy=policy,
        findings=findings,
    )


def write_manifest(rows: Iterable[Row], path: Path) -> None:
    """Write the rows as they come, in the format that the name of `path` asks for.

    Memory does not grow with the rows. Under its own name there is either the old file or the whole new one. Raises
    `Misconfigured("manifest_format")`, `Temporary` when the disk refuses, and whatever `rows` raises.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise Misconfigured("manifest_format", path.name)
    part = path.with_name(f".{path.name}.part")
    try:
        try:
            with part.open("w", encoding="utf-8", newline="") as out:
                write(rows, out)
                out.flush()
                os.fsync(out.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Temporary(disk_code(error, "cannot_write"), path.name) from None


def _value(walked: Walked, tag: int) -> bytes:
    found = walked.top.get(tag)
    return found[1] if found is not None and isinstance(found[1], bytes) else b""


def _text(walked: Walked, tag: int) -> str:
    """A value of code characters; what is none of them shows as U+FFFD."""
    return _value(walked, tag).decode("ascii", "replace").strip(" \0")


def _number(walked: Walked, tag: int) -> int | None:
    raw = _value(walked, tag)
    return int.from_bytes(raw, "little") if len(raw) == 2 else None


def _frames(walked: Walked) -> int:
    text = _text(walked, 0x00280008)
    return int(text) if text.isdecimal() and len(text) <= 12 else 1


def _write_csv(rows: Iterable[Row], out: TextIO) -> None:
    """RFC 4180; a missing number is an empty cell, findings are separated by spaces."""
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(_cell(_plain(value)) for _, value in _columns(row))


def _cell(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA) else text


def _write_json(rows: Iterable[Row], out: TextIO) -> None:
    """One array, one object a line."""
    before = "["
    for row in rows:
        out.write(f"{before}\n{json.dumps(dict(_columns(row)), ensure_ascii=False)}")
        before = ","
    out.write("\n]\n" if before == "," else "[]\n")


def _write_xml(rows: Iterable[Row], out: TextIO) -> None:
    """One `instance` per row, one element per column."""
    out.write('<?xml version="1.0" encoding="UTF-8"?>\n<manifest>\n')
    for row in rows:
        cells = (f"<{name}>{_markup(_plain(value))}</{name}>" for name, value in _columns(row))
        out.write(f"<instance>{''.join(cells)}</instance>\n")
    out.write("</manifest>\n")


def _markup(text: str) -> str:
    return html.escape(_NOT_XML.sub("\ufffd", text))


def _columns(row: Row) -> Iterator[tuple[str, object]]:
    return ((name, getattr(row, name)) for name in COLUMNS)


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(value)
    return "" if value is None else str(value)


_WRITERS: dict[str, Callable[[Iterable[Row], TextIO], None]] = {
    ".csv": _write_csv,
    ".json": _write_json,
    ".xml": _write_xml,
}
FORMATS = tuple(_WRITERS)
"""The suffixes that `write_manifest` knows."""
