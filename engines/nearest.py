"""Engine that repeats every pixel, without a network: exact and fast, for tests and to measure the other stages."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from sr4k.engines.base import Cells, Engine, EngineSpec, Plane, parted
from sr4k.models.geometry import CELL, CELL_OUT, CHROMA_PAD, MARGIN, PAD_BEFORE, SCALE, is_subsampled


class NearestEngine(Engine):
    """Repeats each luma and chroma sample 2 x 2 times; in place of a foreign network, as often as its scale says."""

    takes_foreign = True

    def __init__(self, spec: EngineSpec) -> None:
        super().__init__(spec)
        self._foreign = spec.foreign
        self._results: deque[Cells] = deque()

    def activate_impl(self) -> None:
        self._results.clear()

    def submit_impl(self, planes: Sequence[Plane]) -> None:
        if self._foreign is not None:
            self._results.append((self._planes(planes, self._foreign.card.scale),))
        else:
            self._results.append(parted(self._cells(planes)))

    def _planes(self, planes: Sequence[Plane], scale: int) -> Plane:
        spec = self.spec
        inner = (..., slice(PAD_BEFORE, PAD_BEFORE + spec.height), slice(PAD_BEFORE, PAD_BEFORE + spec.width))
        first = planes[0][inner].repeat(scale, -2).repeat(scale, -1)
        if len(planes) == 1:
            return np.rint(first).clip(0, 255).astype(spec.output_dtype) if spec.rounded else first
        if is_subsampled(*planes):
            chroma = planes[1][:, CHROMA_PAD:-CHROMA_PAD, CHROMA_PAD:-CHROMA_PAD]
        else:
            chroma = planes[1][inner][:, ::2, ::2]
        return np.concatenate([first.ravel(), chroma.repeat(scale, -2).repeat(scale, -1).ravel()]).reshape(
            self._result_shapes[0]
        )

    def _cells(self, planes: Sequence[Plane]) -> Plane:
        rows, columns, channels = self.spec.output_shape
        cells = np.empty((rows, columns, channels), self.spec.output_dtype)
        first_cell = PAD_BEFORE - CELL * MARGIN
        is_rounded = self.spec.output_dtype != self.spec.input_dtype
        for k, plane in enumerate(planes[0].reshape(-1, *planes[0].shape[-2:])):
            plane = np.rint(plane).clip(0, 255) if is_rounded else plane
            picture = plane[first_cell:, first_cell:].reshape(rows, CELL, columns, CELL)
            out = cells[..., k * CELL_OUT**2 : (k + 1) * CELL_OUT**2].reshape(rows, columns, CELL_OUT, CELL_OUT)
            for i, j in np.ndindex(CELL_OUT, CELL_OUT):
                out[..., i, j] = picture[:, i // SCALE, :, j // SCALE]
        if len(planes) > 1:
            whole = not is_subsampled(*planes)
            inner = slice(first_cell, None) if whole else slice(CHROMA_PAD - MARGIN, MARGIN - CHROMA_PAD)
            chroma = planes[1][:, inner, inner]
            if whole:  # 4:4:4 chroma has as many samples as the result
                chroma = chroma.reshape(2, rows, CELL, columns, CELL).transpose(1, 3, 0, 2, 4)
                cells[..., CELL_OUT**2 :] = chroma.reshape(rows, columns, -1)
            else:
                cells[..., CELL_OUT**2 :] = chroma.transpose(1, 2, 0).repeat(SCALE**2, axis=2)
        return cells

    def result_impl(self) -> Cells:
        return self._results.popleft()

    def describe(self) -> dict[str, Any]:
        return {"engine": "nearest", "model": "none", "precision": str(self.spec.input_dtype), "threads": 1, "macs": 0}
