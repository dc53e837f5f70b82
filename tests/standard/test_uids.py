"""The UID registry: what is the standard's own, and what only looks like it."""

from __future__ import annotations

import pytest
from pydicom.uid import UID_dictionary

from stowgate.standard import iods, uids


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.4.1.1",
        "1.2.840.10008.2.16.4",
        "1.2.840.10008.1.5.1",
        "1.2.840.10008.15.1.1",
        "1.2.840.10008.6.1.1234",
        "1.2.840.10008.9.7",
    ],
)
def test_a_registered_uid_is_the_standards_own(uid):
    assert uids.is_registered(uid)


@pytest.mark.parametrize(
    "uid",
    [
        "",
        "1.2.840.10008",
        "1.2.840.10008.5.1.4.1.1.2.1234567",
        "1.2.840.10008.99.1",
        "1.2.840.10008.6.1",
        "1.2.840.10008.6.12.3",
        "1.2.840.10008.91.1",
        "1.2.840.113619.2.1",
        "2.25.1",
        " 1.2.840.10008.1.2.1",
    ],
)
def test_a_uid_is_not_registered_because_of_its_prefix(uid):
    assert not uids.is_registered(uid)


def test_all_uids_pydicom_knows_are_registered():
    ours_too = {"1.2.840.10008.6.1.", "1.2.840.10008.9."}
    missing = [uid for uid in UID_dictionary if not uids.is_registered(uid)]
    assert missing == []
    assert ours_too == set(uids.REGISTERED_ROOTS)


def test_names_and_kinds():
    assert uids.name_of("1.2.840.10008.5.1.4.1.1.2") == "CT Image Storage"
    assert uids.kind_of("1.2.840.10008.1.2") == "TransferSyntax"
    assert uids.name_of("1.2.3") is None
    assert uids.kind_of("1.2.3") is None


def test_transfer_syntaxes_are_told_apart():
    assert uids.is_transfer_syntax("1.2.840.10008.1.2.1")
    assert not uids.is_transfer_syntax("1.2.840.10008.5.1.4.1.1.2")
    assert uids.transfer_syntaxes()["1.2.840.10008.1.2"] == "Implicit VR Little Endian"
    assert all(uids.is_transfer_syntax(uid) for uid in uids.transfer_syntaxes())
    assert len(uids.transfer_syntaxes()) == 63


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.840.10008.5.1.4.1.1.5",
        "1.2.840.10008.5.1.4.1.1.88.11",
        "1.2.840.10008.5.1.4.1.1.1.2.1",
        "1.2.840.10008.5.1.4.1.1.66.4",
        "1.2.840.10008.5.1.4.38.1",
    ],
)
def test_storage_sop_classes_are_told_apart(uid):
    assert uids.is_storage_sop_class(uid)


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.1.1",
        "1.2.840.10008.1.20.1",
        "1.2.840.10008.1.3.10",
        "1.2.840.10008.5.1.4.31",
        "1.2.840.10008.1.2",
        "1.2.3",
        "",
    ],
)
def test_what_stores_no_instance_is_no_storage_sop_class(uid):
    assert not uids.is_storage_sop_class(uid)


def test_every_sop_class_with_iod_tables_but_the_directory_stores_instances():
    without = [uid for uid in iods.sop_classes() if not uids.is_storage_sop_class(uid)]
    assert without == ["1.2.840.10008.1.3.10"]
    assert all("Storage" in name for name in uids.storage_sop_classes().values())
