"""What is put before a data set from the network makes it a file that pydicom and DCMTK read."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread

from stowgate.ingest.file_meta import file_beginning
from stowgate.ingest.peek import data_set_start, peek
from tests.builder import CT, EXPLICIT, IMPLICIT, encode, instance
from tests.ingest.dimse import needs_dcmtk


@pytest.mark.parametrize("uid", ["1.2.3", "1.2.34", "2.25." + "9" * 59])
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_pydicom_reads_back_what_was_told(uid: str, syntax: str) -> None:
    file = file_beginning(CT, uid, syntax) + encode(instance(uid=uid), implicit=syntax == IMPLICIT)
    found = dcmread(io.BytesIO(file))
    meta = found.file_meta
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID) == (CT, uid, syntax)
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert (found.SOPInstanceUID, found.PatientID) == (uid, "PID-480026")


def test_the_group_length_is_the_length_of_the_group() -> None:
    beginning = file_beginning(CT, "1.2.3", EXPLICIT)
    assert int.from_bytes(beginning[140:144], "little") == len(beginning) - 144
    assert data_set_start(beginning) == len(beginning)


@pytest.mark.parametrize("odd", ["", "9" * 300, "1.2.é\n", "../../etc"])
def test_whatever_a_sender_calls_its_object_makes_a_beginning_of_sound_shape(odd: str) -> None:
    beginning = file_beginning(odd, odd, EXPLICIT)
    assert data_set_start(beginning) == len(beginning)
    assert len(beginning) % 2 == 0
    assert peek(beginning).transfer_syntax == EXPLICIT


@needs_dcmtk
def test_dcmtk_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(file_beginning(CT, "1.2.3", EXPLICIT) + encode(instance(uid="1.2.3")))
    done = subprocess.run(["/usr/bin/dcmdump", path], capture_output=True, text=True, check=True)
    assert "LittleEndianExplicit" in done.stdout
    assert not done.stderr
