"""Lines of settings: right for every way TOML has to write one."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from stowgate.toml_lines import Where, lines_of

TEXT = """\
# a comment
top = 1

[deid]
profile = "basic"  # with a comment
retain = [
  "uids",  # and another
  "full-dates",
]
name.first = 1
"quoted key" = '''
[limits]
depth = 7
'''

[[deid.override]]
target = "a"

[[deid.override]]
target = \"""
b
\"""
extra = { one = 1, two = [ { three = 3 } ] }

[deid.override.below]
x = 1

[ "limits" ]
depth = 3
"""


def test_every_table_and_key_is_found() -> None:
    assert lines_of(TEXT) == {
        (): 2,
        ("top",): 2,
        ("deid",): 4,
        ("deid", "profile"): 5,
        ("deid", "retain"): 6,
        ("deid", "retain", 0): 6,
        ("deid", "retain", 1): 6,
        ("deid", "name"): 10,
        ("deid", "name", "first"): 10,
        ("deid", "quoted key"): 11,
        ("deid", "override", 0): 16,
        ("deid", "override", 0, "target"): 17,
        ("deid", "override", 1): 19,
        ("deid", "override", 1, "target"): 20,
        ("deid", "override", 1, "extra"): 23,
        ("deid", "override", 1, "extra", "one"): 23,
        ("deid", "override", 1, "extra", "two"): 23,
        ("deid", "override", 1, "extra", "two", 0): 23,
        ("deid", "override", 1, "extra", "two", 0, "three"): 23,
        ("deid", "override", 1, "below"): 25,
        ("deid", "override", 1, "below", "x"): 26,
        ("limits",): 28,
        ("limits", "depth"): 29,
    }


def test_line_ends_of_other_systems_count_once() -> None:
    assert lines_of(TEXT.replace("\n", "\r\n")) == lines_of(TEXT)


def test_what_only_python_takes_for_a_line_end_does_not_count() -> None:
    assert lines_of('a = "\u2028\x85"  # \u2029\nb = 1')[("b",)] == 2


def test_an_empty_text_has_no_lines() -> None:
    assert lines_of("") == lines_of("# nothing\n\n") == {}


STATEMENTS = st.lists(
    st.sampled_from(
        ["", "# note", "k{} = 1", "k{} = [\n 1,\n\n 2,\n]", 'k{} = """\nx = 1\n[y]\n"""', "[t{}]", "[[a]]"]
    ),
    max_size=20,
)


@given(STATEMENTS)
def test_every_statement_starts_on_its_line(statements: list[str]) -> None:
    text, line, tables = "", 1, 0
    table: Where = ()
    wanted: dict[Where, int] = {}
    for number, statement in enumerate(statements):
        name = statement.format(number)
        if name.startswith("[["):
            table, tables = ("a", tables), tables + 1
            wanted[table] = line
        elif name.startswith("["):
            table = (f"t{number}",)
            wanted[table] = line
        elif name.startswith("k"):
            wanted[(*table, f"k{number}")] = line
        text += f"{name}\n"
        line += name.count("\n") + 1
    tomllib.loads(text)
    found = lines_of(text)
    assert {where: found[where] for where in wanted} == wanted
