"""Composites transparent pictures over black, for video, which has no alpha channel."""

from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from sr4k.media.look import DecodedPicture
from sr4k.media.planes import rows_of
from sr4k.media.video import FULL_RANGE
from sr4k.models.colour import Colour


def over_black(picture: DecodedPicture) -> DecodedPicture | None:
    """Return the picture composited over black, planar and of at most 10 bits; ``None`` if it is fully opaque."""
    frame, layout, tags = picture.frame, picture.look.layout, picture.look.tags
    levels = Colour(full_range=tags.color_range == FULL_RANGE, bits=layout.bits)
    depth = "10le" if layout.bits == 10 else ""
    from sr4k.common.opencv import cv2  # here, because most videos do without it

    gray = layout.chroma == "400"
    rgb = picture.look.is_colourful or gray
    name = "gbr{}p" if rgb else f"yuv{{}}{layout.chroma}p"
    planar = frame.reformat(format=f"{name.format('a')}{depth}")
    *planes, alpha = (rows_of(plane, levels.dtype)[: plane.height, : plane.width] for plane in planar.planes)
    if alpha.min() == levels.peak:
        return None
    opacity: NDArray[Any] = alpha / np.float32(levels.peak)
    out = VideoFrame(frame.width, frame.height, layout.name if gray else f"{name.format('')}{depth}")
    black = 0 if rgb else levels.black
    for number, (plane, target) in enumerate(zip(planes, out.planes, strict=not gray)):
        nothing = black if rgb or number == 0 else levels.middle
        share = opacity
        if share.shape != plane.shape:
            share = cv2.resize(share, plane.shape[::-1], interpolation=cv2.INTER_AREA)
        mixed = nothing + (plane.astype(np.float32) - nothing) * share
        np.copyto(rows_of(target, levels.dtype)[: plane.shape[0], : plane.shape[1]], np.rint(mixed), casting="unsafe")
    return picture.made_opaque(out)
