"""STOW-RS as a sender: the truth is per UID, whatever the code says, and silence is not taken for stored."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.deliver.dest_tls import DestTls
from stowgate.deliver.login import Access
from stowgate.deliver.sink import Answer, Parcel
from stowgate.deliver.stow import StowSink
from stowgate.deliver.stow_answer import said_of
from stowgate.deliver.stow_dest import StowDest
from stowgate.errors import Misconfigured, Temporary
from stowgate.lifecycle import Delivery, Evidence
from tests.deliver.parcels import Notebook, bytes_of, letter, parcel
from tests.deliver.test_cstore import Certificates, _answering, certificates
from tests.deliver.web import JSON, Web, answer

__all__ = ["certificates"]
D = Delivery
NOTES, ACKNOWLEDGED = Notebook(), Answer(Delivery.ACKNOWLEDGED)


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    with suppress(Exception):
        made.stop()


@pytest.fixture
def sink(web: Web) -> Iterator[StowSink]:
    made = StowSink(web.url)
    made.open()
    yield made
    made.close()


def states(answers: object) -> list[Delivery]:
    return [one.state for one in answers.values()]  # type: ignore[attr-defined]


class TestReconciliation:
    """D4: every mix of failed, referenced and neither, under every code."""

    @pytest.mark.parametrize("code", [200, 202, 409, 400])
    def test_each_instance_is_what_the_answer_says_of_it(self, web: Web, sink: StowSink, code: int) -> None:
        web.code, web.reasons = code, {"2.25.2": 0xA700, "2.25.3": 0xC000, "2.25.4": 0x0122, "2.25.5": 0x0111}
        answers = sink.deliver(parcel(1, 2, 3, 4, 5), NOTES)
        assert states(answers) == [D.ACKNOWLEDGED, D.QUEUED, D.REFUSED, D.REFUSED, D.SENT]
        assert len(web.posts) == 1

    def test_what_a_success_does_not_speak_of_is_asked_for(self, web: Web, sink: StowSink) -> None:
        web.silent = {"2.25.2"}
        assert states(sink.deliver(parcel(1, 2), NOTES)) == [D.ACKNOWLEDGED, D.SENT]
        assert sink.verify(parcel(2), NOTES)["2.25.2"].evidence is Evidence.PRESENCE

    def test_what_a_refusal_of_all_does_not_speak_of_is_sent_by_itself(self, web: Web, sink: StowSink) -> None:
        """As Orthanc does: 400 for a batch with one bad part, the good one listed, the bad one nowhere."""
        web.replies = [
            lambda _: (400, JSON, answer(["2.25.1"], {})),
            lambda _: (400, JSON, answer([], {})),
        ]
        assert states(sink.deliver(parcel(1, 2), NOTES)) == [D.ACKNOWLEDGED, D.REFUSED]
        assert web.posts == [["2.25.1", "2.25.2"], ["2.25.2"]]

    @pytest.mark.parametrize("code", [400, 413, 415, 422])
    def test_a_batch_that_is_too_much_goes_one_by_one(self, web: Web, sink: StowSink, code: int) -> None:
        web.replies = [lambda _: (code, {}, b"")]
        assert states(sink.deliver(parcel(1, 2, 3), NOTES)) == [D.ACKNOWLEDGED] * 3
        assert [len(post) for post in web.posts] == [3, 1, 1, 1]

    def test_one_that_is_refused_alone_is_refused_for_good(self, web: Web, sink: StowSink) -> None:
        for code, why in ((415, "peer_takes_no_such_object"), (413, "peer_object_too_large")):
            web.replies = [lambda _, code=code: (code, {}, b"")]  # type: ignore[misc]
            assert sink.deliver(parcel(1), NOTES) == {"2.25.1": Answer(D.REFUSED, why)}

    def test_a_conflict_about_one_is_asked_about(self, web: Web, sink: StowSink) -> None:
        web.replies = [lambda _: (409, {}, b"")]
        assert states(sink.deliver(parcel(1), NOTES)) == [D.SENT]

    def test_who_says_failed_and_stored_has_not_stored_it(self) -> None:
        body = answer(["2.25.1"], {"2.25.1": 0xA700})
        assert said_of(body, ["2.25.1"]) == {"2.25.1": 0xA700}

    @given(st.recursive(
        st.none() | st.integers() | st.text(max_size=8) | st.sampled_from(["00081199", "00081198", "Value", "2.25.1"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(["00081199", "00081198", "00081155", "00081197", "Value"]), inner, max_size=3),
        max_leaves=12,
    ))  # fmt: skip
    def test_no_answer_whatever_breaks_it_or_speaks_of_others(self, data: object) -> None:
        found = said_of(json.dumps(data).encode(), ["2.25.1"])
        assert set(found) <= {"2.25.1"}

    @pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff", b"[" * 100_000])
    def test_what_is_no_json_says_nothing(self, body: bytes) -> None:
        assert said_of(body, ["2.25.1"]) == {}


class TestWays:
    @pytest.mark.parametrize("code", [429, 503])
    def test_a_server_that_says_when_to_come_again_is_heard(self, web: Web, sink: StowSink, code: int) -> None:
        web.replies = [lambda _: (code, {"Retry-After": "120"}, b"")]
        with pytest.raises(Temporary) as busy:
            sink.deliver(parcel(1), NOTES)
        assert (busy.value.code, busy.value.after) == ("peer_busy", 120.0)

    @pytest.mark.parametrize("code", [401, 403])
    def test_a_server_that_lets_nobody_in_is_for_a_person(self, web: Web, sink: StowSink, code: int) -> None:
        web.replies = [lambda _: (code, {}, b"")]
        with pytest.raises(Misconfigured) as refused:
            sink.deliver(parcel(1), NOTES)
        assert refused.value.code == "peer_unauthorised"

    @pytest.mark.parametrize(
        "reply",
        [(200, {"Content-Type": "text/html"}, b"<html>Please log in</html>"), (200, {}, b""),
         (302, {"Location": "http://192.0.2.1/login"}, b"")],
    )  # fmt: skip
    def test_a_log_in_page_has_stored_nothing(
        self, web: Web, sink: StowSink, reply: tuple[int, dict[str, str], bytes]
    ) -> None:
        web.replies = [lambda _: reply]
        with pytest.raises(Temporary) as failed:
            sink.deliver(parcel(1), NOTES)
        assert failed.value.code == "peer_not_dicom"

    def test_a_connection_that_breaks_says_which_went_out_whole(self, web: Web, sink: StowSink) -> None:
        web.cut = 30_000_000
        sent = Parcel((*parcel(1).instances, letter(bytes_of(2, 60_000_000), "2.25.2"), *parcel(3).instances))
        answers = sink.deliver(sent, NOTES)
        assert [(one.state, one.code) for one in answers.values()] == [
            (D.SENT, "peer_broke_off"), (D.QUEUED, "peer_broke_off"), (D.QUEUED, "peer_broke_off"),
        ]  # fmt: skip

    @pytest.mark.parametrize("said", [b"", b"\x02\x00\x00\x00", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Len"])
    def test_what_speaks_no_http_stores_nothing(self, said: bytes) -> None:
        with _answering(lambda connection: (connection.recv(1 << 20), connection.sendall(said))) as port:
            sink = StowSink(f"http://127.0.0.1:{port}")
            answers = sink.deliver(parcel(1), NOTES)
            sink.close()
        assert answers["2.25.1"].code == "peer_broke_off"

    def test_a_wrong_address_is_for_a_person(self, web: Web, sink: StowSink) -> None:
        web.replies = [lambda _: (404, {}, b"")]
        with pytest.raises(Misconfigured):
            sink.deliver(parcel(1), NOTES)

    def test_a_token_or_a_password_is_shown_and_told_to_nobody(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TOKEN", "correct-horse-battery")
        basic = "Basic dW5pdDpjb3JyZWN0LWhvcnNlLWJhdHRlcnk="
        for user, header in (("", "Bearer correct-horse-battery"), ("unit", basic)):
            web.token = header
            sink = StowSink(web.url, Access("env:TOKEN", user))
            assert sink.deliver(parcel(1), NOTES) == {"2.25.1": ACKNOWLEDGED}
            web.token = "other"
            with pytest.raises(Misconfigured) as refused:
                sink.deliver(parcel(1), NOTES)
            assert "horse" not in str(refused.value)
            sink.close()

    def test_the_socket_notices_a_dead_link_in_half_a_minute(self, sink: StowSink) -> None:
        assert sink._peer._client
        options = sink._peer._client._transport._pool._socket_options  # type: ignore[union-attr]
        assert (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 25_000) in options
        assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in options


class TestQuestions:
    def test_lists_first_and_then_one_by_one(self, web: Web, sink: StowSink) -> None:
        sink.deliver(parcel(1, 2), NOTES)
        found = sink.verify(parcel(1, 2, 9), NOTES)
        assert [one.evidence for one in found.values()] == [Evidence.PRESENCE] * 2 + [Evidence.NONE]
        assert web.questions == ["list", "one"]
        web.lists = False
        assert {one.evidence for one in sink.verify(parcel(1, 2), NOTES).values()} == {Evidence.PRESENCE}

    @pytest.mark.parametrize(
        ("says", "code"),
        [
            ((400, {}, b""), "peer_cannot_be_asked"), ((501, {}, b""), "peer_cannot_be_asked"),
            ((200, {"Content-Type": "text/html"}, b"<html>"), "peer_not_dicom"), ((200, JSON, b"{"), "peer_not_dicom"),
            ((200, JSON, b"{}"), "peer_not_dicom"), ((200, JSON, b"[" * 100_000), "peer_not_dicom"),
            ((200, JSON, b" " * (9 << 20)), "peer_not_dicom"), ((302, {"Location": "/"}, b""), "peer_not_dicom"),
            ((503, {}, b""), "peer_busy"), ((403, {}, b""), "peer_unauthorised"),
        ],
    )  # fmt: skip
    def test_an_answer_that_is_none_is_no_loss(
        self, web: Web, sink: StowSink, says: tuple[int, dict[str, str], bytes], code: str
    ) -> None:
        sink.deliver(parcel(1), NOTES)
        web.says = says
        with pytest.raises((Misconfigured, Temporary)) as failed:
            sink.verify(parcel(1), NOTES)
        assert failed.value.code == code  # type: ignore[attr-defined]
        assert [step.code for step in sink.trial()] == [code]

    def test_a_break_while_it_answers_is_no_loss(self) -> None:
        said = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Length: 999\r\n\r\n[]"
        with _answering(lambda connection: (connection.recv(1 << 16), connection.sendall(said))) as port:
            sink = StowSink(f"http://127.0.0.1:{port}")
            with pytest.raises(Temporary) as broke:
                sink.verify(parcel(1), NOTES)
            sink.close()
        assert broke.value.code == "peer_broke_off"

    def test_a_server_that_says_yes_and_does_not_store_is_found_out(self, web: Web, sink: StowSink) -> None:
        web.forgets = {"2.25.1"}
        assert sink.deliver(parcel(1), NOTES) == {"2.25.1": ACKNOWLEDGED}
        assert sink.verify(parcel(1), NOTES)["2.25.1"].code == "peer_lost_object"


class TestTls:
    def test_with_certificates_on_both_sides_it_arrives(self, certificates: Certificates) -> None:
        web = Web(certificates.server("web", mutual=True))
        own, key = certificates.of("gateway")
        sink = StowSink(web.url, tls=DestTls(ca=certificates.ca, certificate=own, key=key))
        assert sink.deliver(parcel(1), NOTES) == {"2.25.1": ACKNOWLEDGED}
        sink.close()
        web.stop()

    @pytest.mark.parametrize("wrong", ["expired", "other host", "unknown authority", "ours is missing"])
    def test_a_certificate_that_is_not_right_is_for_a_person_and_no_byte_goes(
        self, certificates: Certificates, tmp_path: Path, wrong: str
    ) -> None:
        how = {"expired": {"days": -1}, "other host": {"address": "192.0.2.1"}}.get(wrong, {})
        ca = Certificates(tmp_path).ca if wrong == "unknown authority" else certificates.ca
        mutual = wrong == "ours is missing"
        context: ssl.SSLContext = certificates.server(wrong.replace(" ", "_"), mutual=mutual, **how)
        web = Web(context)
        sink = StowSink(web.url, tls=DestTls(ca=ca))
        with pytest.raises(Misconfigured) as refused:
            sink.deliver(parcel(1), NOTES)
        assert refused.value.code == "peer_certificate" and web.posts == []
        sink.close()
        web.stop()


class TestSettings:
    @pytest.mark.parametrize(
        "wrong", [{"url": "ftp://x"}, {"url": "https://u:p@x"}, {"url": "x"}, {"user": "u"}, {"auth": "secret"}]
    )
    def test_what_cannot_be_used_is_refused(self, wrong: dict[str, str]) -> None:
        with pytest.raises(ValueError, match=r"must be|needs auth|match"):
            StowDest(**{"kind": "stow", "name": "web", "url": "https://pacs.example/dicom-web", **wrong})  # type: ignore[arg-type]

    def test_they_make_the_sink(self) -> None:
        made = StowDest(kind="stow", name="web", url="https://pacs.example/dicom-web/")
        assert made.where == "https://pacs.example/dicom-web" and isinstance(made.sink(), StowSink)
