"""Acts and settings at their edges: what cannot be recorded, confirmed, written or trusted is not done, and is said."""

from __future__ import annotations

import re
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from stowgate.errors import Misconfigured
from stowgate.faces.cli.exits import Exit
from stowgate.faces.service import Running, running
from stowgate.gateway import control
from stowgate.ingest.source import Accepted
from stowgate.observe.audit import LOG
from stowgate.reasons import REASONS
from stowgate.settings import load
from tests.faces.conftest import Stowgate
from tests.faces.gateway_stage import HELD, OBJECTS, QUARANTINED, configured, gateway_of, identified, take_in
from tests.journeys.stage import COMMAND, Done, files

LINE = ("waiting", "delivered", "held", "quarantined", "rejected", "duplicates", "dropped")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration of a gateway that has never run."""
    return configured(tmp_path)


@pytest.fixture(scope="module")
def _filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = configured(tmp_path_factory.mktemp("filled"))
    with gateway_of(config) as gateway:
        take_in(gateway, *OBJECTS)
    return config.parent


@pytest.fixture
def filled(_filled_once: Path, config: Path) -> Path:
    """One that ran and holds two clean objects, one that is held, one quarantined; a duplicate came, too."""
    shutil.copytree(_filled_once / "spool", config.parent / "spool")
    shutil.copy2(_filled_once / "unit.key", config.parent / "unit.key")
    return config


@pytest.fixture(params=["runs", "does not run"])
def either(request: pytest.FixtureRequest, filled: Path) -> Iterator[Path]:
    """The same, with a gateway that owns the spool and with none."""
    if request.param == "runs":
        with gateway_of(filled):
            yield filled
    else:
        yield filled


@pytest.fixture
def acted(stowgate: Stowgate, filled: Path) -> Path:
    """A spool with five acts in its audit log."""
    for number in range(5):
        assert stowgate("queue", "export", f"out{number}").code == Exit.DONE
    return filled


def says(done: Done, code: str, exit_code: int) -> str:
    """One line: the code, its sentence, perhaps a place, the advice."""
    assert done.code == exit_code, done
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith(f"{code}: {REASONS[code].sentence}"), done.err
    assert done.err.rstrip().endswith(REASONS[code].advice), done.err
    return done.err


def status(stowgate: Stowgate) -> dict[str, Any]:
    done = stowgate("status", "--json")
    assert done.code == Exit.DONE, done
    (found,) = done.lines
    for line in (found, *found["sources"].values()):
        assert line["received"] == sum(line[place] for place in LINE), "the line does not add up"
    return found


def ids(stowgate: Stowgate, state: str) -> list[str]:
    listed = stowgate("queue", "list", "--json").lines + stowgate("quarantine", "list", "--json").lines
    return [line["id"] for line in listed if line["state"] == state]


def records(stowgate: Stowgate) -> list[dict[str, Any]]:
    return stowgate("audit", "show", "--json", "--last", "1000").lines


def typed(folder: Path, answers: str, *argv: str) -> Done:
    """`stowgate` with answers on its standard input."""
    run = subprocess.run(
        [COMMAND, *argv], input=answers, capture_output=True, text=True, cwd=folder, timeout=60, check=False
    )
    return Done(run.returncode, run.stdout, run.stderr)


def test_every_item_of_a_large_act_is_named_in_the_audit_log(stowgate: Stowgate, config: Path) -> None:
    with gateway_of(config) as gateway:
        take_in(gateway, *(identified(number) for number in range(70)))
        waiting = ids(stowgate, "waiting")
        assert len(stowgate("queue", "hold", *waiting).out.splitlines()) == 70
    held = [one for one in records(stowgate) if one["kind"] == "hold"]
    assert [one["count"] for one in held] == [64, 6]
    assert sorted(id for one in held for id in one["ids"]) == sorted(waiting)


@pytest.mark.parametrize("gateway_runs", [True, False])
def test_what_cannot_be_recorded_is_not_done(stowgate: Stowgate, filled: Path, gateway_runs: bool) -> None:
    (held,) = ids(stowgate, "held")
    log = filled.parent / "spool" / "audit.log"

    def refused() -> None:
        log.unlink(missing_ok=True)
        log.mkdir()  # as a disk that fails: nobody, root neither, can append to it
        for command in (("drop", held), ("export", "out", held)):
            says(stowgate("quarantine", *command, "--yes"), "audit_unwritable", Exit.STORAGE)
        says(stowgate("queue", "export", "out"), "audit_unwritable", Exit.STORAGE)

    if gateway_runs:
        with gateway_of(filled) as gateway:
            refused()
            assert gateway.spool.raw.open(held).size == len(HELD)
    else:
        refused()
    assert ids(stowgate, "held") == [held]
    assert not (filled.parent / "out").exists()


@pytest.mark.parametrize("place", ["stowgate.toml", "/proc/nowhere", "stowgate.toml/deeper"])
def test_a_place_that_cannot_be_written_is_one_line(stowgate: Stowgate, either: Path, place: str) -> None:
    before = files(either.parent)["stowgate.toml"]
    said = says(stowgate("queue", "export", place), "output_unwritable", Exit.USAGE)
    assert "2.25." not in said
    says(stowgate("quarantine", "export", place, *ids(stowgate, "held"), "--yes"), "output_unwritable", Exit.USAGE)
    assert files(either.parent)["stowgate.toml"] == before


def test_originals_are_exported_only_with_a_yes(stowgate: Stowgate, either: Path) -> None:
    (held,), (stopped,) = ids(stowgate, "held"), ids(stowgate, "quarantined")
    says(stowgate("quarantine", "export", "out", held), "not_confirmed", Exit.USAGE)
    assert not (either.parent / "out").exists()
    assert not any(one["kind"] == "quarantine_export" for one in records(stowgate))
    done = stowgate("quarantine", "export", "out", held, stopped, "--yes")
    assert done.code == Exit.DONE
    written = files(either.parent / "out")
    assert {str(path): data for path, data in written.items()} == {f"{held}.dcm": HELD, f"{stopped}.dcm": QUARANTINED}
    for path in (either.parent / "out").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (record,) = (one for one in records(stowgate) if one["kind"] == "quarantine_export")
    assert record["ids"] == [held, stopped]


def test_what_is_dropped_loses_its_payload_and_still_counts(stowgate: Stowgate, either: Path) -> None:
    (stopped,) = ids(stowgate, "quarantined")
    says(stowgate("quarantine", "drop", stopped), "not_confirmed", Exit.USAGE)
    assert ids(stowgate, "quarantined") == [stopped]
    assert stowgate("quarantine", "drop", stopped, "--yes").code == Exit.DONE
    found = status(stowgate)
    assert (found["received"], found["dropped"], found["quarantined"]) == (5, 1, 0)
    (line,) = stowgate("quarantine", "show", stopped, "--json").lines
    assert (line["state"], line["has_raw"], line["has_clean"]) == ("dropped", False, False)
    assert not [path for path in (either.parent / "spool").rglob(f"*{stopped}*") if path.is_file()]
    assert stowgate("quarantine", "export", "out", stopped, "--yes").code == Exit.PARTLY
    assert stowgate("quarantine", "release", stopped).code == Exit.PARTLY


def test_an_object_that_was_dropped_and_comes_again_is_taken_in_and_kept(stowgate: Stowgate, filled: Path) -> None:
    (held,) = ids(stowgate, "held")
    with gateway_of(filled) as gateway:
        assert stowgate("quarantine", "drop", held, "--yes").code == Exit.DONE
        (again,) = take_in(gateway, HELD)
        assert isinstance(again, Accepted)
        assert gateway.spool.raw.open(again.item).size == len(HELD)
    assert ids(stowgate, "held") == [again.item]


def test_one_id_that_is_none_keeps_the_others_from_being_acted_on(stowgate: Stowgate, either: Path) -> None:
    waiting = ids(stowgate, "waiting")
    says(stowgate("queue", "hold", *waiting, "0" * 32), "unknown_item", Exit.USAGE)
    assert ids(stowgate, "waiting") == waiting
    assert not any(record["kind"] == "hold" for record in records(stowgate))


def test_a_spool_may_lie_deeper_than_a_socket_address_is_long(
    stowgate: Stowgate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 8)
    config = configured(deep)
    with gateway_of(config) as gateway:
        take_in(gateway, *OBJECTS[:1])
        monkeypatch.chdir(deep)
        (waiting,) = ids(stowgate, "waiting")
        assert stowgate("queue", "hold", waiting).code == Exit.DONE


SENT = (
    b"", b"\n", b"{", b"[]\n", b"null\n", b"{}\n", b"\xff\xfe\n", b"[" * 20_000 + b"\n",
    b'{"act":"format","ids":[]}\n', b'{"act":"hold","ids":[1]}\n', b'{"act":"hold","ids":5}\n',
    b'{"act":["hold"],"ids":[]}\n', b'{"act":"export","ids":[],"folder":[1]}\n', b"x" * 200_000,
)  # fmt: skip


def test_whatever_is_sent_to_the_socket_the_next_command_is_served(stowgate: Stowgate, filled: Path) -> None:
    with gateway_of(filled) as gateway:
        first, _ = ids(stowgate, "waiting")
        for sent in SENT:
            with socket.socket(socket.AF_UNIX) as peer, suppress(OSError):  # it may be told to stop talking
                peer.connect(str(gateway.spool.folder / control.SOCKET))
                peer.sendall(sent)
                peer.shutdown(socket.SHUT_WR)
            assert control.ask(gateway.spool.folder, "hold", [first], None) is not None, sent
        assert stowgate("queue", "release", first).out == f"{first}\n"


@pytest.mark.parametrize(
    "answers",
    [
        "U\nA\nport\n\nin\n", "U\nA\n999999\n\nin\n", "U\n" + "A" * 17 + "\n104\n\nin\n",
        "U\nA\n104\nCT\nnowhere\nin\n", "n" * 17 + "\nA\n104\n\nin\n",
    ],
    ids=["port", "port-range", "ae", "address", "unit"],
)  # fmt: skip
def test_an_answer_that_makes_no_configuration_leaves_nothing_behind(tmp_path: Path, answers: str) -> None:
    done = typed(tmp_path, answers, "init")
    assert done.code == Exit.INTERRUPTED, "it is asked again, and then nobody answers any more"
    assert "Error: " in done.err
    assert "/tmp/" not in done.err.replace(str(tmp_path), "")
    assert files(tmp_path) == {}


def test_init_never_writes_over_what_is_there(stowgate: Stowgate, tmp_path: Path) -> None:
    (tmp_path / "stowgate.toml").write_text("mine")
    says(stowgate("init", "--yes"), "config_exists", Exit.CONFIGURATION)
    (tmp_path / "link.toml").symlink_to(tmp_path / "elsewhere.toml")
    says_after_places = stowgate("init", "--yes", "-c", "link.toml")
    assert says_after_places.code == Exit.CONFIGURATION
    assert not (tmp_path / "elsewhere.toml").exists()
    assert (tmp_path / "stowgate.toml").read_text() == "mine"


def test_check_finds_everything_that_is_wrong_in_one_go(stowgate: Stowgate, filled: Path) -> None:
    (filled.parent / "in").rmdir()
    (filled.parent / "spool").chmod(0o755)
    (filled.parent / "unit.key").chmod(0o644)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        text = re.sub(r"127.0.0.1:\d+", f"127.0.0.1:{other.getsockname()[1]}", filled.read_text())
        text = text.replace('reserve = "0B"', 'reserve = "900TiB"')
        text += """
[[source]]
name = "tls"
kind = "dimse"
listen = "127.0.0.1:0"
tls = { certificate = "nope.pem", key = "nope.key" }
[[source]]
name = "up"
kind = "stow"
path = "/dicom-web"
"""
        filled.write_text(text)
        done = stowgate("check", "--json")
    found = {line["what"]: line for line in done.lines if line["mark"] == "problem"}
    assert set(found) == {"spool", "room", "keys", "port of ct", "TLS of tls", "settings", "folder of drop"}
    assert done.code in (Exit.CONFIGURATION, Exit.STORAGE, Exit.KEY)
    assert all(line["code"] in REASONS for line in found.values())
    assert any(line["mark"] == "warning" and line["what"] == "callers of tls" for line in done.lines)
    human = stowgate("check").out
    assert human.count("PROBLEM") >= len(found) - 1
    assert " problem" in human.splitlines()[-1]


def test_a_source_that_does_not_answer_is_said(stowgate: Stowgate, config: Path) -> None:
    done = stowgate("source", "test", "ct")
    assert (done.code, done.out) == (Exit.PARTLY, "ct: Nobody listens there: is the gateway running?\n")
    assert stowgate("source", "test", "drop").code == Exit.DONE
    (config.parent / "in").rmdir()
    assert stowgate("source", "test", "drop").code == Exit.PARTLY
    assert "no [[source]] is called nope; there is: ct, drop" in says(
        stowgate("source", "test", "nope"), "unknown_name", 2
    )
    config.write_text(config.read_text() + '[[source]]\nname = "up"\nkind = "stow"\npath = "/dicom-web"\n')
    assert stowgate("source", "test", "up").out == "up: It listens nowhere: set [web] listen.\n"


def test_a_log_that_is_gone_or_cut_is_a_broken_one(stowgate: Stowgate, acted: Path) -> None:
    log = acted.parent / "spool" / LOG
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:3]))
    assert stowgate("audit", "verify").code == Exit.AUDIT_BROKEN
    log.unlink()
    for command in ("verify", "show", "export"):
        says(stowgate("audit", command), "audit_broken", Exit.AUDIT_BROKEN)
    assert not log.exists()


def test_no_key_is_rotated_before_the_first_run(stowgate: Stowgate, config: Path) -> None:
    before = set(config.parent.rglob("*"))
    says(stowgate("keys", "rotate"), "no_spool", Exit.CONFIGURATION)
    assert set(config.parent.rglob("*")) == before


def test_an_object_that_is_lost_is_in_the_metrics_of_the_gateway_that_found_it_so(filled: Path) -> None:
    lost = next(path for path in sorted((filled.parent / "spool" / "raw").rglob("*")) if path.is_file())
    lost.unlink()
    settings = load(filled, environ={})
    with gateway_of(filled) as gateway:
        assert gateway.found.lost == 1
        now = Running(settings, gateway)
        told = now.metrics.render()
        now.stop(5.0)
    assert b"stowgate_payload_lost_total 1.0" in told


def test_a_log_that_cannot_be_opened_is_a_setting_to_correct(filled: Path) -> None:
    filled.write_text(filled.read_text().replace("gateway.log", "no_such_folder/gateway.log"))
    with pytest.raises(Misconfigured) as told, running(load(filled, environ={}), filled.parent):
        pass
    assert (told.value.code, told.value.place) == ("bad_setting", "[log] file cannot be written")
