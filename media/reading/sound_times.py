"""Times of packets of AAC whose sample rate changes midway."""

from fractions import Fraction
from typing import Any

from av.packet import Packet

_SAMPLES = 1024
"""Samples of a packet of AAC, at the rate that its header tells."""


class SoundTimes:
    """Corrects the times of packets whose rate is another than the track's.

    Of several packets in one PES packet only the first has a time of its own (ISO 13818-1, 2.4.3.7). libav gives the
    others one by the duration of packets at the rate that the track began with.
    """

    def __init__(self) -> None:
        self._guess: int | None = None  # libav's time of the next packet, if it has none of its own
        self._end = Fraction(0)  # the right one, in ticks

    def correct(self, packet: "Packet[Any]", rate: int, began: int) -> None:
        """Correct the time of a packet of a rate in a track that began with another one, in Hz; 0: it is not known."""
        if not rate or rate == began or packet.pts is None or not packet.time_base or not packet.duration:
            self._guess = None
            return
        is_guess = self._guess is not None and abs(packet.pts - self._guess) <= 1
        self._guess = packet.pts + packet.duration
        at = self._end if is_guess else Fraction(packet.pts)
        lasts = Fraction(_SAMPLES, rate) / packet.time_base
        self._end = at + lasts
        packet.pts = packet.dts = round(at)
        packet.duration = round(lasts)
