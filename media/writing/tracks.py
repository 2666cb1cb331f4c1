"""Writers for the streams beside the upscaled video, and correction of their times."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol

from av.packet import Packet
from av.stream import Stream

_FAR = Fraction(1)
"""Maximum number of seconds by which a dts may go back and be corrected; packets further back are lost."""


class TrackWriter(Protocol):
    """Makes packets for one stream of the target from packets of the source.

    Attributes:
        stream: The target's stream.
        lost: Packets of the source that could not be used, counted by reason.
    """

    stream: Any
    lost: Counter[str]

    def packets(self, packet: "Packet[Any]") -> Iterator["Packet[Any]"]:
        """Yield the target's packets for one of the source."""
        ...

    def drain(self) -> Iterator["Packet[Any]"]:
        """Yield the packets that are held back; call after the last packet."""
        ...


_NO_TEXT = b"\0\0"
"""Packet of MP4's subtitles with an empty text, which clears the screen (3GPP TS 26.245)."""


class Copied:
    """Copies packets, without the empty texts of no duration that libav's muxer writes where two cues meet."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._is_text = getattr(stream.codec_context, "name", None) == "mov_text"
        self.lost: Counter[str] = Counter()

    def packets(self, packet: "Packet[Any]") -> Iterator["Packet[Any]"]:
        """Copy a packet; see `TrackWriter`."""
        if self._is_text and not packet.duration and bytes(packet) == _NO_TEXT:
            return
        packet.stream = self.stream
        yield packet

    def drain(self) -> Iterator["Packet[Any]"]:
        """Yield nothing: no packet is held back."""
        return iter(())


class Following:
    """Timestamps sound packets that have none: each begins where the one before it ends.

    Args:
        lasts: Seconds of sound per packet.
    """

    def __init__(self, lasts: Fraction) -> None:
        self._lasts = lasts
        self._end: Fraction | None = None

    def time(self, packet: "Packet[Any]") -> None:
        """Set the packet's pts, dts and duration where they are missing."""
        tick = Fraction(packet.time_base or 0)
        if packet.dts is not None:
            self._end = packet.dts * tick
        elif self._end is not None and tick:
            packet.pts = packet.dts = _nearest(self._end / tick)
        if self._end is not None and tick:
            self._end += self._lasts
            packet.duration = packet.duration or _nearest(self._lasts / tick)


class Clock:
    """Makes dts increase, which muxers require.

    Args:
        equal: Whether consecutive dts may be equal.
    """

    def __init__(self, *, equal: bool) -> None:
        self._step = 0 if equal else 1
        self._last: dict[int, int] = {}  # last dts by stream index, in the target's ticks

    def put_right(self, packet: "Packet[Any]", stream: Stream) -> bool:
        """Convert a packet's times to the stream's time base and correct them; return whether it can be written."""
        assert stream.time_base and packet.time_base
        tick = Fraction(stream.time_base)
        ratio = Fraction(packet.time_base) / tick
        pts, dts = (None if time is None else _nearest(time * ratio) for time in (packet.pts, packet.dts))
        if dts is None or not -(2**62) < dts < 2**62:
            return False
        last = self._last.get(stream.index)
        if last is not None and dts < last + self._step:
            if (last - dts) * tick > _FAR:
                return False
            dts = last + self._step
        pts = dts if pts is None else max(pts, dts)
        if pts >= 2**62:
            return False
        duration = min(_nearest((packet.duration or 0) * ratio), 2**62)
        packet.pts, packet.dts, packet.duration, packet.time_base = pts, dts, duration, tick
        self._last[stream.index] = dts
        return True


def _nearest(time: Fraction) -> int:
    """Round as libav does: halves away from zero."""
    whole = (2 * abs(time.numerator) + time.denominator) // (2 * time.denominator)
    return whole if time >= 0 else -whole
