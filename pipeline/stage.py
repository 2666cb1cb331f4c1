"""The boxes of the graph. A stage does not know whether it runs in a thread or a process, nor what runs beside it."""

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
    """Where a stage gets the frames that it fills."""

    def take(self, info: FrameInfo) -> Frame:
        """An uninitialised frame of the stage's output format; may wait until one is free."""
        ...


_importing = Lock()
"""Workers that are threads import one after the other: packages whose modules import each other are else half there."""


class Stage(ABC):
    """What all stages share: opened once, closed once, also after an error."""

    name: str

    def close(self) -> None:
        """Give back what `open` took."""

    def report(self) -> Report:
        """Return facts for whoever started the graph; called now and then while it runs, and at its end.

        May be called in another thread.
        """
        return {}


class Source(Stage):
    """Makes frames out of nothing that the graph knows of."""

    @abstractmethod
    def open(self) -> Format:
        """Get ready; returns the format of the frames to come."""

    @abstractmethod
    def frames(self, buffers: Buffers) -> Iterator[Frame]:
        """All frames. May be abandoned between two of them."""

    def stop(self) -> None:
        """Called in another thread, when no more frames are wanted: for sources that may wait long for one."""


class Transform(Stage):
    """Turns frames into frames."""

    in_place = False
    """After `open`: whether the frames that come out are the ones that went in, so that no buffers are needed."""

    @abstractmethod
    def open(self, source: Format) -> Format:
        """Get ready for frames of ``source``; returns the format of the frames to come out."""

    @abstractmethod
    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        """Take in one frame, give out those that are ready. The frame is this stage's to pass on or to release."""

    def drain(self, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002 - most stages hold nothing back
        """The frames held back, after the last one went in."""
        return iter(())


class Sink(Stage):
    """Where frames end."""

    @abstractmethod
    def open(self, source: Format) -> None:
        """Get ready for frames of ``source``."""

    @abstractmethod
    def consume(self, frame: Frame) -> None:
        """Take in one frame, and release it when done with it."""

    @abstractmethod
    def finish(self, *, complete: bool) -> None:
        """All frames are in: finish the output. Not called when the graph fails.

        ``complete``: the source came to its own end; if not, it was stopped on request.
        """

    def stop(self) -> None:
        """Called in another thread, when the end is asked for: for sinks that may take long to finish."""


@dataclass(frozen=True, slots=True)
class StageSpec:
    """A stage to be made where it will run: ``module:class``, and the one argument of the class if it takes one.

    ``called``: its name for people, where that is not its class's.
    """

    factory: str
    settings: Any = None
    called: str | None = None

    @property
    def name(self) -> str:
        """Its name for people, as when its process dies."""
        return self.called or self.factory.rpartition(":")[2].lower()

    def create(self) -> Stage:
        """Import the module and make the stage."""
        module, attribute = self.factory.split(":")
        with _importing:
            make = getattr(import_module(module), attribute)
        stage: Stage = make() if self.settings is None else make(self.settings)
        return stage
