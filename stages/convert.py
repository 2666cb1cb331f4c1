"""The convert stage: converts to the pixel format and size of the sink."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sr4k.media.options import Scale
from sr4k.media.placement import Placed, placed
from sr4k.media.planes import PLANAR, as_picture, rows_of, split_420
from sr4k.media.rgb import deep_rgb, depth, scaled_channels
from sr4k.media.scaling import Scaler
from sr4k.media.video import VideoInfo, info_of
from sr4k.models.colour import downsample_chroma, yuv_from_rgb
from sr4k.models.geometry import P010_SHIFT
from sr4k.pipeline import Buffers, Format, Frame, PlaneSpec, Transform
from sr4k.pipeline.frame import Plane
from sr4k.stages.settings import ConvertSettings

log = logging.getLogger(__name__)


class Convert(Transform):
    """Converts float RGB (3, H, W) to a 4:2:0 block (3H/2, W), and 4:2:0 to packed RGB (H, W, 3) for pictures.

    Packed RGB and 4:2:0 frames of the right form and size pass unchanged. Other sizes are scaled from the network's
    output with a Lanczos filter, which gives better pictures than scaling the network's input.
    """

    name = "convert"

    def __init__(self, settings: ConvertSettings | None = None) -> None:
        self._settings = settings or ConvertSettings()
        self._scaler = Scaler()

    @property
    def in_place(self) -> bool:  # type: ignore[override]
        return not (self._rgb or self._becomes_rgb or self._resized)

    def open(self, source: Format) -> Format:
        info = info_of(source)
        self._info = info
        self._rgb = source.planes[0].dtype == "float32"
        self._stays_rgb = not self._rgb and len(source.planes[0].shape) == 3
        bits = None if self._rgb or self._stays_rgb else depth(info, self._settings.rgb_bits)
        self._becomes_rgb = bits is not None
        self._dtype = source.planes[0].dtype if bits is None else f"uint{bits}"
        self._placed, made = self._place(info), (info.width, info.height)
        self._resized = not self._placed.size == self._placed.inner == made
        if all(side < there for side, there in zip(self._placed.inner, info.source_size or made, strict=True)):
            log.warning("the result is smaller than its source: a plain scaler is better there than a network.")
        if self.in_place:
            return source
        self._colour = replace(info.colour, sampling="420")
        matrix, offset = yuv_from_rgb(info.colour)
        self._matrix, self._offset = matrix.astype(np.float32), offset.astype(np.float32)
        self._made = self._block((info.width, info.height))
        about = info
        if self._resized:
            (width, height), shape = self._placed.size, self._placed.sample_aspect_ratio
            about = replace(info, width=width, height=height, sample_aspect_ratio=shape)
        return Format((self._block(self._placed.size),), about=about)

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        if self.in_place:
            yield frame
            return
        out = buffers.take(frame.info)
        made = frame.planes[0]
        if self._rgb:
            made = np.empty(self._made.shape, self._made.dtype) if self._resized else out.planes[0]
            self._convert(frame.planes[0], made)
        if self._becomes_rgb:
            self._to_rgb(made, out.planes[0])
        elif self._resized:
            self._resize(made, out.planes[0])
        frame.release()
        yield out

    @property
    def _is_rgb_out(self) -> bool:
        return self._stays_rgb or self._becomes_rgb

    def _place(self, info: VideoInfo) -> Placed:
        """Return the place of a picture in the result: exact for pictures, on even numbers for video."""
        wanted = self._settings.size
        exact, even = placed(wanted, info, 1), None if self._is_rgb_out else placed(wanted, info)
        if even is not None and even != exact and isinstance(wanted, Scale):
            log.warning("the result is %dx%d, not %dx%d: both sides of a video are even.", *even.size, *exact.size)
        return even or exact

    def _block(self, size: tuple[int, int]) -> PlaneSpec:
        width, height = size
        if self._is_rgb_out:
            return PlaneSpec((height, width, 3), self._dtype)
        return PlaneSpec((height * 3 // 2, width), self._colour.dtype)

    def _convert(self, rgb: Plane, out: Plane) -> None:
        """Convert float RGB (3, H, W) to a 4:2:0 block of the same size."""
        yuv = (self._matrix @ rgb.reshape(3, -1)).reshape(rgb.shape) + self._offset[:, None, None]
        chroma = downsample_chroma(yuv[1:], self._colour.chroma_location)
        for plane, values in zip(split_420(out), (yuv[0], *chroma), strict=True):
            np.copyto(plane, np.clip(np.rint(values), 0, self._colour.peak), casting="unsafe")

    def _resize(self, block: Plane, out: Plane) -> None:
        """Scale a block to its size within ``out``, in the same format, and fill the rest with black."""
        for index, (scaled, target) in enumerate(zip(self._scaled(block), self._planes(out), strict=True)):
            if self._placed.inner != self._placed.size:
                target[:] = 0 if self._stays_rgb else self._black(index)
            middle = self._middle(target)
            np.copyto(middle, scaled[: middle.shape[0], : middle.shape[1]])

    def _black(self, index: int) -> int:
        value = self._colour.black if index == 0 else self._colour.middle
        return value << P010_SHIFT if self._info.pixel_format == "p010le" else value

    def _scaled(self, block: Plane) -> Iterator[Plane]:
        """Yield the scaled planes of a block."""
        size, colour = self._placed.inner, self._colour
        if self._stays_rgb:
            yield from scaled_channels(block, size, self._scaler)
            return
        picture = as_picture(block, self._info.pixel_format)
        scaled = self._scaler(picture, size, str(self._info.pixel_format), colour, colour)
        yield from (rows_of(plane, str(block.dtype)) for plane in scaled.planes)

    def _to_rgb(self, block: Plane, out: Plane) -> None:
        """Convert a 4:2:0 block to packed RGB, at its size within ``out``, and fill the rest with black."""
        size, colour, picture = self._placed.inner, self._colour, as_picture(block, self._info.pixel_format)
        (top, left), (width, height) = self._placed.corner, size
        if size != self._placed.size:
            out[:] = 0
        middle = out[top : top + height, left : left + width]
        if self._dtype == "uint16":
            deep_rgb(self._scaler(picture, size, "yuv444p10le", colour, colour), colour, middle)
        else:
            rgb = self._scaler(picture, size, "rgb24", colour, replace(colour, full_range=True))
            np.copyto(middle, rgb.to_ndarray())

    def _middle(self, plane: Plane) -> Plane:
        """Return the view of a plane of the result that the picture fills."""
        (width, height), (inner_width, inner_height) = self._placed.size, self._placed.inner
        top, left = self._placed.corner
        rows = slice(top * plane.shape[0] // height, (top + inner_height) * plane.shape[0] // height)
        return plane[rows, left * plane.shape[1] // width : (left + inner_width) * plane.shape[1] // width]

    def _planes(self, out: Plane) -> tuple[Plane, ...]:
        if self._stays_rgb:
            return tuple(out[..., channel] for channel in range(3))
        height = out.shape[0] * 2 // 3
        return (out[:height], out[height:]) if self._info.pixel_format in PLANAR else split_420(out)
