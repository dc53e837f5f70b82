"""STOW-RS as senders meet it: what is stored, what is told about each instance, what is refused unread."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from pydantic import ValidationError

from stowgate import events
from stowgate.ingest.stow import Stow
from stowgate.ingest.stow_answer import failure_reason, wanted
from stowgate.reasons import REASONS
from tests.builder import BIG_ENDIAN, CT, DEFLATED, IMPLICIT, MR, el, small
from tests.ingest.taking import RELATED, ServedStow, Taking, multipart, served

ONE, TWO = small(uid="1.2.3"), small(uid="1.2.4")
STUDIES = "/dicom-web/studies"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[ServedStow, Taking]]:
    """One server for the tests that need nothing of their own."""
    taking = Taking()
    with served(taking) as stow:
        yield stow, taking


@pytest.fixture
def shared(running: tuple[ServedStow, Taking]) -> tuple[ServedStow, Taking]:
    running[1].digests.clear()
    running[1].refuse = lambda *_: ""
    return running


Shared = tuple[ServedStow, Taking]


def post(stow: ServedStow, body: Any, path: str = STUDIES, **fields: str) -> httpx.Response:
    headers = {**RELATED, **{name.replace("_", "-"): value for name, value in fields.items()}}
    return httpx.post(stow.url + path, content=body, headers=headers, timeout=20)


def failed(answer: httpx.Response) -> list[int]:
    """Failure Reasons of an answer, those without UIDs last."""
    found = answer.json()
    items = [*found.get("00081198", {}).get("Value", []), *found.get("0008119A", {}).get("Value", [])]
    return [one["00081197"]["Value"][0] for one in items]


def stored(answer: httpx.Response) -> list[str]:
    return [one["00081155"]["Value"][0] for one in answer.json().get("00081199", {}).get("Value", [])]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_is_stored_is_what_was_sent_and_each_instance_is_named() -> None:
    taking = Taking()
    with served(taking) as stow:
        answer = post(stow, multipart(ONE, TWO))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert taking.digests == [digest(ONE), digest(TWO)]
    assert stored(answer) == ["1.2.3", "1.2.4"] and failed(answer) == []
    (first, _) = answer.json()["00081199"]["Value"]
    assert first == {
        "00081150": {"vr": "UI", "Value": [CT]}, "00081155": {"vr": "UI", "Value": ["1.2.3"]},
        "00081190": {"vr": "UR"},
    }  # fmt: skip


@pytest.mark.parametrize("syntax", [IMPLICIT, DEFLATED, BIG_ENDIAN])
def test_instances_in_every_encoding_are_named(shared: Shared, syntax: str) -> None:
    stow, _ = shared
    assert stored(post(stow, multipart(small(syntax=syntax)))) == ["1.2.3.4.5.6.7"]


def test_a_duplicate_counts_as_stored() -> None:
    with served(Taking()) as stow:
        assert post(stow, multipart(ONE)).status_code == 200
        again = post(stow, multipart(ONE))
    assert again.status_code == 200 and stored(again) == ["1.2.3"]


def test_some_refused_is_202_and_the_others_are_stored() -> None:
    taking = Taking(refuse=lambda _, data: "" if data[128:132] == b"DICM" else "not_dicom")
    with served(taking) as stow:
        answer = post(stow, multipart(ONE, b"no instance", TWO))
    assert answer.status_code == 202
    assert stored(answer) == ["1.2.3", "1.2.4"] and failed(answer) == [0xC000]
    assert "00081198" not in answer.json(), "an instance without UIDs is an other failure"


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("not_dicom", 409, 0xC000), ("truncated", 409, 0xC000), ("unknown_sop_class", 409, 0x0122),
        ("internal_error", 409, 0x0110), ("disk_full", 507, 0xA700), ("spool_reserve", 507, 0xA700),
        ("spool_failed", 503, 0xA700), ("intake_stopped", 503, 0xA700), ("sop_class_differs", 409, 0xA900),
    ],
)  # fmt: skip
def test_none_stored_says_why_by_the_standards_codes(shared: Shared, code: str, status: int, reason: int) -> None:
    stow, taking = shared
    taking.refuse = lambda *_: code
    answer = post(stow, multipart(ONE, TWO))
    assert (answer.status_code, failed(answer)) == (status, [reason, reason])
    assert ("retry-after" in answer.headers) is (status > 500)


def test_every_code_has_a_failure_reason_of_the_standard() -> None:
    assert {failure_reason(code) for code in REASONS} == {0xA700, 0xA900, 0xC000, 0x0110, 0x0122}


@pytest.mark.parametrize(("code", "status"), [("spool_reserve", 507), ("disk_full", 507), ("intake_stopped", 503)])
def test_without_room_an_upload_is_refused_before_its_bytes(code: str, status: int) -> None:
    taking = Taking(closed=code)
    with served(taking) as stow:
        answer = post(stow, multipart(ONE))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0 and taking.digests == []
    assert events.Refused("upload", code) in stow.events


def test_an_intake_that_fails_on_one_instance_does_not_fail_the_others() -> None:
    def broken(number: int, _: bytes) -> str:
        if number == 0 and not taking.digests:
            taking.digests.append("")
            raise RuntimeError("Vandermeer")
        return ""

    taking = Taking(refuse=broken)
    with served(taking) as stow:
        answer = post(stow, multipart(ONE, TWO))
    assert answer.status_code == 202 and stored(answer) == ["1.2.4"] and failed(answer) == [0x0110]
    assert "Vandermeer" not in answer.text


def test_an_instance_alone_needs_no_multipart(shared: Shared) -> None:
    stow, taking = shared
    answer = post(stow, ONE, Content_Type="application/dicom")
    assert answer.status_code == 200 and taking.digests == [digest(ONE)]


def test_at_the_address_of_a_study_only_its_instances_are_taken(shared: Shared) -> None:
    late = small(el("StudyInstanceUID", "1.2.9"), el(0x00090010, "X", "LO"), el(0x00091001, bytes(90_000), "OB"))
    stow, taking = shared
    answer = post(stow, multipart(ONE, late), f"{STUDIES}/1.2.9")
    assert answer.status_code == 202 and failed(answer) == [0xA900]
    assert post(stow, multipart(b"none"), f"{STUDIES}/1.2.9").status_code == 409
    assert taking.digests == [digest(late)]


@pytest.mark.parametrize("study", ["x", "1..2", "01.2", "1.2.", "1" * 65, "1.2;drop", "..", "%2e%2e", "1.2/../3"])
def test_a_study_that_is_no_uid_is_refused(shared: Shared, study: str) -> None:
    stow, taking = shared
    assert post(stow, multipart(ONE), f"{STUDIES}/{study}").status_code in (400, 404)
    assert taking.digests == []


def test_a_source_can_be_limited_to_some_classes() -> None:
    with served(Taking(), sop_classes=(MR,)) as stow:
        answer = post(stow, multipart(ONE, small(sop_class=MR)))
    assert answer.status_code == 202 and failed(answer) == [0x0122]


@pytest.mark.parametrize("kind", ["text/plain", "application/dicom+json", "", "application/dicom; x", "image/png"])
def test_a_part_of_another_type_is_a_failure_and_the_others_are_stored(shared: Shared, kind: str) -> None:
    other = f"--8c1f\r\nContent-Type: {kind}\r\n\r\nVandermeer\r\n".encode()
    stow, taking = shared
    answer = post(stow, other + multipart(ONE))
    assert answer.status_code == 202 and failed(answer) == [0xC000] and taking.digests == [digest(ONE)]


def test_a_part_in_base64_is_a_failure(shared: Shared) -> None:
    head = "Content-Type: application/dicom\r\nContent-Transfer-Encoding: base64"
    stow, taking = shared
    assert post(stow, multipart(b"AAAA", head=head)).status_code == 409
    assert taking.digests == []


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("multipart/related; boundary=8c1f", 400),
        ('multipart/related; type="application/dicom"', 400),
        ('multipart/related; type="application/dicom"; boundary=""', 400),
        ('multipart/related; type="application/dicom"; boundary=' + "x" * 201, 400),
        ('multipart/related; type="application/dicom"; boundary=a; boundary=8c1f', 400),
        ("multipart/related; type=application/dicom; boundary=8c1f", 400),
        ('multipart/related; type="application/dicom+json"; boundary=8c1f', 415),
        ('multipart/form-data; type="application/dicom"; boundary=8c1f', 415),
        ("application/octet-stream", 415),
        ("nonsense", 400),
    ],
)
def test_another_media_type_is_refused(shared: Shared, content_type: str, status: int) -> None:
    stow, taking = shared
    answer = post(stow, multipart(ONE), Content_Type=content_type)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert taking.digests == []


def test_nothing_compressed_is_taken(shared: Shared) -> None:
    stow, taking = shared
    assert post(stow, multipart(ONE), Content_Encoding="gzip").status_code == 415
    assert taking.digests == []


def test_a_body_without_instances_is_refused(shared: Shared) -> None:
    stow, _ = shared
    assert post(stow, b"--8c1f--\r\n").status_code == 400
    assert post(stow, b"").status_code == 400


@pytest.mark.parametrize(
    ("limits", "status"), [({"parts": 1}, 413), ({"part_bytes": 100}, 413), ({"body_bytes": 1000}, 413)]
)
@pytest.mark.parametrize("announced", [True, False])
def test_limits_are_kept_whether_or_not_the_size_is_announced(
    limits: dict[str, int], status: int, announced: bool
) -> None:
    body = multipart(ONE, TWO)
    with served(Taking(), **limits) as stow:
        answer = post(stow, body if announced else iter([body[:700], body[700:]]))
    assert answer.status_code == status and answer.json()["code"] == "upload_too_large"


def test_xml_is_answered_to_who_asks_for_it(shared: Shared) -> None:
    stow, _ = shared
    answer = post(stow, multipart(ONE), Accept="application/dicom+xml")
    assert answer.headers["content-type"] == "application/dicom+xml"
    root = ElementTree.fromstring(answer.text)  # noqa: S314 - our own answer
    assert [one.text for one in root.iter("{http://dicom.nema.org/PS3.19/models/NativeDICOM}Value")] == [CT, "1.2.3"]


def test_an_answer_nobody_can_give_is_refused_before_the_body(shared: Shared) -> None:
    stow, taking = shared
    assert post(stow, multipart(ONE), Accept="text/html").status_code == 406
    assert taking.digests == []


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "json"), ("*/*", "json"), ("application/*;q=0.1", "json"), ("application/dicom+xml", "xml"),
        ("application/dicom+json;q=0.2, application/dicom+xml;q=0.9", "xml"), ("text/html, */*;q=0.1", "json"),
        ("application/dicom+xml, application/dicom+json", "json"), ("application/dicom+json;q=0", None), ("a", None),
        ("application/json", "json"), ("*/*;q=x", None),
    ],
)  # fmt: skip
def test_the_sender_chooses_the_form(accept: str, form: str | None) -> None:
    assert wanted(accept) == (form and f"application/dicom+{form}")


def test_a_slow_disk_holds_the_sender_back_instead_of_filling_memory() -> None:
    taking = Taking(hold=threading.Event())
    given = 0

    def body() -> Any:
        nonlocal given
        yield b"--8c1f\r\nContent-Type: application/dicom\r\n\r\n"
        for _ in range(400):
            given += 65536
            yield bytes(65536)
        yield b"\r\n--8c1f--\r\n"

    with served(taking) as stow:
        thread = threading.Thread(target=lambda: post(stow, body()))
        thread.start()
        before = -1
        while before != given:
            before = given
            time.sleep(0.3)
        assert given < 12 << 20, "what the kernel's buffers hold, and no more"
        assert taking.hold
        taking.hold.set()
        thread.join(20)
    assert len(taking.digests) == 1


def test_uploads_beyond_those_at_once_are_told_to_come_later() -> None:
    taking = Taking(hold=threading.Event())
    assert taking.hold
    with served(taking, at_once=1) as stow:
        thread = threading.Thread(target=post, args=(stow, multipart(ONE)))
        thread.start()
        while not taking.largest_read:
            time.sleep(0.01)
        answer = post(stow, multipart(TWO))
        taking.hold.set()
        thread.join(20)
    assert answer.status_code == 503 and "retry-after" in answer.headers


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_sends_a_file_and_is_answered(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(multipart(ONE, TWO))
    with served(taking := Taking()) as stow:
        for expect in ("Expect: 100-continue", "Expect:"):
            kind = f"Content-Type: {RELATED['Content-Type']}"
            command = ["curl", "-sS", "-w", "%{http_code}", "-H", expect, "-H", kind]
            command += ["--data-binary", f"@{tmp_path}/body", stow.url + STUDIES]
            ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
            assert ran.stdout.endswith("200"), ran.stderr
    assert len(taking.digests) == 4


@pytest.mark.parametrize(
    "wrong",
    [{"name": "Upload^1"}, {"path": "dicom-web"}, {"path": "/a/../b"}, {"path": "/"}, {"parts": 0}, {"unknown": 1},
     {"kind": "dimse"}, {"complete_after": 0}],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Stow.model_validate({"kind": "stow", "name": "upload", **wrong})
