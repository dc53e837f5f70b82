"""What looking at a slice costs in one thread, beside pydicom and scikit-learn: windows, classes, decoding.

python benchmarks/pictures.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from stowgate.analyse.clusters import clusters, histogram_of
from stowgate.analyse.intensity import Intensity
from stowgate.analyse.windows import choose, show

ROUNDS = 21


def head(rows: int, columns: int) -> Intensity:
    """Air, fat, soft tissue and bone with noise: about 1,900 different stored values."""
    random = np.random.default_rng(0)
    shares = ((-1000, 20, 0.34), (-90, 25, 0.12), (40, 30, 0.38), (800, 250, 0.16))
    drawn = [random.normal(centre, width, round(share * rows * columns) + 1) for centre, width, share in shares]
    values = np.clip(np.concatenate(drawn)[: rows * columns], -1024, 3000)
    random.shuffle(values)
    return Intensity((values + 1024).astype(np.uint16).reshape(rows, columns), 1.0, -1024.0, "HU")


def median(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Milliseconds of the median round."""
    work()
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return 1000 * statistics.median(spent)


def pydicom_window(intensity: Intensity) -> Callable[[], object]:
    dataset = Dataset()
    dataset.PhotometricInterpretation, dataset.BitsStored, dataset.PixelRepresentation = "MONOCHROME2", 16, 0
    dataset.WindowCenter, dataset.WindowWidth = 50, 400
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    return lambda: apply_windowing(intensity.stored.astype(np.float64) - 1024, dataset)


def sklearn_pixels(intensity: Intensity, starts: int) -> Callable[[], object]:
    pixels = intensity.values.reshape(-1, 1)
    return lambda: KMeans(3, n_init=starts, random_state=0).fit(pixels)


def sklearn_weighted(intensity: Intensity) -> Callable[[], object]:
    def fitted() -> object:
        counted = histogram_of(intensity)
        return KMeans(3, n_init=10, random_state=0).fit(counted.values[:, None], sample_weight=counted.counts)

    return fitted


def main() -> None:
    slice_, mammogram = head(512, 512), head(4096, 3328)
    soft = choose(slice_, preset="soft_tissue")
    window, classes = median(lambda: show(slice_, soft)), median(lambda: clusters(slice_, 3))
    print("| one thread | ms | beside ours |\n| --- | ---: | ---: |")
    rows = [
        ("window to 8 bits, 512 x 512", window, window),
        ("pydicom's apply_windowing", median(pydicom_window(slice_)), window),
        ("k-means, k = 3, 512 x 512", classes, classes),
        ("scikit-learn on pixels, 1 start", median(sklearn_pixels(slice_, 1), 3), classes),
        ("scikit-learn on pixels, 10 starts", median(sklearn_pixels(slice_, 10), 1), classes),
        ("scikit-learn on weighted values, 10 starts", median(sklearn_weighted(slice_), 3), classes),
    ]
    for name, spent, ours in rows:
        print(f"| {name} | {spent:.2f} | {spent / ours:.1f} x |")
    wide = median(lambda: show(mammogram, soft), 5) + median(lambda: clusters(mammogram, 3), 5)
    print(f"| window and k-means, 4,096 x 3,328 | {wide:.0f} | |")
    found, theirs = (
        clusters(slice_, 3),
        KMeans(3, n_init=10, random_state=0).fit(slice_.values.reshape(-1, 1).astype(np.float64)),
    )
    print(f"\nSum of squares: {found.sse / float(theirs.inertia_):.8f} of scikit-learn's with ten starts.")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
