"""One engine for each grade of a source's quality, and for a smaller network, that was met lately.

See `sr4k.models.source_quality`.
"""

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
    """Starts an engine when its grade, or the smaller network, is met first, and keeps the last few.

    Attributes:
        name: name of the backend.
        now: the engine in use; active.
        spec: what the first engine runs.
        grade: the grade of the weights in use; ``grades``: those that the network of ``spec`` has weights for.

    Args:
        names: backends to try, in order.
        spec: what to run first.
        first_quality: see `sr4k.engines.choose.start_first`.
        lighter: a smaller model, for frames that there is little time for; ``None``: there is none.

    Raises:
        EngineError: none starts.
    """

    def __init__(
        self, names: Sequence[str], spec: EngineSpec, first_quality: int | None = None, lighter: str | None = None
    ) -> None:
        self.name, self.now = start_first(names, spec, first_quality)
        self.spec = self.now.spec
        self.grades = zoo.grades(spec.model, spec.weights)
        self.grade = nearest(self.spec.quality, self.grades)
        self._lighter = lighter
        self._engines: OrderedDict[tuple[str, int], Engine] = OrderedDict({(spec.model, self.grade): self.now})

    def is_other(self, quality: int, *, light: bool = False) -> bool:
        """Whether frames of that quality need other weights than those in use.

        Args:
            quality: how compressed the source is, 0..51.
            light: whether the smaller network is to be used, if there is one.
        """
        return self.now.follows_quality and self._key(quality, light) != (self.now.spec.model, self.grade)

    def start_lighter(self) -> None:
        """Start the smaller network now, so that no frame has to wait for it.

        Raises:
            EngineError: it does not start.
        """
        if self._lighter is not None and self.now.follows_quality:
            self._start(self._key(self.spec.quality, light=True), self.spec.quality)
            self._engines.move_to_end((self.spec.model, self.grade))  # the one in use stays longest

    def follow(self, quality: int, *, light: bool = False) -> None:
        """Use other weights from now on, see `is_other`; all results of the present engine must have been fetched.

        Raises:
            EngineError: the engine does not start.
        """
        key = _, self.grade = self._key(quality, light)
        self._start(key, quality)
        self._engines.move_to_end(key)
        self.now = self._engines[key]

    def _start(self, key: tuple[str, int], quality: int) -> None:
        """Start the engine of a key if it has not been started; quality: of the frames."""
        if key in self._engines:
            return
        while len(self._engines) >= _KEPT:
            self._engines.popitem(last=False)[1].deactivate()
        self._engines[key] = engine_for(self.name, replace(self.spec, model=key[0], quality=quality)).activate()

    def _key(self, quality: int, light: bool) -> tuple[str, int]:
        if light and self._lighter is not None:
            return self._lighter, nearest(quality, zoo.grades(self._lighter))
        return self.spec.model, nearest(quality, self.grades)

    def close(self) -> None:
        """Release all engines."""
        for engine in self._engines.values():
            engine.deactivate()
