"""The reconstruct stage: PixelShuffle, from the sub-pixels of each cell to planes of the output size."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from sr4k.common.opencv import cv2
from sr4k.media.enlarge import enlarge_chroma, enlarge_luma
from sr4k.media.planes import inside, split_420
from sr4k.media.rgb import DEEP_UNIT, depth
from sr4k.media.video import info_of
from sr4k.models.geometry import CELL, CELL_OUT, MARGIN, SCALE
from sr4k.pipeline import Buffers, Format, Frame, PlaneSpec, Transform
from sr4k.pipeline.frame import Plane
from sr4k.stages.settings import ReconstructSettings

_ITEMS: dict[int, np.dtype[Any]] = {2: np.dtype("u2"), 4: np.dtype("u4"), 8: np.dtype("u8"), 16: np.dtype("c16")}
"""Dtypes that move 2, 4, 8 or 16 bytes as one item."""

_BAND = 8
"""Rows of cells that RGB is packed by."""


class Reconstruct(Transform):
    """Turns cells of 16 and 8 channels into a 4:2:0 block (3H, 2W) of Y, U and V, or of 48 float channels into RGB.

    What a foreign network makes are such planes already, 1 to 4 times as large as its input, and are cut to size.

    RGB is packed, (2H, 2W, 3), and rounded to the depth of the settings; without one it is float32, (3, 2H, 2W). Plain
    YUV frames arrive as padded planes and are enlarged by bicubic interpolation.
    """

    name = "reconstruct"

    def __init__(self, settings: ReconstructSettings | None = None) -> None:
        self._most = (settings or ReconstructSettings()).rgb_bits

    def open(self, source: Format) -> Format:
        info = info_of(source)
        self._source = info
        shape = source.planes[0].shape
        self._bits = depth(info, self._most)
        self._cells = len(shape) == 3 and shape[0] != 3  # else planes: a block of 4:2:0, or three of RGB
        self._rgb = shape[2] == 48 if self._cells else len(shape) == 3
        self._scale = SCALE if self._cells else shape[-1] // (info.width + info.width % 2)
        height, width = self._scale * info.height, self._scale * info.width
        if not (self._rgb and self._bits is not None):  # it becomes 4:2:0, whose sides are even
            height, width = height + height % 2, width + width % 2
        before = info.source_size or (info.width, info.height)
        about = replace(info, height=height, width=width, source_size=before)
        if self._rgb and self._bits is not None:
            return Format((PlaneSpec((height, width, 3), f"uint{self._bits}"),), about=about)
        if self._rgb:
            return Format((PlaneSpec((3, height, width), "float32"),), about=about)
        return Format((PlaneSpec((height * 3 // 2, width), source.planes[0].dtype),), about=about)

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        out = buffers.take(frame.info)
        cells = frame.planes[0]
        if frame.info.plain and not self._rgb:
            self._enlarge(frame, out)
        elif not self._cells:
            self._trim(cells, out.planes[0])
        elif self._rgb and self._bits is not None:
            pack(cells, out.planes[0])
        elif self._rgb:
            for channel, plane in enumerate(out.planes[0]):
                shuffle(cells[..., channel * CELL_OUT**2 : (channel + 1) * CELL_OUT**2], CELL_OUT, plane)
        else:
            y, *uv = split_420(out.planes[0])
            shuffle(cells, CELL_OUT, y)
            for number, plane in enumerate(uv):
                shuffle(frame.planes[1][..., number * CELL**2 : (number + 1) * CELL**2], CELL, plane)
        frame.release()
        yield out

    def _trim(self, made: Plane, out: Plane) -> None:
        """Copy the planes of a foreign network to the result, without what was made of an even frame's last pixels."""
        if self._rgb and self._bits is not None:
            height, width = out.shape[:2]
            interleave(rounded(made[:, :height, :width], out.dtype), out)
        elif self._rgb:
            np.copyto(out, made[:, : out.shape[1], : out.shape[2]])
        else:
            for plane, target in zip(split_420(made), split_420(out), strict=True):
                np.copyto(target, plane[: target.shape[0], : target.shape[1]])

    def _enlarge(self, frame: Frame, out: Frame) -> None:
        size = (self._source.width, self._source.height)
        padded_luma, padded_chroma = frame.planes
        luma, *chroma = inside(padded_luma, padded_chroma, size)
        y, *uv = split_420(out.planes[0])
        enlarge_luma(luma, y)
        for plane, enlarged in zip(chroma, uv, strict=True):
            enlarge_chroma(plane, enlarged, self._source.colour.chroma_location)


def pack(cells: Plane, out: Plane) -> None:
    """Write RGB cells (rows, columns, 48) without their margin as packed RGB (H, W, 3).

    This goes by bands that the caches hold, so that each value is read and written once.

    Args:
        cells: C-contiguous; uint8, or float32 from 0 to 255, which is rounded.
        out: uint8, or uint16 for 16 bits; contiguous is fastest. It is smaller than the cells if the picture has an odd
            side.
    """
    height, width = out.shape[:2]
    rows, columns = cells.shape[0] - 2 * MARGIN, cells.shape[1]
    band = np.empty((3, _BAND * CELL_OUT, (columns - 2 * MARGIN) * CELL_OUT), out.dtype)
    for first in range(0, rows, _BAND):
        part = cells[MARGIN + first : MARGIN + min(first + _BAND, rows)]
        levels = rounded(part, out.dtype)
        top, bottom = first * CELL_OUT, min((first + _BAND) * CELL_OUT, height)
        for channel, plane in enumerate(band):
            inner = levels[:, MARGIN:-MARGIN, channel * CELL_OUT**2 : (channel + 1) * CELL_OUT**2]
            spread(inner, CELL_OUT, plane[: len(part) * CELL_OUT])
        interleave(band[:, : bottom - top, :width], out[top:bottom])


def rounded(cells: Plane, dtype: np.dtype[Any]) -> Plane:
    """Return values from 0 to 255 rounded and clipped to uint8, or to uint16 on its own scale."""
    if cells.dtype == dtype:
        return cells
    levels = cells if dtype == np.uint8 else cells * np.float32(DEEP_UNIT)
    return np.asarray(np.clip(np.rint(levels), 0, np.iinfo(dtype).max), dtype)


def interleave(planes: Plane, out: Plane) -> None:
    """Write planes (3, H, W) as packed pixels (H, W, 3), whose memory may have any order."""
    backwards = out[..., ::-1]
    if out.flags.c_contiguous:
        cv2.merge(list(planes), dst=out)
    elif backwards.flags.c_contiguous:
        cv2.merge(list(planes[::-1]), dst=backwards)
    else:
        np.copyto(out, np.moveaxis(planes, 0, 2))


def shuffle(cells: Plane, side: int, out: Plane) -> None:
    """PixelShuffle of cells (rows, columns, side * side) without their margin, cut to the size of ``out``, contiguous.

    Much faster than `sr4k.models.geometry.pixel_shuffle`, and straight into the memory that the encoder reads.
    """
    rows, columns = cells.shape[0] - 2 * MARGIN, cells.shape[1] - 2 * MARGIN
    fits = out.shape == (side * rows, side * columns)
    whole = out if fits else np.empty((side * rows, side * columns), out.dtype)
    spread(cells[MARGIN:-MARGIN, MARGIN:-MARGIN], side, whole)
    if not fits:
        np.copyto(out, whole[: out.shape[0], : out.shape[1]])


def spread(cells: Plane, side: int, out: Plane) -> None:
    """PixelShuffle of cells (rows, columns, side * side) into a contiguous plane (side * rows, side * columns).

    The ``side`` values of a cell's row are neighbours in the cell and in the picture, so they move as one wide item.
    """
    item, (rows, columns) = _ITEMS[side * cells.itemsize], cells.shape[:2]
    np.copyto(out.view(item).reshape(rows, side, columns), cells.view(item).transpose(0, 2, 1))
