"""Open stages, by the kind of picture that they take: made when they are needed, kept for the last few, and lent."""

import ctypes
import os
import threading
import weakref
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sr4k.common.system_errors import refusal
from sr4k.configs import Preset
from sr4k.engines import load_engine
from sr4k.engines.cpu import granted_cpus
from sr4k.errors import EngineError, MachineError, OptionError, Sr4kError
from sr4k.jobs.model_choice import engines_of
from sr4k.jobs.upscaling import upscaling
from sr4k.media.options import Box, ResultSize
from sr4k.memory.exit_gate import gate
from sr4k.memory.given import Given, Kind
from sr4k.pipeline import Format, Frame, FrameInfo, Transform
from sr4k.pipeline.chain import HeapBuffers
from sr4k.pipeline.passage import Passage
from sr4k.stages.settings import ConvertSettings

KEPT = 3
"""Idle passages that stay open; each holds the engine's memory for a few frames."""


class Line:
    """A passage for pictures of one kind, for one thread at a time.

    Attributes:
        is_broken: whether an error has made it unusable.
    """

    def __init__(self, kind: Kind, passage: Passage) -> None:
        self._entry = HeapBuffers(kind.form)
        self._passage = passage
        self.is_broken = False
        self._is_abandoned = False

    def run(self, pictures: Iterator[Given]) -> Generator[Any, None, None]:
        """Yield the result of each picture, in order; closed early, it drops the pictures that it has begun."""
        begun: deque[Given] = deque()
        results = _Results(self._passage.form)

        def frames() -> Iterator[Frame]:
            while (picture := _pulled(pictures)) is not None:
                begun.append(picture)
                results.awaited.append(picture)
                yield picture.frame(self._entry)

        flow = self._passage.run(frames(), results)

        def result() -> Any:
            if self._is_abandoned:
                raise EngineError("These frames were begun before the process was forked: begin with them anew in it.")
            with gate.inside(), _refusals_named():
                frame = next(flow, None)
                return None if frame is None else begun.popleft().finished(frame.planes[0])

        try:
            with _closing(flow):
                while (made := result()) is not None:
                    yield made
        except GeneratorExit:
            raise
        except BaseException:
            self.is_broken = True
            raise

    def close(self) -> None:
        """Close the stages."""
        self._passage.close()

    def abandon(self) -> None:
        """Abandon the stages, and never free them: libraries crash if their threads are gone."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._passage))
        self._passage.abandon()
        self.is_broken = self._is_abandoned = True


def _pulled(pictures: Iterator[Given]) -> Given | None:
    """Return the next picture, which may come from code of the program's."""
    with gate.outside():
        return next(pictures, None)


@contextmanager
def _closing(flow: Generator[Frame, None, None]) -> Iterator[None]:
    try:
        yield
    finally:
        with gate.inside():
            flow.close()


class _Results:
    """Memory for results, as each picture asks for it. What the caller gets isn't used again."""

    def __init__(self, form: Format) -> None:
        self._spec = form.planes[0]
        self.awaited: deque[Given] = deque()

    def take(self, info: FrameInfo) -> Frame:
        return Frame((self.awaited.popleft().memory(self._spec),), info)


class Passages:
    """Makes, keeps and lends lines; for several threads.

    Args:
        preset: which network runs, and how.
        size: size of the results.
    """

    def __init__(self, preset: Preset, size: ResultSize) -> None:
        self._preset, self._size = preset, size
        self._open: set[Line] = set()
        self._idle: list[tuple[tuple[Kind, bool], Line]] = []  # the one used last is the last
        self._changing, self._calling = threading.Lock(), threading.Lock()
        self._closings = 0
        self._own = threading.local()  # whether the thread is in a call
        self._on_gpu: Any = None  # a `sr4k.memory.tensors_on_gpu.TensorsOnGpu`, which needs PyTorch
        _all.add(self)

    @contextmanager
    def call(self, kind: Kind) -> Iterator[Line]:
        """Lend a line for a single picture: all threads share one, and its engine.

        Raises:
            EngineError, OptionError: see `lent`.
            OptionError: this thread is in a call already, which a handler of a signal has interrupted.
        """
        if getattr(self._own, "is_calling", False):
            raise OptionError("What interrupts a call of an Upscaler can't call it too: use another Upscaler there.")
        self._own.is_calling = True
        try:
            with gate.inside(), self._calling, self.lent(kind, prompt=True) as line:
                yield line
        finally:
            self._own.is_calling = False

    @contextmanager
    def lent(self, kind: Kind, *, prompt: bool) -> Iterator[Line]:
        """Lend a line: one that is idle, or a new one.

        Args:
            kind: of the pictures.
            prompt: whether one picture is to be ready soon, rather than many in a short time.

        Raises:
            EngineError: no engine starts.
            OptionError: the engine can't do what is asked.
            MachineError: there is too little memory.
        """
        key, line = (kind, prompt), None
        with self._changing:
            closings = self._closings
            found = next((index for index, (other, _) in enumerate(self._idle) if other == key), None)
            if found is not None:
                line = self._idle.pop(found)[1]
        if line is None:
            with _refusals_named():
                line = self._opened(kind, prompt=prompt)
        try:
            yield line
        finally:
            self._take_back(key, line, closings)

    def close(self) -> None:
        """Close all idle lines, and those that are lent as soon as they come back."""
        with self._changing:
            self._closings += 1
            idle, self._idle = self._idle, []
        self._close([line for _, line in idle])
        if self._on_gpu is not None:
            with gate.inside():
                self._on_gpu.close()

    def on_gpu(self, batch: Any) -> Any:
        """Upscale a tensor of PyTorch's on its GPU; return ``None`` if it has to be upscaled in host memory."""
        from sr4k.memory.tensors_on_gpu import TensorsOnGpu, takes  # not before: PyTorch is the caller's

        if self._size is not None or not takes(batch, self._preset.engine):
            return None
        with self._changing:
            self._on_gpu = self._on_gpu or TensorsOnGpu(self._preset.engine, KEPT)
        with gate.inside():
            return self._on_gpu(batch)

    def abandon(self) -> None:
        """Abandon all lines in a process that was forked: the threads of their engines are in the parent process."""
        for line in self._open:
            line.abandon()
        self._open, self._idle, self._closings = set(), [], self._closings + 1
        self._changing, self._calling = threading.Lock(), threading.Lock()

    def _take_back(self, key: tuple[Kind, bool], line: Line, closings: int) -> None:
        with self._changing:
            dropped = [line]
            if not line.is_broken and closings == self._closings:
                self._idle.append((key, line))
                dropped = [old for _, old in self._idle[:-KEPT]]
                del self._idle[:-KEPT]
        self._close(dropped)

    def _close(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._open.discard(line)
            with gate.inside():
                line.close()

    def _opened(self, kind: Kind, *, prompt: bool) -> Line:
        engine = self._preset.engine
        if prompt:
            engine = self._preset.updated("engine", reuse=False).engine  # single pictures have nothing in common
        engines = engines_of(engine)
        if kind.layout == "yuv":
            _check_planes(self._size)
        else:
            _check_rgb(engines)
        specs = upscaling(
            engine,
            ConvertSettings(size=self._size),
            engines=engines,
            threads=granted_cpus(),
            pixels=kind.pixels,
            rgb_bits=None if kind.layout == "yuv" else kind.rgb_bits,
            prompt=prompt,
        )
        stages = [spec.create() for spec in specs.values()]
        with gate.inside():
            line = Line(kind, Passage([stage for stage in stages if isinstance(stage, Transform)], kind.form))
        self._open.add(line)
        return line


@contextmanager
def _refusals_named() -> Iterator[None]:
    """Say what to do where the system refuses memory, or another resource; no code of the program's runs inside.

    Raises:
        MachineError: it does.
    """
    try:
        yield
    except Sr4kError:
        raise
    except Exception as err:
        if isinstance(refused := refusal(err), MachineError):
            raise refused from err
        raise


def _check_planes(size: ResultSize) -> None:
    """Refuse a size that 4:2:0 can't have.

    Raises:
        OptionError: a side is odd.
    """
    if isinstance(size, Box) and (size.width % 2 or size.height % 2):
        raise OptionError(f"size can't be {size.width}x{size.height} for planes of 4:2:0: both sides must be even.")


def _check_rgb(engines: Sequence[str]) -> None:
    """Refuse RGB for an engine that has no fallback and works on planes alone.

    Raises:
        EngineError: its library is not installed.
        OptionError: it is such an engine.
    """
    if len(engines) == 1 and not load_engine(engines[0]).takes_rgb:
        raise OptionError(
            f"The engine {engines[0]} works on YUV planes, not on RGB or gray: pass planes to yuv420, or use another "
            "engine."
        )


_all: weakref.WeakSet[Passages] = weakref.WeakSet()


def _abandon_all() -> None:
    for passages in list(_all):
        passages.abandon()


os.register_at_fork(after_in_child=_abandon_all)
