"""The codes of the picture: why there is none to be seen, and what was noticed in it."""

from __future__ import annotations

from stowgate.reason import Reason, failed, finding

IMAGE: dict[str, Reason] = {
    # there is no picture to be seen
    "no_picture": finding("The object has no picture.", "Nothing to do: a report or a structure set has none."),
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
        "There is no decoder for this transfer syntax.",
        "Install the extra stowgate[image]; video and JPEG of 12 bits are seen with another viewer.",
    ),
    "picture_cut_short": finding("Pixel Data ends before the picture does.", "Get the object again from its sender."),
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
    "no_study": finding("The object names no study.", "Complete (0020,000D) at the source."),
    # how it is shown
    "window_incomplete": failed(
        "Of centre and width of a window only one is given.", "Give both, or the name of a preset."
    ),
    "window_width": failed(
        "The width of a window has to be above zero, with LINEAR at least 1.", "Give another width."
    ),
    "window_unknown": failed("There is no such window among the presets.", "Choose one of these, or give both values."),
    "window_of_colour": failed("A picture in colour has no windows.", "Look at it without --presets."),
    # what is measured in a slice, for who is looked at first
    "hyperdense_share_high": finding(
        "More of what the skull encloses than usual is as dense as fresh blood.",
        "Somebody should look at this study first; it is a measurement, never a diagnosis.",
    ),
    "lung_opacity_share_high": finding(
        "More of the lung fields than usual is poorly aerated.",
        "Somebody should look at this study first; it is a measurement, never a diagnosis.",
    ),
}
