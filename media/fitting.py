"""Fits pictures of any size, shape and colour into the frame of a stream."""

from dataclasses import replace
from fractions import Fraction

from av.video.frame import VideoFrame

from sr4k.media.look import DecodedPicture, Layout, Look, Planes
from sr4k.media.placement import Placed
from sr4k.media.planes import rows_of
from sr4k.media.scaling import Scaler
from sr4k.media.video import VideoInfo


def fitted(picture: DecodedPicture, info: VideoInfo, scaler: Scaler | None = None) -> Planes:
    """Return the picture in the colours and at the size of ``info``: scaled, with its shape kept by black bars.

    Args:
        picture: a decoded picture.
        info: the stream that it has to match.
        scaler: pass the same one for pictures of one kind, so that its filter graph is set up once.
    """
    frame, look = picture.frame, picture.look
    inner = inner_size(look, info)
    layout = Layout(10 if info.colour.bits > 8 else 8, info.colour.sampling)
    target = replace(info.colour, sampling="420")
    source = look.read_like(target)
    scaled = frame
    if not (layout.is_of(look.pixel_format) and source == target and inner == (look.width, look.height)):
        scaled = (scaler or Scaler())(frame, inner, layout.name, source, target)
    return Planes(scaled if inner == (info.width, info.height) else _with_bars(scaled, info), layout)


def inner_size(look: Look, info: VideoInfo) -> tuple[int, int]:
    """Return the largest (width, height) inside the frame that keeps the display aspect ratio; even with bars."""
    shape = Fraction(look.width, look.height) * (look.sample_aspect_ratio or 1)
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
