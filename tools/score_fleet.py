"""Prints how many faults a simulated fleet shows and how many healthy scans it calls odd, as docs/explanation has it.

Held-out seeds alone; each row is fleets of 400 scans with one fault at 2 % and at 10 %. Also three ways to find
outliers beside each other, by recall at one false alarm in 100 (ADR 0024).
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from stowgate.analyse.features import matrix  # noqa: E402
from stowgate.analyse.outliers import centre_of, habit_of, together  # noqa: E402
from tests.analyse.simulated_fleet import FAULTS, Simulated, judged, scans  # noqa: E402

SEEDS, COUNT, SHARES = (501, 502), 400, (0.02, 0.1)


def scored(seed: int, fault: str, share: float) -> tuple[Counter[str], list[Simulated], np.ndarray]:
    """Found and there by fault, the scans, and their features."""
    fleet = list(scans(seed, COUNT, fault=fault, share=share))
    verdict = judged(fleet)
    counts = Counter[str]()
    for one, image in zip(fleet, verdict.images, strict=True):
        counts[f"{one.fault} there"] += 1
        counts[f"{one.fault} found"] += image.outlier
    return counts, fleet, matrix(image.scan.features for image in verdict.images)


def ways(fleet: Sequence[Simulated], values: np.ndarray) -> dict[str, np.ndarray]:
    """A score of each scan by each way: the larger, the odder."""
    from sklearn.ensemble import IsolationForest

    scores = {name: np.zeros(len(fleet)) for name in ("largest deviation", "robust covariance", "isolation forest")}
    for protocol in sorted({one.protocol for one in fleet}):
        at = np.array([n for n, one in enumerate(fleet) if one.protocol == protocol])
        deviations = centre_of(values[at]).deviations(values[at])
        own = deviations.copy()
        for scanner in {fleet[n].scanner for n in at}:
            mine = np.array([fleet[n].scanner == scanner for n in at])
            own[mine] -= habit_of(deviations[mine])
        limited = np.clip(own, -30, 30)
        scores["largest deviation"][at] = abs(own).max(axis=1)
        scores["robust covariance"][at] = together(own)
        forest = IsolationForest(n_estimators=200, random_state=0).fit(limited)
        scores["isolation forest"][at] = -forest.score_samples(limited)
    return scores


def main() -> None:
    """Print both tables."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    healthy = Counter[str]()
    by_way: dict[str, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for fault in FAULTS:
        for seed in SEEDS:
            for share in SHARES:
                counts, fleet, values = scored(seed, fault, share)
                found[fault] += Counter({"there": counts[f"{fault} there"], "found": counts[f"{fault} found"]})
                healthy += Counter({"there": counts[" there"], "found": counts[" found"]})
                bad = np.array([one.fault == fault for one in fleet])
                for name, scores in ways(fleet, values).items():
                    by_way[name][fault].append(scores[bad])
                    by_way[name][""].append(scores[~bad])
    print("| fault | scans with it | found | recall |\n| --- | ---: | ---: | ---: |")
    for fault, counts in found.items():
        print(f"| {fault} | {counts['there']} | {counts['found']} | {counts['found'] / counts['there']:.3f} |")
    rate = 100 * healthy["found"] / healthy["there"]
    print(f"\nHealthy scans: {healthy['there']:,}; called odd: {healthy['found']} ({rate:.2f} %).\n")
    print(f"| way | {' | '.join(FAULTS)} |\n| --- |{' ---: |' * len(FAULTS)}")
    for name, of in by_way.items():
        limit = np.quantile(np.concatenate(of[""]), 0.99)
        recalls = (np.mean(np.concatenate(of[fault]) > limit) for fault in FAULTS)
        print(f"| {name} | {' | '.join(f'{recall:.2f}' for recall in recalls)} |")


if __name__ == "__main__":
    main()
