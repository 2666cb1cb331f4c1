"""Encoded video on its way to the disk, in segments that begin with a key frame, and all of it again at the end.

libav's containers round times, lose durations or shift what is negative; a segment is a file of packets as they are.
"""

import os
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from av.packet import Packet

from sr4k.media.resume.journal import Journal, Segment, flush_to_disk, open_within

_RECORD = struct.Struct("<qqBI")
"""pts and duration in ticks, whether it is a key frame, size; the data follows."""


class SegmentWriter:
    """Takes packets as the encoder gives them, and enters whole segments into the journal.

    Args:
        journal: in whose folder; it may have segments.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._number = len(journal.segments())
        self._file: BinaryIO | None = None
        self._path = journal.folder
        self._pts: list[int] = []
        self._told = 0
        self.lost = 0  # what the source has failed to give so far, in this run

    def write(self, packet: "Packet[Any]") -> None:
        """The next packet, in the order of decoding; the first of a segment is a key frame, as encoders begin with."""
        assert packet.pts is not None
        if self._file is None:
            self._path = self._journal.folder / f"{self._number:06d}.packets"
            self._number += 1
            descriptor = open_within(self._path.parent, self._path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            self._file = os.fdopen(descriptor, "wb")
        data = bytes(packet)
        self._file.write(_RECORD.pack(packet.pts, packet.duration or 0, packet.is_keyframe, len(data)))
        self._file.write(data)
        self._pts.append(packet.pts)

    def finish(self) -> None:
        """End the segment, if there is one."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        flush_to_disk(self._path)
        size = self._path.stat().st_size
        pts, lost = self._pts, self.lost - self._told
        self._journal.add(Segment(self._path.name, size, len(pts), min(pts), max(pts), _delay(pts), lost))
        self._pts, self._told = [], self.lost

    def abandon(self) -> None:
        """Leave the segment as it is, which is nowhere."""
        if self._file is not None:
            with suppress(OSError):  # what is lost with a full disk
                self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)


def joined(journal: Journal, time_base: Fraction) -> "Iterator[Packet[Any]]":
    """The packets of all segments, in the order of decoding.

    Where an encoder began anew, its dts may lie before those of the last one. They are made anew for all: that of the
    i-th packet is the (i - delay)-th pts in the order of display, which is how encoders do it.
    """
    segments = journal.segments()
    delay = max((segment.delay for segment in segments), default=0)
    waiting: deque[int] = deque()  # pts whose turn as a dts is to come
    for index, segment in enumerate(segments):
        path = journal.folder / segment.name
        times = sorted(_times(path))
        if index == 0:
            step = times[1] - times[0] if len(times) > 1 else 1
            waiting.extend(times[0] - ahead * step for ahead in range(delay, 0, -1))
        waiting.extend(times)
        for packet in _packets(path, time_base):
            packet.dts = waiting.popleft()
            yield packet


def _delay(pts: list[int]) -> int:
    rank = {at: index for index, at in enumerate(sorted(pts))}
    return max(index - rank[at] for index, at in enumerate(pts))


def _reading(path: Path) -> BinaryIO:
    return os.fdopen(open_within(path.parent, path.name, os.O_RDONLY), "rb")


def _times(path: Path) -> Iterator[int]:
    with _reading(path) as file:
        while record := file.read(_RECORD.size):
            pts, _, _, size = _RECORD.unpack(record)
            file.seek(size, 1)
            yield pts


def _packets(path: Path, time_base: Fraction) -> "Iterator[Packet[Any]]":
    with _reading(path) as file:
        while record := file.read(_RECORD.size):
            pts, duration, key, size = _RECORD.unpack(record)
            packet: Packet[Any] = Packet(file.read(size))
            packet.pts, packet.duration, packet.time_base = pts, duration, time_base
            packet.is_keyframe = bool(key)
            yield packet
