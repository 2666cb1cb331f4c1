"""How long a video is: what its header promises, what comes of it, and how long its last picture is shown."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from sr4k.media.reading.discontinuities import OneClock
from sr4k.media.reading.truncation import is_cut_off

_MEASURED = {"mpegts", "mpeg", "ogg"}
"""Containers whose header says nothing: libav looks at the end of the file."""

ENDS = {"matroska,webm", "asf", "nut", "flv"}
"""Containers whose duration counts from 0, not from where they start: it is an end."""

_TIMELESS = {"avi"}
"""Containers that count frames, those too that are not there."""

_SHORT = Fraction(1)
"""Seconds that may be missing: headers are not exact."""

_FAR_LESS = 4
"""How many times shorter than the one before it a picture is not."""

_LIKELY = Fraction(1, 4)
"""Of the bytes that missing frames would take, how many have to be there, unread, for them to be missing."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Frames that the header promised, from ``at`` to ``until`` seconds."""

    frames: int
    at: Fraction
    until: Fraction

    def __str__(self) -> str:
        return f"the file ends at {float(self.at):.2f} s of {float(self.until):.2f} s"


class Extent:
    """Of one video in a file.

    Attributes:
        frames: how many there are, where the header counts them.
        from_beginning: whether it is read from there; to be told.
    """

    from_beginning = True

    def __init__(self, path: Path, container: InputContainer, video: VideoStream, clock: OneClock) -> None:
        self._path, self._video, self._clock = path, video, clock
        name = self._container_name = container.format.name
        self.frames = video.frames if video.frames > 0 and name not in _TIMELESS else None
        length = Fraction(container.duration or 0, av.time_base)
        self._is_measured = name in _MEASURED
        self._promised = Fraction(0)
        if length and not self._is_measured:
            self._promised = (clock.shift if name in ENDS else clock.start) + length
        begin = clock.start - clock.shift
        before = begin if name in ENDS and begin < length else Fraction(0)
        self._seconds = length - before if length else None
        self._size = container.size
        self._packets = 0
        self._last: tuple[Fraction, Fraction] | None = None  # when the latest picture begins and ends
        self._step = Fraction(0)  # from the one before to it
        self._others = Fraction(0)  # where what is not this video ends
        self._bytes = 0  # up to which the file was read

    def saw(self, packet: "Packet[Any]") -> None:
        """Take note of a packet of the file. An empty one with a time has the picture before it shown again."""
        if not packet.time_base or (not packet.size and packet.pts is None):
            return
        self._bytes = max(self._bytes, (packet.pos or 0) + packet.size)
        is_video = packet.stream.index == self._video.index
        self._packets += is_video
        if packet.pts is None:
            return
        tick = Fraction(packet.time_base)
        at, end = packet.pts * tick, (packet.pts + (packet.duration or 0)) * tick
        if not is_video:
            self._others = max(self._others, end)
        elif not packet.size:
            self._last = self._last and (self._last[0], max(end, at + self._step))
        elif self._last is None or at > self._last[0]:
            self._step = Fraction(0) if self._last is None else at - self._last[0]
            self._last = at, end

    @property
    def seen(self) -> Fraction:
        """Seconds up to which something came."""
        return max(self._others, self._shown)

    def expected_seconds(self) -> Fraction | None:
        """How long the whole will be, by the header, or by how far in the file so many seconds have led."""
        if self._seconds is not None and not self._is_off:
            return self._seconds
        begun = self._shown - self._clock.start
        return begun * self._size / self._bytes if self._bytes and begun > 0 else None

    def missing(self, rate: Fraction) -> Missing | None:
        """What the header promised and did not come, once all has been read, at ``rate`` pictures a second."""
        seen, promised = max(self.seen, self._held), Fraction(0) if self._is_off else self._promised
        if self.frames is not None and self.from_beginning:
            frames = max(0, self.frames - self._packets)
        else:
            # what can't be told from a last picture that is shown for long: as long as the one before it, that may be
            some = _SHORT if self._is_whole else max(_SHORT, 2 * self._step)
            frames = round((promised - seen) * rate) if promised - seen >= some else 0
        return Missing(frames, seen, max(seen, promised)) if frames else None

    def last_picture(self, at: Fraction) -> Fraction:
        """Seconds for which a last picture is shown that begins then: longer than it says itself, or 0."""
        if self._last is None or at < self._last[0]:
            return Fraction(0)  # there was another, that could not be decoded
        return max(self._held, self._shown) - at

    @property
    def _shown(self) -> Fraction:
        """The end of the latest picture: where it tells none, or a tick, it lasts as long as the one before it."""
        if self._last is None:
            return Fraction(0)
        at, end = self._last
        is_told = self.frames is not None or (end > at and end - at >= self._step / _FAR_LESS)
        return end if is_told else at + self._step

    @property
    def _held(self) -> Fraction:
        """Up to where the header has the last picture shown, if all of the file is there."""
        own = self._own_promise
        if own is None and self._others + _SHORT < self._promised:  # it is the picture's end then, not the sound's
            own = self._promised
        tells = own is not None and self._last is not None and not self._is_off and self._is_whole
        return own if tells and own is not None else Fraction(0)

    @property
    def _is_off(self) -> bool:
        """Whether the clock has jumped, so that what the header says of its end is about another time."""
        return bool(self._clock.jumps) and self._container_name != "hls"

    @property
    def _own_promise(self) -> Fraction | None:
        """Where the video ends by its own account."""
        name, video = self._container_name, self._video
        if name == "matroska,webm":
            end = _seconds(video.metadata.get("DURATION"))
            return None if end is None else end + self._clock.shift
        if video.duration is None or not video.time_base or name in _MEASURED:
            return None
        start = 0 if name in ENDS else video.start_time or 0
        return (start + video.duration) * Fraction(video.time_base)

    @property
    def _is_whole(self) -> bool:
        """Whether nothing of the file is missing or was passed over at its end, as far as can be told."""
        if self.frames is not None:
            all_came = self._promised - self.seen < _SHORT
            return self._packets >= self.frames if self.from_beginning else all_came
        if is_cut_off(self._path, self._container_name) is not False:
            return False
        if self._container_name != "matroska,webm" or self._last is None:
            return True
        begun, unread = self._shown - self._clock.start, self._size - self._bytes
        return unread * begun < _LIKELY * self._bytes * (self._promised - self.seen) or self._promised <= self.seen


def _seconds(text: str | None) -> Fraction | None:
    """Of ``00:00:04.600000000``."""
    try:
        hours, minutes, seconds = map(Fraction, (text or "").split(":"))
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds
