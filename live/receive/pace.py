"""When packets of a source are due, and when those of a live one are no longer late."""

from sr4k.live.timeline import TICKS

_JUMP = 5 * TICKS
"""Further from one packet to the next is no pace, but another clock."""

_HELD_UP = 1.0
"""Seconds behind, after which there is no haste to catch up."""

_SETTLED = 0.15
"""Seconds without a gain after which a burst is over."""

_GAIN = TICKS // 50
"""What the stream must gain on the clock to be in a burst."""

_LONGEST_BACKLOG = 3.0
"""Seconds after which a source that never settles is taken as it is."""


class Pace:
    """Lets packets pass no sooner than they are due."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._last = 0

    def note(self, at: int | None, now: float) -> None:
        """A packet of this time (1/90000 s) comes next. What jumps in time starts anew."""
        at = self._last if at is None else at
        if self._first is None or abs(at - self._last) > _JUMP:
            self._first = at, now
        self._last = at
        if self.wait(now) < -_HELD_UP:
            self._first = at, now

    def wait(self, now: float) -> float:
        """Seconds until it is due."""
        assert self._first is not None
        return self._first[1] + (self._last - self._first[0]) / TICKS - now


class LiveEdge:
    """Tells when what comes is new: as long as a backlog is sent, the stream's time runs faster than the clock.

    That a read had to wait would say less: a backlog of seconds over a line that is hardly fast enough has waits, too.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self._lead = 0.0
        self._since = 0.0

    def is_reached(self, at: int | None, now: float) -> bool:
        """Whether a packet of this time (1/90000 s) is one that has just been made."""
        lead = self._lead if at is None else at - now * TICKS
        if self._began is None:
            self._began = self._since = now
            self._lead = lead
        elif lead > self._lead + _GAIN:
            self._lead, self._since = lead, now
        return now - self._since >= _SETTLED or now - self._began > _LONGEST_BACKLOG
