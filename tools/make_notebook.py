"""Writes notebooks/demo_walkthrough.ipynb: its cells stand here, its outputs are made by running it.

python tools/make_notebook.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

FORMAT: Any = nbformat  # it comes without types
NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "demo_walkthrough.ipynb"
CELLS = (
    (
        "md",
        """# Stowgate, a walk through

A DICOM gateway for places where the scanner is far from the hospital. This notebook needs no data files: it uses an
image that comes with pydicom, and phantoms that are drawn here. Everything shown works on your own files.

Nothing here is a diagnosis.""",
    ),
    (
        "md",
        """## 1. Inspect

A CT slice, its header's facts, and the picture as it was acquired, before any window.""",
    ),
    (
        "code",
        """%matplotlib inline
%config InlineBackend.figure_formats = ["jpeg"]
import numpy as np
import pydicom
from pydicom.data import get_testdata_file

from stowgate.analyse.plots import changes_figure, raw_figure, windows_figure
from stowgate.imaging import seen

original = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
slice_ = seen(original)
print(slice_.image.modality, slice_.intensity.stored.shape, "in", slice_.intensity.unit)
raw_figure(slice_.intensity)""",
    ),
    (
        "md",
        """## 2. Privacy

PS3.15 Annex E, Basic Profile: every attribute by its rule, UIDs and pseudonyms under a project key, the result checked
by a gate that does not share the engine's code. The original stays untouched.""",
    ),
    (
        "code",
        """import stowgate

result = stowgate.deidentify(original, retain=["patient-characteristics", "modified-dates"])
clean = result.dataset
shown = ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "InstitutionName", "StationName", "Modality")
rows = [(keyword, str(original.get(keyword, "")), str(clean.get(keyword, "(removed)"))) for keyword in shown]
print(sum(result.report.counts.values()), "attributes were changed; policy", result.report.policy[:12])
changes_figure(rows)""",
    ),
    (
        "code",
        """before, after = original.PixelData, clean.PixelData
print("The picture is the same, to the byte:", before == after)""",
    ),
    (
        "md",
        """## 3. Windows

Hounsfield units through the windows radiologists use (PS3.3 C.11.2), to the last 8-bit step.""",
    ),
    (
        "code",
        """from scipy import ndimage

from stowgate.analyse.intensity import of_array
from stowgate.analyse.windows import choose, show
from stowgate.pixels.image import Voi

chance = np.random.default_rng(7)


def ellipse(centre, axes, size=256):
    y, x = np.mgrid[:size, :size]
    return ((y - centre[0]) / axes[0]) ** 2 + ((x - centre[1]) / axes[1]) ** 2 <= 1


def abdomen(noise=6.0, offset=0.0, blur=0.0):
    \"\"\"Hounsfield units of a body with liver, kidneys and spine, with this noise, offset and focus.\"\"\"
    image = np.full((256, 256), -1000.0)
    for centre, axes, value in (
        ((128, 128), (84, 112), -100), ((128, 128), (77, 102), 45), ((123, 82), (42, 38), 62),
        ((159, 84), (18, 12), 35), ((159, 172), (18, 12), 35), ((179, 128), (14, 13), 650),
    ):
        image[ellipse(centre, axes)] = value
    image = ndimage.gaussian_filter(image, 0.8 + blur) + offset + chance.normal(0, noise, image.shape)
    return np.rint(image).astype(np.int16)


body = of_array(abdomen(), unit="HU", modality="CT")
names = ("soft_tissue", "bone", "lung", "liver", "brain")
chosen = [choose(body, Voi(), preset=name) for name in names]
windows_figure([(show(body, one), one) for one in chosen], body.unit)""",
    ),
    (
        "md",
        """## 4. Intensities in classes

The optimum of k-means over all pixels, named where they are Hounsfield units.
**A picture of intensities, no segmentation.**""",
    ),
    (
        "code",
        """from stowgate.analyse.clusters import clusters
from stowgate.analyse.plots_clusters import clusters_figure

found = clusters(body, k=4)
for one in found.classes:
    print(f"{one.name:<12} {one.lower:>7.0f} to {one.upper:>6.0f} HU  {100 * one.fraction:5.1f} %")
clusters_figure(show(body, chosen[0]), found.labels(body), found)""",
    ),
    (
        "md",
        """## 5. A fleet that watches itself

Four scanners, forty scans each. One is off by 40 HU from its 25th scan on; a few scans elsewhere are blurred, noisy, or
blank. Each picture is measured and judged by itself, then all are judged together.""",
    ),
    (
        "code",
        """from stowgate.analyse.fleet import Scan, judge
from stowgate.analyse.measure import measure
from stowgate.analyse.plots_fleet import drift_figure, montage_figure, scatter_figure

faults = {("CT2", 9): {"blur": 1.8}, ("CT1", 30): {"noise": 24.0}, ("CT4", 17): {"blank": True}}
scans, pictures = [], []
for n in range(40):
    for name, noise in (("CT1", 5.8), ("CT2", 6.1), ("CT3", 6.0), ("CT4", 6.4)):
        fault = dict(faults.get((name, n), {}))
        offset = chance.normal(0, 1) + (40.0 if name == "CT3" and n >= 24 else 0.0)
        blank = fault.pop("blank", False)
        values = np.full((256, 256), -1000, np.int16) if blank else abdomen(fault.pop("noise", noise), offset, **fault)
        intensity = of_array(values, unit="HU", modality="CT")
        codes = ("picture_blank",) if blank else ()
        scans.append(Scan(f"{n:03}-{name}", name, "CT ABDOMEN", 60.0 * len(scans), measure(intensity).as_dict(), codes))
        pictures.append(intensity)

verdict = judge(scans)
for scanner in verdict.scanners:
    print(scanner.scanner, scanner.images, "images,", scanner.outliers, "outliers", *scanner.reasons)
scatter_figure(verdict)""",
    ),
    ("code", """drift_figure(verdict)"""),
    (
        "code",
        """odd = [(n, image) for n, image in enumerate(verdict.images) if image.outlier and image.scan.scanner != "CT3"]
montage_figure([(f"{image.scan.source}: {image.reasons[0]}", show(pictures[n], chosen[0])) for n, image in odd])""",
    ),
    (
        "md",
        """## 6. What production looks like

One process and one file. Scanners send; every object that was answered with "success" survives a power cut, is cleaned
and judged once, looked at, and carried over a bad link until the hospital's archive proves that it has it.

```toml
[unit]
name = "TRUCK07"
[spool]
path = "spool"
reserve = "20GiB"
[look]
quality = true
urgency = true
fleet = true
[[source]]
name = "ct"
kind = "dimse"
listen = "0.0.0.0:11112"
ae = "STOWGATE"
allow = [{ ae = "CT1", ip = "192.168.5.10" }]
[[dest]]
name = "pacs"
kind = "dimse"
host = "10.0.0.5"
port = 104
called = "PACS"
calling = "STOWGATE"
[[route]]
dest = ["pacs"]
```

    stowgate check          # disk, clock, keys, ports: each line a result and what to do
    stowgate run            # the gateway
    stowgate status         # received = waiting + delivered + held + ...: every object is somewhere
    stowgate study show ID  # what became of a study, and what its pictures lack
    stowgate qc             # how the scanners stand
    stowgate demo           # all of it on this machine, with a link that one cuts""",
    ),
)


def notebook() -> Any:
    """The notebook, without outputs; ids are numbers, so that it is the same each time."""
    v4 = FORMAT.v4
    made = {"md": v4.new_markdown_cell, "code": v4.new_code_cell}
    cells = [made[kind](text, id=f"cell-{n:02}") for n, (kind, text) in enumerate(CELLS)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


if __name__ == "__main__":
    from nbclient import NotebookClient

    whole = notebook()
    NotebookClient(whole, timeout=120, kernel_name="python3", record_timing=False).execute()
    whole.metadata = notebook().metadata
    NOTEBOOK.parent.mkdir(exist_ok=True)
    NOTEBOOK.write_text(f"{FORMAT.writes(whole)}\n", "utf-8")
