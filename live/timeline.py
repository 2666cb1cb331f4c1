"""One monotonic clock for the output, whatever the source's timestamps do.

Output pts are source pts plus an offset, which both tracks share so that audio and video stay in sync. A new offset is
used where the known ones put a sample too far from its arrival: the publisher restarted from 0, the counter wrapped,
somebody set a clock. Times are integers in `TIME_BASE`.
"""

from fractions import Fraction
from typing import Literal

TICKS = 90_000
"""Ticks per second: FLV's milliseconds and MPEG's 90 kHz clock are whole numbers of ticks."""

TIME_BASE = Fraction(1, TICKS)

Kind = Literal["video", "audio"]

_TOLERANCE = 1 * TICKS
"""Maximum distance of a sample from its arrival, in ticks: networks deliver late, and then in a burst."""

_BACKLOG = 10 * TICKS
"""Maximum lateness of a backlog, in ticks: a connection that is silent for longer has been given up before."""

_CATCHING_UP = TICKS // 2
"""Ticks within which the lateness of a backlog must shrink: otherwise the source's clock has been paused."""

_START = 1 * TICKS
"""First output time, in ticks: an encoder's first dts may precede its first pts, and must not be negative."""

_DRIFT = 256
"""Samples over which the drift between the source's clock and ours is averaged: oscillators differ by 100 ppm."""

_REMEMBERED = 4
"""Number of offsets remembered: after a restart, the two tracks switch one after the other."""


class Timeline:
    """Places the samples of a source, and of the sources that come after it, on one output clock."""

    def __init__(self) -> None:
        self._offsets: list[int] = []  # most recently used first
        self._ahead = 0  # output clock minus ours
        self._last: dict[Kind, tuple[int, int, int]] = {}  # pts, output, now
        self._late: tuple[int, int] | None = None  # since when, and the error then
        self.restarts = 0

    def place(self, kind: Kind, pts: int, now: int) -> int | None:
        """Return the output time of a sample that arrived at ``now`` by our clock, or ``None`` if it is too late.

        Output times of video increase strictly. All times are in ticks.
        """
        if not self._offsets:
            self._offsets = [_START - pts]
            self._ahead = _START - now
        placed = self._placed(kind, pts, now)
        if placed is None:
            return None
        before = self._last.get(kind)
        if before is not None and kind == "video" and placed <= before[1]:
            return None
        self._last[kind] = pts, placed, now
        return placed

    def _placed(self, kind: Kind, pts: int, now: int) -> int | None:
        before = self._last.get(kind)
        if before is not None and pts == before[0]:
            return before[1] + max(1, now - before[2])  # its clock stands still: advance by ours
        expected = now + self._ahead
        # Both tracks keep to the last offset as long as it will do: of two that would, each might take another.
        offset = min(self._offsets, key=lambda known: max(_TOLERANCE, abs(pts + known - expected)))
        error = pts + offset - expected
        if abs(error) <= _TOLERANCE:
            self._late = None
            self._ahead += error // _DRIFT
        elif -_BACKLOG <= error < 0 and self._may_catch_up(error, now):
            return None
        else:
            self._late = None
            offset = expected - pts
            self.restarts += 1
        if self._offsets[0] != offset:
            known = [o for o in self._offsets if o != offset]
            self._offsets = [offset, *known][:_REMEMBERED]
        return pts + offset

    def _may_catch_up(self, error: int, now: int) -> bool:
        """Whether a late sample may belong to a backlog that the network delivers in a burst."""
        if self._late is None:
            self._late = now, error
        since, then = self._late
        if now - since < _CATCHING_UP:
            return True
        self._late = now, error
        return error > then + _CATCHING_UP // 2
