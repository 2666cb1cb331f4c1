"""The base classes of stages. A stage does not know whether it runs in a thread or a process, nor which others do."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from threading import Lock
from typing import Any, ClassVar, Protocol

from sr4k.pipeline.frame import Format, Frame, FrameInfo


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


Report = _Dataclass | Mapping[str, Any] | None
"""Facts that a stage reports: a picklable dataclass or mapping; ``None`` or an empty mapping while there are none."""


class Buffers(Protocol):
    """The source of empty frames that a stage fills."""

    def take(self, info: FrameInfo) -> Frame:
        """Return an uninitialised frame of the stage's output format; may block until one is free."""
        ...


_importing = Lock()
"""Serialises the imports of workers that are threads: a package with circular imports may otherwise be half loaded."""


class Stage(ABC):
    """Base class of all stages. A stage is opened once and closed once, also after an error."""

    name: str

    def close(self) -> None:
        """Release what `open` acquired."""

    def report(self) -> Report:
        """Return facts for whoever started the graph; called now and then while it runs, and at its end.

        May be called in another thread.
        """
        return {}


class Source(Stage):
    """A stage that emits frames and receives none."""

    @abstractmethod
    def open(self) -> Format:
        """Get ready, and return the format of the frames to come."""

    @abstractmethod
    def frames(self, buffers: Buffers) -> Iterator[Frame]:
        """Yield all frames. The iterator may be abandoned after any of them."""

    def stop(self) -> None:
        """End `frames` early; called from another thread, before `close`. For sources that may wait long."""


class Transform(Stage):
    """A stage that receives frames and emits frames."""

    in_place = False
    """Whether the stage emits the very frames that it receives and needs no buffers; valid after `open`."""

    idle = False
    """Whether the stage leaves every frame as it is, so that no status needs to mention it; valid after `open`."""

    @abstractmethod
    def open(self, source: Format) -> Format:
        """Get ready for frames of the format ``source``, and return the format of the frames to be emitted."""

    @abstractmethod
    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        """Accept one frame and yield those that are ready. This stage has to pass the frame on or release it."""

    def drain(self, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002 - most stages buffer nothing
        """Yield the frames that are still buffered; called after the last frame was processed."""
        return iter(())


class Sink(Stage):
    """A stage that receives frames and emits none."""

    @abstractmethod
    def open(self, source: Format) -> None:
        """Get ready for frames of the format ``source``."""

    @abstractmethod
    def consume(self, frame: Frame) -> None:
        """Accept one frame, and release it when done with it."""

    @abstractmethod
    def finish(self, *, complete: bool) -> None:
        """Finish the output after the last frame. Not called when the graph fails.

        Args:
            complete: whether the source reached its own end; if not, it was stopped on request.
        """

    def stop(self) -> None:
        """Let `finish` end early; called from another thread. For sinks that may take long to finish."""


@dataclass(frozen=True, slots=True)
class StageSpec:
    """A stage that is to be created in the worker that runs it.

    Attributes:
        factory: ``module:class``.
        settings: the only argument of the class, picklable; ``None``: it has none.
        called: name to show to users; ``None``: the class's, in lower case.
    """

    factory: str
    settings: Any = None
    called: str | None = None

    @property
    def name(self) -> str:
        """Name to show to users, as when the stage's process dies."""
        return self.called or self.factory.rpartition(":")[2].lower()

    def create(self) -> Stage:
        """Import the module and create the stage."""
        module, attribute = self.factory.split(":")
        with _importing:
            make = getattr(import_module(module), attribute)
        stage: Stage = make() if self.settings is None else make(self.settings)
        return stage
