"""A peer that refuses one object again and again ends its delivery; one that has no time, or no way, never does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from stowgate import events
from stowgate.deliver import refusals
from stowgate.deliver.sink import Answer, Parcel
from stowgate.deliver.stow import StowSink
from stowgate.errors import Misconfigured, Temporary
from stowgate.gateway import drain
from stowgate.lifecycle import Delivery, Evidence, State
from tests.deliver.parcels import Notebook, bytes_of, parcel
from tests.deliver.web import JSON, Reply, Web, answer
from tests.gateway.sending import Sent

D, S = Delivery, State
ACKNOWLEDGED = Answer(D.ACKNOWLEDGED)
CONFLICT: Reply = (409, {}, b"")


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    with suppress(Exception):
        made.stop()


@pytest.fixture
def sink(web: Web) -> Iterator[StowSink]:
    made = StowSink(web.url)
    yield made
    made.close()


class ByStow(Sent):
    """One way out of a gateway to a DICOMweb server, with real objects and a clock that is moved."""

    def through(self, web: Web, evidence: Evidence = Evidence.PRESENCE) -> None:
        self.web, self.evidence = web, evidence
        self.begin()
        self.sink = StowSink(web.url, content=evidence is Evidence.CONTENT)  # type: ignore[assignment]

    def bytes_of(self, n: int, size: int) -> bytes:
        return bytes_of(n, size)


@pytest.fixture
def sent(web: Web, monkeypatch: pytest.MonkeyPatch) -> Iterator[ByStow]:
    monkeypatch.setattr(drain, "PROBE", 300.0)  # each look is a real connection, and days go by here
    monkeypatch.setattr(drain, "LOOK", 60.0)
    made = ByStow()
    made.through(web)
    yield made
    made.sink.close()


def refusing(web: Web, reply: Reply, uid: str = "2.25.1") -> None:
    """Whoever sends this one by itself hears that; with others, too."""
    real = web.stored

    def stored(body: bytes, kind: str) -> Reply:
        said = real(body, kind)
        if uid in web.posts[-1]:
            for one in web.posts[-1]:
                web.held.pop(one, None)
            return reply
        return said

    web.stored = stored  # type: ignore[method-assign]


class TestOneThatIsRefusedForEver:
    @pytest.mark.parametrize("evidence", [Evidence.STATUS, Evidence.PRESENCE, Evidence.CONTENT])
    @pytest.mark.parametrize("code", [400, 409, 422])
    def test_it_is_quarantined_after_five_times_and_the_others_arrive(
        self, web: Web, sent: ByStow, code: int, evidence: Evidence
    ) -> None:
        refusing(web, (code, {}, b""))
        sent.through(web, evidence)
        sent.clean(1, 2)
        sent.go(7200)
        assert sent.state(1)[:3] == (S.QUARANTINED, D.REFUSED, "peer_keeps_refusing")
        assert sent.state(2)[3] is True
        assert len([post for post in web.posts if post == ["2.25.1"]]) == 5

    def test_the_link_counts_as_working_meanwhile(self, web: Web, sent: ByStow) -> None:
        refusing(web, CONFLICT)
        sent.clean(1)
        sent.go(7200)
        assert sent.state()[1] is D.REFUSED
        assert not sent.events(events.DestinationDown)

    def test_it_is_not_asked_all_at_once(self, web: Web, sent: ByStow) -> None:
        sent.chance = 1.0
        refusing(web, CONFLICT)
        sent.clean(1)
        sent.go(10)
        assert sent.state()[1] is D.QUEUED and sent.way().code == "peer_refuses"

    def test_what_it_has_is_no_refusal(self, web: Web, sent: ByStow) -> None:
        """Some say 409 of what they hold already."""
        web.held["2.25.1"] = bytes_of(1, 100)
        web.replies = [lambda _: CONFLICT]
        sent.clean(1)
        sent.go()
        assert sent.state() == (S.WAITING, D.VERIFIED, "", True)

    def test_where_only_its_word_counts_it_is_asked_once_at_the_end(self, web: Web, sent: ByStow) -> None:
        web.held["2.25.1"] = bytes_of(1, 100)
        web.replies = [lambda _: CONFLICT] * 9
        sent.through(web, Evidence.STATUS)
        sent.clean(1)
        sent.go(7200)
        assert sent.state() == (S.WAITING, D.ACKNOWLEDGED, "", True)
        assert len(web.posts) == 5 and web.questions == ["one"]

    def test_one_that_says_known_and_has_it_not_ends_too(self, web: Web, sent: ByStow) -> None:
        refusing(web, (409, JSON, answer([], {"2.25.1": 0x0111})))
        sent.clean(1)
        sent.go(7200)
        assert sent.state()[:3] == (S.QUARANTINED, D.REFUSED, "peer_keeps_refusing")

    def test_another_answer_in_between_begins_the_count_anew(self, web: Web, sink: StowSink) -> None:
        notes = Notebook()
        for code in (409, 409, 409, 409, 422, 409, 409, 409, 409):
            web.replies = [lambda _, code=code: (code, {}, b"")]  # type: ignore[misc]
            assert sink.deliver(parcel(1), notes)["2.25.1"] == Answer(D.SENT, "peer_refuses")
        web.replies = [lambda _: CONFLICT]
        assert sink.deliver(parcel(1), notes)["2.25.1"] == Answer(D.REFUSED, "peer_keeps_refusing")
        assert notes.read("2.25.1") == "", "a person's wish to try again begins anew"

    @pytest.mark.parametrize(
        ("says", "last"),
        [((400, {}, b""), Answer(D.REFUSED, "peer_keeps_refusing")), ((503, {}, b""), Answer(D.SENT, "peer_refuses"))],
    )
    def test_its_word_has_to_do_where_it_cannot_be_asked_and_not_where_it_has_no_time(
        self, web: Web, sink: StowSink, says: Reply, last: Answer
    ) -> None:
        notes, web.says = Notebook({"2.25.1": "409 4"}), says
        web.replies = [lambda _: CONFLICT] * 2
        assert sink.deliver(parcel(1), notes) == {"2.25.1": last}
        web.says = None
        assert sink.deliver(parcel(1), notes)["2.25.1"].state is (D.SENT if last.state is D.REFUSED else D.REFUSED)

    def test_one_that_is_taken_in_the_end_is_forgotten(self, web: Web, sink: StowSink) -> None:
        notes = Notebook()
        web.replies = [lambda _: CONFLICT]
        sink.deliver(parcel(1), notes)
        assert refusals.noted(notes, "2.25.1") == ("409", 1)
        assert sink.deliver(parcel(1), notes) == {"2.25.1": ACKNOWLEDGED}
        assert notes.read("2.25.1") == ""


class TestWhatIsNeverGivenUp:
    @pytest.mark.parametrize(
        "reply",
        [
            (503, {}, b""), (507, {}, b""), (500, {}, b""), (520, {}, b""), (511, {}, b""), (429, {}, b""),
            (200, {"Content-Type": "text/html"}, b"<html>Log in</html>"),
            (409, JSON, answer([], {"2.25.1": 0xA700})), (409, JSON, answer([], {"2.25.1": 0x0110})),
        ],
    )  # fmt: skip
    def test_a_peer_that_is_full_broken_or_not_itself_is_tried_for_ever(
        self, web: Web, sent: ByStow, reply: Reply
    ) -> None:
        refusing(web, reply)
        sent.clean(1)
        sent.go(20_000)
        assert sent.state()[:2] == (S.WAITING, D.QUEUED)
        assert len(web.posts) > 20
        web.stored = type(web).stored.__get__(web)  # type: ignore[method-assign]
        sent.go(1200)
        assert sent.state() == (S.WAITING, D.VERIFIED, "", True)

    def test_a_link_that_breaks_in_every_object_never_counts(self, web: Web, sent: ByStow) -> None:
        sent.clean(1, size=20_000_000)
        web.cut, web.cuts = 1_000_000, 25
        sent.go(3600)
        assert web.cuts < 18 and sent.state()[:2] == (S.WAITING, D.QUEUED)
        sent.go(20_000)
        assert sent.state()[3] is True

    def test_a_server_that_says_yes_to_all_and_nothing_of_this_one_is_asked_at_leisure(
        self, web: Web, sent: ByStow
    ) -> None:
        web.silent = web.forgets = {"2.25.1"}
        sent.clean(1)
        sent.go(3600)
        assert sent.state()[:2] == (S.WAITING, D.QUEUED) and sent.way().code == "peer_said_nothing"
        assert 3 < len(web.posts) < 30
        web.forgets = set()
        sent.go(1200)
        assert sent.state()[3] is True


class TestOneThatStumbles:
    """0110 and HTTP 500 may be the peer's fault; that of the object only where others are taken meanwhile."""

    @pytest.mark.parametrize("reply", [(500, {}, b""), (409, JSON, answer([], {"2.25.1": 0x0110}))])
    def test_it_ends_when_others_are_taken_and_it_is_not(self, web: Web, sink: StowSink, reply: Reply) -> None:
        refusing(web, reply)
        notes = Notebook()
        states = []
        for n in range(2, 9):
            both = sink.deliver(parcel(1, n), notes)
            assert both[f"2.25.{n}"] == ACKNOWLEDGED
            states.append(both["2.25.1"])
        assert states[:5] == [Answer(D.QUEUED, "peer_busy")] * 5, "the first time nobody knows who is to blame"
        assert states[5] == Answer(D.REFUSED, "peer_keeps_refusing")

    def test_a_batch_is_halved_until_the_one_is_found(self, web: Web, sink: StowSink) -> None:
        refusing(web, (500, {}, b""), "2.25.6")
        answers = sink.deliver(parcel(*range(1, 9)), Notebook())
        assert [uid for uid, one in answers.items() if one != ACKNOWLEDGED] == ["2.25.6"]
        assert [len(post) for post in web.posts] == [8, 4, 4, 2, 1, 1, 2]

    def test_a_peer_that_always_stumbles_is_not_asked_for_each(self, web: Web, sink: StowSink) -> None:
        web.replies = [lambda _: (500, {}, b"")] * 99
        answers = sink.deliver(parcel(*range(1, 65)), Notebook())
        assert {(one.state, one.code) for one in answers.values()} == {(D.QUEUED, "peer_busy")}
        assert len(web.posts) == 8


class TestBatchesBySize:
    def test_what_is_too_large_together_goes_in_halves_and_the_next_batch_knows(self, web: Web, sink: StowSink) -> None:
        real = web.stored
        limit = 50_000

        def stored(body: bytes, kind: str) -> Reply:
            if len(body) > limit:
                web.posts.append([str(len(body))])
                return 413, {}, b""
            return real(body, kind)

        web.stored = stored  # type: ignore[method-assign]
        sent = parcel(*range(1, 9), size=20_000)
        assert set(sink.deliver(sent, Notebook()).values()) == {ACKNOWLEDGED}
        refused = [post for post in web.posts if len(post[0]) > 6 or post[0].isdigit()]
        assert len(refused) == 2, "160 kB and 80 kB; 40 kB goes"
        web.posts.clear()
        assert set(sink.deliver(parcel(*range(1, 9), size=20_000), Notebook()).values()) == {ACKNOWLEDGED}
        assert [len(post) for post in web.posts] == [2, 2, 2, 2]

    def test_what_came_after_others_were_answered_for_keeps_their_answers(self, web: Web, sink: StowSink) -> None:
        web.replies = [
            lambda _: (400, {}, b""), lambda _: (200, JSON, answer(["2.25.1"], {})),
            lambda _: (503, {"Retry-After": "77"}, b""),
        ]  # fmt: skip
        answers = sink.deliver(parcel(1, 2, 3), Notebook())
        later = Answer(D.QUEUED, "peer_busy", 77.0)
        assert list(answers.values()) == [ACKNOWLEDGED, later, later]
        web.replies = [
            lambda _: (400, {}, b""), lambda _: (200, JSON, answer(["2.25.1"], {})), lambda _: (401, {}, b""),
        ]  # fmt: skip
        later = Answer(D.QUEUED, "peer_unauthorised")
        assert list(sink.deliver(parcel(1, 2, 3), Notebook()).values()) == [ACKNOWLEDGED, later, later]


class TestCodes:
    """What is said of all, whoever says it."""

    @pytest.mark.parametrize("code", [404, 405, 406, 410, 501, 505])
    def test_an_address_that_takes_no_objects_is_for_a_person(self, web: Web, sink: StowSink, code: int) -> None:
        web.replies = [lambda _: (code, {}, b"")]
        with pytest.raises(Misconfigured) as refused:
            sink.deliver(parcel(1, 2), Notebook())
        assert refused.value.code == "peer_not_dicom"

    @pytest.mark.parametrize("code", [429, 503, 507])
    def test_a_date_to_come_again_is_heard_as_well_as_seconds(self, web: Web, sink: StowSink, code: int) -> None:
        from email.utils import formatdate
        from time import time

        for said, least, most in (("90", 90, 90), (formatdate(time() + 600, usegmt=True), 590, 600)):
            web.replies = [lambda _, said=said: (code, {"Retry-After": said}, b"")]  # type: ignore[misc]
            with pytest.raises(Temporary) as busy:
                sink.deliver(parcel(1), Notebook())
            assert busy.value.code == "peer_busy" and busy.value.after is not None
            assert least <= busy.value.after <= most

    @pytest.mark.parametrize("said", ["", "soon", "-5", "Thu, 99 Xyz 2026 00:00:00 GMT", "9" * 400, "Mon, 01 Jan 0001"])
    def test_nonsense_about_when_to_come_again_does_no_harm(self, web: Web, sink: StowSink, said: str) -> None:
        web.replies = [lambda _: (503, {"Retry-After": said}, b"")]
        with pytest.raises(Temporary) as busy:
            sink.deliver(parcel(1), Notebook())
        assert busy.value.after is None or busy.value.after >= 0

    def test_a_proxy_that_misses_our_certificate_is_for_a_person(self, web: Web, sink: StowSink) -> None:
        page = b"<html><head><title>400 No required SSL certificate was sent</title></head></html>"
        web.replies = [lambda _: (400, {"Content-Type": "text/html"}, page)]
        with pytest.raises(Misconfigured) as refused:
            sink.deliver(parcel(1), Notebook())
        assert refused.value.code == "peer_certificate"

    def test_an_answer_in_another_form_of_dicom_is_no_log_in_page(self, web: Web, sink: StowSink) -> None:
        web.replies = [lambda _: (200, {"Content-Type": "application/dicom+xml"}, b"<NativeDicomModel/>")]
        assert sink.deliver(parcel(1), Notebook()) == {"2.25.1": Answer(D.SENT, "peer_said_nothing")}

    def test_one_that_may_not_be_stored_lets_the_others_keep_their_answers(self, web: Web, sink: StowSink) -> None:
        web.code, web.reasons = 202, {"2.25.2": 0x0124}
        answers = sink.deliver(parcel(1, 2), Notebook())
        assert list(answers.values()) == [ACKNOWLEDGED, Answer(D.QUEUED, "peer_unauthorised")]
        with pytest.raises(Misconfigured):
            sink.deliver(Parcel(parcel(2).instances), Notebook())
