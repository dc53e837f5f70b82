"""`stowgate study`: studies by their aliases, how many of their instances are where, and the certificate of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stowgate.errors import Misconfigured
from stowgate.faces.cli.certificate import certificate, verify_certificate
from stowgate.faces.cli.show import say
from stowgate.faces.cli.unit import DEFAULT, AsJson, Config, settings_of, show, view_of
from stowgate.reasons import REASONS

if TYPE_CHECKING:
    from stowgate.settings import Settings
    from stowgate.store.custody_view import CustodyView
    from stowgate.store.study import Study

app = typer.Typer(help="Studies: list them, show one, certify what became of one.", no_args_is_help=True)
_COLUMNS = (
    ("alias", 32),
    ("source", 12),
    ("modality", 8),
    ("instances", 9),
    ("complete", 8),
    ("missing", 7),
    ("gone_in", 0),
)
_GROUP = 500


@app.command("list")
def list_(config: Config = DEFAULT, as_json: AsJson = False) -> None:
    """One line for each study of each source; how long until it has gone, at the rate that was measured."""
    settings = settings_of(config)
    with view_of(settings) as view:
        show(_lines(view, settings), as_json, _COLUMNS, "No study has arrived yet.")


def _lines(view: CustodyView, settings: Settings) -> Iterator[dict[str, Any]]:
    from stowgate.faces.cli.dest import shut
    from stowgate.questions import studies
    from stowgate.questions_links import Left, left_of

    closed, found = shut(settings), studies(view)
    while group := list(islice(found, _GROUP)):
        left = left_of(view, [one.alias for one in group if one.line["waiting"]], closed)
        for one in group:
            still = left.get(one.alias, Left())
            unsaid = one.counts.get("received") or one.counts.get("cleaned")
            gone_in = "unknown" if unsaid else still.words
            yield {**asdict(one), "bytes_left": still.bytes, "gone_in": gone_in}


@app.command("show")
def show_(
    alias: Annotated[str, typer.Argument(metavar="STUDY")], config: Config = DEFAULT, as_json: AsJson = False
) -> None:
    """The items of one study, by its alias or at least 6 digits it begins with."""
    from stowgate.faces.cli.dest import shut
    from stowgate.questions import seen_of, sources_of, study_named
    from stowgate.questions_links import left_of

    settings = settings_of(config)
    with view_of(settings) as view:
        study = study_named(view, alias)
        if study is None:
            raise Misconfigured("unknown_item")
        show(_items(view, study, as_json), as_json, (("id", 32), ("state", 11), ("modality", 8), ("reason", 0)), "")
        still = left_of(view, [study], shut(settings)).get(study)
        seen, sources = seen_of(view, study), sources_of(view, study)
    if still and not as_json:
        say(f"{still.bytes:,} bytes of it are still to go; time left: {still.words}.")
    if not as_json:
        _say_expected(sources)
    for code, number in seen.items() if not as_json else ():
        say(f"{number:,} x {code}: {REASONS[code].sentence} {REASONS[code].advice}".rstrip())


def _items(view: CustodyView, study: str, as_json: bool) -> Iterator[dict[str, Any]]:
    """Scripts get the state of the ledger, and beside it whether an item was delivered; people get one word."""
    from stowgate.questions import backlog_of, pages
    from stowgate.questions_delivery import state_of

    rows = pages(view, (), study=study)
    while group := list(islice(rows, _GROUP)):
        ways = view.deliveries.of_items([row.id for row in group if row.delivered])
        for row in group:
            told = asdict(backlog_of(row, ways.get(row.id, ())))
            yield {**told, "state": row.state if as_json else state_of(row), "delivered": row.delivered}


def _say_expected(sources: Sequence[Study]) -> None:
    """What headers tell of, where they do; it is the same for each source."""
    one = sources[0]
    if one.expected is None:
        return
    lack = (
        f"{one.missing:,} of them {'has' if one.missing == 1 else 'have'} not come"
        if one.missing
        else "all of them came"
    )
    if one.expected == 1:
        lack = "it has not come" if one.missing else "it came"
    say(f"Its headers tell of {one.expected:,} instance{'' if one.expected == 1 else 's'}; {lack}.")
    if one.missing and all(source.complete for source in sources):
        say(f"study_short: {REASONS['study_short'].sentence} {REASONS['study_short'].advice}")


app.command("certificate")(certificate)
app.command("verify-certificate")(verify_certificate)
