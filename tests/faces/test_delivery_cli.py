"""What goes out, from scanner to folder: the commands about it, against a gateway that really delivers."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.study import _say_expected
from stowgate.faces.cli.verify import _stands
from stowgate.faces.sample import make_series
from stowgate.faces.service import Running, running
from stowgate.ingest.scanner import Called, send
from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.outbox.policy import Urgency
from stowgate.reasons import REASONS
from stowgate.settings import load
from stowgate.store.deliveries import OnItsWay
from stowgate.store.study import Study
from stowgate.vault.key import load as load_key
from tests.builder import el
from tests.faces.conftest import Stowgate
from tests.faces.gateway_stage import eventually
from tests.journeys.stage import scan

TEXT = """
[spool]
path = "spool"
reserve = "0B"
[log]
file = "gateway.log"
level = "debug"
[[source]]
name = "ct"
kind = "dimse"
listen = "127.0.0.1:0"
allow = [{ ae = "CT1", ip = "127.0.0.1" }]
[[dest]]
name = "nas"
kind = "folder"
path = "out"
layout = "{instance}.dcm"
[[route]]
dest = ["nas"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "stowgate.toml"
    path.write_text(TEXT, encoding="utf-8")
    (tmp_path / "out").mkdir()
    return path


@pytest.fixture
def gateway(config: Path) -> Iterator[Running]:
    with running(load(config, environ={}), config.parent) as now:
        yield now


def sent(now: Running, folder: Path, number: int = 3) -> None:
    files = make_series(folder, number)
    assert send(Called("127.0.0.1", now.ports["ct"], "STOWGATE", "CT1"), files) == number


def delivered(now: Running) -> int:
    return sum(now.gateway.ledger.deliveries.delivered().get("ct", {}).values())


def test_what_comes_in_goes_out_byte_for_byte_and_counts_as_delivered_when_it_was_read_there(
    gateway: Running, tmp_path: Path, stowgate: Stowgate
) -> None:
    sent(gateway, tmp_path / "series")
    eventually(lambda: delivered(gateway) == 3)
    ledger, shelf = gateway.gateway.ledger, gateway.gateway.spool.clean
    for row in ledger.rows():
        made = ledger.clean_of_item(row.id)
        assert made
        with shelf.open(made.id) as kept:
            assert (tmp_path / "out" / f"{made.instance}.dcm").read_bytes() == kept.read(0, kept.size)
    found = json.loads(stowgate("status", "--json").out)
    assert {name: found[name] for name in ("received", "waiting", "delivered")} == {
        "received": 3, "waiting": 0, "delivered": 3,
    }  # fmt: skip
    assert found["destinations"]["nas"]["verified"] == 3
    plain = stowgate("status").out
    assert "nas" in plain and "verified" in plain
    assert stowgate("queue", "list").err == "Nothing waits.\n"
    (line,) = [json.loads(line) for line in stowgate("dest", "list", "--json").out.splitlines()]
    assert (line["name"], line["kind"], line["left"], line["verified"], line["stands"]) == (
        "nas",
        "folder",
        0,
        3,
        "open",
    )
    shown = json.loads(stowgate("queue", "show", row.id, "--json").out)
    (way,) = shown["deliveries"]
    assert (way["destination"], way["state"], way["evidence"], way["who_acts"]) == (
        "nas",
        "verified",
        "content",
        "nobody",
    )
    assert "to nas: verified, evidence content." in stowgate("queue", "show", row.id).out
    assert shown["state"] == "waiting" and shown["delivered"], "scripts get the state of the ledger"
    assert "state      delivered" in stowgate("queue", "show", row.id).out
    study = row.study
    (item, *_) = [json.loads(line) for line in stowgate("study", "show", study, "--json").out.splitlines()]
    assert (item["state"], item["delivered"]) == ("waiting", True)
    assert stowgate("study", "show", study).out.split("\n")[1].split()[1] == "delivered"
    assert "Foster" not in (tmp_path / "gateway.log").read_text()


def test_a_folder_that_is_away_keeps_everything_and_says_why_and_what_comes_back_is_found(
    gateway: Running, tmp_path: Path, stowgate: Stowgate
) -> None:
    (tmp_path / "out").rename(tmp_path / "unplugged")
    sent(gateway, tmp_path / "series", 2)
    ledger = gateway.gateway.ledger
    eventually(lambda: ledger.deliveries.destinations().get("nas"))

    def listed_now() -> list[dict[str, object]]:
        return [json.loads(line) for line in stowgate("queue", "list", "--json").out.splitlines()]

    away = "nas: The destination cannot be reached."
    eventually(lambda: [str(one["reason"]).startswith(away) for one in listed_now()] == [True, True])
    listed = listed_now()
    assert {(one["state"], one["who_acts"]) for one in listed} == {("waiting", "the gateway")}
    assert all(one["next_try"] for one in listed)
    tried = stowgate("dest", "test", "nas")
    assert tried.code == 3 and "cannot be reached" in tried.out
    assert "down: peer_unreachable" in stowgate("dest", "list").out
    assert "down: peer_unreachable" in stowgate("status").out
    (tmp_path / "unplugged").rename(tmp_path / "out")
    assert stowgate("queue", "retry", "--now").code == 0
    eventually(lambda: delivered(gateway) == 2)


def test_a_paused_destination_gets_nothing_until_it_is_resumed(
    gateway: Running, tmp_path: Path, stowgate: Stowgate
) -> None:
    assert stowgate("dest", "pause", "nas").code == 0
    sent(gateway, tmp_path / "series", 2)
    eventually(gateway.gateway.ledger.deliveries.counts)
    (first, _) = [json.loads(line) for line in stowgate("queue", "list", "--json").out.splitlines()]
    assert first["who_acts"] == "a person" and first["reason"].startswith("nas is paused.")
    assert "paused: paused_by_person" in stowgate("dest", "list").out
    assert stowgate("dest", "resume", "nas").code == 0
    eventually(lambda: delivered(gateway) == 2)
    acts = stowgate("audit", "show", "--json").out
    assert '"dest_pause"' in acts and '"dest_resume"' in acts


def test_a_trial_leaves_nothing_behind_and_an_unknown_name_is_said(config: Path, stowgate: Stowgate) -> None:
    tried = stowgate("dest", "test", "nas")
    assert tried.code == 0 and tried.err == "nas works.\n"
    assert not [path for path in (config.parent / "out").rglob("*") if path.is_file()]
    for command in ("test", "pause", "resume"):
        refused = stowgate("dest", command, "pacs")
        assert refused.code == 2 and "no [[dest]] is called pacs; there is: nas" in refused.err


def test_before_the_first_run_every_destination_is_there_with_zeros(config: Path, stowgate: Stowgate) -> None:
    (line,) = [json.loads(line) for line in stowgate("dest", "list", "--json").out.splitlines()]
    assert (line["name"], line["left"], line["verified"]) == ("nas", 0, 0)


def test_what_waited_before_there_was_a_destination_goes_to_it_when_there_is_one(config: Path, tmp_path: Path) -> None:
    alone = TEXT.partition("[[dest]]")[0]
    config.write_text(alone, encoding="utf-8")
    with running(load(config, environ={}), tmp_path) as now:
        sent(now, tmp_path / "series", 2)
        eventually(lambda: now.gateway.ledger.counts()["ct"][State.WAITING] == 2)
    config.write_text(TEXT, encoding="utf-8")
    with running(load(config, environ={}), tmp_path) as now:
        eventually(lambda: delivered(now) == 2)


def test_a_destination_that_was_taken_out_of_the_configuration_is_for_a_person(
    config: Path, tmp_path: Path, stowgate: Stowgate
) -> None:
    (tmp_path / "out").rmdir()
    with running(load(config, environ={}), tmp_path) as now:
        sent(now, tmp_path / "series", 1)
        eventually(now.gateway.ledger.deliveries.counts)
    config.write_text(TEXT.partition("[[dest]]")[0], encoding="utf-8")
    (listed,) = [json.loads(line) for line in stowgate("queue", "list", "--json").out.splitlines()]
    assert listed["who_acts"] == "a person" and listed["reason"].startswith("nas is in the configuration no more.")
    assert "in the configuration no more" in stowgate("dest", "list").out
    (tmp_path / "in").mkdir()
    again = '[[dest]]\nname = "disk"\nkind = "folder"\npath = "in"\n[[route]]\ndest = ["disk"]\n'
    config.write_text(TEXT.partition("[[dest]]")[0] + again, encoding="utf-8")
    with running(load(config, environ={}), tmp_path) as now:
        assert stowgate("dest", "forget", "disk").code == 2
        assert stowgate("dest", "forget", "nobody").code == 2
        assert stowgate("dest", "forget", "nas").code == 2, "nobody is there to be asked"
        done = stowgate("dest", "forget", "nas", "--yes")
        assert done.code == 0 and done.out == "nas\n"
        assert done.err == "1 object given up for nas. It is in the audit log.\n"
        again = stowgate("dest", "forget", "nas", "--yes")
        assert again.code == 0 and again.err == "Nothing was still to go to nas.\n"
        eventually(lambda: delivered(now) == 1)
        assert stowgate("queue", "list", "--json").out == ""
    assert '"dest_forget"' in stowgate("audit", "show", "--json").out
    assert len(list((tmp_path / "in").rglob("*.dcm"))) == 1


def test_the_check_says_what_is_wrong_with_the_ways_out(config: Path, tmp_path: Path, stowgate: Stowgate) -> None:
    def said() -> list[dict[str, str]]:
        lines = [json.loads(line) for line in stowgate("check", "--json").out.splitlines()]
        return [line for line in lines if line["what"] == "destinations"]

    assert [line["mark"] for line in said()] == ["ok"]
    (tmp_path / "out").rmdir()
    (away,) = said()
    assert (away["mark"], away["said"]) == ("warning", "nas cannot be reached.")
    config.write_text(TEXT.partition("[[route]]")[0], encoding="utf-8")
    (unrouted,) = said()
    assert (unrouted["mark"], unrouted["said"]) == ("warning", "No [[route]] names nas.")


def test_all_that_is_proved_is_deleted_only_after_a_yes(
    gateway: Running, tmp_path: Path, stowgate: Stowgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(gateway, tmp_path / "series", 2)
    eventually(lambda: delivered(gateway) == 2)
    with (tmp_path / "stowgate.toml").open() as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        refused = stowgate("queue", "purge")
    assert refused.code == Exit.USAGE and refused.err.startswith("not_confirmed: ")
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda question, **_: bool(asked.append(question)))
    left = stowgate("queue", "purge")
    assert left.code == Exit.USAGE and left.err == "Nothing was deleted.\n"
    assert asked == ["Each was proved at its destinations. Delete 2 objects here for good?"]
    assert stowgate("queue", "purge", "--dry-run").out == "2 items would go. Nothing was deleted.\n"
    assert stowgate("queue", "purge", "--yes").code == Exit.DONE
    assert stowgate("queue", "purge").err == "Nothing here is proved to be at its destinations.\n"


def test_a_destination_that_is_gone_and_has_nothing_left_is_not_listed_as_paused(
    gateway: Running, config: Path, tmp_path: Path, stowgate: Stowgate
) -> None:
    sent(gateway, tmp_path / "series", 1)
    eventually(lambda: delivered(gateway) == 1)
    assert stowgate("dest", "pause", "nas").code == 0
    assert "paused: paused_by_person" in stowgate("status").out
    config.write_text(TEXT.partition("[[dest]]")[0], encoding="utf-8")
    line = next(line for line in stowgate("status").out.splitlines() if line.startswith("nas"))
    assert "paused" not in line and line.split()[-1] == "0"
    assert json.loads(stowgate("status", "--json").out)["destinations"]["nas"]["paused"] == ""


def test_a_long_address_leaves_the_columns_of_the_list_in_line(config: Path, stowgate: Stowgate) -> None:
    address = "https://a-rather-long-name.hospital.example/dicom-web/archive/of-the-north"
    more = f'[[dest]]\nname = "far"\nkind = "stow"\nurl = "{address}"\n'
    config.write_text(TEXT + more, encoding="utf-8")
    head, near, far = stowgate("dest", "list").out.splitlines()
    at = head.index("left")
    assert near[at:].split()[0] == far[at:].split()[0] == "0" and far[at - 2 : at] == "  "
    assert "https://a-rat...of-the-north" in far
    told = [json.loads(line)["where"] for line in stowgate("dest", "list", "--json").out.splitlines()]
    assert told[1] == address


WRONG = [
    *((("dest", act, "nope"), "[[dest]]", "nas") for act in ("test", "pause", "resume", "show", "catch-up")),
    (("source", "test", "nope"), "[[source]]", "ct"),
    (("queue", "export", "out", "--profile", "nope"), "[[profile]]", "none"),
    (("study", "certificate", "abcdef", "--profile", "nope"), "[[profile]]", "none"),
]


@pytest.mark.parametrize(("command", "kind", "there"), WRONG, ids=" ".join)
def test_a_name_that_is_not_there_is_a_wrong_command_line_and_those_there_are_are_named(
    gateway: Running, tmp_path: Path, stowgate: Stowgate, command: tuple[str, ...], kind: str, there: str
) -> None:
    if command[0] == "study":
        sent(gateway, tmp_path / "series", 1)
        eventually(lambda: delivered(gateway) == 1)
        command = (*command[:2], json.loads(stowgate("study", "list", "--json").out)["alias"], *command[3:])
    done = stowgate(*command)
    assert done.code == Exit.USAGE, done
    assert done.err.startswith("unknown_name: ") and f"no {kind} is called nope; there is" in done.err
    assert there in done.err.split("there is")[1]


def test_a_destination_that_is_there_or_never_was_is_not_given_up(gateway: Running, stowgate: Stowgate) -> None:
    still = stowgate("dest", "forget", "nas", "--yes")
    assert still.code == Exit.USAGE and "take it out first, or pause it" in "".join(still.err)
    never = stowgate("dest", "forget", "nope", "--yes")
    assert never.code == Exit.USAGE and never.err.startswith("unknown_name: ")


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_profile_that_the_file_has_wrong_is_a_fault_of_the_file(
    config: Path, stowgate: Stowgate, command: str
) -> None:
    config.write_text(TEXT + '[deid]\nprofile = "basik"\n', encoding="utf-8")
    done = stowgate(command)
    assert done.code == Exit.CONFIGURATION, done
    assert (done.err + done.out).count("did you mean basic?") == 1


def test_what_was_purged_here_is_asked_for_as_well_and_its_loss_there_is_told(
    gateway: Running, tmp_path: Path, stowgate: Stowgate
) -> None:
    sent(gateway, tmp_path / "series", 2)
    eventually(lambda: delivered(gateway) == 2)
    assert stowgate("queue", "purge", "--yes").code == 0
    there = stowgate("verify")
    assert there.code == 0 and there.out.splitlines()[1].split() == ["nas", "2", "0", "0", "0", "0", "0"]
    min((tmp_path / "out").glob("*.dcm")).unlink()
    lost = stowgate("verify", "--json")
    assert lost.code == 3 and "deleted here since; the `study certificate` of its study names it." in lost.err
    assert json.loads(lost.out) == {
        "name": "nas", "there": 1, "sent_again": 0, "altered": 0, "lost": 1, "unanswered": 0, "not_asked": 0,
    }  # fmt: skip
    assert '"peer_lost_purged"' in (tmp_path / "gateway.log").read_text(encoding="utf-8")
    status = json.loads(stowgate("status", "--json").out)
    assert status["delivered"] == 2, "it had arrived"
    (study,) = {json.loads(line)["alias"] for line in stowgate("study", "list", "--json").out.splitlines()}
    items = [json.loads(line) for line in stowgate("study", "show", study, "--json").out.splitlines()]
    told = f"nas: {REASONS['peer_lost_purged'].sentence} {REASONS['peer_lost_purged'].advice}"
    (gone,) = [item for item in items if item["reason"] == told]
    shown = json.loads(stowgate("queue", "show", gone["id"], "--json").out)
    assert (shown["reason"], shown["who_acts"], shown["state"]) == (told, "a person", "purged")
    assert "It is where it belongs" not in stowgate("queue", "show", gone["id"]).out
    held = json.loads(stowgate("study", "certificate", study, "--json").out)
    assert sorted(one["delivered"] for one in held["instances"]) == [False, True]


def test_what_is_deleted_there_is_found_by_verify_and_sent_again(
    gateway: Running, tmp_path: Path, stowgate: Stowgate
) -> None:
    assert stowgate("verify").err == "Nothing was delivered in this time.\n"
    sent(gateway, tmp_path / "series", 2)
    eventually(lambda: delivered(gateway) == 2)
    first, _ = sorted((tmp_path / "out").glob("*.dcm"))
    kept = first.read_bytes()
    first.unlink()
    done = stowgate("verify", "--since", "1d", "--dest", "nas")
    assert "2 done" in done.err and done.out.split()[:5] == ["name", "there", "sent_again", "altered", "lost"]
    eventually(lambda: first.exists() and delivered(gateway) == 2)
    assert first.read_bytes() == kept
    assert '"verify"' in stowgate("audit", "show", "--json").out
    (line,) = [json.loads(line) for line in stowgate("verify", "--json").out.splitlines()]
    assert line == {
        "name": "nas",
        "there": 2,
        "sent_again": 0,
        "altered": 0,
        "lost": 0,
        "unanswered": 0,
        "not_asked": 0,
    }
    first.write_bytes(kept + b"!!")
    altered = stowgate("verify")
    assert altered.code == 3 and "find out there whose they are" in altered.err
    assert stowgate("verify", "--dest", "pacs").code == 2
    assert stowgate("verify", "--since", "soon").code == 2


def test_a_description_decides_where_something_goes_and_nothing_of_it_stays(config: Path, tmp_path: Path) -> None:
    from stowgate.ingest.source import Announced, Arrival
    from tests.builder import el

    config.write_text(TEXT + 'description = ["*breast*"]\n', encoding="utf-8")
    import io

    with running(load(config, environ={}), tmp_path) as now:
        for number, text in ((1, "Breast screening Zwicker"), (2, "Chest")):
            data = scan(number, more=(el("StudyDescription", text),))
            now.gateway.intake.receive(Arrival(Announced("ct"), io.BytesIO(data).read))
        eventually(lambda: delivered(now) == 1 and now.gateway.ledger.counts()["ct"][State.WAITING] == 2)
        assert len(list((tmp_path / "out").glob("*.dcm"))) == 1
    for path in (tmp_path / "spool").rglob("*"):
        held = path.read_bytes().lower().replace(b"screening_words", b"") if path.is_file() else b""  # a rule's id
        assert not any(word in held for word in (b"screening", b"breast", b"zwicker")), path.name


def test_an_object_whose_name_is_taken_there_is_quarantined_with_advice(
    gateway: Running, tmp_path: Path, stowgate: Stowgate
) -> None:
    assert stowgate("dest", "pause", "nas").code == 0
    sent(gateway, tmp_path / "series", 1)
    ledger = gateway.gateway.ledger
    eventually(ledger.deliveries.counts)
    (row,) = ledger.rows()
    made = ledger.clean_of_item(row.id)
    assert made
    other = tmp_path / "out" / f"{made.instance}.dcm"
    other.write_bytes(b"somebody else's")
    stowgate("dest", "resume", "nas")
    eventually(lambda: ledger.counts()["ct"][State.QUARANTINED] == 1)
    assert other.read_bytes() == b"somebody else's"
    (told,) = [json.loads(line) for line in stowgate("quarantine", "list", "--json").out.splitlines()]
    assert told["code"] == "destination_refused" and "quarantine release" in told["advice"]
    assert told["reason"].startswith("nas: The destination holds other bytes under this name than were sent.")
    other.unlink()
    assert stowgate("quarantine", "release", row.id).code == 0
    eventually(lambda: delivered(gateway) == 1)
    assert other.exists()


def test_a_destination_is_shown_as_a_link_with_its_outages_and_what_is_left(
    gateway: Running, tmp_path: Path, stowgate: Stowgate
) -> None:
    (tmp_path / "out").rename(tmp_path / "away")
    sent(gateway, tmp_path / "series", 2)
    ledger = gateway.gateway.ledger
    eventually(lambda: ledger.deliveries.outages("nas"))
    shown = json.loads(stowgate("dest", "show", "nas", "--json").out)
    assert not shown["up"] and shown["left"]["bytes"] > 0 and shown["left"]["least"] is None
    assert shown["outages"][0]["ended"] is None and shown["outages"][0]["code"] == shown["code"]
    said = stowgate("dest", "show", "nas").out
    assert f"down: {shown['code']}, since 20" in said and "still" in said and "unknown" in said
    study = json.loads(stowgate("study", "list", "--json").out)
    assert study["gone_in"] == "unknown" and study["bytes_left"] == shown["left"]["bytes"]
    assert "time left: unknown" in stowgate("study", "show", study["alias"]).err
    (tmp_path / "away").rename(tmp_path / "out")
    eventually(lambda: delivered(gateway) == 2)
    eventually(lambda: ledger.deliveries.destinations()["nas"].rate)
    said = stowgate("dest", "show", "nas").out
    assert "open, since 20" in said and "B/s" in said and "0 bytes" in said
    (listed,) = [json.loads(line) for line in stowgate("dest", "list", "--json").out.splitlines()]
    assert listed["rate"] > 0 and listed["up"] and listed["since"]
    found = json.loads(stowgate("status", "--json").out)["destinations"]["nas"]
    assert found["bytes_left"] == 0 and found["rate"] > 0 and found["gone_in"] == ""
    assert json.loads(stowgate("study", "list", "--json").out)["gone_in"] == ""
    assert stowgate("dest", "show", "nobody").code == 2


def test_a_study_that_is_short_of_what_its_headers_tell_is_shown_as_that(
    gateway: Running, tmp_path: Path, stowgate: Stowgate
) -> None:
    def sends(*numbers: int) -> None:
        files = [tmp_path / f"{number}.dcm" for number in numbers]
        for number, file in zip(numbers, files, strict=True):
            file.write_bytes(scan(number, more=(el("NumberOfStudyRelatedInstances", "3"),)))
        assert send(Called("127.0.0.1", gateway.ports["ct"], "STOWGATE", "CT1"), files) == len(files)

    sends(1)
    study = json.loads(stowgate("study", "list", "--json").out)
    assert (study["expected"], study["missing"], study["complete"]) == (3, 2, False)
    said = stowgate("study", "show", study["alias"]).err
    assert "Its headers tell of 3 instances; 2 of them have not come." in said
    assert "study_short" not in said, "they may still come"
    (short,) = gateway.gateway.ledger.complete_studies({"ct": 0.0})
    assert short.missing == 2
    said = stowgate("study", "show", study["alias"]).err
    assert "study_short: Nothing more came of a study" in said
    assert "2 of them" not in stowgate("study", "show", study["alias"], "--json").err
    sends(2, 3)
    said = stowgate("study", "show", study["alias"]).err
    assert "3 instances; all of them came." in said and "study_short" not in said


@pytest.mark.parametrize(
    ("expected", "missing", "said"),
    [
        (1, 0, "1 instance; it came."),
        (1, 1, "1 instance; it has not come."),
        (2, 1, "2 instances; 1 of them has not come."),
        (3, 2, "3 instances; 2 of them have not come."),
        (2, 0, "2 instances; all of them came."),
    ],
)
def test_how_many_its_headers_tell_of_is_said_of_one_and_of_many(
    expected: int, missing: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _say_expected([Study("a" * 32, "ct", "CT", {}, 1.0, 2.0, False, expected=expected, missing=missing)])
    assert capsys.readouterr().err == f"Its headers tell of {said}\n"


RECIPIENT = """
[[dest]]
name = "archive"
kind = "folder"
path = "archive"
layout = "{instance}.dcm"
[[profile]]
name = "research"
clean = ["descriptors"]
[[route]]
dest = ["archive"]
profile = "research"
"""


@pytest.fixture
def recipient(config: Path, tmp_path: Path) -> Path:
    """A second place, that gets objects of its own."""
    config.write_text(TEXT + RECIPIENT, encoding="utf-8")
    (tmp_path / "archive").mkdir()
    return config


def profile_lines(stowgate: Stowgate) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in stowgate("check", "--json").out.splitlines()]
    return [(line["mark"], line["said"]) for line in lines if line["what"] == "profiles"]


class TestRecipients:
    def test_the_check_shows_the_policy_and_the_key_of_each(
        self, recipient: Path, tmp_path: Path, stowgate: Stowgate
    ) -> None:
        ((mark, said),) = profile_lines(stowgate)
        assert mark == "ok" and said.endswith("a key that is made at the first start; back it up then.")
        with running(load(recipient, environ={}), tmp_path) as now:
            profile = now.gateway.profiles.by_name["research"]
        shown = stowgate("keys", "show", "--state", "spool", "--profile", "research")
        assert shown.out.split() == [profile.key.id, str(tmp_path / "spool" / "profile-research.key")]
        assert stowgate("keys", "export", "copy", "--state", "spool", "--profile", "research").code == 0
        assert load_key(f"file:{tmp_path / 'copy'}") == profile.key
        ((mark, said),) = profile_lines(stowgate)
        assert (mark, said) == (
            "ok", f"research: basic, descriptors, digest {profile.policy.digest[:12]}, key {profile.key.id}.",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("setting", "said"),
        [
            ('key = "file:spool/project.key"', "research has the key of [deid]."),
            ('retain = ["uids"]', "research and [deid] both keep UIDs."),
        ],
    )
    def test_what_could_link_two_recipients_is_said(
        self, recipient: Path, tmp_path: Path, stowgate: Stowgate, setting: str, said: str
    ) -> None:
        alone = TEXT.partition("[[dest]]")[0]
        recipient.write_text(alone, encoding="utf-8")
        with running(load(recipient, environ={}), tmp_path):
            pass
        text = (TEXT + RECIPIENT).replace('clean = ["descriptors"]', setting)
        recipient.write_text(text + '[deid]\nretain = ["uids"]\n', encoding="utf-8")
        assert [said for mark, said in profile_lines(stowgate) if mark == "warning"] == [said]

    def test_a_profile_that_nothing_goes_by_is_said(self, recipient: Path, stowgate: Stowgate) -> None:
        recipient.write_text((TEXT + RECIPIENT).rpartition("profile =")[0], encoding="utf-8")
        assert ("warning", "No [[route]] names research.") in profile_lines(stowgate)

    def test_each_gets_its_own_and_an_export_is_of_one_of_them(
        self, recipient: Path, tmp_path: Path, stowgate: Stowgate
    ) -> None:
        with running(load(recipient, environ={}), tmp_path) as now:
            for name in ("nas", "archive"):
                assert stowgate("dest", "pause", name).code == 0
            sent(now, tmp_path / "series", 2)
            eventually(lambda: now.gateway.ledger.counts()["ct"][State.WAITING] == 2)
            for name in ("own", "research"):
                options = [] if name == "own" else ["--profile", name]
                assert stowgate("queue", "export", str(tmp_path / name), *options).code == 0
            for name in ("nas", "archive"):
                assert stowgate("dest", "resume", name).code == 0
            eventually(lambda: delivered(now) == 2)
            (first, *_) = now.gateway.ledger.rows()
            shown = json.loads(stowgate("queue", "show", first.id, "--json").out)
            assert len({way["clean"] for way in shown["deliveries"]}) == 2
        for exported, there in (("own", "out"), ("research", "archive")):
            mine = sorted(path.read_bytes() for path in (tmp_path / exported).rglob("*.dcm"))
            assert mine == sorted(path.read_bytes() for path in (tmp_path / there).glob("*.dcm")) and len(mine) == 2
        refused = stowgate("queue", "export", str(tmp_path / "x"), first.id, "--profile", "hospital")
        assert refused.code == 2 and "no [[profile]] is called hospital; there is: research" in refused.err

    def test_the_commands_about_profiles_know_it(self, recipient: Path, stowgate: Stowgate) -> None:
        config = ("-c", str(recipient))
        (line,) = [one for one in stowgate("profile", "list", *config).out.splitlines() if one.startswith("named")]
        assert "research" in line and "basic, descriptors, digest" in line
        shown = json.loads(stowgate("profile", "show", "--named", "research", "--json", *config).out)
        assert shown["options"] == ["descriptors"]
        assert shown["digest"][:12] in line
        assert stowgate("profile", "show", "--named", "hospital", *config).code == 2
        statement = stowgate("conformance").out
        assert "Destinations archive: profile research with a key of its own, descriptors; policy digest " in statement
        assert shown["digest"] in statement

    def test_an_option_that_is_none_is_told_with_the_name_of_the_profile(
        self, recipient: Path, stowgate: Stowgate
    ) -> None:
        text = (TEXT + RECIPIENT).replace('clean = ["descriptors"]', 'profile = "bassic"')
        recipient.write_text(text, encoding="utf-8")
        for command in ("check",), ("profile", "validate", "-c", str(recipient)), ("run",):
            done = stowgate(*command)
            assert done.code == 10 and '[[profile]] research: profile = "bassic"' in done.out + done.err

    @pytest.mark.usefixtures("recipient")
    def test_a_place_that_is_not_there_is_caught_up_with_by_nobody(self, stowgate: Stowgate) -> None:
        refused = stowgate("dest", "catch-up", "pacs")
        assert refused.code == 2 and "no [[dest]] is called pacs; there is: nas" in refused.err


def test_reports_of_storage_commitments_are_heard_while_the_gateway_runs(config: Path, stowgate: Stowgate) -> None:
    config.write_text(TEXT + '[commitment]\nlisten = "127.0.0.1:0"\n', encoding="utf-8")
    with running(load(config, environ={}), config.parent) as now:
        port = now.ports["commitment"]
        with socket.create_connection(("127.0.0.1", port), 5):
            pass
        config.write_text(TEXT + f'[commitment]\nlisten = "127.0.0.1:{port}"\n', encoding="utf-8")
        lines = {line["what"]: line for line in stowgate("check", "--json").lines}
        assert lines["port of commitment"]["said"].endswith("in use: the gateway runs.")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5).close()


def counted(stowgate: Stowgate, *options: str) -> dict[str, dict[str, int]]:
    lines = [json.loads(line) for line in stowgate("verify", "--json", *options).out.splitlines()]
    return {str(line.pop("name")): {name: n for name, n in line.items() if n} for line in lines}


SECOND = """
[[dest]]
name = "old"
kind = "folder"
path = "old"
[[route]]
dest = ["old"]
"""


class TestVerify:
    def test_what_went_where_the_configuration_names_nobody_is_not_asked_and_nothing_is_left(
        self, config: Path, tmp_path: Path, stowgate: Stowgate
    ) -> None:
        (tmp_path / "old").mkdir()
        config.write_text(TEXT.partition("[[dest]]")[0] + SECOND, encoding="utf-8")
        with running(load(config, environ={}), tmp_path) as now:
            sent(now, tmp_path / "series", 2)
            eventually(lambda: delivered(now) == 2)
        config.write_text(TEXT, encoding="utf-8")
        with running(load(config, environ={}), tmp_path):
            done = stowgate("verify")
            assert done.code == 0 and "left as they were" not in done.err
            assert "went where its word is enough, or to a destination that is in the configuration no more" in done.err
            assert counted(stowgate) == {"old": {"not_asked": 2}}

    def test_without_a_gateway_it_says_how_many_are_asked_for_once_it_runs(
        self, config: Path, tmp_path: Path, stowgate: Stowgate
    ) -> None:
        with running(load(config, environ={}), tmp_path) as now:
            sent(now, tmp_path / "series", 2)
            eventually(lambda: delivered(now) == 2)
        said = stowgate("verify")
        assert said.code == 0 and " done" not in said.err and "2 noted." in said.err
        assert "The gateway does not run. Once it does, it asks nas for 2." in said.err
        again = stowgate("verify")
        assert "left as they were" not in again.err and "it asks nas for 2." in again.err, "it is noted already"
        with running(load(config, environ={}), tmp_path) as now:
            eventually(lambda: counted(stowgate, "--timeout", "0") == {"nas": {"there": 2}})

    def test_what_is_asked_for_at_the_moment_is_unanswered_whatever_was_answered_before(self) -> None:
        def way(stand: str, code: str = "", state: Delivery = Delivery.VERIFIED) -> OnItsWay:
            return OnItsWay("", 1, "nas", state, stand, code, Evidence.STATUS, Urgency.LOW, 1, 1.0, 2.0, None)

        for code in ("peer_lost_purged", "peer_has_other_bytes", "peer_unreachable", ""):
            assert _stands(way("ready", code), True) == "unanswered"
        assert _stands(way("over", "peer_lost_purged"), True) == "lost"
        assert _stands(way("over", "peer_lost_purged"), False) == "lost"
        assert _stands(way("over", "peer_has_other_bytes"), True) == "altered"
        assert _stands(way("later", "peer_has_other_bytes", Delivery.QUEUED), True) == "altered"
        assert (_stands(way("over"), True), _stands(way("over"), False)) == ("there", "not_asked")
        assert _stands(way("ready"), False) == "not_asked", "nobody asks any more"
        assert _stands(way("over", state=Delivery.ACKNOWLEDGED), True) == "not_asked"
        assert _stands(way("over", "peer_refused_object", Delivery.REFUSED), True) == "sent_again"
