"""Pictures of any size, shape and colour into the frame of a stream."""

from fractions import Fraction

from av.video.frame import VideoFrame

from sr4k.stages.decoded import Layout, is_colourful, tags_of
from sr4k.stages.picture import rows_of
from sr4k.stages.video import FULL_RANGE, LIMITED_RANGE, VideoInfo, colour_of


def fitted(picture: VideoFrame, info: VideoInfo, sample_aspect_ratio: Fraction | None = None) -> VideoFrame:
    """The picture in the colours and at the size of ``info``: scaled, its shape kept, bars around it.

    ``sample_aspect_ratio``: of the picture.
    """
    colour = colour_of(tags_of(picture), height=picture.height, codec="")
    same_colour = colour.matrix == info.colour.matrix and colour.full_range == info.colour.full_range
    inner = inner_size(picture, info, sample_aspect_ratio or Fraction(1))
    layout = Layout(10 if info.colour.bits > 8 else 8, info.colour.sampling)
    if layout.is_of(picture) and same_colour and inner == (picture.width, picture.height):
        scaled = picture
    else:
        rgb = is_colourful(picture.format)
        scaled = picture.reformat(
            *inner,
            format=layout.name,
            interpolation="BICUBIC",
            src_color_range=FULL_RANGE if rgb or colour.full_range else LIMITED_RANGE,
            dst_color_range=FULL_RANGE if info.colour.full_range else LIMITED_RANGE,
            src_colorspace=None if rgb else CODES[colour.matrix],
            dst_colorspace=CODES[info.colour.matrix],
        )
    return scaled if inner == (info.width, info.height) else _with_bars(scaled, info)


CODES = {"bt709": 1, "bt601": 5, "bt2020": 9, "fcc": 4, "smpte240m": 7}
"""Matrices as libswscale numbers them."""


def inner_size(picture: VideoFrame, info: VideoInfo, sample_aspect_ratio: Fraction) -> tuple[int, int]:
    """The largest size inside the frame that keeps the shape on the screen; even where there are bars."""
    shape = Fraction(picture.width, picture.height) * sample_aspect_ratio
    pixel = info.sample_aspect_ratio or Fraction(1)
    if abs(shape / (Fraction(info.width, info.height) * pixel) - 1) < Fraction(1, 100):
        return info.width, info.height
    width = min(info.width, round(info.height * shape / pixel / 2) * 2)
    height = min(info.height, round(info.width * pixel / shape / 2) * 2)
    return max(2, width), max(2, height)


def _with_bars(picture: VideoFrame, info: VideoInfo) -> VideoFrame:
    frame = VideoFrame(info.width, info.height, picture.format.name)
    colour = info.colour
    top, left = ((info.height - picture.height) // 4 * 2, (info.width - picture.width) // 4 * 2)
    for index, (source, target) in enumerate(zip(picture.planes, frame.planes, strict=True)):
        rows = rows_of(target, colour.dtype)
        rows[:] = colour.black if index == 0 else colour.middle
        step = 1 if index == 0 or colour.sampling == "444" else 2
        height, width = -(-picture.height // step), -(-picture.width // step)
        y, x = top // step, left // step
        rows[y : y + height, x : x + width] = rows_of(source, colour.dtype)[:height, :width]
    return frame
