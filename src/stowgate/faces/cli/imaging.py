"""What the commands that look at pictures share: file, frame, windows of one's own, and how a picture is kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stowgate.errors import Misconfigured, disk_code
from stowgate.faces.cli.show import check_writable

if TYPE_CHECKING:
    from stowgate.pixels.image import Window

_OTHERS = frozenset(
    ".avif .bmp .dcm .gif .heic .j2k .jp2 .jpe .jpeg .jpg .jxl .pdf .pgm .ppm .svg .tif .tiff .webp".split()
)
"""Endings of names that promise another format than the one that is written."""
File = Annotated[Path, typer.Argument(metavar="FILE", help="A DICOM file.", exists=True, dir_okay=False)]
Frame = Annotated[int, typer.Option("--frame", help="Which frame, the first being 1.", min=1)]


def presets_of(config: Path | None) -> dict[str, Window]:
    """The shipped windows with those of a configuration."""
    from stowgate.analyse.windows import presets
    from stowgate.pixels.image import Window

    own = {}
    if config is not None or any(name.startswith("STOWGATE_") for name in os.environ):
        from stowgate.settings import load

        own = {one.name: Window(one.centre, one.width) for one in load(config).window}
    return {**presets(), **own}


def png(path: Path) -> Path:
    """Where a picture will be written, seen to before any work.

    Raises `Misconfigured`: "output_unwritable", "output_not_png" where the name promises another format.
    """
    if path.suffix.lower() in _OTHERS:
        raise Misconfigured("output_not_png", str(path))
    check_writable(path)
    return path


def written(path: Path, write: Callable[[Path], None]) -> None:
    """Write a picture so that it is there whole or not at all."""
    if not path.name:  # "." and "/" name no file
        raise Misconfigured("output_unwritable", str(path))
    part = path.with_name(f".{path.name}.part")
    try:
        try:
            write(part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise Misconfigured(disk_code(error, "output_unwritable"), str(path)) from None
