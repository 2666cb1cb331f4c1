"""Where the sub-pixels that a GPU computes are written: the layout of one frame's output, in words of four samples."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sr4k.models.colour import Colour
from sr4k.models.geometry import CELL, CELL_OUT, MARGIN, P010_SHIFT, SCALE

Layout = Literal["cells", "nv12"]
"""Layout of the output: cells, as `sr4k.engines.Engine` returns them, or one NV12 frame (3H, 2W), of 10 bits P010."""

_CHANNELS = CELL_OUT**2 + 2 * CELL**2


@dataclass(frozen=True, slots=True)
class Output:
    """The output of one frame of (``height``, ``width``) pixels, both even, in samples of ``colour``."""

    layout: Layout
    height: int
    width: int
    colour: Colour

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells, margin included: (H/2 + 10, W/2 + 10)."""
        return (self.height // CELL + 2 * MARGIN, self.width // CELL + 2 * MARGIN)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape: (H/2 + 10, W/2 + 10, 24) cells, whose margin is not written, or NV12 (3H, 2W)."""
        if self.layout == "cells":
            return (*self.cells, _CHANNELS)
        return (SCALE * self.height * 3 // 2, SCALE * self.width)

    @property
    def quads(self) -> list[tuple[int, int, int]]:
        """Row stride, column stride and start of each group of four channels, in words of four."""
        if self.layout == "cells":
            return [(self.cells[1] * _CHANNELS // 4, _CHANNELS // 4, q) for q in range(_CHANNELS // 4)]
        pitch = SCALE * self.width // 4
        quads = [(CELL_OUT * pitch, 1, row * pitch) for row in range(CELL_OUT)]
        quads += [(CELL * pitch, 1, (SCALE * self.height + row) * pitch) for row in range(CELL)]
        return [(row, column, start - MARGIN * (row + column)) for row, column, start in quads]

    def order(self, outputs: int) -> NDArray[np.intp]:
        """Return an order of the first sub-pixel channels in which each group of four is contiguous in the output."""
        order = np.arange(_CHANNELS)
        if self.layout == "nv12":
            order[CELL_OUT**2 :] = order[CELL_OUT**2 :].reshape(2, -1).T.reshape(-1)
        return order[:outputs]

    def samples(self) -> dict[str, Any]:
        """Return the kernels' arguments about code values that are written."""
        deep = self.colour.bits > 8
        shift = P010_SHIFT if deep and self.layout == "nv12" else 0
        return {"deep": deep, "most": self.colour.peak, "shift": shift}
