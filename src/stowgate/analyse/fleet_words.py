"""What is said of a judged fleet: how it stands, and of each scanner why, since when, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from stowgate.analyse.drift import Drift
from stowgate.analyse.features import FEATURES, told, unit_of
from stowgate.analyse.fleet import JudgedImage, JudgedScanner, Verdict
from stowgate.analyse.outliers import FEWEST
from stowgate.reasons import REASONS
from stowgate.wording import counted, moment

_MOST = 4
"""Features, and drifts, that a row names."""


def headline(verdict: Verdict) -> tuple[str, str, str]:
    """Word, sentence and tone of how the fleet stands."""
    alerts = [one.scanner for one in verdict.scanners if one.alert]
    odd = sum(image.outlier for image in verdict.images)
    faulty = sum(bool(image.scan.codes) for image in verdict.images)
    of = f"{counted(len(verdict.images), 'image')} of {counted(len(verdict.scanners), 'scanner')}"
    shows = "shows a fault by itself" if faulty == 1 else "show a fault by themselves"
    by_itself = f" {faulty:,} of these {shows}." if faulty else ""
    said = f"{of}; {odd:,} unlike the rest.{by_itself}"
    if not verdict.images:
        return "Nothing to judge", "There was no picture that could be looked at.", "calm"
    if alerts:
        who = "One scanner needs" if len(alerts) == 1 else f"{len(alerts):,} scanners need"
        names = ", ".join(alerts[:_MOST]) + (", and others" if len(alerts) > _MOST else "")
        return f"{who} somebody", f"{names}. {said}", "alarm"
    if faulty:
        pictures = "one picture" if faulty == 1 else f"{faulty:,} pictures"
        return f"Look at {pictures}", f"{said} No scanner has so many that it alarms.", "wait"
    if not any(one.measured for one in verdict.scanners):
        return "Nothing was measured", f"{of}; of such pictures nothing is measured.", "calm"
    if not any(one.compared for one in verdict.scanners):
        needed = f"A protocol needs {FEWEST} images, or a baseline."
        return "There is nothing to compare with", f"{of}. {needed}", "calm"
    word = "The scanner is as usual" if len(verdict.scanners) == 1 else "All scanners are as usual"
    return word, said, "good"


def in_need_first(scanners: Sequence[JudgedScanner]) -> list[JudgedScanner]:
    """Alerts, then what pictures show by themselves, then by the share of outliers."""

    def need(one: JudgedScanner) -> tuple[bool, bool, float, str]:
        return not one.alert, not (one.alert or one.faults), -one.outliers / max(1, one.images), one.scanner

    return sorted(scanners, key=need)


def standing(one: JudgedScanner) -> str:
    """How many of its pictures are unlike the rest, and with which codes."""
    if not one.measured:
        return "not measured"
    if not one.compared and not one.outliers:
        return "nothing to compare with"
    rest = one.images - one.measured
    codes = ", ".join(f"{number:,} {code}" for code, number in one.codes.items())
    return (
        f"{one.outliers:,} unlike the rest{f' ({codes})' if codes else ''}"
        f"{f'; {rest:,} not measured' if rest else ''}"
    )  # fmt: skip


def because(one: JudgedScanner, verdict: Verdict) -> Iterator[str]:
    """Sentences beside those of its codes: by how much it is off, since when it drifts, and what is not compared."""
    of = protocol_of_scanner(verdict.images).get(one.scanner, "")
    if {"scanner_differs", "scanners_differ"} & set(one.reasons):
        far = sorted(
            (name for name in one.off if _is_told(name, one.off[name])), key=lambda name: -abs(one.shift[name])
        )
        far = far[:_MOST]
        yield f"Off the other scanners: {', '.join(told(name, one.off[name], unit_of(name, of)) for name in far)}."
    drifts = [drift for drift in verdict.drifts if drift.scanner == one.scanner]
    if drifts:
        yield drift_words(drifts, len(verdict.series[one.scanner]), of)
    if one.lacks and one.compared and len(verdict.scanners) > 1:
        lacks = " and ".join(filter(None, (", ".join(one.lacks[:-1]), one.lacks[-1])))
        yield f"Not compared by what depends on the {lacks}: its pictures do not say it."


def drift_words(drifts: Sequence[Drift], scans: int, protocol: str = "") -> str:
    """What of one scanner moved, since when, and by how much its last scans are off."""
    first = min(drifts, key=lambda one: (one.began, one.at))
    since = f"scan {first.began + 1:,} of {scans:,}"
    since = since if first.since is None else f"{moment(first.since)} ({since})"
    moved = ", ".join(_moved(one, protocol) for one in drifts[:_MOST])
    return f"Drift since {since}, noticed at scan {min(one.at for one in drifts) + 1:,}; by its last scans {moved}."


def _moved(of: Drift, protocol: str) -> str:
    if not math.isfinite(of.size):
        return f"{of.feature.replace('_', ' ')} {'higher' if of.direction > 0 else 'lower'}"
    return told(of.feature, of.size, unit_of(of.feature, protocol))


def advice(one: JudgedScanner) -> str:
    """What to do about a scanner."""
    said = [REASONS[code].advice for code in one.reasons]
    if one.faults:
        told_ = dict.fromkeys(REASONS[code].advice for code in one.faults)
        said.append(f"Look at {'this picture' if sum(one.faults.values()) == 1 else 'these pictures'}: {_line(told_)}")
    if not said and not one.compared:
        said.append("Nothing can be said.")
    elif not said and one.outliers:
        said.append("Look at what is unlike the rest; it may be right.")
    return _line(dict.fromkeys(said)) or "Nothing to do."


def protocol_of_scanner(images: Sequence[JudgedImage]) -> Mapping[str, str]:
    """One protocol of each scanner, for units; "" where its protocols are of several modalities."""
    found: dict[str, str] = {}
    for image in images:
        known = found.setdefault(image.scan.scanner, image.scan.protocol)
        if known.split(" ")[0] != image.scan.protocol.split(" ")[0]:
            found[image.scan.scanner] = ""
    return {name: protocol if " " in protocol else "" for name, protocol in found.items()}


def _is_told(name: str, value: float) -> bool:
    """Not what is 1.0 times the others'."""
    return abs(value - 1) > 0.02 if _is_log(name) else value != 0


def _is_log(name: str) -> bool:
    return any(feature.log for feature in FEATURES if feature.name == name)


def _line(sentences: Mapping[str, None]) -> str:
    return " ".join(one for one in sentences if one)
