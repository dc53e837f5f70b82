"""`stowgate view`: a slice, rightly windowed, as a picture that every viewer opens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stowgate.errors import Misconfigured
from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.imaging import Frame, png, presets_of, written
from stowgate.faces.cli.show import say, tell
from stowgate.look.looker import need_extra
from stowgate.wording import counted

if TYPE_CHECKING:
    from stowgate.imaging import Picture, Seen
    from stowgate.pixels.image import Window


def view(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A DICOM file.", exists=True, dir_okay=False)
    ] = None,
    preset: Annotated[str, typer.Option(help="Name of a window; --presets without FILE lists them.")] = "",
    centre: Annotated[float | None, typer.Option("--centre", "--center", help="Window centre.")] = None,
    width: Annotated[float | None, typer.Option(help="Window width.")] = None,
    frame: Frame = 1,
    presets: Annotated[
        bool, typer.Option("--presets", help="All presets side by side; without FILE their names.")
    ] = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="PNG to write.", show_default="view.png")] = None,
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="stowgate.toml with windows of your own.")
    ] = None,
) -> int:
    """Show a slice as an 8-bit PNG of exactly its rows and columns, windowed as asked, by its header, or sensibly."""
    need_extra()
    from stowgate import imaging

    named = presets_of(config)
    if file is None:
        if out is not None or not presets:
            raise typer.BadParameter("there has to be one to look at", param_hint="FILE")
        return _listed(named)
    path = png(Path("view.png") if out is None else out)
    seen = imaging.seen(file, frame - 1)
    if presets:
        written(path, lambda part: _row(seen, named, part))
        say(f"{counted(len(named), 'window')} side by side{_which(seen)}: {path}")
        return Exit.DONE
    picture = imaging.picture(seen, preset=preset, centre=centre, width=width, named=named)
    written(path, picture.save)
    say(f"{_how(picture, seen)}: {path}")
    return Exit.DONE


def _listed(named: dict[str, Window]) -> int:
    """The presets, one a line."""
    for name, window in named.items():
        tell(f"{name:<16} centre {window.centre:>6g} width {window.width:>6g} HU")
    return Exit.DONE


def _which(seen: Seen) -> str:
    """Which of several frames it is."""
    return f", frame {seen.frame + 1} of {seen.image.frames}" if seen.image and seen.image.frames > 1 else ""


def _how(picture: Picture, seen: Seen) -> str:
    from stowgate.analyse.plots import UNITS, title_of

    rows, columns = picture.pixels.shape[:2]
    said = title_of(picture.chosen, picture.unit).replace("\n", ", ")
    if picture.chosen and picture.chosen.preset and picture.unit != "HU":
        said += f"; presets are in Hounsfield units, this picture is in {UNITS[picture.unit]}"
    overlays = seen.image.overlays if seen.image else 0
    if overlays:
        said += "; its overlay is not shown" if overlays == 1 else f"; its {overlays} overlays are not shown"
    return f"{rows} x {columns}{_which(seen)}, {said}"


def _row(seen: Seen, named: dict[str, Window], path: Path) -> None:
    from stowgate import imaging
    from stowgate.analyse.plots import windows_figure

    if seen.is_colour:
        raise Misconfigured("window_of_colour")
    if seen.intensity.unit != "HU":
        raise Misconfigured("window_no_densities")
    shown = [imaging.picture(seen, preset=name, named=named) for name in named]
    figure = windows_figure([(one.pixels, one.chosen) for one in shown], seen.intensity.unit)
    figure.savefig(path, format="png", dpi=110)
