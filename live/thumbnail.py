"""Small pictures of what a channel receives and sends, for operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from sr4k.media.planes import rows_of
from sr4k.media.scaling import Scaler
from sr4k.media.video import VideoInfo
from sr4k.models.colour import Colour

_WIDTH = 320
"""Width of a small picture, in pixels."""

_SAMPLED = 640
"""Columns, at least, that are copied of a wide picture, so that scaling down has something to average."""

_FINE = 5
"""Quantiser of the JPEG encoder, 2 to 31: about 10 kB."""

_OF_JPEG = Colour("bt601", full_range=True, chroma_location="center")


@dataclass(frozen=True, slots=True)
class Small:
    """Every nth sample of a picture, copied.

    Attributes:
        planes: Y, U and V, uint8, 4:2:0.
        colour: how they are read.
        shape: width of a pixel divided by its height.
    """

    planes: tuple[NDArray[np.uint8], ...]
    colour: Colour
    shape: Fraction

    @classmethod
    def of(cls, planes: Sequence[Any], info: VideoInfo) -> "Small":
        """Copy every nth sample of a picture: some tenths of a millisecond, of whatever size it is.

        Args:
            planes: views of Y, U and V of the picture, uint8 or uint16, 4:2:0 or 4:4:4.
            info: what it is.
        """
        luma = planes[0]
        step = max(1, luma.shape[1] // _SAMPLED)
        size = luma.shape[0] // step // 2 * 2, luma.shape[1] // step // 2 * 2
        sampled = [_sampled(luma, step, size, info.colour)]
        for plane in planes[1:]:
            apart = step * plane.shape[1] * 2 // luma.shape[1] if plane.shape != luma.shape else 2 * step
            sampled.append(_sampled(plane, apart, (size[0] // 2, size[1] // 2), info.colour))
        colour = Colour(info.colour.matrix, info.colour.full_range, info.colour.chroma_location)
        return cls(tuple(sampled), colour, info.sample_aspect_ratio or Fraction(1))

    def as_jpeg(self) -> bytes:
        """Return the picture, `_WIDTH` pixels wide, as JPEG."""
        height, width = self.planes[0].shape
        picture = VideoFrame(width, height, "yuv420p")
        for plane, samples in zip(picture.planes, self.planes, strict=True):
            np.copyto(rows_of(plane)[: samples.shape[0], : samples.shape[1]], samples)
        size = _WIDTH, max(2, round(_WIDTH * height / (width * self.shape) / 2) * 2)
        scaled = Scaler("bicubic")(picture, size, "yuvj420p", self.colour, _OF_JPEG)
        codec = CodecContext.create("mjpeg", "w")
        assert isinstance(codec, VideoCodecContext)
        codec.width, codec.height, codec.pix_fmt, codec.time_base = *size, "yuvj420p", Fraction(1)
        codec.qmin = codec.qmax = _FINE
        scaled.pts = 0
        return b"".join(bytes(packet) for packet in (*codec.encode(scaled), *codec.encode(None)))


def _sampled(plane: Any, step: int, size: tuple[int, int], colour: Colour) -> NDArray[np.uint8]:
    found = plane[::step, ::step][: size[0], : size[1]]
    return np.array(found // colour.unit if colour.unit > 1 else found, np.uint8)
