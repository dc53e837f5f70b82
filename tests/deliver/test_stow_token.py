"""OAuth 2.0 client credentials: a token is fetched when needed, kept while it is good, shown to the peer alone."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest

from stowgate.deliver.dest_tls import DestTls
from stowgate.deliver.login import Access, Tokens
from stowgate.deliver.sink import Answer
from stowgate.deliver.stow import StowSink
from stowgate.deliver.stow_dest import StowDest
from stowgate.errors import Misconfigured, Temporary
from stowgate.lifecycle import Delivery
from stowgate.vault.secret import Secret
from tests.deliver.parcels import Notebook, parcel
from tests.deliver.test_cstore import Certificates, certificates
from tests.deliver.token_server import JSON, TokenServer
from tests.deliver.web import Reply, Web

__all__ = ["certificates"]
NAME, SECRET = "unit 7/truck:a", "s3cret+with=signs&more:colons"
ACKNOWLEDGED = {"2.25.1": Answer(Delivery.ACKNOWLEDGED)}
NOTES = Notebook()


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    with suppress(Exception):
        made.stop()


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    made = TokenServer(NAME, SECRET)
    yield made
    with suppress(Exception):
        made.stop()


@pytest.fixture
def sink(web: Web, tokens: TokenServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[StowSink]:
    monkeypatch.setenv("SECRET", SECRET)
    web.token = "Bearer token-1.of~test"
    made = StowSink(web.url, Access("env:SECRET", "", tokens.url, NAME, "dicom.write dicom.read", "pacs"))
    yield made
    made.close()


def fetched(tokens: TokenServer, clock: list[float]) -> Tokens:
    return Tokens(Access("", "", tokens.url, NAME), Secret(SECRET), clock=lambda: clock[0])


def failure(sink: StowSink) -> Temporary | Misconfigured:
    with pytest.raises((Temporary, Misconfigured)) as failed:
        sink.deliver(parcel(1), NOTES)
    assert isinstance(failed.value, Temporary | Misconfigured)
    return failed.value


class TestFetching:
    def test_it_is_fetched_once_and_shown_with_everything(self, tokens: TokenServer, sink: StowSink) -> None:
        for _ in range(2):
            assert sink.deliver(parcel(1), NOTES) == ACKNOWLEDGED
            assert not sink.verify(parcel(1), NOTES)["2.25.1"].code
            sink.read_back(parcel(1).instances[0])
            sink.close()
            sink.open()
        assert tokens.forms == [
            {"grant_type": ["client_credentials"], "scope": ["dicom.write dicom.read"], "audience": ["pacs"]}
        ]

    def test_what_is_not_set_is_not_asked_for(self, tokens: TokenServer) -> None:
        fetched(tokens, [0.0]).header()
        assert tokens.forms == [{"grant_type": ["client_credentials"]}]

    def test_it_is_fetched_anew_shortly_before_it_ends(self, tokens: TokenServer) -> None:
        clock = [0.0]
        login = fetched(tokens, clock)
        for now, count in ((0.0, 1), (3539.0, 1), (3540.0, 2), (7079.0, 2), (7081.0, 3)):
            clock[0] = now
            assert login.header() == {"Authorization": f"Bearer token-{count}.of~test"}

    @pytest.mark.parametrize(("lasts", "good", "over"), [(10, 8.9, 9.1), ("600", 539.0, 541.0), (0, None, 0.0)])
    def test_a_short_one_is_kept_for_nine_tenths_of_its_time(
        self, tokens: TokenServer, lasts: int, good: float | None, over: float
    ) -> None:
        clock, tokens.lasts = [0.0], lasts
        login = fetched(tokens, clock)
        login.header()
        for now, count in ((good, 1), (over, 2)):
            if now is not None:
                clock[0] = now
                login.header()
                assert len(tokens.given) == count

    @pytest.mark.parametrize("lasts", [None, "soon", [], -5])
    def test_one_that_says_not_how_long_is_kept_until_it_is_refused(self, tokens: TokenServer, lasts: object) -> None:
        clock = [0.0]
        tokens.lasts = lasts  # type: ignore[assignment]
        login = fetched(tokens, clock)
        login.header()
        clock[0] = 1e6
        login.header()
        assert len(tokens.given) == (2 if lasts == -5 else 1)

    def test_a_secret_that_was_renewed_is_used_at_the_next_opening(
        self, web: Web, tokens: TokenServer, sink: StowSink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert sink.deliver(parcel(1), NOTES) == ACKNOWLEDGED
        tokens.secret = "another-secret"
        monkeypatch.setenv("SECRET", "another-secret")
        web.token = "Bearer token-2.of~test"
        sink.close()
        sink.open()
        assert sink.deliver(parcel(1), NOTES) == ACKNOWLEDGED


class TestRefused:
    def test_one_that_is_not_good_any_more_is_fetched_once_and_the_same_is_sent_again(
        self, web: Web, tokens: TokenServer, sink: StowSink
    ) -> None:
        assert sink.deliver(parcel(1), NOTES) == ACKNOWLEDGED
        web.token = "Bearer token-2.of~test"
        assert set(sink.deliver(parcel(2, 3, size=700_000), NOTES).values()) == {Answer(Delivery.ACKNOWLEDGED)}
        assert web.posts[-1] == ["2.25.2", "2.25.3"] and len(tokens.given) == 2
        web.token = "Bearer token-3.of~test"
        assert not sink.verify(parcel(1), NOTES)["2.25.1"].code
        web.token = "Bearer token-4.of~test"
        assert not sink.read_back(parcel(1).instances[0]).code

    def test_a_peer_that_does_not_take_a_new_one_either_is_for_a_person(
        self, web: Web, tokens: TokenServer, sink: StowSink
    ) -> None:
        web.token = "Bearer other"
        assert failure(sink).code == "peer_unauthorised"
        assert len(tokens.given) == 2, "one more, and no more"

    def test_403_is_no_matter_of_the_token(self, web: Web, tokens: TokenServer, sink: StowSink) -> None:
        web.replies = [lambda _: (403, {}, b"")]
        assert failure(sink).code == "peer_unauthorised" and len(tokens.given) == 1


class TestEndpoint:
    @pytest.mark.parametrize(
        ("reply", "code"),
        [
            ((401, JSON, b'{"error": "invalid_client"}'), "peer_unauthorised"),
            ((400, JSON, b'{"error": "invalid_client"}'), "peer_unauthorised"),
            ((400, JSON, b'{"error": "invalid_scope"}'), "peer_unauthorised"),
            ((400, JSON, b'{"error": "unauthorized_client"}'), "peer_unauthorised"),
            ((403, {}, b""), "peer_unauthorised"),
        ],
    )
    def test_who_does_not_know_us_is_for_a_person(
        self, web: Web, tokens: TokenServer, sink: StowSink, reply: Reply, code: str
    ) -> None:
        tokens.replies = [reply]
        error = failure(sink)
        assert isinstance(error, Misconfigured) and error.code == code
        assert tokens.url.removesuffix("/oauth2/token") in str(error) and "oauth2" not in str(error)
        assert web.posts == []

    @pytest.mark.parametrize(
        ("reply", "code"),
        [
            ((503, {"Retry-After": "30"}, b""), "peer_busy"),
            ((429, {"Retry-After": "30"}, b""), "peer_busy"),
            ((500, {}, b""), "peer_busy"),
            ((302, {"Location": "http://192.0.2.1/"}, b""), "peer_gave_no_token"),
            ((511, {}, b""), "peer_gave_no_token"),
            ((404, {}, b""), "peer_gave_no_token"),
            ((400, {}, b"<html>"), "peer_gave_no_token"),
            ((200, {"Content-Type": "text/html"}, b"<html>Please log in</html>"), "peer_gave_no_token"),
            ((200, JSON, b"[" * 100_000), "peer_gave_no_token"),
            ((200, JSON, b"[]"), "peer_gave_no_token"),
            ((200, JSON, b'{"access_token": "x"}'), "peer_gave_no_token"),
            ((200, JSON, b'{"access_token": "x", "token_type": "mac"}'), "peer_gave_no_token"),
            ((200, JSON, b'{"access_token": 7, "token_type": "bearer"}'), "peer_gave_no_token"),
            ((200, JSON, b'{"access_token": "", "token_type": "bearer"}'), "peer_gave_no_token"),
            ((200, JSON, b'{"access_token": "a b", "token_type": "bearer"}'), "peer_gave_no_token"),
            ((200, JSON, b'{"access_token": "a\\r\\nHost: x", "token_type": "bearer"}'), "peer_gave_no_token"),
            ((200, JSON, b'{"error": "invalid_client"}'), "peer_gave_no_token"),
        ],
    )
    def test_who_gives_none_is_asked_again_later(
        self, web: Web, tokens: TokenServer, sink: StowSink, reply: Reply, code: str
    ) -> None:
        tokens.replies = [reply]
        error = failure(sink)
        assert isinstance(error, Temporary) and error.code == code
        assert error.after == (30.0 if "Retry-After" in reply[1] else None)
        assert web.posts == []
        assert sink.deliver(parcel(1), NOTES) == ACKNOWLEDGED

    def test_one_that_is_not_there_is_waited_for(self, tokens: TokenServer, sink: StowSink) -> None:
        tokens.stop()
        error = failure(sink)
        assert isinstance(error, Temporary) and error.code == "peer_unreachable"

    def test_one_that_hangs_up_is_waited_for(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET", SECRET)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/token"
            sink = StowSink(web.url, Access("env:SECRET", "", url, NAME))

            def hang_up() -> None:
                listening.accept()[0].close()

            threading.Thread(target=hang_up, daemon=True).start()
            error = failure(sink)
        assert isinstance(error, Temporary) and error.code == "peer_unreachable"

    def test_its_certificate_is_checked_by_the_authorities_of_the_destination(
        self, certificates: Certificates, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SECRET", SECRET)
        server = TokenServer(NAME, SECRET, certificates.server("tokens"))
        access = Access("env:SECRET", "", server.url, NAME)
        web.token = "Bearer token-1.of~test"
        assert StowSink(web.url, access, DestTls(ca=certificates.ca)).deliver(parcel(1), NOTES) == ACKNOWLEDGED
        error = failure(StowSink(web.url, access, DestTls(ca=Certificates(tmp_path).ca)))
        assert isinstance(error, Misconfigured) and error.code == "peer_certificate"
        server.stop()


class TestSecrecy:
    def test_neither_secret_nor_token_is_told_to_anybody(
        self, web: Web, sink: StowSink, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        sink.deliver(parcel(1), NOTES)
        web.token = "Bearer other"
        told = [str(failure(sink)), repr(failure(sink)), repr(sink), repr(sink._peer._login), repr(vars(sink._peer))]
        told += [step.said for step in sink.trial()] + [caplog.text]
        assert "HTTP Request" in caplog.text, "the log of others is looked at, too"
        for text in told:
            assert "s3cret" not in text and "token-" not in text and "of~test" not in text

    def test_a_trial_says_whether_there_is_a_token(self, tokens: TokenServer, sink: StowSink) -> None:
        assert [(step.what, step.code) for step in sink.trial()] == [("token", ""), ("QIDO-RS", "")]
        tokens.secret = "other"
        sink._peer._login.renew()
        assert [(step.what, step.code) for step in sink.trial()] == [("token", "peer_unauthorised")]


class TestSettings:
    GOOD: ClassVar = {
        "kind": "stow", "name": "web", "url": "https://pacs.example/dicom-web", "auth": "env:SECRET",
        "token_url": "https://login.example/oauth2/token", "client_id": "unit-7", "scope": "a b", "audience": "x:y",
    }  # fmt: skip

    @pytest.mark.parametrize(
        "wrong",
        [
            {"token_url": "http://login.example/token"}, {"token_url": "https://u:p@x/"}, {"token_url": "x"},
            {"client_id": ""}, {"auth": ""}, {"user": "u"}, {"token_url": ""}, {"scope": "a\nb"},
        ],
    )  # fmt: skip
    def test_what_does_not_fit_together_is_refused(self, wrong: dict[str, str]) -> None:
        with pytest.raises(ValueError, match=r"must be|needs|takes|match"):
            StowDest(**{**self.GOOD, **wrong})  # type: ignore[arg-type]

    @pytest.mark.parametrize("token_url", ["https://login.example/token", "http://127.0.0.1:9/t", "http://localhost/t"])
    def test_they_make_the_sink(self, token_url: str) -> None:
        made = StowDest(**{**self.GOOD, "token_url": token_url})  # type: ignore[arg-type]
        sink = made.sink()
        assert isinstance(sink, StowSink)
        assert sink._peer._access == Access("env:SECRET", "", token_url, "unit-7", "a b", "x:y")
        assert json.loads(made.model_dump_json())["auth"] == "env:SECRET"
