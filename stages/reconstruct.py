"""The reconstruct stage: PixelShuffle, from the sub-pixels of each cell to planes of the output size."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from sr4k.media.enlarge import enlarge_chroma, enlarge_luma
from sr4k.media.planes import inside, split_420
from sr4k.media.video import info_of
from sr4k.models.geometry import CELL, CELL_OUT, MARGIN, SCALE
from sr4k.pipeline import Buffers, Format, Frame, PlaneSpec, Transform
from sr4k.pipeline.frame import Plane

_ITEMS: dict[int, np.dtype[Any]] = {2: np.dtype("u2"), 4: np.dtype("u4"), 8: np.dtype("u8"), 16: np.dtype("c16")}
"""Dtypes that move 2, 4, 8 or 16 bytes as one item."""


class Reconstruct(Transform):
    """Turns (rows, columns, 24) into a 4:2:0 block (3H, 2W) of Y, U and V, or 48 float channels into RGB (3, 2H, 2W).

    Plain YUV frames arrive as padded planes and are enlarged by bicubic interpolation.
    """

    name = "reconstruct"

    def open(self, source: Format) -> Format:
        info = info_of(source)
        self._source = info
        height, width = SCALE * info.height, SCALE * info.width
        self._rgb = source.planes[0].shape[2] == 48
        about = replace(info, height=height, width=width)
        if self._rgb:
            return Format((PlaneSpec((3, height, width), "float32"),), about=about)
        return Format((PlaneSpec((height * 3 // 2, width), source.planes[0].dtype),), about=about)

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        out = buffers.take(frame.info)
        cells = frame.planes[0]
        if frame.info.plain and not self._rgb:
            self._enlarge(frame, out)
        elif self._rgb:
            for channel, plane in enumerate(out.planes[0]):
                shuffle(cells[..., channel * CELL_OUT**2 : (channel + 1) * CELL_OUT**2], CELL_OUT, plane)
        else:
            first = 0
            for plane, side in zip(split_420(out.planes[0]), (CELL_OUT, CELL, CELL), strict=True):
                shuffle(cells[..., first : first + side**2], side, plane)
                first += side**2
        frame.release()
        yield out

    def _enlarge(self, frame: Frame, out: Frame) -> None:
        size = (self._source.width, self._source.height)
        padded_luma, padded_chroma = frame.planes
        luma, *chroma = inside(padded_luma, padded_chroma, size)
        y, *uv = split_420(out.planes[0])
        enlarge_luma(luma, y)
        for plane, enlarged in zip(chroma, uv, strict=True):
            enlarge_chroma(plane, enlarged, self._source.colour.chroma_location)


def shuffle(cells: Plane, side: int, out: Plane) -> None:
    """PixelShuffle of cells (rows, columns, side * side) without their margin, cut to the size of ``out``, contiguous.

    The ``side`` values of a cell's row are neighbours in the cell and in the picture, so they move as one wide item:
    much faster than `sr4k.models.geometry.pixel_shuffle`, and straight into the memory that the encoder reads.
    """
    item = _ITEMS[side * cells.itemsize]
    rows, columns = cells.shape[0] - 2 * MARGIN, cells.shape[1] - 2 * MARGIN
    fits = out.shape == (side * rows, side * columns)
    whole = out if fits else np.empty((side * rows, side * columns), out.dtype)
    wide_cells = cells.view(item)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    np.copyto(whole.view(item).reshape(rows, side, columns), wide_cells.transpose(0, 2, 1))
    if not fits:
        np.copyto(out, whole[: out.shape[0], : out.shape[1]])
