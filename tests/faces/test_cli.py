"""Each command with good and bad input: what it says, to whom, and the exit code it leaves with."""

from __future__ import annotations

import csv
import json
import os
import re
import stat
import tomllib
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stowgate.errors import Rejected, Temporary
from stowgate.faces.cli.exits import Exit
from stowgate.policy import AVAILABLE, CLEAN, RETAIN
from stowgate.reasons import REASONS
from stowgate.store.sqlite import open_ledger
from stowgate.vault.key import Key, load, write
from stowgate.vault.unit_key import Keyring, load_unit_key
from tests.builder import BASIC_TEXT_SR, US, el
from tests.faces.conftest import Stowgate
from tests.journeys.stage import Done, files, scan


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two slices, a held ultrasound image, a held report, a cut file and a note."""
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(scan(1))
    (folder / "2.dcm").write_bytes(scan(2, more=(el("StudyDescription", "CT CHEST"),)))
    (folder / "us.dcm").write_bytes(scan(3, sop_class=US, modality="US"))
    (folder / "sr.dcm").write_bytes(scan(4, sop_class=BASIC_TEXT_SR, modality="SR", drop=["PixelData"]))
    (folder / "cut.dcm").write_bytes(scan(5)[:-9])
    (folder / "note.txt").write_bytes(b"nothing")
    return folder


@pytest.fixture
def good(tmp_path: Path) -> Path:
    folder = tmp_path / "good"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(scan(1))
    return folder


def is_one_line(done: Done, code: str, exit_code: int) -> str:
    """The error is one line: its code, the sentence of the table, perhaps a place, the advice. Nothing else is said."""
    assert done.code == exit_code, done
    assert done.out == ""
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith(f"{code}: {REASONS[code].sentence}"), done.err
    assert done.err.rstrip().endswith(REASONS[code].advice)
    return done.err


# ------------------------------------------------------------------------------------------------- deid


def test_deid_ends_with_the_conservation_line_and_holds_apart_from_damage(stowgate: Stowgate, scans: Path) -> None:
    done = stowgate("deid", scans, "-o", "clean", "--state", "state")
    assert done.code == Exit.PARTLY
    assert "6 received = 2 cleaned + 2 held + 1 quarantined + 1 rejected + 0 already done" in done.out
    titles = ["Held: a person or an option", "Quarantined: damaged", "Rejected: not DICOM"]
    assert [done.out.index(title) for title in titles] == sorted(done.out.index(title) for title in titles)
    for code in ("burned_in_risk", "structured_content", "truncated", "not_dicom"):
        assert f"1  {code}: {REASONS[code].sentence} {REASONS[code].advice}" in done.out


def test_the_first_run_says_where_the_key_was_made_and_to_back_it_up(stowgate: Stowgate, good: Path) -> None:
    first = stowgate("deid", good, "-o", "clean", "--state", "state")
    assert f"A project key was made: {good.parent}/state/project.key. Back this up" in first.err
    assert stowgate("deid", good, "-o", "clean", "--state", "state").err == ""


def test_the_state_lies_in_the_xdg_folder_unless_named(
    stowgate: Stowgate, good: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert stowgate("deid", good, "-o", "clean").code == 0
    state = tmp_path / "xdg" / "stowgate"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {path.name for path in state.iterdir()} == {"project.key", "ledger.db", "lock"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in state.iterdir())


def test_quiet_says_nothing_and_verbose_one_line_per_input(stowgate: Stowgate, scans: Path) -> None:
    quiet = stowgate("deid", scans, "-o", "clean", "--state", "state", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (Exit.PARTLY, "", "")
    verbose = stowgate("deid", scans, "-o", "clean2", "--state", "state", "-v")
    lines = [line for line in verbose.out.splitlines() if re.match(r"[0-9a-f]{32}  ", line)]
    assert len(lines) == 6
    assert {line.split()[1] for line in lines} == {"cleaned", "held", "quarantined", "rejected"}


def test_a_dry_run_says_so_and_counts_alike(stowgate: Stowgate, scans: Path, tmp_path: Path) -> None:
    dry = stowgate("deid", scans, "-o", "clean", "--state", "state", "-n")
    assert "Dry run: nothing was written." in dry.out
    assert not (tmp_path / "clean").exists()
    wet = stowgate("deid", scans, "-o", "clean", "--state", "state")
    assert [line for line in dry.out.splitlines() if " received = " in line] == [
        line for line in wet.out.splitlines() if " received = " in line
    ]


def test_options_can_be_repeated_and_reach_the_objects(stowgate: Stowgate, scans: Path, tmp_path: Path) -> None:
    options = ["--retain", "patient-characteristics", "--retain", "modified-dates", "--clean", "descriptors"]
    done = stowgate("deid", scans / "2.dcm", "-o", "clean", "--state", "state", *options)
    assert done.code == 0
    assert "basic + descriptors + modified-dates + patient-characteristics" in done.out
    (data,) = files(tmp_path / "clean").values()
    assert b"CT CHEST" in data
    assert b"113107" in data  # CID 7050: Retain Longitudinal Temporal Information Modified Dates Option
    assert b"20240131" not in data


def test_the_layout_of_the_settings_names_the_outputs(stowgate: Stowgate, scans: Path, tmp_path: Path) -> None:
    Path("stowgate.toml").write_text('[output]\npath = "{modality}/{series_number}/{instance_number}-{instance}.dcm"\n')
    assert stowgate("deid", scans / "1.dcm", "-o", "clean", "--state", "state", "-c", "stowgate.toml").code == 0
    (name,) = files(tmp_path / "clean")
    assert re.fullmatch(r"CT/3/1-2\.25\.\d+\.dcm", name)


# ------------------------------------------------------------------------------------------------- report, manifest


class Page(HTMLParser):
    """What a browser would fetch for a page, and what it would run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "link", "base"):
            self.fetched.append(tag)
        names = ("src", "href", "srcset", "action", "data", "poster")
        self.fetched += [
            f"{tag} {name}" for name, value in attrs if name in names and not (value or "").startswith("#")
        ]
        self.fetched += [f"{tag} {name}" for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_report_is_one_page_that_loads_nothing_and_says_what_happened(stowgate: Stowgate, scans: Path) -> None:
    stowgate("deid", scans, "-o", "clean", "--state", "state", "--report", "report.html")
    html = Path("report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.fetched == []
    assert not re.search(r"https?://|@import|url\(", html)
    text = " ".join(" ".join(page.text).split())
    for code in ("burned_in_risk", "structured_content", "truncated", "not_dicom"):
        assert code in text
        assert REASONS[code].advice in text
    shown = json.loads(stowgate("profile", "show", "--json").out)
    assert shown["digest"] in text
    assert shown["edition"] in text
    assert not list(Path().glob(".report.html*"))


@pytest.mark.parametrize("kind", ["csv", "json", "xml"])
def test_the_manifest_is_well_formed_and_lists_every_clean_object_with_clean_values(
    stowgate: Stowgate, scans: Path, tmp_path: Path, kind: str
) -> None:
    for _ in range(2):  # what an earlier run cleaned stands in it, too
        stowgate("deid", scans, "-o", "clean", "--state", "state", "--manifest", f"clean.{kind}")
        text = Path(f"clean.{kind}").read_text(encoding="utf-8")
        if kind == "csv":
            rows = list(csv.DictReader(text.splitlines()))
        elif kind == "json":
            rows = json.loads(text)
        else:
            rows = [{cell.tag: cell.text or "" for cell in row} for row in ElementTree.fromstring(text)]  # noqa: S314
        assert sorted(str(row["output"]) for row in rows) == sorted(files(tmp_path / "clean"))
        for row in rows:
            assert str(row["output"]).startswith(str(row["patient_id"]))
            assert str(row["sop_instance_uid"]).startswith("2.25.")
            assert str(row["modality"]) == "CT"
            assert str(row["rows"]) == "4"
        assert not re.search("Vandermeer|PID-480026|20240131|1\\.2\\.3\\.4\\.5|scans", text)


def test_out_holds_objects_only_even_with_a_report_and_a_manifest(
    stowgate: Stowgate, scans: Path, tmp_path: Path
) -> None:
    stowgate("deid", scans, "-o", "clean", "--state", "state", "--report", "r.html", "--manifest", "m.csv")
    assert {Path(name).suffix for name in files(tmp_path / "clean")} == {".dcm"}


@pytest.mark.parametrize(("flag", "name"), [("--report", "there is none/r.html"), ("--manifest", "good/..x/m.csv")])
def test_a_report_that_could_not_be_written_is_refused_before_the_run(
    stowgate: Stowgate, good: Path, tmp_path: Path, flag: str, name: str
) -> None:
    is_one_line(stowgate("deid", good, "-o", "clean", "--state", "state", flag, name), "output_unwritable", Exit.USAGE)
    assert not (tmp_path / "clean").exists()


# ------------------------------------------------------------------------------------------------- explain, inspect


def test_explain_says_for_each_attribute_what_is_done_by_which_rule_and_why(stowgate: Stowgate, scans: Path) -> None:
    done = stowgate("explain", scans / "1.dcm")
    assert done.code == 0
    assert re.search(r"^Z  \(0010,0010\) +PN PatientName +E\.1-1 +Table E\.1-1 says Z", done.out, re.M)
    assert re.search(r"^U  \(0008,0018\) +UI SOPInstanceUID +E\.1-1 +", done.out, re.M)
    assert re.search(r"^K  \(0008,0060\) +CS Modality ", done.out, re.M)
    assert re.search(r"\d+ of \d+ attributes change", done.err)
    assert "Vandermeer" not in done.out + done.err


def test_explain_shows_values_only_when_asked_and_uses_the_projects_key(stowgate: Stowgate, scans: Path) -> None:
    stowgate("deid", scans / "1.dcm", "-o", "clean", "--state", "state")
    (written,) = files(Path("clean"))
    done = stowgate("explain", scans / "1.dcm", "--values", "--state", "state")
    assert "before: Vandermeer^Liselotte" in done.out
    assert f"after:  {written.split('/')[0]}" in done.out


def test_explain_as_json_has_one_object_per_attribute(stowgate: Stowgate, scans: Path) -> None:
    plain = [json.loads(line) for line in stowgate("explain", scans / "1.dcm", "--json").out.splitlines()]
    assert all(list(line) == ["where", "keyword", "vr", "type", "action", "rule", "why"] for line in plain)
    assert {line["action"] for line in plain} <= set("XZDKCU")
    valued = [json.loads(line) for line in stowgate("explain", scans / "1.dcm", "--json", "--values").out.splitlines()]
    (name,) = (line for line in valued if line["keyword"] == "PatientName")
    assert name["before"] == "Vandermeer^Liselotte"
    assert name["after"] not in (None, name["before"])


def test_explain_follows_the_options_and_the_settings(stowgate: Stowgate, scans: Path) -> None:
    Path("stowgate.toml").write_text('[deid]\nretain = ["patient-characteristics"]\n')
    for options in (["--retain", "patient-characteristics"], ["-c", "stowgate.toml"]):
        out = stowgate("explain", scans / "1.dcm", *options).out
        assert re.search(r"^K  \(0010,0040\) +CS PatientSex +option:patient-characteristics", out, re.M)


@pytest.mark.parametrize("command", ["explain", "inspect"])
@pytest.mark.parametrize(
    ("name", "code"), [("cut.dcm", "truncated"), ("note.txt", "not_dicom"), ("empty", "empty_file")]
)
def test_looking_at_what_cannot_be_followed_leaves_with_3_and_its_code(
    stowgate: Stowgate, scans: Path, command: str, name: str, code: str
) -> None:
    (scans / "empty").touch()
    is_one_line(stowgate(command, scans / name), code, Exit.PARTLY)


@pytest.mark.parametrize("command", ["explain", "inspect"])
def test_looking_at_a_pipe_does_not_wait_for_a_writer(stowgate: Stowgate, scans: Path, command: str) -> None:
    os.mkfifo(scans / "pipe")
    assert stowgate(command, scans / "pipe").code == Exit.PARTLY


def test_explain_of_a_held_object_names_what_is_missing(stowgate: Stowgate, scans: Path) -> None:
    is_one_line(stowgate("explain", scans / "us.dcm"), "burned_in_risk", Exit.PARTLY)


def test_inspect_shows_syntax_class_pixels_elements_and_findings(stowgate: Stowgate, scans: Path) -> None:
    done = stowgate("inspect", scans / "1.dcm")
    assert done.code == 0
    assert re.search(r"^transfer syntax +Explicit VR Little Endian$", done.out, re.M)
    assert re.search(r"^SOP class +CT Image Storage$", done.out, re.M)
    assert re.search(r"^pixel data +native, 32 bytes$", done.out, re.M)
    assert re.search(r"^\(0010,0010\) PN +20 +PatientName$", done.out, re.M)
    assert "Vandermeer" not in done.out
    assert "Vandermeer^Liselotte" in stowgate("inspect", scans / "1.dcm", "--values").out
    lines = [json.loads(line) for line in stowgate("inspect", scans / "1.dcm", "--json").out.splitlines()]
    assert {line["kind"] for line in lines} <= {"element", "finding"}
    assert all("value" not in line for line in lines)


def test_values_cannot_steer_the_terminal(stowgate: Stowgate, scans: Path) -> None:
    """Escape sequences in a header would rewrite what a person sees."""
    evil = b"A\x1b]0;owned\x07\x1b[2J\x9b31m\r\nB"
    (scans / "evil.dcm").write_bytes(scan(9, more=(el("StudyDescription", evil), el("PatientComments", evil))))
    for command in ("explain", "inspect"):
        out = stowgate(command, scans / "evil.dcm", "--values").out
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", out)


# ------------------------------------------------------------------------------------------------- scan


def test_scan_leaves_with_3_on_findings_and_0_on_what_was_cleaned(stowgate: Stowgate, scans: Path) -> None:
    stowgate("deid", scans, "-o", "clean", "--state", "state")
    found = stowgate("scan", scans)
    assert found.code == Exit.PARTLY
    assert re.search(r"^ +\d+ x \(0010,0010\)", found.out, re.M)
    assert "Vandermeer" not in found.out
    clean = stowgate("scan", "clean")
    assert (clean.code, clean.out) == (0, "2 files, nothing left.\n")


def test_scan_as_json_gives_the_file_the_code_and_the_place(stowgate: Stowgate, scans: Path) -> None:
    *lines, summary = map(json.loads, stowgate("scan", scans, "--json").out.splitlines())
    assert {
        "kind": "finding",
        "source": str(scans / "1.dcm"),
        "code": "scan_attribute",
        "place": "(0010,0010)",
    } in lines
    assert {line["code"] for line in lines} <= set(REASONS)
    assert (summary["kind"], summary["findings"]) == ("summary", len(lines))


def test_scan_takes_one_file_and_options(stowgate: Stowgate, good: Path) -> None:
    stowgate("deid", good, "-o", "clean", "--state", "state", "--retain", "patient-characteristics")
    (one,) = (Path("clean") / name for name in files(Path("clean")))
    assert stowgate("scan", one).code == Exit.PARTLY
    assert stowgate("scan", one, "--retain", "patient-characteristics").code == 0


# ------------------------------------------------------------------------------------------------- profile, keys


def test_profile_list_names_every_option_and_which_are_not_available(stowgate: Stowgate) -> None:
    out = stowgate("profile", "list").out
    for option in (*RETAIN, *CLEAN):
        (line,) = (line for line in out.splitlines() if f" {option} " in f"{line} ")
        assert line.endswith("not available yet") is (option not in AVAILABLE)


def test_profile_show_gives_digest_edition_revision_and_claims(stowgate: Stowgate) -> None:
    plain = stowgate("profile", "show").out
    shown = json.loads(stowgate("profile", "show", "--retain", "uids", "--json").out)
    assert shown["digest"] not in plain
    assert re.search(r"^edition +2026d$", plain, re.M)
    assert re.search(r"^claims +113100 ", plain, re.M)
    assert [claim.split()[0] for claim in shown["claims"]] == ["113100", "113110"]


def test_profile_validate_says_sound_or_all_that_is_wrong_with_line_and_nearest_name(stowgate: Stowgate) -> None:
    toml = '[deid]\nretian = ["uids"]\nprofile = 3\n\n[pixel]\nrisk = "pass"\n'
    Path("stowgate.toml").write_text(toml)
    done = stowgate("profile", "validate", "-c", "stowgate.toml")
    assert done.code == Exit.CONFIGURATION
    assert "stowgate.toml line 2: [deid] retian is no setting. Did you mean retain?" in done.err
    assert "stowgate.toml line 3: [deid] profile must be a text in quotes." in done.err
    assert "stowgate.toml line 5: [pixel] is no setting. Did you mean [pixels]?" in done.err
    Path("stowgate.toml").write_text('[deid]\nretain = ["uids"]\n')
    assert stowgate("profile", "validate", "-c", "stowgate.toml").err.startswith("The configuration is sound.")


def secret_of(path: Path) -> str:
    found = re.search(r"^key: (\S+)$", path.read_text(encoding="utf-8"), re.M)
    assert found
    return found[1]


def test_a_units_key_is_made_for_a_credential_and_is_no_projects(stowgate: Stowgate, tmp_path: Path) -> None:
    made = stowgate("keys", "init", "--unit", "unit.key")
    path = tmp_path / "unit.key"
    key = load_unit_key("systemd:unit.key", tmp_path, Keyring(environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}))
    assert made.out == f"{key.id}  unit.key\n" and stat.S_IMODE(path.stat().st_mode) == 0o600
    is_one_line(stowgate("keys", "init", "--unit", "unit.key"), "key_exists", Exit.KEY)
    assert stowgate("keys", "init", "--unit", "other.key", "--state", "state").code == Exit.USAGE
    assert sorted(one.name for one in tmp_path.iterdir()) == ["unit.key"]


def test_keys_are_made_named_and_copied_but_never_shown(stowgate: Stowgate, tmp_path: Path) -> None:
    made = stowgate("keys", "init", "--state", "state")
    path = tmp_path / "state" / "project.key"
    key_id = load(f"file:{path}").id
    assert made.out == f"{key_id}  {path}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    shown = stowgate("keys", "show", "--state", "state")
    assert shown.out == f"{key_id}  {path}\n"
    exported = stowgate("keys", "export", "copy.key", "--state", "state")
    assert exported.code == 0
    assert Path("copy.key").read_bytes() == path.read_bytes()
    assert stat.S_IMODE(Path("copy.key").stat().st_mode) == 0o600
    Path("copy.key").chmod(0o644)  # as it comes back from a stick
    again = stowgate("keys", "init", "--state", "elsewhere", "--from", "copy.key")
    assert again.out.startswith(key_id)
    said = "".join(done.out + done.err for done in (made, shown, exported, again))
    assert secret_of(path) not in said
    assert secret_of(path).replace("-", "") not in said


def test_a_key_that_is_there_is_never_written_over(stowgate: Stowgate, tmp_path: Path) -> None:
    stowgate("keys", "init", "--state", "state")
    before = (tmp_path / "state" / "project.key").read_bytes()
    is_one_line(stowgate("keys", "init", "--state", "state"), "key_exists", Exit.KEY)
    stowgate("keys", "export", "copy.key", "--state", "state")
    is_one_line(stowgate("keys", "export", "copy.key", "--state", "state"), "key_exists", Exit.KEY)
    is_one_line(stowgate("keys", "export", tmp_path, "--state", "state"), "key_exists", Exit.KEY)
    assert (tmp_path / "state" / "project.key").read_bytes() == before


# ------------------------------------------------------------------------------------------------- exit codes

Wrong = Callable[[Path], None]


def toml(text: str) -> Wrong:
    return lambda root: (root / "stowgate.toml").write_text(text) and None


def a_file(name: str) -> Wrong:
    return lambda root: (root / name).write_bytes(b"x") and None


def open_state(root: Path) -> None:
    (root / "state").mkdir()
    (root / "state" / "something").touch()
    (root / "state").chmod(0o755)


def bad_key(root: Path) -> None:
    (root / "state").mkdir(mode=0o700)
    path = root / "state" / "project.key"
    path.write_text("version: 1\nid: 00000000\nkey: 0000\n")
    path.chmod(0o600)


def ledger_without_key(root: Path) -> None:
    (root / "state").mkdir(mode=0o700)
    (root / "state" / "ledger.db").touch(mode=0o600)


def no_ledger(root: Path) -> None:
    (root / "state").mkdir(mode=0o700)
    (root / "state" / "ledger.db").write_bytes(b"no database " * 500)
    write(Key(b"k" * 32), root / "state" / "project.key")


def nothing(root: Path) -> None:
    """All is well."""


FAILURES: list[tuple[str, Wrong, list[str], int]] = [
    ("no_input", nothing, ["deid", "missing", "-o", "clean"], Exit.USAGE),
    ("output_unwritable", a_file("clean"), ["deid", "good", "-o", "clean"], Exit.USAGE),
    ("output_is_input", nothing, ["deid", "good", "-o", "good"], Exit.USAGE),
    ("state_in_output", nothing, ["deid", "good", "-o", "."], Exit.USAGE),
    ("unknown_profile", nothing, ["deid", "good", "-o", "clean", "--profile", "best"], Exit.USAGE),
    ("unknown_option", nothing, ["deid", "good", "-o", "clean", "--retain", "everything"], Exit.USAGE),
    ("option_not_available", nothing, ["deid", "good", "-o", "clean", "--clean", "structured-content"], Exit.USAGE),
    ("option_not_available", nothing, ["deid", "good", "-o", "clean", "--clean", "graphics"], Exit.USAGE),
    ("option_not_available", nothing, ["explain", "good/1.dcm", "--clean", "pixel-data"], Exit.USAGE),
    ("option_not_available", nothing, ["scan", "good", "--clean", "recognizable-visual-features"], Exit.USAGE),
    (
        "dates_contradict",
        nothing,
        ["profile", "show", "--retain", "full-dates", "--retain", "modified-dates"],
        Exit.USAGE,
    ),
    ("state_unwritable", a_file("state"), ["deid", "good", "-o", "clean"], Exit.CONFIGURATION),
    ("state_permissions", open_state, ["deid", "good", "-o", "clean"], Exit.CONFIGURATION),
    ("ledger_damaged", no_ledger, ["deid", "good", "-o", "clean"], Exit.CONFIGURATION),
    ("settings_unreadable", nothing, ["deid", "good", "-o", "clean", "-c", "none.toml"], Exit.CONFIGURATION),
    ("key_damaged", bad_key, ["deid", "good", "-o", "clean"], Exit.KEY),
    ("key_missing", ledger_without_key, ["deid", "good", "-o", "clean"], Exit.KEY),
    ("key_missing", nothing, ["keys", "show"], Exit.KEY),
    ("key_missing", nothing, ["keys", "export", "copy"], Exit.KEY),
    ("key_missing", nothing, ["keys", "init", "--from", "none.key"], Exit.KEY),
    ("key_damaged", nothing, ["keys", "init", "--from", "good/1.dcm"], Exit.KEY),
]


@pytest.mark.parametrize(("code", "wrong", "argv", "exit_code"), FAILURES)
def test_a_failure_is_one_line_with_a_code_and_its_exit_code(
    stowgate: Stowgate, good: Path, tmp_path: Path, code: str, wrong: Wrong, argv: list[str], exit_code: int
) -> None:
    wrong(tmp_path)
    before = sorted(path for path in tmp_path.rglob("*"))
    takes_state = argv[0] in ("deid", "explain", "keys")
    done = stowgate(*argv, *(["--state", "state"] if takes_state else []))
    assert "Traceback" not in is_one_line(done, code, exit_code)
    left = {path.name for path in tmp_path.rglob("*") if path not in before}
    assert left <= {"state", "project.key", "lock", "ledger.db"}  # no output, no temporaries


SETTINGS = [
    ("bad_toml", "[deid\n", "stowgate.toml line 1: this is no valid TOML"),
    (
        "unknown_setting",
        "[deid]\nprofil = 1\n",
        "stowgate.toml line 2: [deid] profil is no setting. Did you mean profile?",
    ),
    ("bad_setting", "\n[limits]\ndepth = 0\n", "stowgate.toml line 3: [limits] depth must be at least 1."),
    ("bad_setting", '[deid]\nretain = ["uid"]\n', 'stowgate.toml line 2: [deid] retain must be one of "safe-private"'),
    ("bad_setting", '[output]\npath = "../{instance}.dcm"\n', "stowgate.toml line 2: [output] path cannot be used"),
    ("bad_setting", '[unit]\nname = "far too long a name"\n', "stowgate.toml line 2: [unit] name may have at most 16"),
]


@pytest.mark.parametrize(("code", "text", "sentence"), SETTINGS)
def test_a_wrong_setting_is_named_with_its_line_before_anything_happens(
    stowgate: Stowgate, good: Path, tmp_path: Path, code: str, text: str, sentence: str
) -> None:
    Path("stowgate.toml").write_text(text)
    done = stowgate("deid", good, "-o", "clean", "--state", "state", "-c", "stowgate.toml")
    assert done.code == Exit.CONFIGURATION
    assert done.err.startswith(f"{code}: {sentence}")
    assert not (tmp_path / "state").exists()


OVERRIDES = [
    ("unknown_attribute", 'target = "PatientNam"\naction = "remove"'),
    ("override_breaks_type", 'target = "SOPInstanceUID"\naction = "empty"'),
    ("override_fixed", 'target = "PatientIdentityRemoved"\naction = "remove"'),
    ("override_value", 'target = "StudyDate"\naction = "replace"\nvalue = "yesterday"'),
    ("private_needs_creator", 'target = "(0019,1008)"\naction = "keep"'),
    ("override_not_a_sequence", 'target = "PatientName/PatientID"\naction = "remove"'),
]


@pytest.mark.parametrize(("code", "text"), OVERRIDES)
def test_an_override_that_cannot_be_followed_is_refused_in_plain_words(
    stowgate: Stowgate, code: str, text: str
) -> None:
    Path("stowgate.toml").write_text(f"[[deid.override]]\n{text}\n")
    is_one_line(stowgate("profile", "validate", "-c", "stowgate.toml"), code, Exit.CONFIGURATION)


@pytest.mark.parametrize(
    "argv",
    [
        ["deid"],
        ["deid", "good"],
        ["deid", "good", "-o", "clean", "--nonsense"],
        ["deid", "good", "-o", "clean", "--workers", "0"],
        ["deid", "good", "-o", "clean", "--limit", "0"],
        ["deid", "good", "-o", "clean", "--manifest", "clean.pdf"],
        ["explain", "missing"],
        ["inspect", "good"],
        ["scan", "missing"],
        ["keys", "export"],
        ["nonsense"],
    ],
)
def test_a_command_line_that_makes_no_sense_leaves_with_2_and_says_how_to_get_help(
    stowgate: Stowgate, good: Path, tmp_path: Path, argv: list[str]
) -> None:
    done = stowgate(*argv)
    assert done.code == Exit.USAGE
    assert done.out == ""
    assert "stowgate" in done.err
    assert " -h' for help." in done.err
    assert "Traceback" not in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good"]


def test_a_state_folder_in_use_leaves_with_11(stowgate: Stowgate, good: Path, tmp_path: Path) -> None:
    stowgate("keys", "init", "--state", "state")
    with open_ledger(tmp_path / "state", load("file:state/project.key")):
        err = is_one_line(stowgate("deid", good, "-o", "clean", "--state", "state"), "state_in_use", Exit.STATE_IN_USE)
    assert f"held by process {os.getpid()}" in err
    assert not (tmp_path / "clean").exists()


def test_another_key_leaves_with_12(stowgate: Stowgate, good: Path, tmp_path: Path) -> None:
    stowgate("deid", good, "-o", "clean", "--state", "state")
    (tmp_path / "state" / "project.key").unlink()
    stowgate("keys", "init", "--state", "state")
    is_one_line(stowgate("deid", good, "-o", "clean", "--state", "state"), "wrong_key", Exit.KEY)


@pytest.mark.parametrize(
    ("raised", "code"),
    [(Rejected("gate_token", "(0008,1030)"), "gate_token"), (ValueError("CANARY"), "internal_error")],
)
def test_an_object_that_was_stopped_by_the_gate_or_a_bug_leaves_with_18_and_no_output(
    stowgate: Stowgate, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, code: str
) -> None:
    def sabotaged(*_: object) -> None:
        raise raised

    monkeypatch.setattr("stowgate.verify.gate.check", sabotaged)
    done = stowgate("deid", good, "-o", "clean", "--state", "state", "--json")
    assert done.code == Exit.FAILED_CLOSED
    (item,) = done.items
    assert (item["state"], item["code"], item["output"]) == ("quarantined", code, None)
    assert files(tmp_path / "clean") == {}
    assert "CANARY" not in done.out + done.err


def test_a_disk_that_fills_up_leaves_with_15(
    stowgate: Stowgate, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise Temporary("disk_full")

    monkeypatch.setattr("stowgate.dicom.emit.FileEmitter.emit", full)
    done = stowgate("deid", good, "-o", "clean", "--state", "state")
    assert done.code == Exit.STORAGE
    assert done.err.splitlines()[-1].startswith("disk_full: ")
    assert files(tmp_path / "clean") == {}


def test_a_bug_leaves_with_1_and_tells_its_kind_and_place_but_not_its_text(
    stowgate: Stowgate, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("CANARY")

    monkeypatch.setattr("stowgate.faces.cli.cleaning.policy_and_settings", broken)
    done = stowgate("deid", good, "-o", "clean")
    assert done.code == Exit.BUG
    assert re.fullmatch(r"internal_error: KeyError in broken, line \d+\. This is a bug; .*\n", done.err)
    assert done.out == ""


def test_the_version_and_the_help_leave_with_0(stowgate: Stowgate) -> None:
    assert stowgate("--version").out == f"stowgate {version('stowgate')}\n"
    for command in ([], ["deid"], ["explain"], ["inspect"], ["scan"], ["profile"], ["keys"], ["keys", "init"]):
        done = stowgate(*command, "--help")
        assert done.code == 0
        assert "Usage: stowgate" in done.out


# ------------------------------------------------------------------------------------------------- environment


def test_variables_stand_before_the_file_and_flags_before_both(
    stowgate: Stowgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("stowgate.toml").write_text('[deid]\nretain = ["uids"]\n')

    def options(*argv: str) -> list[str]:
        shown = stowgate("profile", "show", "-c", "stowgate.toml", "--json", *argv).out
        return sorted(json.loads(shown)["options"])

    assert options() == ["uids"]
    monkeypatch.setenv("STOWGATE_DEID__RETAIN", "device-identity, full-dates")
    assert options() == ["device-identity", "full-dates"]
    assert options("--retain", "safe-private") == ["safe-private"]


def test_the_state_and_the_key_can_come_from_the_environment(
    stowgate: Stowgate, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stowgate("keys", "init", "--state", "first")
    monkeypatch.setenv("THE_KEY", (tmp_path / "first" / "project.key").read_text())
    monkeypatch.setenv("STOWGATE_STATE__KEY", "env:THE_KEY")
    monkeypatch.setenv("STOWGATE_STATE__PATH", str(tmp_path / "second"))
    assert stowgate("deid", good, "-o", "one").code == 0
    assert not (tmp_path / "second" / "project.key").exists()
    monkeypatch.delenv("STOWGATE_STATE__KEY")
    assert stowgate("deid", good, "-o", "two", "--state", "first").code == 0
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_variable_that_is_no_setting_is_named(stowgate: Stowgate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOWGATE_DEID__PROFIL", "basic")
    done = stowgate("profile", "validate")
    assert done.code == Exit.CONFIGURATION
    assert done.err == "unknown_setting: STOWGATE_DEID__PROFIL: [deid] profil is no setting. Did you mean profile?\n"


def test_the_settings_shown_in_a_message_are_those_of_the_schema() -> None:
    """The examples above must stay real settings."""
    from stowgate.settings import Settings

    for _, text, _ in SETTINGS[1:]:
        assert set(tomllib.loads(text)) <= set(Settings.model_fields)
