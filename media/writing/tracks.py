"""Streams beside the upscaled video, on their way from the source into the target."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol

from av.packet import Packet
from av.stream import Stream

_FAR = Fraction(1)
"""Seconds by which a time may go back and be put right; what goes back further belongs elsewhere."""


class TrackWriter(Protocol):
    """What makes packets of the source ready for one stream of the target."""

    stream: Any  # the target's
    lost: Counter[str]  # packets of the source that gave nothing, by the reason

    def packets(self, packet: "Packet[Any]") -> Iterator["Packet[Any]"]:
        """Of the target, from one of the source."""
        ...

    def drain(self) -> Iterator["Packet[Any]"]:
        """Those held back, after the last one."""
        ...


_NO_TEXT = b"\0\0"
"""Of MP4's subtitles: from here on nothing is shown (3GPP TS 26.245)."""


class Copied:
    """Packets as they are, but for texts that last no time: libav's muxer leaves them behind where two cues meet."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._is_text = getattr(stream.codec_context, "name", None) == "mov_text"
        self.lost: Counter[str] = Counter()

    def packets(self, packet: "Packet[Any]") -> Iterator["Packet[Any]"]:
        if self._is_text and not packet.duration and bytes(packet) == _NO_TEXT:
            return
        packet.stream = self.stream
        yield packet

    def drain(self) -> Iterator["Packet[Any]"]:
        return iter(())


class Following:
    """Gives packets of sound that have no times the one at which those before end.

    Args:
        lasts: seconds of sound in a packet.
    """

    def __init__(self, lasts: Fraction) -> None:
        self._lasts = lasts
        self._end: Fraction | None = None

    def time(self, packet: "Packet[Any]") -> None:
        """Put it at its time, and say how long it lasts."""
        tick = Fraction(packet.time_base or 0)
        if packet.dts is not None:
            self._end = packet.dts * tick
        elif self._end is not None and tick:
            packet.pts = packet.dts = _nearest(self._end / tick)
        if self._end is not None and tick:
            self._end += self._lasts
            packet.duration = packet.duration or _nearest(self._lasts / tick)


class Clock:
    """Sees to it that dts grow, which muxers insist on.

    Args:
        equal: whether they may stay as well.
    """

    def __init__(self, *, equal: bool) -> None:
        self._step = 0 if equal else 1
        self._last: dict[int, int] = {}  # dts by stream

    def put_right(self, packet: "Packet[Any]", stream: Stream) -> bool:
        """Whether the packet, in ticks of the target's stream from now on, can be written."""
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
    """As libav rounds: halves away from zero."""
    whole = (2 * abs(time.numerator) + time.denominator) // (2 * time.denominator)
    return whole if time >= 0 else -whole
