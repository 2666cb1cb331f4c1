"""One engine for each grade of a source's quality that was met lately; see `sr4k.models.source_quality`."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from sr4k.engines import Engine, EngineSpec
from sr4k.engines.choose import engine_for, start_first
from sr4k.models import zoo
from sr4k.models.source_quality import nearest

_KEPT = 3
"""Maximum number of engines. With OpenVINO, one for 1920x1080 takes 81 MB and 0.1 s of one CPU to start."""


class EngineOfEachGrade:
    """Starts an engine when its grade is met first, and keeps the last few.

    Attributes:
        name: name of the backend.
        now: the engine in use; active.
        spec: what the first engine runs.
        grade: the grade of its weights; ``grades``: those that the network has weights for.

    Args:
        names: backends to try, in order.
        spec: what to run first.
        first_quality: see `sr4k.engines.choose.start_first`.

    Raises:
        EngineError: none starts.
    """

    def __init__(self, names: Sequence[str], spec: EngineSpec, first_quality: int | None = None) -> None:
        self.name, self.now = start_first(names, spec, first_quality)
        self.spec = self.now.spec
        self.grades = zoo.grades(spec.model, spec.weights)
        self.grade = nearest(self.spec.quality, self.grades)
        self._engines: OrderedDict[int, Engine] = OrderedDict({self.grade: self.now})

    def is_other(self, quality: int) -> bool:
        """Whether frames of that quality need other weights than those in use."""
        return self.now.follows_quality and nearest(quality, self.grades) != self.grade

    def follow(self, quality: int) -> None:
        """Use the engine for that quality from now on; all results of the present one must have been fetched.

        Raises:
            EngineError: it does not start.
        """
        self.grade = nearest(quality, self.grades)
        if self.grade not in self._engines:
            while len(self._engines) >= _KEPT:
                self._engines.popitem(last=False)[1].deactivate()
            self._engines[self.grade] = engine_for(self.name, replace(self.spec, quality=quality)).activate()
        self._engines.move_to_end(self.grade)
        self.now = self._engines[self.grade]

    def close(self) -> None:
        """Release all engines."""
        for engine in self._engines.values():
            engine.deactivate()
