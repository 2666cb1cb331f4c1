"""One stream of samples without a gap, out of blocks that come when they will, or not at all."""

from collections import deque
from collections.abc import Iterator

import numpy as np

from sr4k.live.audio_blocks import CHANNELS, SAMPLE_RATE, Samples
from sr4k.live.timeline import TICKS
from sr4k.media.gapless_audio import LONGEST_GAP, seam

BLOCK = 1024
"""Samples of an AAC frame."""


class Soundtrack:
    """Samples from ``start`` (1/90000 s) on: what overlaps is cut, what is missing is silence."""

    def __init__(self, start: int) -> None:
        self._next = self._end = position(start)  # of what is taken, of what is there
        self._parts: deque[Samples] = deque()
        self._after_silence = True  # where a seam is heard by nobody
        self.silence = 0  # samples that nobody sent
        self.offset = 0.0  # seconds between where the last block belonged and where it went

    @property
    def end(self) -> int:
        """Where the samples end, 1/90000 s."""
        return self._end * TICKS // SAMPLE_RATE

    def add(self, pts: int, samples: Samples) -> None:
        """Append a block that belongs at ``pts``, 1/90000 s."""
        ahead = position(pts) - self._end
        silence, cut = seam(ahead, SAMPLE_RATE, exact=self._after_silence)
        if silence:
            self._append_silence(min(silence, LONGEST_GAP * SAMPLE_RATE))  # the clock that placed it allows for no more
        samples = samples[cut:]
        if len(samples):
            self.offset = 0.0 if silence or cut else -ahead / SAMPLE_RATE
            self._append(samples)
            self._after_silence = False

    def fill(self, until: int) -> None:
        """Silence up to ``until``, 1/90000 s, if there is less."""
        missing = position(until) - self._end
        if missing > 0:
            self._append_silence(missing)
            self._after_silence = True

    def blocks(self, until: int) -> Iterator[tuple[int, Samples]]:
        """What may go to the encoder: (position in samples, (1024, 2)), of blocks that begin before ``until``."""
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
    """In samples, of a time in 1/90000 s."""
    return pts * SAMPLE_RATE // TICKS
