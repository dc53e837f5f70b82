"""`stowgate qc`: the quality of a fleet, out of a folder or out of what a gateway has seen."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stowgate.errors import Misconfigured, StowgateError
from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.imaging import written
from stowgate.faces.cli.show import check_writable, say
from stowgate.look.looker import need_extra
from stowgate.reasons import REASONS
from stowgate.wording import counted

if TYPE_CHECKING:
    from stowgate.analyse.baseline import Baseline
    from stowgate.analyse.fleet import JudgedImage, JudgedScanner, Verdict
    from stowgate.faces.fleet_page import Eight
    from stowgate.qc_run import Quality

MOST_PICTURES = 12
_DIGITS = 5
_NO_FAULT = frozenset(("no_picture", "not_acquired"))
"""Why a sound object was not looked at."""


def qc(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="Folder with DICOM files; without it what a gateway saw.", exists=True),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="What was usual before, as --save-baseline wrote it.", exists=True)
    ] = None,
    save_baseline: Annotated[Path | None, typer.Option(help="Write what is usual now, for --baseline.")] = None,
    report: Annotated[Path | None, typer.Option("-o", "--report", help="Write a page with plots.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a row for each image.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="The same for Parquet; needs stowgate[parquet].")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line per image and scanner, then a summary.")] = False,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Show some odd pictures in the report, as they are.")
    ] = True,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Processes that look; 0: one a processor.")] = 0,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="stowgate.toml of the gateway.")] = None,
) -> int:
    """Compare scanners: images unlike their like, drift, and who should be seen to. It judges pictures, not people.

    It exits with 0 when scanners alarm, too: --json says which ones. 3: nothing was judged, though there may be DICOM.
    """
    need_extra()
    check_writable(save_baseline, report, csv, parquet)
    if parquet is not None and find_spec("pyarrow") is None:
        raise Misconfigured("parquet_extra_missing")
    known = _baseline(baseline)
    quality = _of_ledger(config, known) if folder is None else _of_folder(folder, known, workers, as_json)
    if as_json:
        _print_lines(quality)
    else:
        _print(quality)
    page = _save_page if pictures else _save_page_without
    wanted = {_save_baseline: save_baseline, page: report, _save_csv: csv, _save_parquet: parquet}
    for write, path in wanted.items():
        if path is not None:
            _save(path, write, quality, as_json)
    return _exit(quality)


def _exit(quality: Quality) -> Exit:
    """As `deid` ends where nothing was cleaned: what may be DICOM and could not be looked at is told apart."""
    if quality.verdict.images or all(REASONS[code].not_dicom or code in _NO_FAULT for code in quality.left_out):
        return Exit.DONE
    return Exit.PARTLY


def _baseline(path: Path | None) -> Baseline | None:
    if path is None:
        return None
    from stowgate.analyse.baseline import Baseline

    try:
        return Baseline.from_json(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise Misconfigured("bad_baseline", str(path)) from None


def _of_folder(folder: Path, known: Baseline | None, workers: int, quiet: bool) -> Quality:
    from stowgate.qc_run import qc_folder

    def done(number: int) -> None:
        if not quiet and number % 500 == 0:
            say(f"{number:,} files were looked at.")

    return qc_folder(folder, known, workers, done)


def _of_ledger(config: Path | None, known: Baseline | None) -> Quality:
    """What the onlooker of a gateway kept, by keyed aliases."""
    from stowgate.faces.cli.unit import DEFAULT, settings_of, view_of
    from stowgate.gateway.onlooker import MOST_SCANS
    from stowgate.look.fleet import verdict_of
    from stowgate.qc_run import Quality

    with view_of(settings_of(config or DEFAULT)) as view:
        return Quality(verdict_of(view.looks.recent(MOST_SCANS), known))


# ------------------------------------------------------------------------------------------------- what is said


def _print(quality: Quality) -> None:
    from stowgate.analyse.fleet_words import headline

    verdict = quality.verdict
    word, sentence, _ = headline(verdict)
    typer.echo(f"{word}. {sentence}")
    _print_scanners(quality.verdict)
    for code, number in sorted(quality.studies.items()):
        typer.echo(f"{counted(number, 'study')}, {code}: {REASONS[code].sentence} {REASONS[code].advice}".rstrip())
        for place in quality.places.get(code, ()):
            typer.echo(f"{'':>4}{place}")
    for code in verdict.cannot:
        say(f"{code}: {REASONS[code].sentence} {REASONS[code].advice}".rstrip())
    for name, number in sorted(quality.not_grouped.items()):
        do, their = ("does", "its") if number == 1 else ("do", "their")
        say(f"{counted(number, 'image')} {do} not say {their} {name}, and could not be told apart by it.")
    left = ", ".join(f"{number:,} {code}" for code, number in sorted(quality.left_out.items()))
    if left:
        say(f"Not looked at: {left}.")


def _print_scanners(verdict: Verdict) -> None:
    from stowgate.analyse.fleet_words import advice, because, in_need_first, standing

    for one in in_need_first(verdict.scanners):
        mark = "!" if one.alert else "*" if one.faults else " "
        typer.echo(f"{mark} {one.scanner:<20} {counted(one.images, 'image'):>14}: {standing(one)}")
        for code in one.reasons:
            typer.echo(f"{'':>4}{code}: {REASONS[code].sentence}")
        for line in because(one, verdict):
            typer.echo(f"{'':>4}{line}")
        if one.alert or one.outliers:
            typer.echo(f"{'':>4}{advice(one)}")


def _print_lines(quality: Quality) -> None:
    verdict = quality.verdict
    for image in verdict.images:
        typer.echo(json.dumps(_image_line(image)))
    for scanner in verdict.scanners:
        typer.echo(json.dumps(_scanner_line(scanner)))
    summary = {
        "kind": "summary", "images": len(verdict.images), "scanners": len(verdict.scanners),
        "outliers": sum(image.outlier for image in verdict.images),
        "alerts": sum(scanner.alert for scanner in verdict.scanners),
        "drifts": [
            {
                "scanner": one.scanner, "feature": one.feature, "direction": one.direction, "scan": one.at + 1,
                "began": one.began + 1, "since": one.since, "size": _rounded(one.size),
            }
            for one in verdict.drifts
        ],
        "groups": [list(group.scanners) for group in verdict.groups],
        "studies": dict(quality.studies), "study_places": {code: list(where) for code, where in quality.places.items()},
        "left_out": dict(quality.left_out),
        "not_grouped_by": dict(quality.not_grouped), "cannot": list(verdict.cannot),
    }  # fmt: skip
    typer.echo(json.dumps(summary))


def _image_line(image: JudgedImage) -> dict[str, Any]:
    scan = image.scan
    return {
        "kind": "image", "source": scan.source, "scanner": scan.scanner, "protocol": scan.protocol,
        "outlier": image.outlier, "reasons": list(image.reasons),
        "features": {name: round(value, _DIGITS) for name, value in scan.features.items()},
    }  # fmt: skip


def _scanner_line(one: JudgedScanner) -> dict[str, Any]:
    return {
        "kind": "scanner", "scanner": one.scanner, "images": one.images, "outliers": one.outliers,
        "alert": one.alert, "reasons": list(one.reasons),
        "shift": {name: round(value, 2) for name, value in one.shift.items()},
        "off": {name: _rounded(value) for name, value in one.off.items()},
        "measured": one.measured, "codes": dict(one.codes), "faults": dict(one.faults), "lacks": list(one.lacks),
    }  # fmt: skip


def _rounded(value: float) -> float | None:
    return round(value, _DIGITS) if math.isfinite(value) else None


# ------------------------------------------------------------------------------------------------- what is written


def _save(path: Path, write: Callable[[Quality, Path], None], quality: Quality, quiet: bool) -> None:
    written(path, lambda part: write(quality, part))
    if not quiet:
        say(f"Written: {path}")


def _save_baseline(quality: Quality, path: Path) -> None:
    path.write_text(quality.verdict.baseline.to_json(), "utf-8")


def _save_csv(quality: Quality, path: Path) -> None:
    from stowgate.analyse.fleet_tables import write_csv

    write_csv(quality.verdict.images, path)


def _save_parquet(quality: Quality, path: Path) -> None:
    from stowgate.analyse.fleet_tables import write_parquet

    write_parquet(quality.verdict.images, path)


def _save_page(quality: Quality, path: Path) -> None:
    from stowgate.faces.fleet_page import fleet_page

    path.write_text(fleet_page(quality, list(_odd_ones(quality))), "utf-8")


def _save_page_without(quality: Quality, path: Path) -> None:
    from stowgate.faces.fleet_page import fleet_page

    path.write_text(fleet_page(quality), "utf-8")


def _odd_ones(quality: Quality) -> Iterator[tuple[str, Eight]]:
    """Pictures of the farthest, where there are files and no words are to be expected in them."""
    from stowgate.faces.fleet_page import title_of
    from stowgate.imaging import picture

    odd = [(number, image) for number, image in enumerate(quality.verdict.images, 1) if image.outlier]
    odd = [one for one in odd if one[1].scan.source not in quality.private]
    for number, image in sorted(odd, key=lambda one: -one[1].farthest)[:MOST_PICTURES]:
        path = Path(image.scan.source)
        if path.is_file():
            with suppress(StowgateError):
                shown = picture(path)
                yield title_of(number, image), shown.pixels
