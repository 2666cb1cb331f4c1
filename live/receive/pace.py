"""Pacing of sources that are faster than real time, and the end of a live source's initial backlog."""

from sr4k.live.timeline import TICKS

_JUMP = 5 * TICKS
"""Larger steps between two packets, in ticks, are a change of clock."""

_HELD_UP = 1.0
"""Lag in seconds above which pacing restarts from the present packet instead of catching up."""

_SETTLED = 0.15
"""Seconds without a gain after which the burst is over."""

_GAIN = TICKS // 50
"""Ticks that stream time must gain on the clock to count as part of the burst."""

_FALL = TICKS // 10
"""Ticks that stream time must fall behind the clock to show that reading, or the network, has paused."""

_LONGEST_BACKLOG = 3.0
"""Seconds after which the burst counts as over in any case."""


class Pace:
    """Delays packets until they are due."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._last = 0

    def note(self, at: int | None, now: float) -> None:
        """Note the time of the next packet, in ticks of 1/90000 s; ``None``: that of the previous one.

        Pacing restarts at a jump of the timestamps. ``now`` is in seconds.
        """
        at = self._last if at is None else at
        if self._first is None or abs(at - self._last) > _JUMP:
            self._first = at, now
        self._last = at
        if self.wait(now) < -_HELD_UP:
            self._first = at, now

    def wait(self, now: float) -> float:
        """Return the seconds until the packet is due; negative if it is late. Call `note` first."""
        assert self._first is not None
        return self._first[1] + (self._last - self._first[0]) / TICKS - now


class LiveEdge:
    """Detects the live edge: while a server sends a backlog, stream time runs faster than the clock.

    Waiting reads would be a weaker sign: a backlog over a slow connection has them as well.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self._lead = 0.0
        self._since = 0.0

    def is_reached(self, at: int | None, now: float) -> bool:
        """Whether a packet that arrived at ``now`` (seconds) with time ``at`` (ticks of 1/90000 s) is live."""
        lead = self._lead if at is None else at - now * TICKS
        if self._began is None:
            self._began = self._since = now
            self._lead = lead
        elif not self._lead - _FALL <= lead <= self._lead + _GAIN:
            self._lead, self._since = lead, now  # after a pause it is seen anew whether there is a burst
        return now - self._since >= _SETTLED or now - self._began > _LONGEST_BACKLOG
