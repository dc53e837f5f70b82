"""stowgate.toml, variables and flags: who comes first, and every mistake is told with its line and what was meant."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any, ClassVar, get_args

import jsonschema
import pytest

from stowgate import layout
from stowgate.analyse import triage
from stowgate.dicom.limits import DEFAULT
from stowgate.errors import Misconfigured
from stowgate.objects import Names
from stowgate.outbox import routing
from stowgate.outbox.policy import Urgency
from stowgate.policy import CLEAN, RETAIN
from stowgate.policy import Override as Rule
from stowgate.settings import Clean, Override, Retain, Settings, load, needs, schema
from stowgate.settings_gateway import bytes_of
from stowgate.settings_problems import BadSettings

TABLES = ("source", "dest", "route", "profile", "window", "triage")
PUBLISHED = Path(__file__).parents[1] / "docs" / "reference" / "stowgate.schema.json"

FULL = """
[unit]
name = "TRUCK07"

[deid]
profile = "basic"
retain = ["patient-characteristics", "modified-dates"]
clean = ["descriptors"]

[[deid.override]]
target = "StudyDescription"
action = "keep"

[[deid.override]]
target = "(0008,1010)"
action = "replace"
value = "SOMEWHERE"

[pixels]
risk = "pass"

[gate]
pixels = "full"

[limits]
depth = 32
header = 1048576
elements = 5000
seconds = 10
inflate_ratio = 20
inflate_bytes = 1048576

[output]
path = "{study}/{modality}/{instance}.dcm"

[state]
path = "state"
key = "env:PROJECT_KEY"

[spool]
path = "spool"
reserve = "20GiB"
key = "systemd:unit"

[web]
listen = "0.0.0.0:8104"
token = "file:token"
certificate = "web.pem"
key = "web.key"
hosts = ["truck07.example"]

[look]
quality = true
urgency = true
fleet = true

[commitment]
listen = "0.0.0.0:11113"
tls = { certificate = "own.pem", key = "own.key", ca = "ca.pem" }

[purge]
after = "30d"
originals = "12h"
pressure = true

[workers]
count = 4

[alerts]
webhook = "env:ALERTS"

[log]
level = "debug"
file = "stowgate.log"

[[source]]
kind = "dimse"
name = "ct"
listen = "0.0.0.0:2762"
ae = "STOWGATE"
allow = [{ ae = "CT1", ip = "192.168.5.0/24" }]
sop_classes = ["1.2.840.10008.5.1.4.1.1.2"]
transfer_syntaxes = ["1.2.840.10008.1.2.1"]
tls = { certificate = "ct.pem", key = "ct.key", ca = "ca.pem", mutual = true }
max_associations = 10
max_per_ip = 5
complete_after = 60.0
issuer = "NORTH"

[[source]]
kind = "folder"
name = "drop"
path = "in"
after = "move"
moved_to = "done"
settle = 1.5
rescan = 10.0
complete_after = 60.0
issuer = ""

[[source]]
kind = "stow"
name = "upload"
path = "/dicom-web"
issuer = ""
complete_after = 60.0
sop_classes = []
body_bytes = 1000000
part_bytes = 1000000
parts = 10
at_once = 2
silence = 5.0
slowest = 100

[[dest]]
kind = "folder"
name = "nas"
path = "out"
mounted = false
layout = "{study}/{instance}.dcm"
evidence = "content"
bwlimit = "08:00,512K 20:00,off"
hours = ["Mon-Fri 20:00-06:00"]
workers = 1

[[dest]]
kind = "dimse"
name = "pacs"
host = "10.0.0.5"
port = 2762
ask = "commitment"
called = "PACS"
calling = "TRUCK07"
evidence = "presence"
tls = { ca = "ca.pem", certificate = "own.pem", key = "own.key" }
bwlimit = "2M"
hours = []
workers = 4

[[dest]]
kind = "stow"
name = "research"
url = "https://research.example/dicom-web"
auth = "file:token"
user = ""
token_url = "https://login.example/token"
client_id = "truck"
scope = "dicom.write"
audience = "research"
evidence = "content"
tls = { ca = "ca.pem" }
bwlimit = ""
hours = ["Sat-Sun"]
workers = 2

[[route]]
dest = ["nas"]
source = ["ct"]
modality = ["MG"]
sop_class = ["1.2.840.10008.5.1.4.1.1.1.2"]
description = ["*breast*"]
priority = ["high", "medium"]
profile = "research"
urgency = "high"

[[window]]
name = "ear"
centre = 700.0
width = 4000.0

[[triage]]
id = "clinic_stroke"
score = 80
because = "The clinic's own word for a stroke."
priority = ["high"]
words = ["*lysis*"]
modality = ["CT"]
measured = ["hyperdense"]

[[profile]]
name = "research"
profile = "basic"
retain = ["uids"]
clean = ["descriptors"]
key = "file:research.key"

[[profile.override]]
target = "SeriesDescription"
action = "remove"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "stowgate.toml"
    path.write_text(text, "utf-8")
    return path


def problems(folder: Path, text: str, **environ: str) -> list[str]:
    path = write(folder, text)
    with pytest.raises(BadSettings) as refused:
        load(path, environ=environ)
    return [problem.removeprefix(f"{path} ") for problem in refused.value.problems]


class TestReading:
    def test_without_anything_the_defaults_hold(self) -> None:
        settings = load(environ={})
        assert settings == Settings()
        assert (settings.deid.profile, settings.deid.retain, settings.pixels.risk) == ("basic", (), "hold")
        assert settings.output.path == "{patient}/{study}/{series}/{instance}.dcm"

    def test_every_setting_can_be_given(self, tmp_path: Path) -> None:
        settings = load(write(tmp_path, FULL), environ={})
        assert settings.unit.name == "TRUCK07"
        assert settings.deid.retain == ("patient-characteristics", "modified-dates")
        assert settings.deid.override == (
            Override(target="StudyDescription", action="keep"),
            Override(target="(0008,1010)", action="replace", value="SOMEWHERE"),
        )
        assert (settings.pixels.risk, settings.gate.pixels) == ("pass", "full")
        assert settings.limits.seconds == 10.0
        assert settings.output.path == "{study}/{modality}/{instance}.dcm"
        assert settings.state.key == "env:PROJECT_KEY"
        assert (settings.spool.reserve, settings.workers.count) == ("20GiB", 4)
        assert [source.kind for source in settings.source] == ["dimse", "folder", "stow"]
        given = tomllib.loads(FULL)
        sections = [(name, table) for name, table in settings if name not in TABLES]
        assert all(set(given[name]) == set(type(table).model_fields) for name, table in sections)
        for name in TABLES:
            for written, table in zip(given[name], getattr(settings, name), strict=True):
                assert set(written) == set(type(table).model_fields)
        assert [dest.where for dest in settings.dest] == [
            str(tmp_path / "out"),
            "PACS@10.0.0.5:2762",
            "https://research.example/dicom-web",
        ]
        assert settings.dest[2].auth == f"file:{tmp_path / 'token'}"  # type: ignore[union-attr]
        assert settings.route[0].rule() == routing.Rule(
            ("nas",), ("ct",), ("MG",), ("1.2.840.10008.5.1.4.1.1.1.2",), ("*breast*",), Urgency.HIGH,
            ("high", "medium"), "research",
        )  # fmt: skip
        assert settings.triage[0].rule() == triage.Rule(
            "clinic_stroke",
            80,
            "The clinic's own word for a stroke.",
            ("high",),
            ("*lysis*",),
            ("CT",),
            ("hyperdense",),
        )
        assert settings.profile[0].key == f"file:{tmp_path / 'research.key'}"
        assert settings.profile[0].override == (Override(target="SeriesDescription", action="remove"),)

    def test_paths_in_a_file_count_from_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/someone")
        for written, meant in (("state", tmp_path / "state"), ("/abs", Path("/abs")), ("~/s", "/home/someone/s")):
            text = f'[state]\npath = "{written}"\nkey = "file:{written}"\n'
            state = load(write(tmp_path, text), environ={}).state
            assert (state.path, state.key) == (Path(meant), f"file:{meant}")

    def test_a_mark_at_the_start_of_the_file_is_no_mistake(self, tmp_path: Path) -> None:
        assert load(write(tmp_path, '\ufeff[unit]\r\nname = "A"\r\n'), environ={}).unit.name == "A"

    def test_nothing_changes_once_it_is_read(self) -> None:
        with pytest.raises(ValueError, match="frozen"):
            Settings().deid.profile = "other"

    @pytest.mark.parametrize("content", [None, b"\xff\xfe", b"a" * (1 << 20) + b"b"])
    def test_a_file_that_cannot_be_read_is_said(self, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "stowgate.toml"
        if content:
            path.write_bytes(content)
        with pytest.raises(Misconfigured) as refused:
            load(path, environ={})
        assert (refused.value.code, refused.value.place) == ("settings_unreadable", str(path))


class TestPrecedence:
    FILE = '[deid]\nretain = ["uids"]\nprofile = "basic"\n[limits]\ndepth = 3\n'
    VARIABLES: ClassVar = {"STOWGATE_DEID__RETAIN": "full-dates, safe-private", "STOWGATE_LIMITS__DEPTH": "4"}

    def test_a_flag_before_a_variable_before_the_file_before_the_default(self, tmp_path: Path) -> None:
        path = write(tmp_path, self.FILE)
        assert load(environ={}).limits.depth == 64
        assert load(path, environ={}).limits.depth == 3
        assert load(path, environ=self.VARIABLES).limits.depth == 4
        assert load(path, {"limits": {"depth": 5}}, self.VARIABLES).limits.depth == 5

    def test_a_list_is_replaced_and_the_rest_stays(self, tmp_path: Path) -> None:
        settings = load(write(tmp_path, self.FILE), environ=self.VARIABLES)
        assert settings.deid.retain == ("full-dates", "safe-private")
        assert settings.deid.profile == "basic"
        assert load(write(tmp_path, self.FILE), {"deid": {"retain": []}}, self.VARIABLES).deid.retain == ()

    def test_a_flag_that_was_not_given_changes_nothing(self, tmp_path: Path) -> None:
        settings = load(write(tmp_path, self.FILE), {"limits": {"depth": None}, "unit": {"name": None}}, {})
        assert settings.limits.depth == 3

    def test_an_empty_variable_and_those_of_others_count_as_not_set(self) -> None:
        others = {"STOWGATE_DEID__PROFILE": "", "STOWGATE_SHARED": "/x", "MY_STOWGATE_DEID__PROFILE": "x"}
        assert load(environ=others) == Settings()

    def test_variables_are_numbers_paths_and_texts_where_those_are_wanted(self) -> None:
        settings = load(
            environ={
                "STOWGATE_LIMITS__SECONDS": "2.5",
                "STOWGATE_STATE__PATH": "/state",
                "STOWGATE_UNIT__NAME": "7",
                "STOWGATE_STATE__KEY": "file:/k",
            }
        )
        assert settings.limits.seconds == 2.5
        assert settings.state.path == Path("/state")
        assert (settings.unit.name, settings.state.key) == ("7", "file:/k")


class TestMistakes:
    def test_an_unknown_key_has_a_line_and_what_was_meant(self, tmp_path: Path) -> None:
        assert problems(tmp_path, '\n[deid]\nprofil = "basic"\n') == [
            "line 3: [deid] profil is no setting. Did you mean profile?"
        ]

    def test_a_key_in_the_wrong_table_is_sent_to_the_right_one(self, tmp_path: Path) -> None:
        assert problems(tmp_path, '[gate]\nrisk = "pass"\n') == [
            "line 2: [gate] risk is no setting. Did you mean [pixels] risk?"
        ]

    def test_an_unknown_table_too(self, tmp_path: Path) -> None:
        assert problems(tmp_path, "\n[limit]\ndepth = 3\n[zzz]\n") == [
            "line 2: [limit] is no setting. Did you mean [limits]?",
            "line 4: [zzz] is no setting.",
        ]

    def test_an_unknown_key_alone_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(BadSettings) as refused:
            load(write(tmp_path, "[deid]\nx = 1\n"), environ={})
        assert refused.value.code == "unknown_setting"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ('[pixels]\nrisk = "maybe"', 'line 2: [pixels] risk must be one of "hold" or "pass", not "maybe".'),
            ("[pixels]\nrisk = true", 'line 2: [pixels] risk must be one of "hold" or "pass", not true.'),
            ('[limits]\ndepth = "3"', "line 2: [limits] depth must be a whole number."),
            ("[limits]\ndepth = 3.5", "line 2: [limits] depth must be a whole number."),
            ("[limits]\ndepth = true", "line 2: [limits] depth must be a whole number."),
            ("[limits]\ndepth = 0", "line 2: [limits] depth must be at least 1."),
            ("[limits]\ndepth = 999", "line 2: [limits] depth must be at most 128."),
            ("[limits]\nseconds = 0", "line 2: [limits] seconds must be more than 0."),
            ('[limits]\nseconds = "x"', "line 2: [limits] seconds must be a number."),
            ('[deid]\nretain = "uids"', 'line 2: [deid] retain must be a list, such as ["one", "two"].'),
            ("[deid]\nretain = 2020-01-01", 'line 2: [deid] retain must be a list, such as ["one", "two"].'),
            ("[deid]\nprofile = 1", "line 2: [deid] profile must be a text in quotes."),
            ("[state]\npath = 2020-01-01", "line 2: [state] path must be a text in quotes."),
            ("deid = 3", "line 1: [deid] must be a table."),
            ("unit = 2020-01-01", "line 1: [unit] must be a table."),
            ('[unit]\nname = "SEVENTEEN LETTERS"', "line 2: [unit] name may have at most 16 characters."),
            ('[[deid.override]]\naction = "keep"', "line 1: [[deid.override]] target is missing."),
            ('[[deid.override]]\ntarget = ""\naction = "keep"', "line 2: [[deid.override]] target must not be empty."),
        ],
    )
    def test_a_wrong_value_has_a_line_and_a_sentence(self, tmp_path: Path, text: str, told: str) -> None:
        assert problems(tmp_path, text) == [told]

    @pytest.mark.parametrize("name", ["A\\\\B", "Zürich", "A\\tB"])
    def test_a_unit_has_a_name_every_character_set_can_write(self, tmp_path: Path, name: str) -> None:
        (told,) = problems(tmp_path, f'[unit]\nname = "{name}"')
        assert told.startswith("line 2: [unit] name has a form it cannot have. Name stamped into Station Name")

    def test_a_key_that_stands_in_the_file_itself_is_refused_without_being_shown(self, tmp_path: Path) -> None:
        (told,) = problems(tmp_path, '[state]\nkey = "0001-081G-8186"')
        assert told.startswith("line 2: [state] key has a form it cannot have.")
        assert "081G" not in told

    @pytest.mark.parametrize(
        ("action", "value", "fine"),
        [("keep", "", True), ("keep", 'value = "x"', False), ("replace", "", False), ("replace", 'value = ""', True)],
    )
    def test_a_value_belongs_to_replace(self, tmp_path: Path, action: str, value: str, fine: bool) -> None:
        text = f'[[deid.override]]\ntarget = "x"\naction = "{action}"\n{value}\n'
        if fine:
            assert load(write(tmp_path, text), environ={}).deid.override[0].action == action
        else:
            (told,) = problems(tmp_path, text)
            assert told.startswith("line 1: [[deid.override]] needs a value with replace")

    @pytest.mark.parametrize(
        "path",
        [
            "{patient}.dcm",
            "{instance}",
            "/{instance}.dcm",
            "../{instance}.dcm",
            "a/../{instance}.dcm",
            "{instance}/../x.dcm",
            "{PatientName}/{instance}.dcm",
            "{instance!r}.dcm",
            "{instance.dcm",
            "a\\\\{instance}.dcm",
            "",
        ],
    )
    def test_an_output_path_that_cannot_be_used_is_refused(self, tmp_path: Path, path: str) -> None:
        (told,) = problems(tmp_path, f'[output]\npath = "{path}"')
        assert told.startswith("line 2: [output] path cannot be used: ")

    def test_everything_is_said_at_once_in_the_order_of_the_lines(self, tmp_path: Path) -> None:
        told = problems(
            tmp_path,
            '[pixels]\nrisk = 1\n\n[deid]\nretain = [\n "uids",\n "uid"]\n'
            '[[deid.override]]\ntarget = "a"\naction = "k"\n',
            STOWGATE_GATE__PIXELS="some",
            STOWGATE_LIMITS__DEPTH="deep",
            STOWGATE_OTHER__THING="1",
        )
        assert [problem.split(": ")[0] for problem in told] == [
            "line 2",
            "line 5",
            "line 10",
            "STOWGATE_GATE__PIXELS",
            "STOWGATE_LIMITS__DEPTH",
            "STOWGATE_OTHER__THING",
        ]

    def test_a_flag_is_named_as_one(self) -> None:
        with pytest.raises(BadSettings) as refused:
            load(None, {"pixels": {"risk": "x"}}, {})
        assert str(refused.value).startswith("flag for [pixels] risk: ")

    def test_a_variable_for_tables_of_which_there_are_several_is_refused(self, tmp_path: Path) -> None:
        """Which of them it means nobody knows."""
        source = '[[source]]\nkind = "folder"\nname = "in"\npath = "in"\n'
        (told,) = problems(tmp_path, source, STOWGATE_SOURCE__PATH="elsewhere")
        assert told == "STOWGATE_SOURCE__PATH: [[source]] tables can be set in the file only."

    @pytest.mark.parametrize("seconds", ["inf", "nan", "1e300", "86401"])
    def test_an_object_gets_no_more_time_than_can_be_waited_for(self, tmp_path: Path, seconds: str) -> None:
        (told,) = problems(tmp_path, f"[limits]\nseconds = {seconds}\n")
        assert told.startswith("line 2: [limits] seconds must be ")

    def test_a_variable_over_a_broken_table_blames_the_table(self, tmp_path: Path) -> None:
        assert problems(tmp_path, "\ndeid = 3\n", STOWGATE_DEID__PROFILE="basic") == ["line 2: [deid] must be a table."]

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("[deid\n", 1),
            ('[deid]\n\nprofile = "x\n', 3),
            ("[deid]\nprofile = 1\nprofile = 2\n", 3),
            ("[deid]\n[deid]\n", 2),
            ("a = [1,\n2,\n", 2),
            ("a = " + "[" * 5000, 1),
        ],
    )
    def test_broken_toml_has_a_line(self, tmp_path: Path, text: str, line: int) -> None:
        (told,) = problems(tmp_path, text)
        assert told.startswith(f"line {line}: this is no valid TOML: ")

    def test_they_are_one_text_for_people_and_a_misconfiguration_for_the_program(self, tmp_path: Path) -> None:
        path = write(tmp_path, "[deid]\na = 1\nb = 2\n")
        with pytest.raises(Misconfigured) as refused:
            load(path, environ={})
        assert str(refused.value).count("\n") == 1
        assert str(refused.value).startswith(f"{path} line 2: [deid] a is no setting.")


DEST = '[[dest]]\nkind = "folder"\nname = "nas"\npath = "out"\n'
PROFILE = '[[profile]]\nname = "research"\n'


class TestDelivery:
    """What is wrong with [[dest]] and [[route]] is said in sentences, with its line."""

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (
                DEST + 'bwlimit = "fast"',
                'line 5: [[dest]] bwlimit has a rate that is none; write "512K", "2M" or "off".',
            ),
            (DEST + 'hours = ["night"]', 'line 5: [[dest]] hours must be hours such as "Mon-Fri 20:00-06:00", '),
            (DEST + 'evidence = "presence"', 'line 5: [[dest]] evidence must be one of "status" or "content", not'),
            (DEST + 'layout = "x"', "line 5: [[dest]] layout cannot be used: "),
            (DEST + 'bandwith = "1M"', "line 5: [[dest]] bandwith is no setting."),
            (DEST + "workers = 0", "line 5: [[dest]] workers must be at least 1."),
            ('[[dest]]\nkind = "dimse"\nname = "p"', "line 1: [[dest]] host is missing."),
            (
                '[[dest]]\nkind = "ftp"\nname = "p"',
                'line 1: [[dest]] needs a kind that is one of "folder", "dimse", "stow".',
            ),
            (
                '[web]\nlisten = "127.0.0.1:8104"\n[commitment]\nlisten = "0.0.0.0:8104"',
                "line 4: [commitment] listen is where another one listens already.",
            ),
            (DEST + DEST, "line 7: [[dest]] name is that of another destination; each needs its own."),
            ('[[route]]\ndest = ["pacs"]', "line 2: [[route]] dest names a [[dest]] that is not there."),
            (DEST + '[[route]]\ndest = ["nas"]\nsource = ["mr"]', "[[route]] source names a [[source]] that is not "),
            (DEST + "[[route]]\ndest = []", "line 6: [[route]] dest"),
            (DEST + '[[route]]\ndest = ["nas"]\nurgency = "now"', "line 7: [[route]] urgency must be one of "),
            (
                DEST + '[[route]]\ndest = ["nas"]\nprofile = "x"',
                "line 7: [[route]] profile names a [[profile]] that is ",
            ),
            (
                DEST + PROFILE + '[[route]]\ndest = ["nas"]\nprofile = "reserch"',
                'line 9: [[route]] profile names a [[profile]] that is not there. Did you mean "research"?',
            ),
            (
                DEST + PROFILE + '[[route]]\ndest = ["nas"]\n[[route]]\ndest = ["nas"]\nprofile = "research"',
                "line 11: [[route]] profile gives nas another profile than an earlier [[route]]; a destination gets",
            ),
            (
                DEST + PROFILE + '[[route]]\ndest = ["nas"]\nprofile = "research"\n[[route]]\ndest = ["nas"]',
                "line 10: [[route]] gives nas another profile than an earlier [[route]]; a destination gets one.",
            ),
            (PROFILE + PROFILE, "line 4: [[profile]] name is that of another profile; each needs its own."),
            ('[[profile]]\nname = "Dr X"', "line 2: [[profile]] name has a form it cannot have. What routes call it"),
            ('[[profile]]\nretain = ["uids"]', "line 1: [[profile]] name is missing."),
            (PROFILE + 'key = "0001-081G-8186"', "line 3: [[profile]] key has a form it cannot have."),
            (
                PROFILE + '[[profile.override]]\ntarget = "x"\naction = "replace"',
                "line 3: [[profile.override]] needs a value with replace",
            ),
            (PROFILE + "overide = 1", "line 3: [[profile]] overide is no setting. Did you mean override?"),
            (
                DEST + '[[route]]\ndest = ["nas"]\npriority = ["stat"]',
                'line 7: [[route]] priority must be one of "low"',
            ),
            ('[spool]\npath = "out/spool"\n' + DEST, "[[dest]] path and the spool are inside one another"),
            ('[[source]]\nkind = "folder"\nname = "in"\npath = "."\n' + DEST, "[[dest]] path is watched by a source"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path: Path, text: str, said: str) -> None:
        assert any(said in problem for problem in problems(tmp_path, text)), problems(tmp_path, text)


class TestSchema:
    def test_the_published_one_is_the_models_own(self) -> None:
        assert PUBLISHED.read_text("utf-8") == schema(), (
            "run: python -m stowgate.settings > docs/reference/stowgate.schema.json"
        )

    def test_it_is_valid_and_takes_what_load_takes(self) -> None:
        published = json.loads(schema())
        jsonschema.Draft202012Validator.check_schema(published)
        checker = jsonschema.Draft202012Validator(published)
        assert list(checker.iter_errors(tomllib.loads(FULL))) == []
        wrongs: tuple[dict[str, Any], ...] = (
            {"deid": {"profil": "x"}},
            {"pixels": {"risk": "x"}},
            {"unit": {"name": "x" * 17}},
            {"zzz": {}},
        )
        for wrong in wrongs:
            assert not checker.is_valid(wrong)

    def test_every_setting_says_what_it_is(self) -> None:
        tables = json.loads(schema())["$defs"]
        fields = [field for table in tables.values() for field in table["properties"].values()]
        assert len(fields) == 140
        assert all(field["description"] for field in fields)


class TestTables:
    """Names that stand in other tables, too, are the same there."""

    def test_options_are_the_policy_s(self) -> None:
        assert get_args(Retain) == tuple(RETAIN)
        assert get_args(Clean) == tuple(CLEAN)

    def test_limits_are_those_of_the_scanner(self) -> None:
        assert Settings().limits.model_dump() == dataclasses.asdict(DEFAULT)

    def test_an_override_has_the_parts_of_a_rule(self) -> None:
        assert list(Override.model_fields) == [field.name for field in dataclasses.fields(Rule)]

    def test_the_output_path_can_use_every_clean_name(self) -> None:
        assert tuple(field.name for field in dataclasses.fields(Names)) == layout.FIELDS
        every = "/".join(f"{{{name}}}" for name in layout.FIELDS) + ".dcm"
        assert load(None, {"output": {"path": every}}, {}).output.path == every


class TestSources:
    """Tables of a gateway, with kinds of their own."""

    SPOOL: ClassVar[str] = '[spool]\npath = "spool"\n'

    def test_paths_and_references_in_a_source_count_from_the_file(self, tmp_path: Path) -> None:
        settings = load(write(tmp_path, FULL), environ={})
        dimse, folder, _ = settings.source
        assert dimse.kind == "dimse"
        assert dimse.tls
        assert (dimse.tls.certificate, dimse.tls.ca) == (tmp_path / "ct.pem", tmp_path / "ca.pem")
        heard = settings.commitment.tls
        assert heard and (heard.key, heard.ca) == (tmp_path / "own.key", tmp_path / "ca.pem")
        assert folder.kind == "folder"
        assert (folder.path, folder.taken) == (tmp_path / "in", tmp_path / "done")
        assert (settings.web.token, settings.log.file) == (f"file:{tmp_path}/token", tmp_path / "stowgate.log")

    def test_everything_wrong_in_a_source_is_told_with_its_line(self, tmp_path: Path) -> None:
        text = (
            self.SPOOL + '[[source]]\nname = "ct"\nkind = "dimse"\nlisten = "127.0.0.1:1"\naet = "X"\n'
            'allow = [{ ae = "A", ipp = "1" }]\n[[source]]\nname = "d"\nkind = "folder"\npath = "in"\nafter = "burn"\n'
            '[[source]]\nname = "u"\nkind = "stw"\n'
        )
        told = problems(tmp_path, text)
        assert told == [
            "line 7: [[source]] aet is no setting. Did you mean ae?",
            "line 8: [[source]] allow ip is missing.",
            "line 8: [[source]] allow ipp is no setting. Did you mean ip?",
            'line 13: [[source]] after must be one of "keep", "move" or "delete", not "burn".',
            'line 14: [[source]] needs a kind that is one of "dimse", "folder", "stow".',
        ]

    def test_two_sources_cannot_have_one_name(self, tmp_path: Path) -> None:
        one = '[[source]]\nname = "u"\nkind = "stow"\n'
        other = one.replace("[[source]]\n", '[[source]]\npath = "/other"\n')
        told = problems(tmp_path, self.SPOOL + one + other)
        assert told == ["line 8: [[source]] name is that of another source; each needs its own."]

    def test_what_clashes_is_told_beside_everything_else_that_is_wrong(self, tmp_path: Path) -> None:
        text = (
            '[spool]\npath = "spool"\nreserv = "1GiB"\n[web]\nlisten = "127.0.0.1:8104"\n'
            '[[source]]\nname = "a"\nkind = "folder"\npath = "spool/raw"\n'
            '[[source]]\nname = "b"\nkind = "folder"\npath = "in/../in/today"\nafter = 1\n'
            '[[source]]\nname = "a"\nkind = "folder"\npath = "in"\n'
            '[[source]]\nname = "c"\nkind = "dimse"\nlisten = "0.0.0.0:8104"\n'
            '[[source]]\nname = "d"\nkind = "dimse"\nlisten = "127.0.0.1:99999"\n'
            '[[source]]\nname = "e"\nkind = "stow"\n[[source]]\nname = "f"\nkind = "stow"\npath = "/dicom-web"\n'
        )
        assert problems(tmp_path, text) == [
            "line 3: [spool] reserv is no setting. Did you mean reserve?",
            "line 9: [[source]] path is inside the spool, where nothing is taken from.",
            'line 14: [[source]] after must be one of "keep", "move" or "delete", not 1.',
            "line 16: [[source]] name is that of another source; each needs its own.",
            "line 18: [[source]] path is watched by another source already, which would take its files twice.",
            "line 22: [[source]] listen is where another one listens already.",
            "line 26: [[source]] listen must end in a port from 0 to 65535.",
            "line 33: [[source]] path is that of another source; each needs its own.",
        ]

    @pytest.mark.parametrize(
        "one_more",
        ['name = "b"\nlisten = "127.0.0.2:11112"', 'name = "b"\nlisten = "127.0.0.1:11113"'],
    )
    def test_two_that_listen_side_by_side_do_not_clash(self, tmp_path: Path, one_more: str) -> None:
        first = '[[source]]\nkind = "dimse"\nname = "a"\nlisten = "127.0.0.1:11112"\n'
        free = '[[source]]\nkind = "dimse"\nname = "{}"\nlisten = "127.0.0.1:0"\n'
        text = first + f'[[source]]\nkind = "dimse"\n{one_more}\n' + free.format("c") + free.format("d")
        assert len(load(write(tmp_path, text), environ={}).source) == 4

    @pytest.mark.parametrize("moved_to", ['moved_to = "b/done"\n', ""])
    def test_what_was_taken_is_not_moved_to_where_another_source_takes_it_again(
        self, tmp_path: Path, moved_to: str
    ) -> None:
        other = "b" if moved_to else "a.taken"
        text = f'[[source]]\nkind = "folder"\nname = "a"\npath = "a"\nafter = "move"\n{moved_to}'
        text += f'[[source]]\nkind = "folder"\nname = "b"\npath = "{other}"\n'
        (told,) = problems(tmp_path, text)
        line = 6 if moved_to else 1
        sentence = "[[source]] moved_to is watched by another source, which would take its files again."
        assert told == f"line {line}: {sentence}"

    def test_folders_side_by_side_do_not_clash(self, tmp_path: Path) -> None:
        names = ["in", "in2", "spool2"]
        text = self.SPOOL + "".join(f'[[source]]\nkind = "folder"\nname = "{n}"\npath = "{n}"\n' for n in names)
        assert len(load(write(tmp_path, text), environ={}).source) == 3

    @pytest.mark.parametrize("sources", ["7", '"x"', "[1, 2]", '[{ name = ["a"], path = { a = 1 }, kind = "folder" }]'])
    def test_a_source_that_is_no_table_is_told_and_nothing_breaks(self, tmp_path: Path, sources: str) -> None:
        assert problems(tmp_path, f"source = {sources}\n[spool]\npath = 7\n[web]\nlisten = 8104\n")

    def test_what_a_mistyped_key_of_tls_was_meant_to_be_is_told(self, tmp_path: Path) -> None:
        text = '[[source]]\nname = "ct"\nkind = "dimse"\nlisten = "127.0.0.1:1"\n'
        (told,) = problems(tmp_path, text + 'tls = { certificate = "c", key = "k", mutal = true }\n')
        assert told == "line 5: [[source]] tls mutal is no setting. Did you mean mutual?"

    @pytest.mark.parametrize("host", ["0.0.0.0", "192.168.5.1", "[::]", "truck07.example"])  # noqa: S104 - not bound
    @pytest.mark.parametrize(
        ("given", "lacks"),
        [
            ("", "token and certificate and key"),
            ('token = "file:token"', "certificate and key"),
            ('certificate = "c.pem"\nkey = "k.pem"', "token"),
        ],
    )
    def test_the_web_is_never_open_to_others_without_tls_and_a_token(
        self, tmp_path: Path, host: str, given: str, lacks: str
    ) -> None:
        told = problems(tmp_path, f'[web]\nlisten = "{host}:8104"\n{given}\nhost = "x"\n')
        assert told == [
            f"line 2: [web] listen can be reached by others, so [web] needs {lacks} as well.",
            f"line {4 + given.count(chr(10))}: [web] host is no setting. Did you mean hosts?",
        ]

    def test_the_web_is_not_opened_by_a_variable_either(self, tmp_path: Path) -> None:
        told = problems(tmp_path, '[web]\ntoken = "file:t"\n', STOWGATE_WEB__LISTEN="0.0.0.0:1")
        assert told == [
            "STOWGATE_WEB__LISTEN: [web] listen can be reached by others, so [web] needs certificate and key as well."
        ]

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "[::1]", "localhost"])
    def test_the_web_may_be_open_to_this_machine(self, tmp_path: Path, host: str) -> None:
        assert load(write(tmp_path, f'[web]\nlisten = "{host}:8104"\n'), environ={}).web.listen

    def test_a_reference_is_nothing_but_a_reference(self, tmp_path: Path) -> None:
        told = problems(tmp_path, '[web]\ntoken = "env:A the-secret-itself"\n[alerts]\nwebhook = "systemd:a/b"\n')
        assert ["has a form it cannot have" in one for one in told] == [True, True]
        assert "the-secret-itself" not in str(told)

    def test_what_a_gateway_lacks_is_said_in_plain_words(self, tmp_path: Path) -> None:
        assert [one.split(",")[0] for one in needs(Settings())] == [
            "a gateway needs [spool] path",
            "a gateway needs at least one [[source]]",
        ]
        stow = self.SPOOL + '[[source]]\nname = "u"\nkind = "stow"\n'
        assert needs(load(write(tmp_path, stow), environ={})) == ('a [[source]] of kind "stow" needs [web] listen',)
        assert needs(load(write(tmp_path, FULL), environ={})) == ()

    def test_tables_of_a_gateway_change_nothing_about_how_files_are_cleaned(self, tmp_path: Path) -> None:
        plain = FULL[: FULL.index("[spool]")]
        mine = ("unit", "deid", "pixels", "gate", "limits", "output", "state")
        whole, part = (load(write(tmp_path, text), environ={}).model_dump(include=set(mine)) for text in (FULL, plain))
        assert whole == part

    @pytest.mark.parametrize(
        "text",
        [
            '[web]\nlisten = "127.0.0.1:8104"\ntoken = "the-secret-itself"\n',
            '[spool]\nkey = "the-secret-itself"\n',
            '[alerts]\nwebhook = "https://example.org/the-secret-itself"\n',
        ],
    )
    def test_a_secret_is_named_and_never_written_down(self, tmp_path: Path, text: str) -> None:
        (told,) = problems(tmp_path, text)
        assert "has a form it cannot have" in told
        assert "the-secret-itself" not in told

    @pytest.mark.parametrize(
        ("text", "meant"), [("1GiB", 2**30), ("500MB", 500_000_000), ("20 GiB", 20 * 2**30), ("7", 7), ("0B", 0)]
    )
    def test_a_size_is_written_as_people_write_it(self, text: str, meant: int) -> None:
        assert bytes_of(text) == meant

    @pytest.mark.parametrize("text", ["", "lots", "1.5GiB", "-1GiB", "1XB"])
    def test_what_is_no_size_is_refused(self, tmp_path: Path, text: str) -> None:
        assert "must be a size" in problems(tmp_path, f'[spool]\nreserve = "{text}"\n')[0]


class TestTriage:
    def test_a_score_of_none_needs_no_condition_and_another_one_does(self, tmp_path: Path) -> None:
        off = load(write(tmp_path, '[[triage]]\nid = "trauma_words"\nscore = 0\n'), environ={}).triage[0].rule()
        assert (off.id, off.score) == ("trauma_words", 0)
        assert problems(tmp_path, '[[triage]]\nid = "all"\nscore = 5\n') == [
            "line 1: [[triage]] needs a condition, or a score of 0 that switches it off."
        ]

    def test_two_rules_of_one_id_are_refused(self, tmp_path: Path) -> None:
        rule = '[[triage]]\nid = "mine"\nscore = 5\nmodality = ["CT"]\n'
        (told,) = problems(tmp_path, rule + rule)
        assert told == "line 6: [[triage]] id is that of another rule; each needs its own."

    def test_what_cannot_be_measured_and_an_id_that_is_none_are_said(self, tmp_path: Path) -> None:
        told = problems(tmp_path, '[[triage]]\nid = "No id"\nscore = 5\nmeasured = ["fracture"]\n')
        assert told[0].startswith("line 2: [[triage]] id has a form it cannot have.")
        assert told[1].startswith("line 4: [[triage]] measured must")
