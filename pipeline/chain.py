"""A chain of stages in one thread: each frame is pulled through all of them before the next one starts."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

from sr4k.pipeline.channel import Inlet, Outlet, PeerLostError
from sr4k.pipeline.frame import Format, Frame, FrameInfo
from sr4k.pipeline.stage import Buffers, Report, Sink, Source, Stage, Transform


@dataclass(slots=True)
class StageClock:
    """Work of one stage.

    Attributes:
        name: of the stage.
        busy: seconds of work, without the time spent waiting for a slot in the output.
        frames: number of frames that it emitted, or consumed if it is a sink.
        since: when it started on its current frame, by `time.monotonic`; ``None`` while it has none. A source that
            waits for its input has none.
    """

    name: str
    busy: float = 0.0
    frames: int = 0
    since: float | None = None


class HeapBuffers:
    """A pool of frames in heap memory, reused after their release."""

    def __init__(self, form: Format) -> None:
        from numpy import empty, uint8  # here, because whoever starts a graph does without NumPy

        self._format = form
        self._idle: list[Any] = []
        self._new = partial(empty, form.nbytes, uint8)

    def take(self, info: FrameInfo) -> Frame:
        """Return an uninitialised frame of the format."""
        memory = self._idle.pop() if self._idle else self._new()
        return Frame(self._format.view(memory.data), info, on_release=lambda: self._idle.append(memory))


class StageError(Exception):
    """An exception that a stage raised (``cause``), with the name of the stage."""

    def __init__(self, stage: str, cause: Exception) -> None:
        super().__init__(stage, cause)
        self.stage = stage
        self.cause = cause


class Chain:
    """The stages of one worker between an optional inbound and an optional outbound channel.

    Args:
        stages: in the order of the flow.
        inbound: where frames come from; ``None`` if the first stage is a source.
        outbound: where frames are sent; ``None`` if the last stage is a sink.
        clock: returns seconds, to time each stage with.
    """

    def __init__(
        self,
        stages: list[Stage],
        inbound: Inlet | None,
        outbound: Outlet | None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.clock = clock
        self._stages = stages
        self._inbound = inbound
        self._outbound = outbound
        self.clocks = [StageClock(stage.name) for stage in stages]
        self._stopping = False
        self._ending, self._has_ended = Lock(), False

    def run(self) -> None:
        """Open all stages, run to the end of the input (or until `stop`), drain and close them.

        Raises:
            StageError: a stage raised an exception.
            PeerLostError: the other end of a channel was closed.
        """
        opened: list[Stage] = []
        try:
            flow = self._open(opened)
            for frame in flow:
                assert self._outbound is not None
                self._outbound.send(self._copied(frame, self._outbound) if self._untouched else frame)
            if self._outbound is not None:
                self._outbound.finish(complete=self._complete)
        finally:
            with self._ending:  # what `stop` of a stage needs may be gone when it is closed
                self._has_ended = True
            for stage in reversed(opened):
                stage.close()

    def stop(self) -> None:
        """End the source after its current frame, as if its input had ended there, or a finishing sink early.

        May be called from another thread.
        """
        self._stopping = True
        with self._ending:
            for stage in () if self._has_ended else self._stages:
                if isinstance(stage, Source | Sink):
                    stage.stop()

    @property
    def working(self) -> tuple[StageClock, ...]:
        """Return the clocks of all stages that have something to do."""
        pairs = zip(self.clocks, self._stages, strict=True)
        return tuple(clock for clock, stage in pairs if not (isinstance(stage, Transform) and stage.idle))

    @property
    def waited(self) -> tuple[float, float]:
        """Seconds spent waiting for input and for a free slot in the output."""
        return (self._inbound.waited if self._inbound else 0.0, self._outbound.waited if self._outbound else 0.0)

    def reports(self) -> dict[str, Report]:
        """Return the current report of each stage, by stage name."""
        return {stage.name: stage.report() for stage in self._stages}

    @property
    def _complete(self) -> bool:
        """Whether the source reached its own end and was not stopped; valid after the last frame."""
        return self._inbound.complete if self._inbound else not self._stopping

    @property
    def _untouched(self) -> bool:
        """Whether frames leave in slots of the inbound ring, because every stage works in place."""
        return all(isinstance(stage, Transform) and stage.in_place for stage in self._stages)

    @staticmethod
    def _copied(frame: Frame, outbound: Outlet) -> Frame:
        from numpy import copyto

        out = outbound.take(frame.info)
        for source, target in zip(frame.planes, out.planes, strict=True):
            copyto(target, source)
        frame.release()
        return out

    def _open(self, opened: list[Stage]) -> Iterator[Frame]:
        """Open all stages, connect them, and return the frames that the last transform emits."""
        form = self._inbound.open() if self._inbound else None
        formats: list[Format | None] = []
        for index, stage in enumerate(self._stages):
            opened.append(stage)
            with _Working(self, index):
                if isinstance(stage, Source):
                    form = stage.open()
                elif isinstance(stage, Transform):
                    assert form is not None
                    form = stage.open(form)
                elif isinstance(stage, Sink):
                    assert form is not None
                    stage.open(form)
            formats.append(form)
        if self._outbound is not None:
            assert form is not None
            self._outbound.open(form)
        flow: Iterator[Frame] = iter(self._inbound) if self._inbound else iter(())
        for index, stage in enumerate(self._stages):
            buffers = self._buffers_after(index, formats[index])
            if isinstance(stage, Source):
                flow = self._run_source(index, stage, buffers)
            elif isinstance(stage, Transform):
                flow = self._run_transform(index, stage, flow, buffers)
            elif isinstance(stage, Sink):
                flow = self._run_sink(index, stage, flow)
        return flow

    def _buffers_after(self, index: int, form: Format | None) -> Buffers:
        """Return the outbound ring for the stage whose frames leave the worker unchanged or changed in place."""
        rest = self._stages[index + 1 :]
        if self._outbound is not None and all(isinstance(s, Transform) and s.in_place for s in rest):
            return self._outbound
        assert form is not None
        return HeapBuffers(form)

    def _run_source(self, index: int, stage: Source, buffers: Buffers) -> Iterator[Frame]:
        frames = self._pull(index, stage.frames(buffers))
        while not self._stopping and (frame := next(frames, None)) is not None:
            yield frame

    def _run_transform(
        self, index: int, stage: Transform, source: Iterator[Frame], buffers: Buffers
    ) -> Iterator[Frame]:
        for frame in source:
            yield from self._pull(index, stage.process(frame, buffers))
        yield from self._pull(index, stage.drain(buffers))

    def _pull(self, index: int, frames: Iterator[Frame]) -> Iterator[Frame]:
        is_source = isinstance(self._stages[index], Source)
        while True:
            with _Working(self, index, at_frame=not is_source):
                frame = next(frames, None)
            if frame is None:
                return
            self.clocks[index].frames += 1
            yield frame

    def _run_sink(self, index: int, stage: Sink, source: Iterator[Frame]) -> Iterator[Frame]:
        for frame in source:
            with _Working(self, index, at_frame=True):
                stage.consume(frame)
            self.clocks[index].frames += 1
        with _Working(self, index):
            stage.finish(complete=self._complete)
        yield from ()


class _Working:
    """Context manager that times a stage, without its waiting for output slots, and names it in what it raises."""

    def __init__(self, chain: Chain, index: int, *, at_frame: bool = False) -> None:
        self._chain = chain
        self._index = index
        self._at_frame = at_frame

    def __enter__(self) -> None:
        if self._at_frame:
            self._chain.clocks[self._index].since = time.monotonic()
        self._waited = self._chain.waited[1]
        self._began = self._chain.clock()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        clock = self._chain.clocks[self._index]
        clock.since = None
        clock.busy += self._chain.clock() - self._began - (self._chain.waited[1] - self._waited)
        if isinstance(error, Exception) and not isinstance(error, PeerLostError):
            raise StageError(clock.name, error) from error
