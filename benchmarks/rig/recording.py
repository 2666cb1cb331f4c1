"""Measure a recording: timestamps, gaps, audio offset, picture sizes and numbers."""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np

from rig import counter

_CLOSE = 0.45
"""Maximum distance of a beep from its flash, in seconds: there is one of each per second."""


def tracks(path: Path) -> dict[str, list[float]]:
    """Return the pts of all packets in seconds, in file order, by stream type.

    Raises:
        EOFError: The file has no packet.
    """
    found: dict[str, list[float]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.pts is not None:
                found.setdefault(packet.stream.type, []).append(float(packet.pts * packet.time_base))
    return found


@dataclass(frozen=True)
class Recorded:
    """Measurements of a recording; times are in seconds.

    Attributes:
        seconds: Duration of the longest track.
        backwards: Number of packets whose pts didn't increase, in all tracks.
        longest_gap: Longest time between two packets of a track.
        apart: Time between the ends of the tracks.
        offsets: Delay of each beep after its flash.
        sizes: Widths and heights of its pictures.
    """

    seconds: float
    backwards: int
    longest_gap: float
    apart: float
    offsets: tuple[float, ...]
    sizes: tuple[tuple[int, int], ...]

    @property
    def worst_offset(self) -> float:
        """Largest absolute offset of audio from video; NaN if there is none."""
        return max(map(abs, self.offsets), default=float("nan"))


def inspect(path: Path) -> Recorded:
    """Read a whole recording and measure it. One without packets has a length of 0."""
    try:
        found = tracks(path)
    except EOFError:
        found = {}
    if not found:
        return Recorded(0.0, 0, 0.0, 0.0, (), ())
    steps = [b - a for times in found.values() for a, b in pairwise(times)]
    flashes, beeps, sizes = events(path)
    return Recorded(
        seconds=max(times[-1] - times[0] for times in found.values()),
        backwards=sum(step <= 0 for step in steps),
        longest_gap=max(steps, default=0.0),
        apart=max(times[-1] for times in found.values()) - min(times[-1] for times in found.values()),
        offsets=tuple(offsets(flashes, beeps)),
        sizes=tuple(sorted(sizes)),
    )


def offsets(flashes: list[float], beeps: list[float]) -> list[float]:
    """Return the time of the beep minus that of the flash, for each two that are close, and nearest to each other.

    A damaged picture may look like a flash, and be near a beep that has a flash of its own.
    """
    pairs = ((flash, nearest(beeps, flash)) for flash in flashes)
    close = ((flash, beep) for flash, beep in pairs if beep is not None and abs(beep - flash) < _CLOSE)
    return [beep - flash for flash, beep in close if nearest(flashes, beep) == flash]


def nearest(times: list[float], at: float) -> float | None:
    """Return the one of the sorted times that is nearest to ``at``; ``None``: none is within a second."""
    return min(near(times, at), key=lambda time: abs(time - at), default=None)


def near(beeps: list[float], at: float) -> list[float]:
    """Return those of the sorted times that are within a second of ``at``."""
    return beeps[bisect_left(beeps, at - 1) : bisect_left(beeps, at + 1)]


def events(path: Path) -> tuple[list[float], list[float], set[tuple[int, int]]]:
    """Return the times of flashes and of beeps in seconds, and the sizes of all pictures.

    A flash is one picture, which may be shown again. Where several pictures in a row are bright, they are damaged.
    """
    bright: list[tuple[float, set[int | None]]] = []  # each time in a row, with the numbers of the pictures
    beeps: list[float] = []
    sizes = set()
    quiet, was_bright = -1.0, False
    with av.open(str(path)) as container:
        for frame in container.decode(video=0, audio=0):
            at = float(frame.pts * frame.time_base)
            if isinstance(frame, av.VideoFrame):
                sizes.add((frame.width, frame.height))
                luma = frame.to_ndarray(format="gray8")
                is_bright = luma[frame.height * 5 // 8 : frame.height * 7 // 8].mean() > 200
                if is_bright and not was_bright:
                    bright.append((at, set()))
                if is_bright:
                    bright[-1][1].add(counter.read(_luma(frame)))
                was_bright = is_bright
            else:
                loud = np.flatnonzero(np.abs(frame.to_ndarray()).max(axis=0) > 0.2)
                if len(loud):
                    if at - quiet > 0.2:
                        beeps.append(at + loud[0] / frame.sample_rate)
                    quiet = at
    return [at for at, numbers in bright if len(numbers) == 1], beeps, sizes


def counters(path: Path) -> list[int | None]:
    """Return the number drawn into each picture; ``None`` where it can't be read."""
    with av.open(str(path)) as container:
        return [counter.read(_luma(frame)) for frame in container.decode(video=0)]


def _luma(frame: Any) -> Any:
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
