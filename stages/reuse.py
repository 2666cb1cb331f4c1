"""Reuse the output of tiles that did not change since an earlier frame, or moved as a whole by an even vector.

A tile's output depends only on its input and the margin around it, as far as the receptive field of the network
reaches. If neither changed, the output is the same bit for bit, and so it is if both came from elsewhere in the earlier
frame, as when a page scrolls. But the networks work on cells of 2x2 pixels: what moved by an odd number of pixels lies
differently in its cells, and then its output is another one. Twice an odd number is even: while a picture moves so,
each frame is compared with the last but one too, whose output is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sr4k.engines import EngineSpec
from sr4k.engines.base import Cells
from sr4k.engines.grades import EngineOfEachGrade
from sr4k.models import catalogue
from sr4k.models.geometry import CELL, MARGIN
from sr4k.pipeline.frame import Plane
from sr4k.stages.reuse_memory import Memory
from sr4k.stages.shift_search import STILL, Shift, find_shift
from sr4k.stages.tile_grid import TileGrid

_MOST = 0.5
"""Share of changed tiles above which the whole frame is computed: single tiles cost half as much again."""

_LITTLE = 0.1
"""Share of changed tiles up to which no output is copied to be kept for the frame after."""

_GLANCE = 32
"""Row step of a first, coarse comparison, which is enough if everything changes."""

_PATIENCE = 4
"""Number of vain searches for a shift after which only every so many frames are searched."""

_IDLE = 16
"""The same of frames that changed everywhere, as those of a camera do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the output of a frame comes from.

    Attributes:
        is_whole: whether all of it has to be computed, by the caller.
        needs_previous: whether the output of the previous frame must be given to `Reuse.keep` first, if it was computed
            as a whole.
        copies_previous: whether it begins as a copy of the output of the previous frame.
        computed: the tiles to compute if not all are.
        moved: the tiles whose output was ``shift`` away; that of all others stays.
    """

    is_whole: bool
    needs_previous: bool = False
    copies_previous: bool = False
    computed: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    shift: Shift = STILL


_ALL = Plan(is_whole=True)


class Reuse:
    """The tiles of a stream of frames, and the last outputs that were assembled from them.

    Args:
        engine: name of the backend.
        spec: of the whole frame, on YUV planes.
        threshold: difference in 8-bit levels up to which no sample makes its tile count as changed.
        lighter: a smaller model, see `start_anew`; ``None``: there is none.
    """

    def __init__(self, engine: str, spec: EngineSpec, threshold: int, lighter: str | None = None) -> None:
        assert spec.colour is not None
        self._engine_name, self._threshold = engine, threshold * spec.colour.unit
        reach = catalogue.architecture(spec.model).receptive_field
        cut = reach is not None and reach <= CELL * (MARGIN + 1)  # else a tile depends on more than its margin
        self._grid = TileGrid((spec.height // CELL, spec.width // CELL), cut, spec.colour.sampling)
        self._shapes = spec.result_shapes
        rows, columns = self._grid.side
        self._spec = replace(spec, height=CELL * rows, width=CELL * columns)
        self._memories: list[Memory] = []  # of the previous frame, and perhaps of an earlier one
        self._previous: Memory | None = None
        self._vain = 0  # searches since the last one that found a shift, or frames that would have been searched
        self._lighter, self._light = lighter, False
        self._engines: EngineOfEachGrade | None = None
        self.computed = 0.0
        self.seen = 0

    def start(self) -> None:
        """Start the engines of single tiles now, so that no frame has to wait for them, if there is more than one tile.

        Raises:
            EngineError: one does not start.
        """
        if len(self._grid) > 1:
            self._of_tiles().start_lighter()

    def plan(self, planes: Sequence[Plane]) -> Plan:
        """Return where the output of the next frame comes from; from now on the planes count as those of the output."""
        plan = self._planned(planes)
        self.seen += 1
        self.computed += self._work(plan)
        return plan

    def keep(self, output: Cells) -> None:
        """Copy the output of the previous frame, which was computed as a whole."""
        assert self._previous is not None
        _copy(self._previous.output, output)

    def patched(self, plan: Plan) -> Cells:
        """Return the sub-pixels of the whole frame, of which single tiles are computed; valid until the next call.

        Raises:
            EngineError: the engine of the tiles does not start, or fails.
        """
        memory = self._memories[0]
        if plan.copies_previous:
            assert self._previous is not None
            _copy(memory.output, self._previous.output)
        memory.move_output(plan.moved, plan.shift)
        waiting, held = list(plan.computed), list[list[Plane]]()
        for tile in plan.computed:
            engine = self._of_tiles().now
            while waiting and engine.pending < engine.in_flight:
                held.append(memory.inputs_of(waiting.pop(0)))  # the engine reads them until it is done
                engine.submit(held[-1])
            memory.set_output(tile, engine.result())
        return memory.output

    def start_anew(self, quality: int, *, light: bool) -> None:
        """Compute all tiles of the next frame, from now on with other weights.

        Args:
            quality: how compressed the source is, 0..51.
            light: whether to use the smaller network.
        """
        self._memories, self._previous = [], None
        self._spec, self._light = replace(self._spec, quality=quality), light
        if self._engines is not None:
            self._follow()

    def _of_tiles(self) -> EngineOfEachGrade:
        if self._engines is None:
            self._engines = EngineOfEachGrade((self._engine_name,), self._spec, lighter=self._lighter)
            self._follow()
        return self._engines

    def _follow(self) -> None:
        assert self._engines is not None
        if self._engines.is_other(self._spec.quality, light=self._light):
            self._engines.follow(self._spec.quality, light=self._light)

    def close(self) -> None:
        """Release the engines of the tiles."""
        if self._engines is not None:
            self._engines.close()

    def _planned(self, planes: Sequence[Plane]) -> Plan:
        """Bring the best memory up to these planes, as the first one, and return how."""
        if not self._memories:
            self._memories = [Memory(self._grid, planes, self._shapes)]
            return _ALL
        previous = self._previous = self._memories[0]
        plan, shift = self._compared(planes, previous)
        if shift is not None and not shift.is_whole_cells and self._work(plan) > _LITTLE:
            plan = self._set_aside(planes, previous, plan)
        self._learn(self._memories[0], planes, plan)
        return plan

    def _set_aside(self, planes: Sequence[Plane], previous: Memory, plan: Plan) -> Plan:
        """Keep the memory of the previous frame for the next one, and return how to bring another up to these planes.

        Args:
            planes: of the frame, which moved by an odd vector.
            previous: the first memory, which becomes the second.
            plan: how it would be brought up to the planes.
        """
        if len(self._memories) == 1:
            self._memories.insert(0, Memory(self._grid, planes, self._shapes))
            other = _ALL
        else:
            self._memories.reverse()
            other, _ = self._compared(planes, self._memories[0])
        if self._work(other) < self._work(plan):
            return replace(other, needs_previous=True)
        if not plan.is_whole and self._threshold:
            self._memories[0].learn(previous.known)
        return replace(plan, needs_previous=True, copies_previous=not plan.is_whole)

    def _work(self, plan: Plan) -> float:
        """Return the share of the tiles that are to be computed."""
        return 1.0 if plan.is_whole else len(plan.computed) / len(self._grid)

    def _compared(self, planes: Sequence[Plane], memory: Memory) -> tuple[Plan, Shift | None]:
        """Return how the output of a frame can be made from a memory, and the likely shift between the two."""

        def differing(shift: Shift, step: int) -> NDArray[np.bool_]:
            return self._grid.differing(planes, memory.known, shift, step, self._threshold)

        still = moved = differing(STILL, _GLANCE)
        shift = None
        if still.any():
            shift = self._searched(planes[0], memory.known[0], _IDLE if still.all() else _PATIENCE)
        is_even = shift is not None and shift.is_whole_cells
        if shift is not None and is_even:
            moved = differing(shift, _GLANCE)
        if np.count_nonzero(still & moved) > _MOST * len(still):
            return _ALL, shift
        if not still.all():
            still = differing(STILL, 1)
        moved = differing(shift, 1) if shift is not None and is_even else still
        needed = still & moved
        if np.count_nonzero(needed) > _MOST * len(needed):
            return _ALL, shift
        computed, taken = (np.flatnonzero(tiles).tolist() for tiles in (needed, still & ~moved))
        self._vain = 0 if taken else self._vain
        return Plan(False, True, computed=computed, moved=taken, shift=shift or STILL), shift

    def _searched(self, now: Plane, before: Plane, every: int) -> Shift | None:
        """Return the likely shift of luma; after several vain searches, only one in so many frames is searched."""
        self._vain += 1
        if len(self._grid) == 1 or (self._vain > _PATIENCE and self._vain % every):
            return None
        return find_shift(now, before, self._threshold)

    def _learn(self, memory: Memory, planes: Sequence[Plane], plan: Plan) -> None:
        """Store the planes that tiles are computed from: all of them or, with a threshold, only of computed tiles."""
        if plan.is_whole or not self._threshold:
            memory.learn(planes)
            return
        memory.move_known(plan.moved, plan.shift)
        for tile in plan.computed:
            memory.learn_tile(planes, tile)


def _copy(target: Cells, source: Cells) -> None:
    for to, part in zip(target, source, strict=True):
        np.copyto(to, part)
