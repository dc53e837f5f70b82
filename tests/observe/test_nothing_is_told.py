"""Strings planted in objects, names, headers and errors come out nowhere, with everything at DEBUG (rows F2p, F7p)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.architecture.tree import ROOT
from tests.builder import el, small
from tests.ingest.taking import RELATED, multipart
from tests.observe.telling import TOKEN

CANARY = "Kanarienvogel"
KNOWN = {"Authorization": f"Bearer {TOKEN.text}"}
UID = "1.2.77.88.99"


def raw(port: int, data: bytes) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := peer.recv(65536):
            answer += piece
    return answer.decode("latin-1")


def plant(port: int) -> list[str]:
    """Requests of every kind with the canary in every place; the answers that are no DICOM JSON."""
    url = f"http://127.0.0.1:{port}"
    studies = f"{url}/dicom-web/studies"
    named = small(
        el("PatientName", CANARY), el("PatientID", CANARY), el("StudyDescription", CANARY), el("SOPInstanceUID", UID),
        el("SOPClassUID", CANARY), el("StudyInstanceUID", "1.2.3"), preamble=CANARY.encode().ljust(128, b"\0"),
    )  # fmt: skip
    head = f'Content-Type: application/dicom; name="{CANARY}"\r\nX-{CANARY}: {CANARY}'
    whole = multipart(named, b"RAISE" + named, CANARY.encode(), head=head)
    answers = [httpx.post(f"{studies}?{CANARY}={CANARY}", content=whole, headers={**RELATED, **KNOWN})]
    assert answers[0].status_code == 202
    bodies = [
        (f"{studies}/{UID}", whole),
        (f"{studies}/{CANARY}", whole),
        (f"{url}/{CANARY}", b""),
        (studies, whole[:-9]),
    ]
    answers += [httpx.post(to, content=body, headers={**RELATED, **KNOWN}) for to, body in bodies]
    for wrong in (
        {"Content-Type": f"multipart/related; type={CANARY}; boundary={CANARY}"},
        {"Content-Type": CANARY}, {"Accept": CANARY}, {"Host": CANARY}, {"Authorization": f"Bearer {CANARY}"},
        {"Content-Encoding": CANARY}, {"Cookie": CANARY, "X": CANARY, "User-Agent": CANARY},
    ):  # fmt: skip
        answers.append(httpx.post(studies, content=whole, headers={**RELATED, **KNOWN, **wrong}))
    answers.append(httpx.request(CANARY.upper(), studies, headers=KNOWN))
    answers.append(httpx.get(f"{url}/metrics", headers=KNOWN))
    told = [answer.text + str(answer.headers) for answer in answers]
    name = CANARY.encode()
    shapes = [name, b"GET /%s\r\n\r\n" % name, b"GET / HTTP/1.1\r\n%s\r\n\r\n" % name, b"GET / HTTP/1.1\r\n\r\n\r\n"]
    shapes.append(b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + name)
    return told + [raw(port, shape) for shape in shapes]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("spool")
    places = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "TMPDIR": str(folder)}
    command = [sys.executable, str(Path(__file__).parent / "telling.py"), str(folder), CANARY]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, **pipes, text=True, env=places, cwd=folder) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        answers = plant(port)
        out, err = process.communicate("\n", timeout=30)
    assert process.returncode == 1, err
    files = {path.name: path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()}
    return {"answers": "\n".join(answers), "standard output": out, "log": err, **files}


def test_the_canary_comes_out_nowhere(told: dict[str, str]) -> None:
    made = {"audit.log", "audit.anchor"}
    assert told.keys() == {"answers", "log", "standard output"} | made, "no temporary file of anything"
    for place, text in told.items():
        assert CANARY.lower() not in text.lower(), place
        assert TOKEN.text not in text, place


def test_a_caller_without_the_token_is_in_the_audit_log(told: dict[str, str]) -> None:
    (record,) = map(json.loads, told["audit.log"].splitlines())
    assert (record["kind"], record["source"], record["code"]) == ("turned_away", "web", "web_refused")


def test_the_uids_of_an_object_come_out_in_its_senders_answer_only(told: dict[str, str]) -> None:
    assert UID in told["answers"]
    for place in told.keys() - {"answers"}:
        assert UID not in told[place], place


def test_what_went_wrong_is_in_the_log_all_the_same(told: dict[str, str]) -> None:
    lines = [json.loads(line) for line in told["log"].splitlines()]
    events = {line.get("event") for line in lines}
    assert {"refused", "upload_failed", "library_message", "uncaught_in_thread", "uncaught"} <= events
    failed = next(line for line in lines if line.get("event") == "upload_failed")
    assert failed["error"] == "RuntimeError" and failed["place"].startswith("stowgate.ingest.stow:")
    libraries = {line.get("library") for line in lines if line.get("event") == "library_message"}
    assert {"pynetdicom", "pydicom", "uvicorn", "asyncio", "watchfiles", "other", "warnings"} <= libraries
    assert sum(line.get("withheld", 0) for line in lines) == 9, "what was written with the canary as a field"
    codes = {line.get("code") for line in lines if line.get("event") == "refused"}
    assert {"upload_syntax", "internal_error"} <= codes


def test_the_numbers_are_there_and_name_only_sources_states_and_codes(told: dict[str, str]) -> None:
    assert 'stowgate_refused_total{code="upload_syntax",source="upload"}' in told["answers"]
    assert 'stowgate_items{source="upload",state="received"} 1.0' in told["answers"]
