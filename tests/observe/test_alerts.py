"""Alerts: what a person must do reaches a webhook, once, in codes, and never holds anything up."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from stowgate import events
from stowgate.lifecycle import Delivery, State
from stowgate.observe.alerts import Alerts, webhook


class Told:
    """A webhook that fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.bodies: list[dict[str, object]] = []
        self.failures, self.tries = failures, 0

    def __call__(self, body: bytes) -> bool:
        self.tries += 1
        if self.tries <= self.failures:
            return False
        self.bodies.append(json.loads(body))
        return True

    def wait(self, wanted: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 8
        while not wanted() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert wanted()


def test_of_delivery_a_person_hears_what_does_not_mend_itself() -> None:
    told = Told()
    alerts = Alerts(told, unit="TRUCK07")
    alerts.watch(events.DestinationPaused("pacs", "peer_certificate"))
    alerts.watch(events.Delivered("pacs", "a" * 32, Delivery.REFUSED, "peer_refused_object"))
    alerts.watch(events.Delivered("pacs", "b" * 32, Delivery.QUEUED, "peer_lost_object"))
    alerts.watch(events.DestinationDown("pacs", "internal_error"))
    for quiet in (
        events.Delivered("pacs", "c" * 32, Delivery.QUEUED, "peer_broke_off"), events.DestinationUp("pacs", 3.0),
        events.Delivered("pacs", "c" * 32, Delivery.VERIFIED), events.DestinationDown("pacs", "peer_unreachable"),
    ):  # fmt: skip
        alerts.watch(quiet)
    alerts.close()
    assert {body["code"] for body in told.bodies} == {
        "peer_certificate", "peer_refused_object", "peer_lost_object", "internal_error",
    }  # fmt: skip


def test_what_a_person_must_do_is_told_in_codes() -> None:
    told = Told()
    alerts = Alerts(told, unit="TRUCK07")
    alerts.watch(events.IntakeStopped("spool_failed"))
    alerts.watch(events.Settled("ct", "a" * 32, State.QUARANTINED, "truncated"))
    alerts.watch(events.PayloadLost("b" * 32))
    alerts.watch(events.Reserve(True, 0))
    alerts.watch(events.SourceFailed("drop", "folder_missing"))
    for quiet in (
        events.Settled("ct", "a" * 32, State.WAITING), events.Reserve(False, 1), events.Refused("ct", "disk_full")
    ):  # fmt: skip
        alerts.watch(quiet)
    alerts.close()
    assert {body["code"] for body in told.bodies} == {
        "spool_failed", "truncated", "payload_lost", "spool_reserve", "folder_missing",
    }  # fmt: skip
    (one,) = [body for body in told.bodies if body["code"] == "truncated"]
    assert one.pop("text")
    assert one == {"unit": "TRUCK07", "code": "truncated", "source": "ct", "item": "a" * 32, "count": 1}


def test_the_same_thing_again_is_only_counted() -> None:
    told, now = Told(), [0.0]
    alerts = Alerts(told, quiet=100.0, clock=lambda: now[0])
    alerts.tell("truncated", "ct")
    told.wait(lambda: len(told.bodies) == 1)
    for _ in range(50):
        alerts.tell("truncated", "ct")
    alerts.tell("truncated", "mr")
    told.wait(lambda: len(told.bodies) == 2)
    now[0] = 101.0
    alerts.tell("truncated", "ct")
    alerts.close()
    assert [(body["source"], body["count"]) for body in told.bodies] == [("ct", 1), ("mr", 1), ("ct", 51)]


def test_it_tries_again_until_somebody_listens() -> None:
    told = Told(failures=1)
    alerts = Alerts(told, chance=lambda: 0.0)
    alerts.tell("spool_failed")
    told.wait(lambda: len(told.bodies) == 1)
    alerts.close()
    assert told.tries == 2


def test_a_webhook_that_hangs_holds_nothing_up() -> None:
    hold, answered = threading.Event(), threading.Event()

    def hang(_: bytes) -> bool:
        hold.wait(120)
        answered.set()
        return True

    alerts = Alerts(hang)
    begun = time.thread_time()  # a machine that stands still for a while is nobody's fault
    for number in range(10_000):
        alerts.tell("truncated", f"source{number}")
    assert time.thread_time() - begun < 2
    alerts.close(seconds=0.1)
    assert time.thread_time() - begun < 3
    assert not answered.is_set(), "and nobody waited for its answer, which takes two minutes"
    assert len(alerts._waiting) <= 256
    hold.set()


@pytest.fixture
def hook() -> Iterator[tuple[str, list[bytes], list[int]]]:
    bodies: list[bytes] = []
    statuses = [200]

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(statuses[0])
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/secret-path", bodies, statuses
    server.shutdown()
    thread.join()
    server.server_close()


def test_only_a_success_counts_and_no_redirect_is_followed(hook: tuple[str, list[bytes], list[int]]) -> None:
    url, bodies, statuses = hook
    post = webhook(url)
    assert post(b"{}")
    for status in (302, 307, 404, 500):
        statuses[0] = status
        assert not post(b"{}")
    assert len(bodies) == 5


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "nonsense", "http://[", "ftp://x", "http://no.such.host.invalid/"]
)
def test_a_webhook_that_is_not_there_is_no_error(url: str) -> None:
    assert webhook(url, 2.0)(b"{}") is False


def test_a_proxy_of_the_environment_that_cannot_be_had_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    assert webhook("http://192.0.2.1/x", 2.0)(b"{}") is False
