"""Pictures of any size, shape and colour into the frame of a stream."""

from dataclasses import replace
from fractions import Fraction

from av.video.frame import VideoFrame

from sr4k.models.colour import Colour
from sr4k.stages.box import Placed
from sr4k.stages.decoded import Layout, is_colourful, tags_of
from sr4k.stages.picture import rows_of
from sr4k.stages.scaling import Scaler
from sr4k.stages.video import VideoInfo, colour_of


def fitted(
    picture: VideoFrame,
    info: VideoInfo,
    sample_aspect_ratio: Fraction | None = None,
    scaler: Scaler | None = None,
) -> VideoFrame:
    """The picture in the colours and at the size of ``info``: scaled, its shape kept, bars around it.

    Args:
        sample_aspect_ratio: of the picture.
        scaler: what many of a kind have in common is kept in.
    """
    inner = inner_size(picture, info, sample_aspect_ratio or Fraction(1))
    layout = Layout(10 if info.colour.bits > 8 else 8, info.colour.sampling)
    target = replace(info.colour, sampling="420")
    source = read_as(picture, target)
    scaled = picture
    if not (layout.is_of(picture) and source == target and inner == (picture.width, picture.height)):
        scaled = (scaler or Scaler())(picture, inner, layout.name, source, target)
    return scaled if inner == (info.width, info.height) else _with_bars(scaled, info)


def read_as(picture: VideoFrame, like: Colour) -> Colour:
    """By its own tags, its chroma sited like that of the others, of which no picture by itself tells."""
    colour = colour_of(tags_of(picture), height=picture.height, codec="", chroma_location=like.chroma_location)
    return replace(colour, bits=like.bits, full_range=colour.full_range or is_colourful(picture.format))


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
    top, left = Placed((info.width, info.height), (picture.width, picture.height), Fraction(1)).corner
    for index, (source, target) in enumerate(zip(picture.planes, frame.planes, strict=True)):
        rows = rows_of(target, colour.dtype)
        rows[:] = colour.black if index == 0 else colour.middle
        step = 1 if index == 0 or colour.sampling == "444" else 2
        height, width = -(-picture.height // step), -(-picture.width // step)
        y, x = top // step, left // step
        rows[y : y + height, x : x + width] = rows_of(source, colour.dtype)[:height, :width]
    return frame
