"""`stowgate cluster`: the intensities of a picture in a few named, ordered classes, as lines and beside the picture."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.imaging import File, png, written
from stowgate.faces.cli.show import say
from stowgate.look.looker import need_extra

if TYPE_CHECKING:
    from stowgate.analyse.clusters import Clusters
    from stowgate.imaging import Seen

_PLACE = Path("clusters.png")


def cluster(
    file: File,
    k: Annotated[int, typer.Option("-k", help="How many classes.", min=1, max=16)] = 3,
    frame: Annotated[int | None, typer.Option(help="This frame alone, the first being 1.", min=1)] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="PNG of the slice beside its classes.", show_default="clusters.png"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per frame; a picture only with -o.")] = False,
) -> int:
    """Show which intensities belong together: for computed tomography air, lung, fat, soft tissue, bone.

    It is a picture of intensities, no segmentation and no diagnosis.
    """
    need_extra()
    from stowgate import imaging
    from stowgate.analyse.clusters import DISCLAIMER, clusters

    path = _PLACE if out is None and not as_json else out
    if path is not None:
        png(path)
    first: Seen | None = None
    with imaging.opened(file) as frames:
        chosen = frames if frame is None else iter([imaging.seen(file, frame - 1)])
        for seen in chosen:
            found = clusters(seen.intensity, k)
            if first is None:
                first = seen
                if path is not None:  # before any line: whoever reads them may have gone after some
                    written(path, partial(_draw, seen, found))
            if as_json:
                typer.echo(json.dumps(found.as_json()))
            else:
                _tell(seen, found)
    if path is not None and first is not None:
        say(f"{path}: frame {first.frame + 1} beside its classes. {DISCLAIMER}")
    elif not as_json:
        say(DISCLAIMER)
    return Exit.DONE


def _tell(seen: Seen, found: Clusters) -> None:
    unit = found.unit if found.unit != "stored" else "stored values"
    typer.echo(f"frame {seen.frame + 1}, {unit}, silhouette {found.score:.3f}")
    for one in found.classes:
        typer.echo(
            f"  {one.name:<16} {one.lower:>10g} to {one.upper:<10g} centre {one.centre:>9.1f} {one.fraction:>7.1%}"
        )


def _draw(seen: Seen, found: Clusters, path: Path) -> None:
    from stowgate import imaging
    from stowgate.analyse.plots import title_of
    from stowgate.analyse.plots_clusters import clusters_figure

    shown = imaging.picture(seen)
    title = title_of(shown.chosen, shown.unit).replace("\n", ", ")
    figure = clusters_figure(shown.pixels, found.labels(seen.intensity), found, title)
    figure.savefig(path, format="png", dpi=110)
