"""Foreign networks on pictures of any size: in tiles of sizes that the network takes, and fits into memory.

Where the receptive field is bounded, a tile is computed with as much of the picture around it as the network sees, and
the result is that of the whole picture. Where an output pixel depends on the whole picture, as with attention, tiles
overlap and are blended: their borders are not seen, but it is not the picture that one piece would give.
"""

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr4k.engines.base import Cells, Engine, EngineSpec, Plane
from sr4k.errors import OptionError
from sr4k.models.foreign.card import Card
from sr4k.models.geometry import CELL, CHROMA_PAD, PAD_AFTER, PAD_BEFORE

log = logging.getLogger(__name__)

MOST_BYTES = 2 << 30
"""Memory of the largest picture that is computed in one piece."""

_BLENDED = 16
"""Pixels by which tiles overlap that are blended."""

_LEAST = 32
"""Pixels of the shortest side of a tile, without what is around it."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Rows or columns of a picture, cut into boxes of equal length that overlap.

    Attributes:
        length: of the picture.
        box: length of each box, a multiple of what the network takes.
        starts: where boxes begin. A box may end beyond the picture, whose border is then replicated, as it is for one
            box that holds all of the picture.
        edges: where the kept parts of the boxes begin and end; empty where boxes are blended.
    """

    length: int
    box: int
    starts: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]


def up(length: int, step: int) -> int:
    """Return the smallest multiple of a step that is not below a length."""
    return -(-length // step) * step


def cut(length: int, *, grid: int, around: int, most: int, fixed: int | None = None) -> Axis:
    """Cut a length into boxes whose inner parts are exact.

    Args:
        length: pixels.
        grid: number that starts and lengths of boxes are multiples of.
        around: pixels that a box has beyond the part that is kept of it, a multiple of the grid.
        most: length of the longest box.
        fixed: length of all boxes, where it is given.
    """
    whole = up(length, grid)
    if fixed is None and whole <= max(most, 2 * around + _LEAST):
        return Axis(length, whole, (0,), ((0, length),))
    room = (fixed if fixed is not None else max(most // grid * grid, 2 * around + _LEAST // grid * grid)) - 2 * around
    parts = max(1, up(length - 2 * around, room) // room)
    part = room if fixed is not None else up(up(whole - 2 * around, parts) // parts, grid)
    box = part + 2 * around
    starts = [min(k * part, max(0, whole - box)) for k in range(parts)]
    bounds = [0, *(k * part + around for k in range(1, parts)), length]
    return Axis(length, box, tuple(starts), tuple(pairwise(bounds)))


def blended(length: int, *, grid: int, most: int, fixed: int | None = None) -> Axis:
    """Cut a length into boxes that are blended where they overlap, by at least `_BLENDED` pixels; see `cut`."""
    whole = up(length, grid)
    box = fixed if fixed is not None else max(grid, min(whole, most // grid * grid))
    if length <= box:
        return Axis(length, box, (0,), ())
    step = max(grid, box - _BLENDED)
    count, last = up(length - _BLENDED, step) // step, up(length - box, grid)
    starts = [round(k * last / (count - 1) / grid) * grid for k in range(count)]
    return Axis(length, box, tuple(starts), ())


class ForeignTiles(Engine):
    """An engine that computes pictures of any size with one that takes only some.

    Tiles that are equal to those of the picture before are not computed again, where the spec says so.

    Args:
        make: makes the engine that computes tiles, from the spec of a tile.
        spec: of the whole picture; of a foreign network.
        most_bytes: memory that a tile may need.
    """

    takes_foreign = True
    has_devices = True
    foreign_precisions = ("auto", "int8", "bf16", "fp16", "fp32")

    def __init__(self, make: Callable[[EngineSpec], Engine], spec: EngineSpec, most_bytes: int = MOST_BYTES) -> None:
        super().__init__(spec)
        foreign = spec.foreign
        assert foreign is not None, "it is for foreign networks"
        if spec.weights is not None or spec.sharpness:
            raise OptionError(f"{spec.model} is one of your networks: it takes no other weights, and no sharpness.")
        card = foreign.card
        self._card = card
        self._rows, self._columns = axes_of(card, spec.height, spec.width, most_bytes)
        self._corners = [(i, j) for i in range(len(self._rows.starts)) for j in range(len(self._columns.starts))]
        one = len(self._corners) == 1
        self._is_whole = one and (self._rows.box, self._columns.box) == (spec.height, spec.width)
        # Threads that compute a picture together wait for each other at every layer: in small networks a third of the
        # time. So several pictures or tiles are computed at once, where there are some and memory allows it.
        at_once = self._is_whole and 2 * card.bytes_per_pixel * spec.height * spec.width <= most_bytes
        prompt = spec.prompt or (one and not at_once)
        self._tile = make(replace(spec, height=self._rows.box, width=self._columns.box, prompt=prompt))
        self._is_blended = not one and not self._rows.edges
        self.in_flight = self._tile.in_flight if self._is_whole else 1
        self._reuses = spec.reuse and spec.colour is not None
        self.follows_quality = False
        self._computed = self._seen = 0  # tiles
        if self._is_blended:
            _tell_blended(spec.model)

    @property
    def computed(self) -> float | None:
        return self._computed / self._seen if self.spec.reuse and self._seen else None

    def activate_impl(self) -> None:
        self._output = np.empty(self.spec.output_shape, self.spec.output_dtype)
        self._known: list[Plane] | None = None
        self._new: deque[bool] = deque()  # for each whole picture in flight, whether it is being computed
        self._tile.activate()

    def deactivate_impl(self) -> None:
        self._tile.deactivate()

    def submit_impl(self, planes: Sequence[Plane]) -> None:
        if self._is_whole:
            self._submit_whole(planes)
            return
        self._planes = planes
        self._needed = self._changed(planes)
        self._begun = 0
        self._held: list[list[Plane]] = []  # inputs of tiles in flight, which must not change
        self._begin()

    def result_impl(self) -> Cells:
        self._seen += len(self._corners)
        if self._is_whole:
            return self._whole_result()
        self._computed += len(self._needed)
        if self._is_blended:
            self._blend()
        else:
            for i, j in self._needed:
                self._keep(self._next(), i, j)
        if self._reuses and self._needed:
            self._known = [plane.copy() for plane in self._planes]
        return (self._output,)

    def describe(self) -> dict[str, Any]:
        about, tiles = self._tile.describe(), len(self._corners)
        found = {**about, "macs": tiles * about["macs"]}
        return found if tiles == 1 else found | {"tiles": tiles}

    def _submit_whole(self, planes: Sequence[Plane]) -> None:
        is_new = self._known is None or not all(map(np.array_equal, planes, self._known))
        if is_new:
            self._tile.submit(planes)
            self._known = [plane.copy() for plane in planes] if self._reuses else None
        self._new.append(is_new)

    def _whole_result(self) -> Cells:
        if self._new.popleft():
            self._computed += 1
            made = self._tile.result()
            if not self._reuses:
                return made
            np.copyto(self._output, made[0])
        return (self._output,)

    def _changed(self, planes: Sequence[Plane]) -> list[tuple[int, int]]:
        """Return the tiles to compute: all, unless those of the picture before may be taken."""
        known = self._known
        if known is None:
            return self._corners
        changed = [
            (i, j)
            for i, j in self._corners
            if any(
                not np.array_equal(now, then)
                for now, then in zip(self._views(planes, i, j), self._views(known, i, j), strict=True)
            )
        ]
        return self._corners if changed and self._is_blended else changed

    def _begin(self) -> None:
        """Submit as many tiles as the engine takes."""
        while self._begun < len(self._needed) and self._tile.pending < self._tile.in_flight:
            self._held.append(self._inputs(*self._needed[self._begun]))
            self._tile.submit(self._held[-1])
            self._begun += 1

    def _next(self) -> Plane:
        self._begin()
        (made,) = self._tile.result()
        self._held.pop(0)
        return made

    def _inputs(self, i: int, j: int) -> list[Plane]:
        """Return the padded planes of a tile; beyond the picture's own margin its border is replicated."""
        tile = []
        for plane, shape in zip(self._views(self._planes, i, j), self._tile.spec.input_shapes, strict=True):
            lacking = [(0, there - here) for here, there in zip(plane.shape, shape, strict=True)]
            tile.append(np.ascontiguousarray(np.pad(plane, lacking, mode="edge") if any(map(any, lacking)) else plane))
        return tile

    def _views(self, planes: Sequence[Plane], i: int, j: int) -> list[Plane]:
        """Return the parts of padded planes that a tile sees, without what is beyond the margin."""
        top, left = self._rows.starts[i], self._columns.starts[j]
        views = []
        for plane in planes:
            step = self._step(plane)
            around = PAD_BEFORE + PAD_AFTER if step == 1 else 2 * CHROMA_PAD
            rows = slice(top // step, (top + self._rows.box) // step + around)
            columns = slice(left // step, (left + self._columns.box) // step + around)
            views.append(plane[..., rows, columns])
        return views

    def _step(self, plane: Plane) -> int:
        """Return how many pixels of the picture a sample of a padded plane stands for, in each direction."""
        return 1 if plane.shape[-1] == self.spec.width + PAD_BEFORE + PAD_AFTER else 2

    def _keep(self, made: Plane, i: int, j: int) -> None:
        """Copy the inner part of a tile's result to its place."""
        (top, bottom), (left, right) = self._rows.edges[i], self._columns.edges[j]
        at = (top - self._rows.starts[i], left - self._columns.starts[j])
        scale = self._card.scale
        size = (self._tile.spec.height, self._tile.spec.width)
        whole = (self.spec.height, self.spec.width)
        for source, target in zip(self._split(made, size), self._split(self._output, whole), strict=True):
            step = 1 if source.shape[-1] == scale * size[1] else 2
            y, x = (scale * start // step for start in at)
            rows, columns = (slice(scale * a // step, scale * b // step) for a, b in ((top, bottom), (left, right)))
            part = target[..., rows, columns]
            np.copyto(part, source[..., y : y + part.shape[-2], x : x + part.shape[-1]])

    def _blend(self) -> None:
        """Add up the results of all tiles, weighted so that each fades out where it overlaps with another."""
        if not self._needed:
            return
        size, whole = (self._tile.spec.height, self._tile.spec.width), (self.spec.height, self.spec.width)
        sums: list[Plane] = [np.zeros(plane.shape, np.float32) for plane in self._split(self._output, whole)]
        weights: list[Plane] = [np.zeros(plane.shape[-2:], np.float32) for plane in sums]
        for i, j in self._needed:
            for source, total, weight in zip(self._split(self._next(), size), sums, weights, strict=True):
                factor = total.shape[-1] / self.spec.width
                fade = np.outer(_fade(self._rows, i, factor), _fade(self._columns, j, factor))
                y, x = round(factor * self._rows.starts[i]), round(factor * self._columns.starts[j])
                rows, columns = slice(y, y + source.shape[-2]), slice(x, x + source.shape[-1])
                height, width = weight[rows, columns].shape
                total[..., rows, columns] += source[..., :height, :width] * fade[:height, :width]
                weight[rows, columns] += fade[:height, :width]
        for target, total, weight in zip(self._split(self._output, whole), sums, weights, strict=True):
            levels = total / weight
            np.copyto(target, levels if target.dtype == np.float32 else np.rint(levels), casting="unsafe")

    def _split(self, made: Plane, size: tuple[int, int]) -> list[Plane]:
        """Return views of the planes of a result for pictures of ``size`` (rows, columns)."""
        if self.spec.colour is None:
            return [made]
        height, width = (self._card.scale * side for side in size)
        flat, luma, chroma = made.reshape(-1), height * width, height * width // 4
        halves = (flat[luma + k * chroma : luma + (k + 1) * chroma].reshape(height // 2, width // 2) for k in range(2))
        return [flat[:luma].reshape(height, width), *halves]


def axes_of(card: Card, height: int, width: int, most_bytes: int = MOST_BYTES) -> tuple[Axis, Axis]:
    """Return how rows and columns of a picture are cut for a network."""
    grid = math.lcm(CELL, card.multiple)
    pixels = most_bytes / max(1.0, card.bytes_per_pixel)
    most = [side if height * width <= pixels else math.isqrt(int(pixels)) for side in (height, width)]
    fixed = card.fixed or (None, None)
    around = up((card.reach or 0) + CELL, grid)  # and what chroma is interpolated from
    if card.reach is None or (card.fixed is not None and min(card.fixed) < 2 * around + _LEAST // 2):
        axes = [blended(length, grid=grid, most=most[k], fixed=fixed[k]) for k, length in enumerate((height, width))]
    else:
        axes = [
            cut(length, grid=grid, around=around, most=most[k], fixed=fixed[k])
            for k, length in enumerate((height, width))
        ]
    return axes[0], axes[1]


def _fade(axis: Axis, k: int, factor: float) -> NDArray[np.float32]:
    """Return the weights of a box along one axis: they rise and fall where it overlaps with its neighbours."""
    length = round(factor * axis.box)
    weights = np.ones(length, np.float32)
    for beside, view in ((k - 1, weights), (k + 1, weights[::-1])):
        if 0 <= beside < len(axis.starts):
            overlap = round(factor * (axis.box - abs(axis.starts[k] - axis.starts[beside])))
            if overlap > 0:
                view[:overlap] = np.minimum(view[:overlap], (np.arange(overlap) + 1) / (overlap + 1))
    return weights


@cache
def _tell_blended(name: str) -> None:
    log.warning(
        "Pixels that %s makes depend on the whole picture, or on more of it than fits into a tile: it is computed in "
        "tiles that are blended, which is not exactly what one piece would give.",
        name,
    )
