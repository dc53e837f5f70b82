"""The codes of the picture: why there is none to be seen, and what was noticed in it."""

from __future__ import annotations

from stowgate.reason import Reason, failed, finding

IMAGE: dict[str, Reason] = {
    # there is no picture to be seen
    "no_picture": finding(
        "The object has no picture.", "Nothing to do: a report, a spectrum or a structure set has none."
    ),
    "picture_bad_header": finding(
        "What the header says of the picture contradicts itself.", "Get the object again from its sender."
    ),
    "picture_too_large": finding(
        "The picture is larger than the limit for looking at it.", "Look at it where there is more memory."
    ),
    "picture_not_decodable": finding(
        "The compressed picture cannot be decoded.", "Get the object again from its sender; its stream is damaged."
    ),
    "picture_no_decoder": finding(
        "No decoder here reads this picture.",
        "Look at it with another viewer; video and JPEG of 12 bits with losses are not read here.",
    ),
    "picture_cut_short": finding("The object ends before its picture does.", "Get the object again from its sender."),
    "picture_slow": finding(
        "Decoding the picture took longer than the limit.", "Nothing was lost; look at it where there is more time."
    ),
    "picture_decoder_died": finding(
        "The decoder died over this picture, as hostile streams make them do.",
        "Nothing was lost; do not open it elsewhere.",
    ),
    "frame_not_there": finding("The object has fewer frames than that.", "The first frame is number 1."),
    "image_extra_missing": failed(
        "What looks at pictures is not installed.", "Install the extra: pip install 'stowgate[image]'."
    ),
    "parquet_extra_missing": failed(
        "What writes Parquet is not installed.", "Install the extra: pip install 'stowgate[parquet]', or write --csv."
    ),
    "no_study": finding("The object names no study.", "Complete (0020,000D) at the source."),
    # how it is shown
    "output_not_png": failed("A PNG is written, and the name promises something else.", "Let it end in .png."),
    "window_incomplete": failed(
        "Of centre and width of a window only one is given.", "Give both, or a preset without either."
    ),
    "window_not_finite": failed("The centre and the width of a window have to be numbers.", "Give other values."),
    "window_width": failed(
        "The width of a window has to be above zero, with LINEAR at least 1.", "Give another width."
    ),
    "window_unknown": failed("There is no such window among the presets.", "Choose one of these, or give both values."),
    "window_of_colour": failed("A picture in colour has no windows.", "Look at it without asking for one."),
    "window_no_densities": failed(
        "The presets are in Hounsfield units, and the values of this picture are not.",
        "Look at it without them, or give a centre and a width of your own.",
    ),
    # what is measured in a slice, for who is looked at first
    "hyperdense_share_high": finding(
        "More of what the skull encloses than usual is as dense as fresh blood.",
        "Somebody should look at this study first; it is a measurement, never a diagnosis.",
    ),
    "lung_opacity_share_high": finding(
        "More of the lung fields than usual is poorly aerated.",
        "Somebody should look at this study first; it is a measurement, never a diagnosis.",
    ),
    # what is amiss with one picture
    "picture_blank": finding("The picture is of one value.", "Take it again; see whether the detector is connected."),
    "picture_dead_lines": finding(
        "Rows or columns of the detector say nothing.", "Take it again; report the detector if it comes back."
    ),
    "picture_part_missing": finding(
        "A part of the field is missing.", "Take it again while the patient is still there; look at the collimator."
    ),
    "picture_saturated": finding(
        "A part of the body is cut off at the greatest value.", "Take it again with less gain or exposure."
    ),
    "picture_noisy": finding(
        "The picture is so noisy that nothing soft is told apart.", "Take it again with more exposure."
    ),
    "picture_rings": finding(
        "There are rings about the centre.", "Calibrate the detector, then take it again; call service if they stay."
    ),
    "picture_stripes": finding(
        "A line stands out all through the picture.", "Calibrate the detector, then take it again."
    ),
    "picture_flat": finding(
        "The picture uses next to nothing of its range of values.", "See whether it was exposed; take it again."
    ),
    "exposure_high": finding(
        "The exposure was more than twice what was meant.", "Look at the exposure settings before the next picture."
    ),
    "exposure_low": finding(
        "The exposure was less than half of what was meant.", "Take it again if it is too noisy to be read."
    ),
    # what is amiss with a study as a whole
    "slices_twice": finding("Pictures of a series are there twice.", "See whether the scanner sent them twice."),
    "slices_at_one_place": finding("Several slices lie at one place.", "See whether a scan was repeated."),
    "slices_missing": finding(
        "Slices are missing between others.", "Send the series again from the scanner, before it is deleted there."
    ),
    "spacing_uneven": finding("The distance of slices changes.", "Measure nothing across it; look at the series."),
    "slices_blurred": finding(
        "A slice is less sharp than its neighbours.", "See whether the patient moved; repeat it."
    ),
    "orientation_differs": finding(
        "Slices of a series are tilted against the others.", "See whether the gantry or the patient moved."
    ),
    "pixel_spacing_differs": finding(
        "The size of pixels changes within a series.", "Measure nothing across it; look at the series."
    ),
    "numbers_twice": finding("Images of an acquisition have the same number.", "See whether a scan was repeated."),
    "images_missing": finding(
        "There are fewer images than were announced, or numbers between others are missing.",
        "Send the series again from the scanner.",
    ),
    "view_missing": finding(
        "One of the four views of a mammography is missing.", "Take it while the patient is still there."
    ),
    "laterality_conflict": finding(
        "A header names both sides, or another one than the picture shows.",
        "Correct it at the source before it is read.",
    ),
}
