"""A gateway that looks at what it cleans: in a process of its own, in time, and whatever comes it goes on."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from stowgate import events
from stowgate.gateway.opened import Ears, Gateway, opened
from stowgate.gateway.plan import Plan
from stowgate.ingest.source import Accepted
from stowgate.lifecycle import State
from stowgate.look.looking import Looking
from stowgate.questions import seen_of
from tests.gateway.parts import POLICY, arrival
from tests.ingest.dimse import eventually
from tests.look.test_looker import BODY
from tests.pixels.sample import data_set

ALL = Looking(quality=True, urgency=True, fleet=True)


def instance(
    pixels: np.ndarray, n: int = 0, place: float | None = None, study: str = "1.2.3", stream: bytes = b""
) -> bytes:
    """A CT slice as a scanner sends it, of a study, at so many millimetres; compressed, where there is a stream."""
    more = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1", "SOPInstanceUID": f"{study}.1.{n + 1}",
            "PatientID": "P1", "PatientName": "Foster", "StationName": "CT1", "BodyPartExamined": "ABDOMEN",
            "AcquisitionDateTime": "20260101120000", "InstanceNumber": n + 1}  # fmt: skip
    if place is not None:
        more |= {"ImagePositionPatient": [0, 0, place], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    dataset = data_set(pixels, JPEG2000Lossless if stream else ExplicitVRLittleEndian, **more)
    if stream:
        dataset.PixelData = encapsulate([stream])
        dataset["PixelData"].VR = "OB"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


class Heard:
    """What a gateway told, and when."""

    def __init__(self) -> None:
        self.ears = Ears()
        self.noticed: list[tuple[float, events.Noticed]] = []
        self.ears.add(self._watch)

    def _watch(self, event: events.GatewayEvent) -> None:
        if isinstance(event, events.Noticed):
            self.noticed.append((time.monotonic(), event))

    @property
    def codes(self) -> list[str]:
        return [event.code for _, event in self.noticed]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(tmp_path / "spool", POLICY, base=tmp_path, reserve=1, looking=ALL)


def take(gateway: Gateway, data: bytes) -> str:
    outcome = gateway.intake.receive(arrival(data))
    assert isinstance(outcome, Accepted)
    return outcome.item


def test_a_bad_picture_is_told_of_and_its_item_goes_on_all_the_same(plan: Plan) -> None:
    heard = Heard()
    with opened(plan, heard.ears) as gateway:
        good, bad = take(gateway, instance(BODY)), take(gateway, instance(np.zeros_like(BODY), 1))
        eventually(lambda: len(gateway.ledger.looks.of_items([good, bad])) == 2, 20)
        looks = gateway.ledger.looks.of_items([good, bad])
        assert looks[good].codes == () and abs(looks[good].features["level"] - 45) < 10
        assert looks[bad].codes == ("picture_blank",)
        assert gateway.ledger.counts()["ct"][State.WAITING] == 2
        assert (heard.codes, heard.noticed[0][1].item) == (["picture_blank"], bad)
        (first, _) = gateway.ledger.looks.recent(10)
        assert len(first.scanner) == 32 and first.clock is not None


def test_what_a_study_lacks_is_told_within_five_seconds_of_its_last_image(plan: Plan) -> None:
    heard = Heard()
    with opened(plan, heard.ears) as gateway:
        last = 0.0
        for n in (*range(5), *range(7, 12)):
            take(gateway, instance(np.roll(BODY, n, 1), n, 5.0 * n))
            last = time.monotonic()
        eventually(lambda: "slices_missing" in heard.codes, 20)
        at = next(at for at, event in heard.noticed if event.code == "slices_missing")
        study = gateway.ledger.rows()[0].study
        assert gateway.ledger.looks.codes_of_study(study) == ("slices_missing",)
        assert seen_of(gateway.ledger, study) == {"slices_missing": 1}
        assert at - last < 15, "5 on an idle machine; a busy one has to be waited for"


def test_a_hostile_picture_ends_its_looker_and_nothing_else(plan: Plan) -> None:
    heard = Heard()
    hostile = instance(BODY, stream=b"\xff\x4f\xff\x51" + bytes(range(256)) * 40)
    with opened(plan, heard.ears) as gateway:
        bad, good = take(gateway, hostile), take(gateway, instance(BODY, 1))
        eventually(lambda: len(gateway.ledger.looks.of_items([bad, good])) == 2, 20)
        looks = gateway.ledger.looks.of_items([bad, good])
        assert looks[bad].frames == 0 and looks[bad].codes in (("picture_not_decodable",), ("picture_decoder_died",))
        assert looks[good].frames == 1


def test_what_nobody_looked_at_before_a_stop_is_looked_at_after_the_next_start(plan: Plan) -> None:
    with opened(plan, work=False) as gateway:
        items = [take(gateway, instance(BODY, n)) for n in range(3)]
    heard = Heard()
    with opened(plan, heard.ears) as gateway:
        eventually(lambda: len(gateway.ledger.looks.of_items(items)) == 3, 20)


def test_without_the_setting_nothing_is_looked_at(tmp_path: Path) -> None:
    with opened(Plan(tmp_path / "spool", POLICY, base=tmp_path, reserve=1)) as gateway:
        take(gateway, instance(BODY))
        eventually(lambda: gateway.ledger.counts()["ct"][State.WAITING] == 1)
        time.sleep(0.3)
        assert gateway.ledger.looks.recent(5) == [] and len(gateway.ledger.looks.unseen(5)) == 1
