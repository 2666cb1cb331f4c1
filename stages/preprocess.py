"""The preprocess stage: prepares the decoder's planes for the engine."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sr4k.media.rgb import DEEP_UNIT
from sr4k.media.video import info_of
from sr4k.models.colour import rgb_from_yuv, upsample_chroma
from sr4k.models.geometry import CHROMA_PAD, PAD_AFTER, PAD_BEFORE, is_subsampled, padded_luma
from sr4k.pipeline import Buffers, Format, Frame, PlaneSpec, Transform
from sr4k.pipeline.frame import Plane
from sr4k.stages.settings import PreprocessSettings


class Preprocess(Transform):
    """Fills the margins of padded planes by replication, in place; for ``bgr``, makes padded RGB of them.

    That is float32, (3, rows, columns), from 0 to 255. Packed RGB (H, W, 3) and gray (H, W, 1), 8 bits in uint8 or 16
    bits in uint16, become it as well. Plain YUV frames pass unchanged.
    """

    name = "preprocess"

    def __init__(self, settings: PreprocessSettings) -> None:
        self._pixels = settings.pixels

    @property
    def in_place(self) -> bool:  # type: ignore[override]
        return self._pixels == "yuv"

    def open(self, source: Format) -> Format:
        info = info_of(source)
        self._odd = (info.height % 2, info.width % 2)
        self._colour = info.colour
        if self._pixels == "yuv":
            return source
        even = (info.height + self._odd[0], info.width + self._odd[1])
        return Format((PlaneSpec((3, *padded_luma(*even)), "float32"),), about=info)

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        if len(frame.planes) == 1:
            yield self._from_rgb(frame, buffers)
            return
        luma, chroma = frame.planes
        if frame.info.plain and self._pixels == "yuv":
            yield frame
            return
        fill_margins(luma, chroma, self._odd)
        if self._pixels == "yuv":
            yield frame
            return
        out = buffers.take(frame.info)
        self._to_rgb(luma, chroma, out.planes[0])
        frame.release()
        yield out

    def _from_rgb(self, frame: Frame, buffers: Buffers) -> Frame:
        """Convert packed RGB or gray: the only copy between its memory and the engine."""
        out = buffers.take(frame.info)
        packed = frame.planes[0]
        height, width = packed.shape[:2]
        inner = out.planes[0][:, PAD_BEFORE : PAD_BEFORE + height, PAD_BEFORE : PAD_BEFORE + width]
        levels = np.moveaxis(packed, 2, 0)
        if packed.dtype == np.uint8:
            np.copyto(inner, levels)
        else:
            np.divide(levels, np.float32(DEEP_UNIT), out=inner)
        for plane in out.planes[0]:
            replicate_margins(plane, PAD_BEFORE, (PAD_AFTER + self._odd[0], PAD_AFTER + self._odd[1]))
        frame.release()
        return out

    def _to_rgb(self, luma: Plane, chroma: Plane, rgb: Plane) -> None:
        colour = self._colour
        if (chroma == colour.middle).all():  # gray stays gray, exactly
            span = colour.peak if colour.full_range else 219 * colour.unit
            np.multiply(luma - np.float32(colour.black), np.float32(255 / span), out=rgb)
            return
        matrix, offset = rgb_from_yuv(colour)
        reach = 2 * CHROMA_PAD - PAD_BEFORE  # the padded chroma starts this many luma pixels before the padded luma
        height, width = luma.shape
        fine = chroma.astype(np.float32)
        if is_subsampled(luma, chroma):
            fine = upsample_chroma(fine, colour.chroma_location)
            fine = fine[:, reach : reach + height, reach : reach + width]
        yuv = np.concatenate([luma[None].astype(np.float32), fine])
        np.matmul(matrix.astype(np.float32), yuv.reshape(3, -1), out=rgb.reshape(3, -1))
        rgb += offset.astype(np.float32)[:, None, None]


def fill_margins(luma: Any, chroma: Any, odd: tuple[int, int]) -> None:
    """Replicate the borders of the picture in padded planes, arrays or tensors; ``odd``: rows, columns to make even."""
    replicate_margins(luma, PAD_BEFORE, (PAD_AFTER + odd[0], PAD_AFTER + odd[1]))
    for plane in chroma:
        if is_subsampled(luma, chroma):
            replicate_margins(plane, CHROMA_PAD, (CHROMA_PAD, CHROMA_PAD))
        else:
            replicate_margins(plane, PAD_BEFORE, (PAD_AFTER + odd[0], PAD_AFTER + odd[1]))


def replicate_margins(plane: Plane, before: int, after: tuple[int, int]) -> None:
    """Overwrite the first ``before`` rows and columns and the last ``after`` (rows, columns) with their neighbours."""
    bottom, right = plane.shape[0] - after[0], plane.shape[1] - after[1]
    plane[:, :before] = plane[:, before : before + 1]
    plane[:, right:] = plane[:, right - 1 : right]
    plane[:before] = plane[before]
    plane[bottom:] = plane[bottom - 1]
