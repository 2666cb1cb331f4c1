"""Checks of what a puller sends about frames and sound: ranges and types beyond what the wire format checks."""

import math
import time
from fractions import Fraction
from typing import get_args

from sr4k.live.timeline import TIME_BASE
from sr4k.live.wire_format import is_number
from sr4k.media.decoded_picture import padded_format
from sr4k.media.planes import PixelFormat
from sr4k.media.stereo3d import MODES
from sr4k.media.video import ColourTags, VideoInfo
from sr4k.models.colour import ChromaLocation, Colour, Matrix, Sampling
from sr4k.models.source_quality import WORST
from sr4k.pipeline import Format, FrameInfo

_LARGEST_PICTURE = 32 << 20
"""Maximum size of a frame, in bytes."""

_LARGEST_SIDE = 16384
_BITS = 8
_MATRIX_LENGTH = 9


def is_format(form: Format) -> bool:
    """Whether a format is valid: its description must be, and its planes must be those that follow from it."""
    return isinstance(form.about, VideoInfo) and _is_description(form.about) and form == padded_format(form.about)


def is_picture(info: FrameInfo) -> bool:
    """Whether the times and marks of a frame are valid."""
    return (
        is_number(info.pts)
        and info.time_base == TIME_BASE
        and is_number(info.duration, 0)
        and is_number(info.lost, 0)
        and is_number(info.read, 0)
        and _is_quality(info.quality)
        and isinstance(info.plain, bool)
        and isinstance(info.once, bool)
        and isinstance(info.light, bool)
        and isinstance(info.gray, bool)
        and isinstance(info.born, float)
        and math.isfinite(info.born)
        and info.born <= time.monotonic()
    )


def _is_description(info: VideoInfo) -> bool:
    sides = (info.width, info.height)
    if not all(is_number(side, 1) and side <= _LARGEST_SIDE for side in sides):
        return False
    return (
        math.prod(sides) <= _LARGEST_PICTURE // 2
        and info.time_base == TIME_BASE
        and isinstance(info.rate, Fraction)
        and info.rate > 0
        and _is_shape(info.sample_aspect_ratio)
        and _are_tags(info.tags)
        and (info.source_tags is None or _are_tags(info.source_tags))
        and _is_colour(info.colour)
        and _is_turn(info.display_matrix)
        and info.pixel_format in get_args(PixelFormat)
        and info.hdr is None
        and info.origin is None
        and info.stereo_mode in (None, *MODES)
        and info.source_size is None
        and _is_quality(info.quality)
    )


def _is_quality(value: object) -> bool:
    return isinstance(value, int) and is_number(value, 0) and value <= WORST


def _is_shape(value: object) -> bool:
    return value is None or (isinstance(value, Fraction) and value > 0)


def _are_tags(tags: object) -> bool:
    if not isinstance(tags, ColourTags):
        return False
    codes = (tags.colorspace, tags.color_range, tags.color_primaries, tags.color_trc)
    return all(is_number(code, 0) and code < 256 for code in codes)


def _is_colour(colour: object) -> bool:
    return (
        isinstance(colour, Colour)
        and colour.matrix in get_args(Matrix)
        and isinstance(colour.full_range, bool)
        and colour.chroma_location in get_args(ChromaLocation)
        and is_number(colour.bits)
        and colour.bits == _BITS
        and colour.sampling in get_args(Sampling)
    )


def _is_turn(matrix: object) -> bool:
    if matrix is None:
        return True
    return isinstance(matrix, tuple) and len(matrix) == _MATRIX_LENGTH and all(is_number(each) for each in matrix)
