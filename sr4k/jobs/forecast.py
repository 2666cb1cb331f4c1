"""Forecast what a job would do and cost, by upscaling a short sample of it."""

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from sr4k.common.owned_folder import owned_folder
from sr4k.common.printable import clock
from sr4k.common.process_tree import own_bytes, resident_bytes
from sr4k.errors import InputError
from sr4k.jobs.file_job import Job
from sr4k.jobs.summary import Summary
from sr4k.media.image_names import files_of
from sr4k.media.options import TimeSpan
from sr4k.media.reports import ENCODE
from sr4k.media.writing.target_file import check_target, existing_folder
from sr4k.pipeline import WorkerStatus

_SAMPLE = 4
"""Maximum length of the sample, in seconds of video."""

_TOLD = ("source", "engine", "video", "left_out", "losses")

_PATIENCE = 8.0
"""Maximum seconds that the sample may run after its first frame."""

_LEAST = 1.0
"""Seconds of progress from which on it tells a speed: before that frames may come in one burst."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast of a job.

    Attributes:
        source: path of the source.
        output: path of the result.
        sampled: number of frames in the sample.
        frames: number of frames of the source, from its header or estimated from the sample; ``None``: unknown.
        counted: whether ``frames`` is exact.
        fps: frames per second, without the start-up.
        seconds: estimated duration of the job.
        bytes: estimated size of the result.
        memory: peak memory of the job's processes, in bytes.
        free: free disk space at the target, in bytes.
        summary: summary of the sample.
    """

    source: str
    output: str
    sampled: int
    frames: int | None
    counted: bool
    fps: float
    seconds: float | None
    bytes: int | None
    memory: int
    free: int
    summary: Summary

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain dicts and lists, for JSON."""
        told = {key: value for key, value in self.summary.as_dict().items() if key in _TOLD}
        return {each.name: getattr(self, each.name) for each in fields(self)} | {"summary": told}


class _Watch:
    """Measures speed and memory of a running job, and stops it after `_PATIENCE` seconds."""

    def __init__(self) -> None:
        self._thread = threading.get_native_id()
        self._first: tuple[float, int] | None = None
        self._last = (0.0, 0)
        self.memory = 0

    def __call__(self, statuses: dict[str, WorkerStatus]) -> None:
        frames = next((c.frames for s in statuses.values() for c in s.stages if c.name == ENCODE), 0)
        self.memory = max(self.memory, own_bytes() + resident_bytes(self._thread))
        if frames > self._last[1]:
            self._last = time.monotonic(), frames
            self._first = self._first or self._last

    def enough(self) -> int:
        """Return the number of stop requests so far."""
        return int(self._first is not None and time.monotonic() - self._first[0] > _PATIENCE)

    def fps(self, summary: Summary) -> float:
        """Return frames per second, without the start-up if the sample is long enough."""
        if self._first is not None and self._last[0] - self._first[0] >= _LEAST:
            return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])
        return summary.fps


def forecast(job: Job) -> Forecast:
    """Upscale a few seconds from the middle into a temporary folder, and extrapolate.

    Raises:
        Sr4kError: the job would fail; as for `Job.run`.
    """
    check_target(job.target, job.source, overwrite=job.overwrite)
    with owned_folder() as folder:  # forecasts that nobody waits for any more are killed
        target = folder.path / job.target.name
        watch, sample = _Watch(), _middle(job)
        taken = replace(job, target=target, part=sample, resume=False)
        summary = taken.run(on_status=watch, stop_requests=watch.enough)
        size = sum(file.stat().st_size for file in files_of(Path(summary.output)))
    seconds, counted = _expected(job)
    if sample == job.part and not summary.stopped:  # that was all of it
        counted = summary.frames
    frames, fps = _frames(summary, seconds, counted, sample=sample), watch.fps(summary)
    return Forecast(
        source=str(job.source),
        output=str(job.target),
        sampled=summary.frames,
        frames=frames,
        counted=counted is not None,
        fps=fps,
        seconds=None if frames is None else frames / fps + max(0.0, summary.seconds - summary.frames / fps),
        bytes=None if frames is None else round(size * frames / summary.frames),
        memory=watch.memory,
        free=shutil.disk_usage(existing_folder(job.target)).free,
        summary=summary,
    )


def in_words(found: Forecast) -> Iterator[str]:
    """Yield lines of text for users."""
    source, video, engine = found.summary.source, found.summary.video, found.summary.engine
    yield (
        f"{found.source}: {source.codec} {source.width}x{source.height} -> "
        f"{found.output}: {video.codec} {video.width}x{video.height} in {video.container}"
    )
    twice = f", twice: {engine.macs / 1e9:.0f} G multiply-accumulates per frame" if engine.passes else ""
    yield f"  network: {engine.networks}, {engine.precision}, on {engine.engine}{twice}"
    for left_out in found.summary.left_out:
        yield f"  left out: {left_out}"
    if found.seconds is None or found.bytes is None:
        yield f"  {found.fps:.1f} frames per second; the header does not give their number"
    else:
        frames = f"{'' if found.counted else 'about '}{found.frames} frames"
        yield f"  takes about {clock(round(found.seconds))[:-3]}: {frames}, {found.fps:.1f} a second"
        yield f"  result about {found.bytes / 1e6:.0f} MB; {found.free / 1e9:.1f} GB are free there"
    yield f"  memory {found.memory / 2**20:.0f} MiB (measured on {found.sampled} frames)"


def _middle(job: Job) -> TimeSpan | None:
    """Return the sample: the middle of the part to upscale, if its length is known."""
    from sr4k.media.reading.duration import ENDS  # codecs, which jobs keep in processes of their own
    from sr4k.media.reading.open_file import open_input

    with open_input(job.source) as container:
        begin, end = container.start_time or 0, container.duration or 0
        length = Fraction(end - begin if container.format.name in ENDS and begin < end else end, 1_000_000)
    start, seconds = (job.part.start, job.part.seconds) if job.part else (Fraction(0), length)
    if length > start:
        seconds = min(seconds, length - start)
    if seconds <= _SAMPLE:
        return job.part
    return TimeSpan(start + (seconds - _SAMPLE) / 2, Fraction(_SAMPLE))


def _expected(job: Job) -> tuple[Fraction | None, int | None]:
    """Return seconds and, if the header counts them, frames of the part to upscale."""
    from sr4k.media.reading.reader import VideoReader

    try:
        with VideoReader(job.reading) as reader:
            found = reader.report().source
    except InputError:
        return None, None
    seconds = None if found.expected_seconds is None else Fraction(found.expected_seconds)
    return seconds, found.expected_frames if found.frames_counted else None


def _frames(summary: Summary, seconds: Fraction | None, counted: int | None, *, sample: TimeSpan | None) -> int | None:
    """Return the number of frames of the job: counted by the header, else at the frame rate of the sample."""
    if counted is not None or seconds is None:
        return counted
    made = summary.video.until - summary.source.start
    sampled = float(sample.seconds) if sample is not None and not summary.stopped else made
    return max(1, round(summary.frames * float(seconds) / sampled)) if sampled > 0 else None
