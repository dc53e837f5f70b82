"""The codes of the picture: why there is none to be seen, and what was noticed in it."""

from __future__ import annotations

from stowgate.reason import Reason, finding

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
        "No decoder for this transfer syntax is installed.", "Install the extra: pip install 'stowgate[image]'."
    ),
    "picture_cut_short": finding("Pixel Data ends before the picture does.", "Get the object again from its sender."),
    "picture_slow": finding(
        "Decoding the picture took longer than the limit.", "Nothing was lost; look at it where there is more time."
    ),
    "picture_decoder_died": finding(
        "The decoder died over this picture, as hostile streams make them do.",
        "Nothing was lost; do not open it elsewhere.",
    ),
}
