"""Make one gapless stream of audio samples out of blocks that may be late, overlap or be missing."""

from collections import deque
from collections.abc import Iterator

import numpy as np

from sr4k.live.audio_blocks import CHANNELS, SAMPLE_RATE, Samples
from sr4k.live.timeline import TICKS
from sr4k.media.gapless_audio import LONGEST_GAP, seam

BLOCK = 1024
"""Samples of an AAC frame."""


class Soundtrack:
    """Audio samples from ``start`` (in 1/90000 s) on: overlaps are cut, gaps filled with silence.

    Attributes:
        silence: samples of silence that filled gaps.
        offset: seconds by which the last block was placed after its time stamp.
    """

    def __init__(self, start: int) -> None:
        self._next = self._end = position(start)  # of the next block to encode, of the samples so far
        self._parts: deque[Samples] = deque()
        self._after_silence = True  # where a seam is inaudible, so that samples can be placed exactly
        self.silence = 0
        self.offset = 0.0

    @property
    def end(self) -> int:
        """End of the samples, in 1/90000 s."""
        return self._end * TICKS // SAMPLE_RATE

    def add(self, pts: int, samples: Samples) -> None:
        """Append a block, int16 of (n, 2), whose time stamp is ``pts``, in 1/90000 s."""
        ahead = position(pts) - self._end
        silence, cut = seam(ahead, SAMPLE_RATE, exact=self._after_silence)
        if silence:
            self._append_silence(min(silence, LONGEST_GAP * SAMPLE_RATE))  # the timeline allows no longer gap
        samples = samples[cut:]
        if len(samples):
            self.offset = 0.0 if silence or cut else -ahead / SAMPLE_RATE
            self._append(samples)
            self._after_silence = False

    def fill(self, until: int) -> None:
        """Append silence up to ``until``, in 1/90000 s, if the samples end before it."""
        missing = position(until) - self._end
        if missing > 0:
            self._append_silence(missing)
            self._after_silence = True

    def blocks(self, until: int) -> Iterator[tuple[int, Samples]]:
        """Remove and yield blocks that begin before ``until``: (position in samples, int16 of (1024, 2))."""
        while self._next + BLOCK <= self._end and self._next < position(until):
            yield self._next, self._take(BLOCK)

    def _append(self, samples: Samples) -> None:
        self._parts.append(samples)
        self._end += len(samples)

    def _append_silence(self, count: int) -> None:
        self.silence += count
        self._append(np.zeros((count, CHANNELS), np.int16))

    def _take(self, count: int) -> Samples:
        taken = []
        self._next += count
        while count:
            part = self._parts.popleft()
            taken.append(part[:count])
            if len(part) > count:
                self._parts.appendleft(part[count:])
            count -= len(taken[-1])
        return np.concatenate(taken)


def position(pts: int) -> int:
    """Convert a time in 1/90000 s to samples."""
    return pts * SAMPLE_RATE // TICKS
