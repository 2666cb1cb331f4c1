"""One clock for the output, whatever the source's timestamps do.

A source's pts plus an offset are the output's, and both tracks share the offset: so sound stays with the picture. A new
offset is taken where the old ones put a sample too far from when it came: the publisher started again from 0, the
counter wrapped, somebody set a clock. Times are integers in `TIME_BASE`.
"""

from fractions import Fraction
from typing import Literal

TICKS = 90_000
"""A second: milliseconds (FLV) and MPEG's own clock are whole numbers of it."""

TIME_BASE = Fraction(1, TICKS)

Kind = Literal["video", "audio"]

_TOLERANCE = 1 * TICKS
"""How far from its arrival a sample may be placed: networks deliver late, and then all at once."""

_BACKLOG = 10 * TICKS
"""What is later than that is no backlog: no connection is silent for so long before it is given up."""

_CATCHING_UP = TICKS // 2
"""What is late and does not get less so within this time is not catching up: its clock has stood still."""

_START = 1 * TICKS
"""Of the output: an encoder's first pts may lie a little before what it was given, and must not be negative."""

_DRIFT = 256
"""Samples over which the difference between the source's clock and ours is averaged: crystals differ by 100 ppm."""

_REMEMBERED = 4
"""Offsets: after a restart the tracks change over one after the other."""


class Timeline:
    """Places the samples of a source, and of the sources that come after it, on one output clock."""

    def __init__(self) -> None:
        self._offsets: list[int] = []  # the last used first
        self._ahead = 0  # of the output's clock before ours
        self._last: dict[Kind, tuple[int, int, int]] = {}  # pts, output, now
        self._late: tuple[int, int] | None = None  # since when, and how late then
        self.restarts = 0

    def place(self, kind: Kind, pts: int, now: int) -> int | None:
        """The output time of a sample that came at ``now`` (our clock); ``None``: it is too late to be of use.

        Pictures get times that grow strictly.
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
            return before[1] + max(1, now - before[2])  # its clock stands still: ours goes on
        expected = now + self._ahead
        offset = min(self._offsets, key=lambda known: abs(pts + known - expected))
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
        """Whether this may be what a network held back, all of which comes at once."""
        if self._late is None:
            self._late = now, error
        since, then = self._late
        if now - since < _CATCHING_UP:
            return True
        self._late = now, error
        return error > then + _CATCHING_UP // 2
