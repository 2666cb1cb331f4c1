"""Computes a job's progress, speed and remaining time from the statuses of its workers."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sr4k.common.printable import clock
from sr4k.configs import STAGES
from sr4k.media.reports import CLEAN_UP, DECODE, ENCODE, SECOND_PASS, DecodeReport, EncodeReport
from sr4k.pipeline import WorkerStatus, report_of

_AGAIN = STAGES.index("convert")
_ORDER = (STAGES[0], CLEAN_UP, *STAGES[1:_AGAIN], SECOND_PASS, *STAGES[_AGAIN:])
"""Names of the stages, in the order of the graph."""

_WINDOW = 5.0
"""Seconds over which speed and load are averaged."""

_LONG_WINDOW = 60.0
"""Seconds over which speed is averaged for the remaining time."""

_SETTLED = 2.0
"""Seconds after the first frame before a remaining time is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job on files is.

    Attributes:
        frames: number of frames done, including those of earlier runs.
        frames_total: number of frames in all; ``None``: the source doesn't count them.
        seconds: seconds of video done.
        seconds_total: seconds of video in all; ``None``: unknown.
        share: share of the job that is done, 0 to 1; ``None``: unknown.
        fps: frames per second, lately; of frames that all came at once, since the start of the workers.
        speed: seconds of video per second, likewise; ``None``: unknown.
        eta: seconds that the rest will take; ``None``: no estimate yet.
    """

    frames: int = 0
    frames_total: int | None = None
    seconds: float = 0.0
    seconds_total: float | None = None
    share: float | None = None
    fps: float = 0.0
    speed: float | None = None
    eta: float | None = None


@dataclass(frozen=True, slots=True)
class _Sample:
    now: float
    frames: int
    seconds: float  # seconds of video done
    busy: dict[str, float]  # seconds of work, by stage


class Gauge:
    """Progress and speed of one job. Speed is that of the last seconds; time before the first frame doesn't count.

    Attributes:
        is_open: whether the source has been opened.
        frames: frames done, including those of earlier runs.
        total: number of frames, if the source counts them.
        seconds: seconds of video done.
        length: length of the video in seconds, if known.
    """

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()
        self.is_open = False
        self.frames = 0
        self.total: int | None = None
        self.seconds = 0.0
        self.length: float | None = None
        self._rate = 0.0
        self._began: float | None = None  # time of the first frame
        self._at_first = 0  # frames that came with it
        self._mean = 0.0  # frames per second since the workers started

    def update(self, statuses: dict[str, WorkerStatus], now: float) -> None:
        """Add the latest statuses."""
        lanes: dict[str, list[float]] = {}
        for stage in (stage for status in statuses.values() for stage in status.stages):
            lanes.setdefault(stage.name, []).append(stage.busy)
        busy = {name: sum(times) / len(times) for name, times in lanes.items()}
        made = next((s.frames for status in statuses.values() for s in status.stages if s.name == ENCODE), 0)
        read, written = report_of(statuses, DECODE, DecodeReport), report_of(statuses, ENCODE, EncodeReport)
        self.frames = made
        if read is not None:
            self.is_open, source = True, read.source
            self.frames += source.resumed
            self.total = source.expected_frames if source.frames_counted else None
            self.length, self._rate = source.expected_seconds, source.rate
            if written is not None:
                self.seconds = max(0.0, written.video.until - source.start)
        running = max((status.running for status in statuses.values()), default=0.0)
        self._mean = made / running if running else 0.0
        if made and self._began is None:
            self._began, self._at_first = now, self.frames
            self._samples.clear()
        self._samples.append(_Sample(now, self.frames, self.seconds, busy))
        while now - self._samples[0].now > _LONG_WINDOW and len(self._samples) > 2:
            self._samples.popleft()

    @property
    def share(self) -> float | None:
        """Share of the job that is done, 0 to 1; ``None`` if its end is not known."""
        if self.total:
            return min(1.0, self.frames / self.total)
        return self.seconds / self.length if self.length and self.seconds < self.length else None

    @property
    def fps(self) -> float:
        """Recent frames per second."""
        return self._mean if self._came_at_once else self._pace(_WINDOW)[0]

    @property
    def speed(self) -> float | None:
        """Recent seconds of video per second."""
        if self.seconds and not self._came_at_once:
            return self._pace(_WINDOW)[1]
        return self.fps / self._rate if self._rate else None

    @property
    def eta(self) -> float | None:
        """Remaining seconds; ``None`` while there is no estimate."""
        if self.total and self.frames >= self.total:
            return 0.0
        last = self._samples[-1].now if self._samples else 0.0
        if self._began is None or last - self._began < _SETTLED:
            return None
        fps, seconds = self._pace(_LONG_WINDOW)
        if self.total:
            return max(0, self.total - self.frames) / fps if fps else None
        return (self.length - self.seconds) / seconds if self.length and self.share is not None and seconds else None

    @property
    def progress(self) -> Progress:
        """All of this, as it is now."""
        return Progress(
            frames=self.frames,
            frames_total=self.total or None,
            seconds=self.seconds,
            seconds_total=self.length,
            share=self.share,
            fps=self.fps,
            speed=self.speed,
            eta=self.eta,
        )

    def text(self, *, short: bool = False) -> str:
        """Return ``312/9000 frames  5.2 fps  0.17x real time  ETA 0:27:53``; by time if frames are not counted."""
        return "  ".join(self._figures(short=short))

    def load(self) -> dict[str, float]:
        """Return the share of time that each stage worked, in the order of the graph. The highest is the bottleneck."""
        first = self._since(_WINDOW)
        if first is None:
            return {}
        last = self._samples[-1]
        shares = {
            name: min(1.0, (busy - first.busy.get(name, 0.0)) / (last.now - first.now))
            for name, busy in last.busy.items()
        }
        return {name: shares[name] for name in _ORDER if name in shares}

    def load_text(self) -> str:
        """Return ``decode 3%  infer 95% ...``."""
        return "  ".join(f"{name} {share:.0%}" for name, share in self.load().items())

    def busiest(self) -> str:
        """Return ``busiest: infer 95%``."""
        load = self.load()
        name = max(load, key=lambda stage: load[stage], default=None)
        return "" if name is None else f"busiest: {name} {load[name]:.0%}"

    def as_dict(self) -> dict[str, Any]:
        """Return all figures, for JSON."""
        load = self.load()
        return {
            "frames": self.frames,
            "frames_total": self.total,
            "seconds": round(self.seconds, 3),
            "seconds_total": self.length,
            "share": self.share,
            "fps": round(self.fps, 3),
            "speed": None if self.speed is None else round(self.speed, 4),
            "eta": None if self.eta is None else round(self.eta, 1),
            "busiest": max(load, key=lambda stage: load[stage], default=None),
            "load": {name: round(share, 3) for name, share in load.items()},
        }

    @property
    def _came_at_once(self) -> bool:
        """Whether all frames were there when the first was seen, so that there is no time between frames."""
        return self._began is not None and self.frames == self._at_first

    def _figures(self, *, short: bool) -> Iterator[str]:
        of_all = f"/{self.total}" if self.total else ""
        yield f"{self.frames}{of_all}" + ("" if short and of_all else " frames")
        if self.length and not self.total:
            yield f"{_clock(self.seconds)} of about {_clock(self.length)}" if self.share is not None else "near the end"
        yield f"{self.fps:.1f} fps"
        if self.speed is not None and not short:
            yield f"{self.speed:.2f}x real time"
        if self.eta is not None:
            yield f"ETA {_clock(self.eta)}"

    def _pace(self, window: float) -> tuple[float, float]:
        """Return frames per second and seconds of video per second; 0 where some were lost and are made again."""
        first = self._since(window)
        if first is None:
            return 0.0, 0.0
        last = self._samples[-1]
        took = last.now - first.now
        return max(0.0, last.frames - first.frames) / took, max(0.0, last.seconds - first.seconds) / took

    def _since(self, seconds: float) -> _Sample | None:
        """Return the latest sample that is ``seconds`` old, or the first; ``None`` if that is the last."""
        if not self._samples or self._samples[0].now >= self._samples[-1].now:
            return None
        end = self._samples[-1].now - seconds
        return next((sample for sample in reversed(self._samples) if sample.now <= end), self._samples[0])


def _clock(seconds: float) -> str:
    return clock(round(seconds))[:-3]
