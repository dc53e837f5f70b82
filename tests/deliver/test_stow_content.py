"""Content as evidence: what a DICOMweb server gives back is compared with what was sent, as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.deliver.http import Heard
from stowgate.deliver.part10 import data_set_at
from stowgate.deliver.sink import STEP, Found, Instance
from stowgate.deliver.stow import StowSink
from stowgate.deliver.wado import compared
from stowgate.dicom.source import MemorySource
from stowgate.errors import Misconfigured, Temporary
from stowgate.lifecycle import Delivery, Evidence, State
from tests.deliver.parcels import Notebook, bytes_of, letter, parcel
from tests.deliver.test_cstore import _answering
from tests.deliver.test_stow_refusals import ByStow
from tests.deliver.web import Reply, Web, multipart, single

SAME, OTHER = Found(Evidence.CONTENT), Found(code="peer_has_other_bytes")
LOST, NOTHING = Found(code="peer_lost_object"), Found()
REENCODED = Found(Evidence.PRESENCE, "peer_reencoded")
IMPLICIT = "1.2.840.10008.1.2"
ONE = parcel(1).instances[0]


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    with suppress(Exception):
        made.stop()


@pytest.fixture
def sink(web: Web) -> Iterator[StowSink]:
    made = StowSink(web.url, content=True)
    yield made
    made.close()


def with_meta(file: bytes, more: bytes = b"", preamble: bytes = bytes(128), syntax: str = "") -> bytes:
    """The same data set behind other file meta information, as another writer makes it."""
    found = data_set_at(file)
    assert found
    syntax = syntax or found[1]
    value = (syntax + "\0" * (len(syntax) % 2)).encode()
    meta = b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01" + more
    meta += b"\x02\x00\x10\x00UI" + len(value).to_bytes(2, "little") + value
    return preamble + b"DICM\x02\x00\x00\x00UL\x04\x00" + len(meta).to_bytes(4, "little") + meta + file[found[0] :]


def heard(reply: Reply, step: int = 1 << 16, *, sized: bool = True) -> Heard:
    code, headers, body = reply
    pieces = (body[at : at + step] for at in range(0, len(body), step))
    return Heard(code, headers["Content-Type"], "http://x", None, sized, pieces)


class TestComparing:
    @pytest.mark.parametrize("form", [multipart, single])
    @pytest.mark.parametrize("step", [1, 7, 100, 65_536])
    def test_the_same_data_set_is_content_however_it_comes(self, form: Callable[[bytes], Reply], step: int) -> None:
        assert compared(heard(form(bytes_of(1)), step), ONE) == SAME

    @pytest.mark.parametrize("form", [multipart, single])
    def test_preamble_and_file_meta_information_may_be_another_writers(self, form: Callable[[bytes], Reply]) -> None:
        theirs = with_meta(bytes_of(1), b"\x02\x00\x16\x00AE\x04\x00PACS", b"II*\0" * 32)
        assert compared(heard(form(theirs)), ONE) == SAME

    @given(st.data())
    def test_one_byte_more_less_or_other_anywhere_in_the_data_set_is_seen(self, data: st.DataObject) -> None:
        file = bytes_of(1, 300)
        found = data_set_at(file)
        assert found
        at = data.draw(st.integers(found[0] + 12, len(file) - 1))
        other = data.draw(
            st.sampled_from(
                [
                    file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :],
                    file[:at],
                    file + b"\0",
                    file[:at] + b"?" + file[at:],
                ]
            )
        )
        form = data.draw(st.sampled_from([multipart, single]))
        step = data.draw(st.integers(1, 2000))
        assert compared(heard(form(other), step), letter(file, "2.25.1")) == OTHER

    @pytest.mark.parametrize("form", [multipart, single])
    @pytest.mark.parametrize("theirs", [b"", b"x" * 50, b"x" * 500, bytes(128) + b"DICM", bytes_of(1)[:200]])
    def test_what_is_no_object_any_more_is_other_bytes(self, theirs: bytes, form: Callable[[bytes], Reply]) -> None:
        assert compared(heard(form(theirs)), ONE) == OTHER

    def test_another_transfer_syntax_is_neither_the_same_nor_altered_and_is_not_read_to_its_end(self) -> None:
        theirs = with_meta(bytes_of(1), syntax=IMPLICIT) + bytes(1 << 20)
        pieces = iter([multipart(theirs)[2][at : at + 4096] for at in range(0, 1 << 20, 4096)])
        answer = Heard(200, multipart(b"")[1]["Content-Type"], "http://x", None, True, pieces)
        assert compared(answer, ONE) == REENCODED
        assert len(list(pieces)) == 255

    def test_what_differs_at_the_beginning_is_not_read_to_its_end(self) -> None:
        large = letter(bytes_of(1, 3_000_000), "2.25.1")
        theirs = multipart(with_meta(bytes_of(2, 3_000_000)))
        answer = heard(theirs, 4096)
        assert compared(answer, large) == OTHER
        assert len(list(answer.chunks)) > 700

    def test_ours_is_read_a_step_at_a_time_and_let_go_of(self) -> None:
        data, most, still_open = bytes_of(1, 2_000_000), [0], [0]

        class Watched(MemorySource):
            def __init__(self) -> None:
                super().__init__(data)
                still_open[0] += 1

            def read(self, offset: int, length: int) -> bytes:
                most[0] = max(most[0], length)
                return super().read(offset, length)

            def close(self) -> None:
                still_open[0] -= 1

        watched = Instance(ONE.ref, ONE.digest, Watched)
        assert compared(heard(multipart(data)), watched) == SAME
        assert compared(heard(multipart(with_meta(bytes_of(2)))), watched) == OTHER
        assert most[0] <= STEP and still_open[0] == 0

    def test_an_end_that_nobody_announced_may_be_a_break(self) -> None:
        with pytest.raises(Temporary) as broke:
            compared(heard(single(bytes_of(1)[:-1]), sized=False), ONE)
        assert broke.value.code == "peer_broke_off"
        assert compared(heard(single(bytes_of(1)), sized=False), ONE) == SAME

    @pytest.mark.parametrize(
        "reply",
        [
            (200, {"Content-Type": "text/html"}, b"<html>Please log in</html>"),
            (200, {"Content-Type": ""}, bytes_of(1)),
            (200, {"Content-Type": "multipart/related"}, bytes_of(1)),
            (200, multipart()[1], b""),
            (200, multipart()[1], multipart()[2]),
            (200, multipart()[1], multipart(bytes_of(1))[2][:-200]),
            (200, multipart()[1], b"no part of it" * 1000),
            (200, multipart()[1], b"--" + b"b" * 73 + b"\r\nno field\r\n\r\n"),
        ],
    )
    def test_what_is_no_answer_says_nothing_of_the_object(self, reply: Reply) -> None:
        with pytest.raises(Temporary) as failed:
            compared(heard(reply), ONE)
        assert failed.value.code == "peer_not_dicom"


class TestReadBack:
    @pytest.mark.parametrize("code", [400, 403, 405, 406, 415, 501])
    def test_a_server_that_gives_nothing_back_says_nothing(self, web: Web, sink: StowSink, code: int) -> None:
        web.held["2.25.1"], web.gives = bytes_of(1), code
        assert sink.read_back(ONE) == NOTHING

    @pytest.mark.parametrize("code", [404, 410])
    def test_404_of_what_it_lists_is_a_server_that_gives_nothing_back(
        self, web: Web, sink: StowSink, code: int
    ) -> None:
        web.held["2.25.1"], web.gives = bytes_of(1), code
        assert sink.read_back(ONE) == NOTHING
        del web.held["2.25.1"]
        assert sink.read_back(ONE) == LOST

    def test_404_from_one_that_can_be_asked_nothing_at_all_is_no_loss(self, web: Web, sink: StowSink) -> None:
        web.says = 400, {}, b""
        assert sink.read_back(ONE) == NOTHING
        web.says = 401, {}, b""
        with pytest.raises(Misconfigured):
            sink.read_back(ONE)

    def test_404_from_one_that_gives_back_is_a_loss_whatever_its_list_says(self, web: Web, sink: StowSink) -> None:
        web.held["2.25.1"] = web.held["2.25.2"] = bytes_of(1)
        assert sink.read_back(ONE) == SAME
        web.gives = 404
        assert sink.read_back(parcel(2).instances[0]) == LOST

    @pytest.mark.parametrize("code", [500, 502, 503, 429])
    def test_a_server_without_time_is_asked_later(self, web: Web, sink: StowSink, code: int) -> None:
        web.gives = code
        with pytest.raises(Temporary) as busy:
            sink.read_back(ONE)
        assert busy.value.code == "peer_busy"

    def test_a_server_that_lets_us_in_no_more_is_for_a_person(self, web: Web, sink: StowSink) -> None:
        web.gives = 401
        with pytest.raises(Misconfigured) as refused:
            sink.read_back(ONE)
        assert refused.value.code == "peer_unauthorised"

    def test_a_break_in_the_middle_says_nothing_of_the_object(self) -> None:
        kind, body = single(bytes_of(1, 100_000))[1]["Content-Type"], bytes_of(1, 100_000)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with _answering(lambda peer: (peer.recv(1 << 16), peer.sendall(head + body[:50_000]))) as port:
            sink = StowSink(f"http://127.0.0.1:{port}")
            with pytest.raises(Temporary) as broke:
                sink.read_back(letter(body, "2.25.1"))
            sink.close()
        assert broke.value.code == "peer_broke_off"


class TestContentAsEvidence:
    def test_each_is_what_was_read_again_of_it(self, web: Web, sink: StowSink) -> None:
        sent = parcel(1, 2, 3, 4)
        sink.deliver(sent, Notebook())
        del web.held["2.25.1"]
        web.held["2.25.2"] += b"!"
        web.held["2.25.3"] = with_meta(web.held["2.25.3"], syntax=IMPLICIT)
        assert list(sink.verify(sent, Notebook()).values()) == [LOST, OTHER, REENCODED, SAME]

    def test_a_server_that_gives_nothing_back_is_for_a_person(self, web: Web, sink: StowSink) -> None:
        sink.deliver(parcel(1), Notebook())
        web.gives = 405
        with pytest.raises(Misconfigured) as refused:
            sink.verify(parcel(1), Notebook())
        assert refused.value.code == "peer_gives_nothing_back"
        assert [step.code for step in sink.trial()] == ["", "peer_gives_nothing_back"]
        web.gives = "single"
        assert [step.code for step in sink.trial()] == ["", ""]

    def test_one_over_which_it_stumbles_keeps_no_other_from_its_evidence(self, web: Web, sink: StowSink) -> None:
        sink.deliver(parcel(1, 2), Notebook())
        real = web.given
        web.given = lambda uid: (500, {}, b"") if uid == "2.25.1" else real(uid)  # type: ignore[method-assign]
        found = sink.verify(parcel(1, 2), Notebook())
        assert found["2.25.2"] == SAME
        assert (found["2.25.1"].code, found["2.25.1"].wait) == ("peer_busy", 300.0)

    def test_what_was_read_before_the_way_failed_is_known(self, web: Web, sink: StowSink) -> None:
        sink.deliver(parcel(1, 2), Notebook())
        real = web.given
        web.given = lambda uid: (503, {"Retry-After": "9"}, b"") if uid == "2.25.2" else real(uid)  # type: ignore[method-assign]
        assert list(sink.verify(parcel(1, 2), Notebook()).values()) == [SAME, Found(code="peer_busy", wait=9.0)]
        with pytest.raises(Temporary):
            sink.verify(parcel(2), Notebook())


class TestAPeerThatAlters:
    """From the gateway's side, with its ledger."""

    @pytest.fixture
    def sent(self, web: Web) -> Iterator[ByStow]:
        made = ByStow()
        made.through(web, Evidence.CONTENT)
        yield made
        made.sink.close()

    @pytest.mark.parametrize("evidence", [Evidence.PRESENCE, Evidence.CONTENT])
    def test_it_is_caught_gets_it_again_and_then_a_person_is_told(
        self, web: Web, sent: ByStow, evidence: Evidence
    ) -> None:
        """By the sample of each study, too, where presence is all that is asked for."""
        sent.through(web, evidence)
        web.keeps = lambda file: file[:-1] + b"!"
        sent.clean(1)
        sent.go(3600)
        assert sent.state()[:3] == (State.QUARANTINED, Delivery.REFUSED, "peer_has_other_bytes")
        assert 2 <= len(web.posts) <= 3

    def test_one_that_overwrites_is_healed_by_the_second_sending(self, web: Web, sent: ByStow) -> None:
        web.keeps = lambda file: file[:-1] + b"!"
        sent.clean(1)
        sent.go()
        web.held.clear()
        web.keeps = bytes
        sent.go(600)
        assert sent.state() == (State.WAITING, Delivery.VERIFIED, "", True)
        assert sent.way().evidence is Evidence.CONTENT

    def test_one_that_keeps_somebody_elses_object_under_the_uid_is_never_believed(self, web: Web, sent: ByStow) -> None:
        """As Orthanc does: it says stored and keeps the old one."""
        web.held["2.25.1"] = bytes_of(1, 999)
        sent.clean(1)
        sent.go(3600)
        assert sent.state()[:3] == (State.QUARANTINED, Delivery.REFUSED, "peer_has_other_bytes")
        assert web.held["2.25.1"] == bytes_of(1, 999)

    def test_one_that_reencodes_is_known_to_have_it_and_the_code_says_why_there_is_no_more(
        self, web: Web, sent: ByStow
    ) -> None:
        web.keeps = lambda file: with_meta(file, syntax=IMPLICIT)
        sent.clean(1)
        sent.go(60)
        assert sent.state() == (State.WAITING, Delivery.VERIFIED, "peer_reencoded", False)
        assert sent.way().evidence is Evidence.PRESENCE
        assert len(web.posts) == 1, "it is not sent again for that"
