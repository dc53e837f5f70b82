"""The codes of fleets: how an image is unlike its like, and why somebody should see to a scanner."""

from __future__ import annotations

from stowgate.reason import Reason, failed, finding

_LIKE = "Compare it with another picture of this scanner; calibrate the scanner if it comes back."

FLEET: dict[str, Reason] = {
    # how an image is unlike those of its protocol
    "density_low": finding("The density of the body is lower than in its like.", _LIKE),
    "density_high": finding("The density of the body is higher than in its like.", _LIKE),
    "contrast_low": finding("The spread of values in the body is lower than in its like.", _LIKE),
    "contrast_high": finding("The spread of values in the body is higher than in its like.", _LIKE),
    "level_low": finding("The value of the commonest tissue is lower than in its like.", _LIKE),
    "level_high": finding("The value of the commonest tissue is higher than in its like.", _LIKE),
    "peak_low": finding("The densest part of the body is lower than in its like.", _LIKE),
    "peak_high": finding("The densest part of the body is higher than in its like.", _LIKE),
    "air_low": finding("The value of air is lower than in its like.", _LIKE),
    "air_high": finding("The value of air is higher than in its like.", _LIKE),
    "air_noise_low": finding("The noise in air is less than in its like.", _LIKE),
    "air_noise_high": finding("The noise in air is more than in its like.", _LIKE),
    "noise_low": finding("The noise in the body is less than in its like.", _LIKE),
    "noise_high": finding("The noise in the body is more than in its like.", _LIKE),
    "sharpness_low": finding("The sharpness of edges is lower than in its like.", _LIKE),
    "sharpness_high": finding("The sharpness of edges is higher than in its like.", _LIKE),
    "uniformity_low": finding("The rim of the body against its middle is lower than in its like.", _LIKE),
    "uniformity_high": finding("The rim of the body against its middle is higher than in its like.", _LIKE),
    "coverage_low": finding("The share of the field with a body in it is lower than in its like.", _LIKE),
    "coverage_high": finding("The share of the field with a body in it is higher than in its like.", _LIKE),
    "spread_low": finding("The range of values is lower than in its like.", _LIKE),
    "spread_high": finding("The range of values is higher than in its like.", _LIKE),
    "ring_low": finding("There are fewer rings than in its like.", _LIKE),
    "ring_high": finding("There are more rings about the centre than in its like.", _LIKE),
    "stripe_low": finding("Lines stand out less than in its like.", _LIKE),
    "stripe_high": finding("Lines stand out more than in its like.", _LIKE),
    "exposure_below": finding("The exposure is lower than in its like.", "Look at the exposure settings."),
    "exposure_above": finding("The exposure is higher than in its like.", "Look at the exposure settings."),
    "dose_below": finding("The dose index is lower than in its like.", "Look at the protocol of the scanner."),
    "dose_above": finding("The dose index is higher than in its like.", "Look at the protocol of the scanner."),
    "features_apart": finding("Its numbers do not go together as those of its like do.", _LIKE),
    # why somebody should see to a scanner
    "scanner_outliers": finding("The scanner makes more unlike pictures than its fleet.", "Have it checked."),
    "scanner_drifts": finding("What the scanner measures moves away from what was usual.", "Have it calibrated."),
    "scanner_differs": finding("All pictures of the scanner differ from those of its like.", "Have it calibrated."),
    "scanners_differ": finding(
        "Two scanners differ in all pictures, and nobody can say which one is off.",
        "Scan one phantom on both; calibrate the one that is off.",
    ),
    "scanner_clock": finding("The clock of the scanner is minutes off.", "Set it, or let it be set by NTP."),
    # what could not be judged
    "not_acquired": finding("The object was computed from pictures; no scanner made it."),
    "fleet_small": finding(
        "Of a protocol there are too few images to compare them.", "Look at more, or give a baseline."
    ),
    "fleet_of_one": finding("There is one scanner: it is compared with itself alone.", "Look at several together."),
    "bad_baseline": failed("The file is no baseline that this version wrote.", "Write one with --save-baseline."),
}
