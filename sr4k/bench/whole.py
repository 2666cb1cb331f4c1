"""Measures whole pipelines: time of each stage alone, throughput together, and latency of a frame."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame

from sr4k.bench.engine_alone import added_to_bicubic, bicubic
from sr4k.configs import Preset
from sr4k.engines import EngineSpec, create_engine
from sr4k.engines.cpu import granted_cpus
from sr4k.errors import InternalError, Sr4kError
from sr4k.jobs.batch import run_jobs
from sr4k.jobs.file_job import Job
from sr4k.jobs.summary import Summary
from sr4k.media.planes import rows_of
from sr4k.media.reports import ENCODE, INFER, EncodeReport
from sr4k.media.resume.job_folder import Parts
from sr4k.models.catalogue import ARCHITECTURES
from sr4k.models.colour import Colour
from sr4k.models.geometry import SCALE, pad_planes
from sr4k.pipeline import (
    Buffers,
    Format,
    Frame,
    FrameInfo,
    GraphSpec,
    Source,
    StageSpec,
    WorkerStatus,
    report_of,
    run_graph,
)
from sr4k.pipeline.chain import Chain

_WARM_UP = 0.25
"""Share of the frames before the steady part."""

_ALIKE = 0.5
"""Least correlation between the output minus bicubic and the engine's result minus bicubic."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A sample of a running pipeline.

    Attributes:
        seconds: time since its start.
        frames: frames written.
        cpu: CPU seconds of all processes.
        depths: frames that wait for each worker, by its name.
    """

    seconds: float
    frames: int
    cpu: float
    depths: dict[str, int]


@dataclass(frozen=True)
class PipelineRun:
    """The summary and the samples of a pipeline that has ended."""

    summary: Summary
    moments: list[Moment] = field(repr=False)

    def steady(self) -> dict[str, float]:
        """Return throughput and CPU use after the warm-up; of the whole run if it ended between two samples.

        Returns:
            ``fps`` (frames per second), ``cpu_seconds_a_frame``, and ``cpus_used``: their product divided by the number
            of usable CPUs, 1 when all are always busy.
        """
        warm = [m for m in self.moments if m.frames >= _WARM_UP * self.summary.frames]
        first, last = warm[0], next(m for m in warm if m.frames == warm[-1].frames)
        if first.frames == last.frames:
            first = Moment(0, 0, 0, {})
        frames = last.frames - first.frames
        fps, cpu = frames / (last.seconds - first.seconds), (last.cpu - first.cpu) / frames
        return {"fps": fps, "cpu_seconds_a_frame": cpu, "cpus_used": fps * cpu / granted_cpus()}


def run_pipeline(clip: Path, target: Path, preset: Preset) -> PipelineRun:
    """Upscale a file and sample the pipeline. Check that the engine computed every frame and that the output shows it.

    Raises:
        InternalError: the engine did not compute every frame, or the output doesn't show its result.
    """
    run = watched(clip, target, preset)
    summary = run.summary
    if summary.stages[INFER].frames != summary.frames:
        raise InternalError(f"The engine saw {summary.stages[INFER].frames} of {summary.frames} frames.")
    _require_a_network(clip, target, preset, summary.engine.engine)
    return run


def watched(clip: Path, target: Path, preset: Preset) -> PipelineRun:
    """Upscale a file and sample the pipeline, without checks of the output."""
    moments: list[Moment] = []
    began = time.monotonic()

    def note(statuses: dict[str, WorkerStatus]) -> None:
        frames = sum(c.frames for s in statuses.values() for c in s.stages if c.name == ENCODE)
        cpu = sum(status.cpu for status in statuses.values())
        moments.append(
            Moment(time.monotonic() - began, frames, cpu, {name: status.depth for name, status in statuses.items()})
        )

    return PipelineRun(Job(clip, target, preset=preset, overwrite=True).run(on_status=note), moments)


@contextmanager
def _graph(clip: Path, folder: Path, preset: Preset) -> Iterator[GraphSpec]:
    """Make the graph of a job whose result is deleted."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as inside:
        job = Job(clip, Path(inside) / "out.mp4", preset=preset)
        parts = Parts(job.target)
        parts.make()
        yield job.graph(parts)


def stages_alone(
    clip: Path, target: Path, preset: Preset, *, frames: int = 16, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Return the seconds per frame of each stage, by name, run alone: each stage processes all frames before the next.

    Args:
        frames: number of frames; all are in memory at once.
        clock: `time.process_time` measures CPU seconds of all threads instead, `time.thread_time` those of the stage's.
    """
    with _graph(clip, target.parent, preset) as graph:
        return _alone([spec for worker in graph.workers for spec in worker.stages], frames, clock)


def _alone(specs: list[StageSpec], frames: int, clock: Callable[[], float]) -> dict[str, float]:
    found: dict[str, float] = {}
    given: _Given | None = None
    for index, stage in enumerate(spec.create() for spec in specs):
        taken = _Taken(frames) if index < len(specs) - 1 else None
        chain = Chain([stage], given, taken, clock)
        opening: list[float] = []
        for end in (given, taken):
            if end is not None:
                end.on_open = partial(_note_opening, chain, opening)
        if taken is not None:
            taken.on_full = chain.stop
        chain.run()
        found[stage.name] = (chain.clocks[0].busy - opening[0]) / frames
        given = None if taken is None else _Given(taken)
    return found


def _note_opening(chain: Chain, opening: list[float]) -> None:
    """Note the seconds that the stage has spent on opening."""
    opening.append(chain.clocks[0].busy)


class _Taken:
    """Collects a stage's results, in memory that has been touched before, as a ring's has; stops the source in time."""

    waited, depth = 0.0, 0

    def __init__(self, count: int) -> None:
        self._count = count
        self._idle: list[Frame] = []
        self.frames: list[Frame] = []
        self.on_open: Callable[[], None] = lambda: None
        self.on_full: Callable[[], None] = lambda: None

    def open(self, form: Format) -> None:
        self.form = form
        unknown = FrameInfo(pts=0, time_base=Fraction(1))
        planes = (form.view(np.ones(form.nbytes, np.uint8).data) for _ in range(self._count))
        self._idle = [Frame(each, unknown, slot) for slot, each in enumerate(planes)]
        self.on_open()

    def take(self, info: FrameInfo) -> Frame:
        frame = self._idle.pop()
        frame.info = info
        return frame

    def send(self, frame: Frame) -> None:
        """Keep the frame. An engine's results are views that the next one overwrites, so those are copied."""
        is_lent = frame.slot is None and all(isinstance(plane, np.ndarray) for plane in frame.planes)
        self.frames.append(self._copied(frame) if is_lent else frame)
        if len(self.frames) == self._count:
            self.on_full()

    def finish(self, *, complete: bool) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def _copied(self, frame: Frame) -> Frame:
        out = self.take(frame.info)
        for source, copy in zip(frame.planes, out.planes, strict=True):
            np.copyto(copy, source)
        return out


class _Given:
    """Feeds the next stage with the results of the one before."""

    waited, complete = 0.0, False

    def __init__(self, made: _Taken) -> None:
        self._made = made
        self.on_open: Callable[[], None] = lambda: None

    def open(self) -> Format:
        return self._made.form

    def __iter__(self) -> Iterator[Frame]:
        self.on_open()
        return iter(self._made.frames)

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class PacedSettings:
    """Settings of `PacedSource`. ``rate``: frames per second."""

    source: StageSpec
    rate: float


class PacedSource(Source):
    """A source that emits frames at a fixed rate, like a camera."""

    def __init__(self, settings: PacedSettings) -> None:
        source = settings.source.create()
        assert isinstance(source, Source)
        self._source, self._interval = source, 1 / settings.rate
        self.name = source.name

    def open(self) -> Format:
        return self._source.open()

    def frames(self, buffers: Buffers) -> Iterator[Frame]:
        due = time.monotonic()
        for frame in self._source.frames(buffers):
            time.sleep(max(0.0, due - time.monotonic()))
            due += self._interval
            frame.info = replace(frame.info, born=time.monotonic())
            yield frame

    def stop(self) -> None:
        self._source.stop()

    def report(self) -> Any:
        return self._source.report()

    def close(self) -> None:
        self._source.close()


def latency(clip: Path, target: Path, preset: Preset, rate: float) -> dict[str, float]:
    """Measure the latency from a decoded frame to its encoded packet, with a source of ``rate`` frames per second.

    The encoder runs without lookahead (``tune=zerolatency``), as for a live stream.

    Returns:
        ``median`` and ``p95`` in seconds, and ``rate``.
    """
    options = {**preset.encode.options, "tune": "zerolatency"}
    with _graph(clip, target.parent, preset.updated("encode", options=options)) as graph:
        first, *others = graph.workers
        paced = StageSpec(f"{__name__}:PacedSource", PacedSettings(first.stages[0], rate))
        outcome = run_graph(replace(graph, workers=(replace(first, stages=(paced, *first.stages[1:])), *others)))
    written = report_of(outcome.statuses, ENCODE, EncodeReport)
    assert written is not None and written.video.latency is not None
    found = written.video.latency
    return {"median": found["median"], "p95": found["p95"], "rate": rate}


def many(clip: Path, folder: Path, preset: Preset, count: int) -> dict[str, float]:
    """Run ``count`` pipelines at once.

    Returns:
        ``streams`` (their number), ``fps`` (frames per second of all together, start-up included) and
        ``slowest_to_fastest`` (ratio of frame rates).

    Raises:
        Sr4kError: one of them failed.
    """
    jobs = [Job(clip, folder / f"{k}.mp4", preset=preset, overwrite=True) for k in range(count)]
    began = time.monotonic()
    results = run_jobs(jobs, at_once=count)
    seconds = time.monotonic() - began
    for result in results:
        if isinstance(result, Sr4kError):
            raise result
    summaries = [result for result in results if isinstance(result, Summary)]
    rates = [summary.fps for summary in summaries]
    return {
        "streams": count,
        "fps": sum(summary.frames for summary in summaries) / seconds,
        "slowest_to_fastest": min(rates) / max(rates),
    }


def _require_a_network(clip: Path, output: Path, preset: Preset, engine: str) -> None:
    """Check that the output minus bicubic correlates with the engine's result minus bicubic; encoding changes both.

    Of networks that the user brought nothing is expected.
    """
    if preset.engine.model not in ARCHITECTURES:
        return
    small, made = (next(_pictures(path)) for path in (clip, output))
    height, width = small.height // 2 * 2, small.width // 2 * 2
    spec = EngineSpec(
        model=preset.engine.model, height=height, width=width, colour=Colour(), precision=preset.engine.precision
    )
    with create_engine(engine, spec) as running:
        luma = rows_of(small.planes[0])[:height, :width]
        chroma = np.stack([rows_of(plane)[: height // 2, : width // 2] for plane in small.planes[1:]])
        expected = added_to_bicubic(running.infer(pad_planes(luma, chroma)), luma)
    shown = rows_of(made.planes[0])[: SCALE * height, : SCALE * width].astype(np.int16) - bicubic(luma)
    alike = float(np.corrcoef(shown.ravel(), expected.ravel())[0, 1])
    if alike < _ALIKE:
        raise InternalError(f"The output does not show the network's result (correlation {alike:.2f}).")


def _pictures(path: Path) -> Iterator[VideoFrame]:
    with av.open(str(path)) as container:
        yield from container.decode(video=0)
