"""Duration of a video: what the header announces, what was read of it, and how long the last picture is displayed."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from sr4k.media.headers import animation_frames
from sr4k.media.reading.discontinuities import OneClock
from sr4k.media.reading.elements import cut_element
from sr4k.media.reading.piped_source import PipeReader
from sr4k.media.reading.truncation import ends_in_tag, is_cut_off, promised_size

_WITHOUT_DURATION = {"mpegts", "mpeg", "ogg"}
"""Containers without a duration in the header: libav estimates it from the end of the file."""

ENDS = {"matroska,webm", "asf", "nut", "flv"}
"""Containers whose duration counts from 0 and not from their start time, so that it is an end time."""

_COUNT_DROPPED = {"avi"}
"""Containers whose frame count includes dropped frames, which have no data."""

_GAPLESS = {"yuv4mpegpipe"}
"""Containers with nothing between and after pictures: bytes that are left over are a picture that is cut off."""

_ONLY_PICTURES = {"apng"}
"""Containers that count their frames and hold nothing else, so that what is cut off is of a frame."""

_TOLERANCE = Fraction(1)
"""Seconds by which the end may be early: headers are not exact."""

_TOO_SHORT = 4
"""A last picture's own duration is ignored if it is this many times shorter than that of the one before."""

_UNREAD_SHARE = Fraction(1, 4)
"""Frames count as missing only if at least this share of the bytes that they would take was left unread."""


_EXACT = {"matroska,webm"}
"""Containers whose header says when the last frame ends, whatever comes after it in the file."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Frames that never came, from ``at`` to ``until`` seconds; none: the file is cut off, and nothing says how many.

    The header has announced them, or the file ends in the middle of one.
    """

    frames: int
    at: Fraction
    until: Fraction

    def __str__(self) -> str:
        if not self.frames:
            return f"the file is cut off at {float(self.at):.2f} s"
        return f"the file ends at {float(self.at):.2f} s of {float(self.until):.2f} s"


class Extent:
    """Duration of one video in a file.

    Attributes:
        frames: number of frames; ``None`` if the header does not count them.
        from_beginning: whether the video is read from its beginning; set by the user of this object.
    """

    from_beginning = True

    def __init__(
        self,
        path: Path,
        container: InputContainer,
        video: VideoStream,
        clock: OneClock,
        pipe: PipeReader | None = None,
    ) -> None:
        self._path, self._video, self._clock, self._pipe = path, video, clock, pipe
        name = self._container_name = container.format.name
        frames = animation_frames(video) or video.frames
        self.frames = frames if frames > 0 and name not in _COUNT_DROPPED else None
        length = Fraction(container.duration or 0, av.time_base)
        self._announced = Fraction(0)
        if length and name not in _WITHOUT_DURATION:
            self._announced = (clock.shift if name in ENDS else clock.start) + length
        begin = clock.start - clock.shift
        before = begin if name in ENDS and begin < length else Fraction(0)
        self._seconds = length - before if length else None
        self._file_size = container.size
        self._packets = 0
        self._last: tuple[Fraction, Fraction] | None = None  # begin and end of the latest picture
        self._step = Fraction(0)  # distance from the one before to it
        self._others = Fraction(0)  # end of all other streams
        self._bytes = 0  # position in the file up to which it was read

    def note(self, packet: "Packet[Any]") -> None:
        """Note a packet that was read. An empty one with a pts repeats the picture before it."""
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
    def read_until(self) -> Fraction:
        """End of all packets so far, in seconds."""
        return max(self._others, self._end)

    def expected_seconds(self) -> Fraction | None:
        """Return the duration by the header, or an estimate from the share of the file read so far."""
        if self._seconds is not None and not self._has_jumped:
            return self._seconds
        begun = self._end - self._clock.start
        is_estimable = self._bytes and begun > 0 and self._pipe is None
        return begun * self._size / self._bytes if is_estimable else None

    def missing(self, rate: Fraction) -> Missing | None:
        """Return the frames that never came, as far as the header or the end of the file tell.

        Call it when all has been read.

        Args:
            rate: frames a second, to convert a missing duration to frames.
        """
        end, name = max(self.read_until, self._displayed_until), self._container_name
        if name in _GAPLESS and self._size > self._bytes:
            return Missing(1, end, end + 1 / rate)
        announced = Fraction(0) if self._has_jumped else self._announced
        if self.frames is not None and self.from_beginning and self._packets <= self.frames and not self._is_scanned:
            frames = self.frames - self._packets
            if frames or name not in _ONLY_PICTURES:
                until = announced if announced > end else end + frames * max(1 / rate, self._step)
                return Missing(frames, end, until) if frames else None
        # a last picture may be displayed as long as the one before it: that is not yet an early end
        some = _TOLERANCE if self._is_whole else max(_TOLERANCE, 2 * self._step)
        if self._is_cut_off:
            some = max(1 / rate, self._step) / 2
        if announced - end >= some:
            return Missing(max(1, round((announced - end) * rate)), end, announced)
        is_told = announced and name in _EXACT
        return Missing(0, end, end) if self._cut_element == "media" and not is_told else None

    def last_picture(self, at: Fraction) -> Fraction:
        """Return for how many seconds a last picture that begins at ``at`` is displayed, by the file; 0 if unknown."""
        if self._last is None or at < self._last[0]:
            return Fraction(0)  # it was followed by one that could not be decoded
        return max(self._displayed_until, self._end) - at

    @property
    def _end(self) -> Fraction:
        """End of the latest picture; one without a duration, or of one tick, lasts as long as the one before it."""
        if self._last is None:
            return Fraction(0)
        at, end = self._last
        has_duration = self.frames is not None or (end > at and end - at >= self._step / _TOO_SHORT)
        return end if has_duration else at + self._step

    @property
    def _displayed_until(self) -> Fraction:
        """Time until which the header has the last picture displayed; 0 unless all of the file was read."""
        own = self._announced_by_stream
        if own is None and self._others + _TOLERANCE < self._announced:  # it must be the video's end, not the audio's
            own = self._announced
        is_valid = own is not None and self._last is not None and not self._has_jumped and self._is_whole
        return own if is_valid and own is not None else Fraction(0)

    @property
    def _has_jumped(self) -> bool:
        """Whether the clock has jumped, so that the header's duration is not that of the joined clock."""
        return bool(self._clock.jumps) and self._container_name != "hls"

    @property
    def _announced_by_stream(self) -> Fraction | None:
        """End of the video stream by its own header, in seconds; ``None`` if that does not have one."""
        name, video = self._container_name, self._video
        if name == "matroska,webm":
            end = _seconds(video.metadata.get("DURATION"))
            return None if end is None else end + self._clock.shift
        if video.duration is None or not video.time_base or name in _WITHOUT_DURATION:
            return None
        start = 0 if name in ENDS else video.start_time or 0
        return (start + video.duration) * Fraction(video.time_base)

    @property
    def _is_whole(self) -> bool:
        """Whether the end of the file seems complete: neither cut off nor left unread."""
        if self.frames is not None:
            all_came = self._announced - self.read_until < _TOLERANCE
            return self._packets >= self.frames if self.from_beginning else all_came
        if self._is_cut_off is not False:
            return False
        if self._container_name != "matroska,webm" or self._last is None:
            return True
        begun, unread = self._end - self._clock.start, self._size - self._bytes
        left = self._announced - self.read_until
        return left <= 0 or unread * begun < _UNREAD_SHARE * self._bytes * left

    @property
    def _is_cut_off(self) -> bool | None:
        """Whether the end is missing, by the container's own sizes; ``None`` if it has none."""
        if self._cut_element is not None:
            return True
        if self._pipe is None:
            return self._is_file_cut_off
        if self._container_name == "flv":
            tail, size = self._pipe.watched.tail, self._pipe.count
            last = int.from_bytes(tail[-4:], "big")
            is_in_tail = last <= len(tail) - 4 or last > size - 4
            return ends_in_tag(tail[-4 - last :][:4], last, size) if is_in_tail else None
        promised = promised_size(self._pipe.head, self._container_name)
        return None if promised is None else self._pipe.count < promised

    @cached_property
    def _is_file_cut_off(self) -> bool | None:
        return is_cut_off(self._path, self._container_name)

    @property
    def _is_scanned(self) -> bool:
        """Whether frames were counted by scanning the file, so that there are no others."""
        return self._container_name == "gif"

    @cached_property
    def _cut_element(self) -> Literal["media", "other"] | None:
        """What the file or the pipe ends in the middle of. Asked for when all has been read."""
        if self._pipe is None:
            return cut_element(self._path, self._container_name)
        return self._pipe.watched.cut_element(self._container_name)

    @property
    def _size(self) -> int:
        """Size of the file in bytes; of a pipe, what has come so far."""
        return self._file_size if self._pipe is None else self._pipe.count


def _seconds(text: str | None) -> Fraction | None:
    """Parse a duration such as ``00:00:04.600000000``; ``None`` if it is none."""
    try:
        hours, minutes, seconds = map(Fraction, (text or "").split(":"))
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds
