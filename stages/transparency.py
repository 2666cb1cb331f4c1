"""Pictures that are transparent in parts, for videos, which can't be."""

from typing import Any

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from sr4k.models.colour import Colour
from sr4k.models.opencv import cv2
from sr4k.stages.decoded import is_colourful, layout_of, tags_of
from sr4k.stages.picture import rows_of
from sr4k.stages.video import FULL_RANGE


def may_be_transparent(form: VideoFormat) -> bool:
    """Whether the format has room for it."""
    return form.has_palette or any(component.is_alpha for component in form.components)


def over_black(picture: VideoFrame) -> VideoFrame | None:
    """The picture laid over black, planar and of no more than 10 bits; ``None`` if nothing of it is transparent."""
    layout = layout_of(picture.format)
    tags = tags_of(picture)
    levels = Colour(full_range=tags.color_range == FULL_RANGE, bits=layout.bits)
    depth = "10le" if layout.bits == 10 else ""
    gray = layout.chroma == "400"
    rgb = is_colourful(picture.format) or gray
    name = "gbr{}p" if rgb else f"yuv{{}}{layout.chroma}p"
    planar = picture.reformat(format=f"{name.format('a')}{depth}")
    *planes, alpha = (rows_of(plane, levels.dtype)[: plane.height, : plane.width] for plane in planar.planes)
    if alpha.min() == levels.peak:
        return None
    opacity: NDArray[Any] = alpha / np.float32(levels.peak)
    out = VideoFrame(picture.width, picture.height, layout.name if gray else f"{name.format('')}{depth}")
    black = 0 if rgb else levels.black
    for number, (plane, target) in enumerate(zip(planes, out.planes, strict=not gray)):
        nothing = black if rgb or number == 0 else levels.middle
        share = opacity
        if share.shape != plane.shape:
            share = cv2.resize(share, plane.shape[::-1], interpolation=cv2.INTER_AREA)
        mixed = nothing + (plane.astype(np.float32) - nothing) * share
        np.copyto(rows_of(target, levels.dtype)[: plane.shape[0], : plane.shape[1]], np.rint(mixed), casting="unsafe")
    out.colorspace, out.color_range = tags.colorspace, tags.color_range
    out.color_primaries, out.color_trc = tags.color_primaries, tags.color_trc
    return out
