"""A judged fleet as a table, one row an image: CSV and Parquet with the same columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stowgate.analyse.features import NAMES
from stowgate.analyse.fleet import JudgedImage

COLUMNS = ("number", "source", "scanner", "protocol", "when", "outlier", "reasons", "farthest", *NAMES)


def rows(images: Sequence[JudgedImage]) -> Iterator[dict[str, Any]]:
    """By the names of `COLUMNS`, numbered as in the report; None for no value, reasons separated by spaces."""
    for number, image in enumerate(images, 1):
        scan = image.scan
        yield {
            "number": number, "source": scan.source, "scanner": scan.scanner, "protocol": scan.protocol,
            "when": scan.when, "outlier": image.outlier, "reasons": " ".join(image.reasons),
            "farthest": round(image.farthest, 3),
            **{name: scan.features.get(name) for name in NAMES},
        }  # fmt: skip


def write_csv(images: Sequence[JudgedImage], path: Path) -> None:
    """RFC 4180; a missing number is an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows(images))


def write_parquet(images: Sequence[JudgedImage], path: Path) -> None:
    """Needs the extra stowgate[parquet]."""
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {"outlier": pa.bool_(), "source": pa.string(), "scanner": pa.string(), "protocol": pa.string()}
    kinds |= {"reasons": pa.string(), "number": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in COLUMNS])
    parquet.write_table(pa.Table.from_pylist(list(rows(images)), schema=schema), path)
