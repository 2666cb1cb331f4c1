"""Infer: the network itself."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from sr4k.engines import EngineSpec, create_engine
from sr4k.pipeline import Buffers, Format, Frame, PlaneSpec, Transform
from sr4k.stages.settings import InferSettings
from sr4k.stages.video import VideoInfo


class Infer(Transform):
    """Keeps the engine busy: gives out a result only when the engine is full, or at the end."""

    name = "infer"
    in_place = False

    def __init__(self, settings: InferSettings) -> None:
        self._settings = settings
        self._pending: deque[Frame] = deque()
        self._about: dict[str, Any] = {}

    def open(self, source: Format) -> Format:
        s, info = self._settings, source.about
        assert isinstance(info, VideoInfo)
        spec = EngineSpec(
            s.model,
            height=info.height + info.height % 2,
            width=info.width + info.width % 2,
            colour=info.colour if s.pixels == "yuv" else None,
            precision=s.precision,
            threads=s.threads,
            weights=s.weights,
        )
        self._engine = create_engine(s.engine, spec)
        self._engine.__enter__()
        self._about = self._engine.describe()
        return Format((PlaneSpec(spec.output_shape, str(spec.input_dtype)),), about=info)

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002 - results lie in the engine
        self._engine.submit(frame.planes)
        self._pending.append(frame)
        if self._engine.pending == self._engine.in_flight:  # not later: the next frame may need this one's slot
            yield self._collect()

    def drain(self, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002
        while self._pending:
            yield self._collect()

    def close(self) -> None:
        if hasattr(self, "_engine"):
            self._engine.__exit__(None, None, None)

    def report(self) -> dict[str, Any]:
        return self._about

    def _collect(self) -> Frame:
        subpixels = self._engine.result()
        frame = self._pending.popleft()
        frame.release()
        return Frame((subpixels,), frame.info)
