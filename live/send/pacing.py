"""Decide when a picture stands in for one that fails to arrive, and with which time."""

from fractions import Fraction

from sr4k.live.timeline import TICKS

_LEAST_STEP = TICKS // 1000
"""Minimum distance between two pictures, in ticks: a millisecond, the resolution of FLV time stamps."""

_LATE = 1.5
"""At low frame rates, a picture may be late by this multiple of the frame interval before another replaces it."""

_SLOWED = 2
"""While late pictures catch up, stand-ins are emitted at this multiple of the frame interval."""


class Pacing:
    """The times of one unbroken row of pictures. It has no clock: every call says what time it is, in seconds.

    ``rate``: nominal frames a second. ``hold``: seconds without a picture after which another stands in.
    """

    def __init__(self, rate: Fraction, hold: float) -> None:
        self.pts = 0
        """pts of the last picture encoded, in ticks."""
        self._interval = round(TICKS / rate)
        self._patience = max(hold, _LATE * self._interval / TICKS)
        self._encoded_at: float | None = None  # before the first: None
        self._received_pts = 0  # pts of the last picture that arrived, in time or not
        self._received_at = 0.0  # when it arrived

    def receive(self, pts: int, now: float) -> bool:
        """Take note of a picture that arrives; return whether it is still to be encoded: others may have gone past."""
        self._received_pts, self._received_at = pts, now
        return self._encoded_at is None or pts >= self.pts + _LEAST_STEP

    def encode(self, pts: int, now: float) -> None:
        """Take note of a picture that is encoded: one that arrived or a stand-in."""
        self.pts, self._encoded_at = pts, now

    def stand_in(self, now: float) -> int | None:
        """Return the pts of the stand-in that is due, in ticks; ``None`` if none is.

        While nothing arrives they come at the nominal rate, except for the first, which closes the gap. When pictures
        arrive again, but behind the stand-ins, these are slowed down until the pictures have caught up.
        """
        if self._encoded_at is None:
            return None
        due = self._received_pts + round((now - self._received_at) * TICKS)
        following = self.pts + self._interval
        if now - self._received_at > self._patience and due >= following:
            return following if due - following < self._interval else due
        if due < self.pts and now - self._encoded_at > _SLOWED * self._interval / TICKS:
            return following
        return None
