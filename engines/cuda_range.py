"""The range of luma around each cell (`sr4k.models.geometry.AROUND`) on a GPU: along rows, then along columns."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from sr4k.models.geometry import AROUND, AROUND_PADS, CELL, MARGIN, padded_luma

_FIRST = CELL * MARGIN - AROUND_PADS[0]
"""First row, and first column, of a padded plane that a cell of the picture sees."""


class CellRange:
    """The launches that find it in pictures of ``height`` x ``width`` pixels, both even, but for the margin's cells."""

    def __init__(self, height: int, width: int) -> None:
        rows, columns = self._cells = height // CELL, width // CELL
        pitch, whole = padded_luma(height, width)[1], columns + 2 * MARGIN
        self._seen = CELL * (rows - 1) + AROUND
        self._along_rows = {
            "first": _FIRST * (pitch + 1), "row": pitch, "column": CELL, "tap": 1,
            "place": 0, "place_row": columns, "columns": columns, "count": self._seen * columns, "taps": AROUND,
            "alike": True,
        }  # fmt: skip
        self._along_columns = {
            "first": 0, "row": CELL * columns, "column": 1, "tap": columns,
            "place": MARGIN * (whole + 1), "place_row": whole, "columns": columns, "count": rows * columns,
            "taps": AROUND, "alike": False,
        }  # fmt: skip

    def memory(self, kind: torch.dtype, device: torch.device) -> list[Tensor]:
        """Allocate what the launches write for one frame, whose plane is of ``kind``.

        Returns:
            The least and the highest along rows, and then the range: least and highest in float32, of (H/2 + 10,
            W/2 + 10), whose margin is not written.
        """
        rows, columns = self._cells
        along, whole = (self._seen, columns), (rows + 2 * MARGIN, columns + 2 * MARGIN)
        return [
            torch.empty(shape, dtype=of, device=device)
            for shape, of in ((along, kind), (along, kind), (whole, torch.float32), (whole, torch.float32))
        ]

    def launches(self, plane: Tensor, memory: Sequence[Tensor]) -> Iterator[dict[str, Any]]:
        """Yield the arguments of `sr4k.engines.cuda_kernels.extremes_in_line`, of which ``count`` is the positions.

        Args:
            plane: padded luma.
            memory: from `memory`; no other frame may be using it.
        """
        lowest, topmost, least, highest = memory
        first = {"source_least": plane, "source_highest": plane, "least": lowest, "highest": topmost}
        yield {**first, **self._along_rows}
        then = {"source_least": lowest, "source_highest": topmost, "least": least, "highest": highest}
        yield {**then, **self._along_columns}
