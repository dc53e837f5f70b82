"""Commands of C-STORE: the answer is byte for byte what pynetdicom writes, the request what pynetdicom reads."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_STORE_RQ, C_STORE_RSP
from pynetdicom.dimse_primitives import C_STORE

from stowgate.ingest.store_command import StoreRequest, store_request, store_response

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.mark.parametrize("status", [0x0000, 0x0122, 0xA700, 0xA900, 0xC000, 0x0110])
@pytest.mark.parametrize("instance", ["1.2.3", "1.2.34", "2.25." + "9" * 38, "1." + "2" * 62])
def test_it_is_what_pynetdicom_writes(status: int, instance: str) -> None:
    said = C_STORE()
    said.MessageID = said.MessageIDBeingRespondedTo = 4711
    said.AffectedSOPClassUID, said.AffectedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", instance
    said.Status = status
    message = C_STORE_RSP()
    message.primitive_to_message(said)
    (part,) = message.encode_msg(1, 16_384)
    ((_, theirs),) = part.presentation_data_value_list
    assert b"\3" + store_response(4711, "1.2.840.10008.5.1.4.1.1.2", instance, status) == theirs


def request(*, instance: str = "1.2.3", originator: str = "") -> bytes:
    """A command set as pynetdicom writes it."""
    said = C_STORE()
    said.MessageID, said.Priority = 7, 2
    said.AffectedSOPClassUID, said.AffectedSOPInstanceUID = CT, instance
    said.DataSet = BytesIO(b"..")
    if originator:
        said.MoveOriginatorApplicationEntityTitle, said.MoveOriginatorMessageID = originator, 3
    message = C_STORE_RQ()
    message.primitive_to_message(said)
    command, *_ = message.encode_msg(1, 16_384)
    ((_, data),) = command.presentation_data_value_list
    assert data[0] == 3
    return data[1:]


@pytest.mark.parametrize("instance", ["1.2.3", "1.2.34", "1." + "2" * 62])
@pytest.mark.parametrize("originator", ["", "MOVER", "MOVERS"])
def test_a_request_is_read_as_pynetdicom_reads_it(instance: str, originator: str) -> None:
    data = request(instance=instance, originator=originator)
    assert store_request(data) == StoreRequest(7, CT, instance, 2)


def test_what_is_not_plainly_a_request_is_left_to_pynetdicom() -> None:
    data = request()
    for cut in range(len(data)):
        assert store_request(data[:cut]) is None
    assert store_request(data + b"\0\0") is None
    assert store_request(store_response(1, CT, "1.2.3", 0)) is None
    for value, other in (
        (b"\1\0", b"\x30\0"), (b"1.2.3", b"1.2.A"), (b"1.2.3", b"1 2.3"), (b"\0\0\0\x10", b"\0\0\1\x10"),
    ):  # fmt: skip
        assert value in data
        assert store_request(data.replace(value, other, 1)) is None
    without_data_set = data.replace(b"\0\0\0\x08\2\0\0\0" + data[data.index(b"\0\0\0\x08") + 8 :][:2],
                                    b"\0\0\0\x08\2\0\0\0\1\1")  # fmt: skip
    assert store_request(without_data_set) is None


@given(st.binary(max_size=120), st.integers(0, 119))
def test_no_bytes_at_all_raise(noise: bytes, at: int) -> None:
    data = request()
    store_request(noise)
    store_request(data[:at] + noise + data[at + len(noise) :])
