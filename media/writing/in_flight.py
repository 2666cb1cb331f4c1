"""Frames between their arrival and their encoded packet: durations that not every encoder passes on, and latencies."""

import time
from collections import deque
from fractions import Fraction
from typing import Any

from av.packet import Packet

from sr4k.pipeline import FrameInfo

_REMEMBERED = 256
"""Maximum number of frames, and of latencies, that are kept: an encoder may drop a frame."""


class InFlight:
    """Frames in an encoder.

    Attributes:
        latencies: Seconds from the source to the encoded packet, of the last packets.
    """

    def __init__(self) -> None:
        self._born: dict[Fraction, float] = {}  # when the source gave the frame, by its time in seconds
        self._durations: dict[int, int] = {}  # by pts, in ticks
        self.latencies: deque[float] = deque(maxlen=_REMEMBERED)

    def enter(self, info: FrameInfo) -> None:
        """Note a frame that is given to the encoder."""
        self._born[info.pts * info.time_base] = info.born
        self._durations[info.pts] = info.duration
        if len(self._born) > _REMEMBERED:
            del self._born[next(iter(self._born))]
        if len(self._durations) > _REMEMBERED:
            del self._durations[next(iter(self._durations))]

    def leave(self, packet: "Packet[Any]") -> None:
        """Give a packet the duration of its frame, and note its latency."""
        if packet.pts is not None and packet.time_base:
            born = self._born.pop(packet.pts * Fraction(packet.time_base), None)
            if born is not None:
                self.latencies.append(time.monotonic() - born)
        packet.duration = self._durations.pop(packet.pts or 0, 0) or packet.duration
