"""The infer stage: runs the network."""

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace

from sr4k.engines import EngineSpec, load_engine
from sr4k.engines.base import USUAL_DEVICE, Cells
from sr4k.engines.early_trial import try_network
from sr4k.engines.grades import EngineOfEachGrade
from sr4k.errors import EngineError
from sr4k.media.reports import INFER, EngineReport
from sr4k.media.rgb import depth
from sr4k.media.video import info_of
from sr4k.models import catalogue
from sr4k.models.colour import Colour
from sr4k.pipeline import Buffers, Format, Frame, PlaneSpec, Transform
from sr4k.stages.reuse import Reuse
from sr4k.stages.settings import InferSettings


class Infer(Transform):
    """Runs the network on padded planes, and emits its sub-pixels; see `sr4k.engines.EngineSpec` for shapes and dtypes.

    It keeps the engine busy: results are collected only when the engine is full, and at the end. Tiles that did not
    change since an earlier frame, or moved as a whole, are not computed again, unless that is switched off. Plain
    frames pass unchanged. The network's weights follow how compressed the source is. Light frames go through a smaller
    network.

    `open` raises `EngineError` if no engine starts.

    Raises:
        EngineError: the only engine to try is not installed, or has no such device here.
        OptionError: the weights can't be read, or don't fit.
    """

    name = INFER
    in_place = False

    def __init__(self, settings: InferSettings) -> None:
        self._settings = settings
        with suppress(EngineError) if settings.fallbacks else nullcontext():  # the next one may start
            load_engine(settings.engine)  # imported here, while the source is being opened
        if settings.live:  # its source may take hours to come
            _try_choices(settings)
        self._engines: EngineOfEachGrade | None = None
        self._pending: deque[Frame] = deque()
        self._last: Cells | None = None  # result of the engine, valid until its next `submit`
        self._reuse: Reuse | None = None
        self._about: EngineReport | None = None
        self._frames: Counter[int] = Counter()  # by grade of the source's quality

    def open(self, source: Format) -> Format:
        s, info = self._settings, info_of(source)
        spec = EngineSpec(
            model=s.model,
            height=info.height + info.height % 2,
            width=info.width + info.width % 2,
            colour=info.colour if s.pixels == "yuv" else None,
            precision=s.precision,
            threads=s.threads,
            weights=s.weights,
            prompt=s.prompt,
            device=s.device,
            rounded=depth(info, s.rgb_bits) == 8,
            quality=s.source_quality or 0,
            sharpness=s.sharpness,
            reuse=s.reuse,
        )
        first_quality = info.quality if s.source_quality is None else None
        self._engines = EngineOfEachGrade((s.engine, *s.fallbacks), spec, first_quality, s.lighter)
        self._about = EngineReport(**self._engines.now.describe(), sharpness=s.sharpness or None)
        if s.reuse and s.pixels == "yuv" and spec.foreign is None:
            self._reuse = Reuse(self._engines.name, self._engines.spec, s.reuse_threshold, s.lighter)
        if s.live:
            self._engines.start_lighter()
        if s.live and self._reuse is not None:
            self._reuse.start()
        return Format(tuple(PlaneSpec(shape, str(spec.output_dtype)) for shape in spec.result_shapes), about=info)

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002 - results are in the engine's memory
        if frame.info.plain and self._settings.pixels == "yuv":
            yield from self._finish_pending()
            yield frame
            return
        given = self._settings.source_quality
        quality, light = frame.info.quality if given is None else given, frame.info.light
        if self._opened.is_other(quality, light=light):
            yield from self._finish_pending()
            self._follow(quality, light)
        self._frames[self._opened.grade] += 1
        if self._reuse is not None:
            plan = self._reuse.plan(frame.planes)
            if plan.needs_previous:
                yield from self._keep_previous(self._reuse)
            if not plan.is_whole:
                frame.release()
                yield Frame(self._reuse.patched(plan), frame.info)
                return
        engine = self._opened.now
        engine.submit(frame.planes)
        self._pending.append(frame)
        if self._settings.prompt or engine.pending == engine.in_flight:
            yield self._collect()  # before the next frame, which may need the slot of this one

    def drain(self, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002
        yield from self._finish_pending()

    def close(self) -> None:
        if self._reuse is not None:
            self._reuse.close()
        if self._engines is not None:
            self._engines.close()

    def report(self) -> EngineReport | None:
        about = self._about
        if about is not None and len(self._opened.grades) > 1:
            about = replace(about, source_qualities=dict(self._frames))
        if about is not None and self._opened.now.computed is not None:
            return replace(about, computed=self._opened.now.computed)
        if about is None or self._reuse is None or not self._reuse.seen:
            return about
        return replace(about, computed=self._reuse.computed / self._reuse.seen)

    @property
    def _opened(self) -> EngineOfEachGrade:
        assert self._engines is not None
        return self._engines

    def _follow(self, quality: int, light: bool) -> None:
        """Go on with the weights for sources of that quality; nothing that was computed with others is reused."""
        self._last = None
        self._opened.follow(quality, light=light)
        if self._reuse is not None:
            self._reuse.start_anew(quality, light=light)

    def _keep_previous(self, reuse: Reuse) -> Iterator[Frame]:
        """Yield all pending frames, and keep the output of the last one, from which others are made."""
        yield from self._finish_pending()
        if self._last is not None:
            reuse.keep(self._last)
            self._last = None

    def _finish_pending(self) -> Iterator[Frame]:
        while self._pending:
            yield self._collect()

    def _collect(self) -> Frame:
        subpixels = self._last = self._opened.now.result()
        frame = self._pending.popleft()
        frame.release()
        return Frame(subpixels, frame.info)


def _try_choices(settings: InferSettings) -> None:
    """Try what somebody has chosen, and no more: the weights that ship with the package fit, and run on any CPU."""
    is_usual = settings.weights is None and settings.precision != "int8" and settings.device == USUAL_DEVICE
    if is_usual or settings.fallbacks or catalogue.is_foreign(settings.model):
        return
    try_network(
        settings.engine,
        settings.model,
        Colour("bt709") if settings.pixels == "yuv" else None,
        precision=settings.precision,
        weights=settings.weights,
        device=settings.device,
        sharpness=settings.sharpness,
    )
