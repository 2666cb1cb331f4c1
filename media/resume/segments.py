"""Segments: encoded video on the disk, each beginning with a key frame, and all of them joined at the end.

A segment is a file of packets and not a container, because libav's muxers round times, lose durations or shift negative
times.
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
"""Header of a packet: pts and duration in ticks, key frame flag, size in bytes; the data follows."""


class SegmentWriter:
    """Writes packets to segments, and enters finished segments into the journal.

    Args:
        journal: Journal in the folder of the segments; it may contain some.

    Attributes:
        lost: Frames that the source has failed to give so far, in this run.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._number = len(journal.segments())
        self._file: BinaryIO | None = None
        self._path = journal.folder
        self._pts: list[int] = []
        self._entered = 0  # of `lost`, those in the journal
        self.lost = 0

    def write(self, packet: "Packet[Any]") -> None:
        """Write the next packet, in decoding order; a segment's first one must be a key frame."""
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
        """Flush the current segment to the disk and enter it into the journal; without one, do nothing."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        flush_to_disk(self._path)
        size = self._path.stat().st_size
        pts, lost = self._pts, self.lost - self._entered
        self._journal.add(Segment(self._path.name, size, len(pts), min(pts), max(pts), _delay(pts), lost))
        self._pts, self._entered = [], self.lost

    def abandon(self) -> None:
        """Discard the unfinished segment."""
        if self._file is not None:
            with suppress(OSError):  # closing flushes, which fails on a full disk
                self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)


def joined(journal: Journal, time_base: Fraction) -> "Iterator[Packet[Any]]":
    """Yield the packets of all segments, in decoding order, with new dts.

    Each segment's encoder counts dts for itself, so they may overlap those of the segment before. The new dts of the
    i-th packet is the (i - delay)-th pts in display order, as encoders compute it.

    Args:
        journal: Journal in the folder of the segments.
        time_base: Seconds per tick of the packets' times.
    """
    segments = journal.segments()
    delay = max((segment.delay for segment in segments), default=0)
    waiting: deque[int] = deque()  # pts that will be used as dts
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


def last_key(journal: Journal) -> tuple[str, int, bytes] | None:
    """Return what a picture near the end of what is finished can be decoded from, alone.

    Args:
        journal: Journal in the folder of the segments; a run may be writing there.

    Returns:
        Name of the last finished segment, and pts and data of the last key frame in it; ``None`` if there is none.

    Raises:
        OSError: The segment can't be read, as after its run has removed it.
    """
    segments = journal.segments()
    if not segments:
        return None
    at = position = length = 0
    with _reading(journal.folder / segments[-1].name) as file:
        while record := file.read(_RECORD.size):
            pts, _, key, size = _RECORD.unpack(record)
            if key:
                at, position, length = pts, file.tell(), size
            file.seek(size, 1)
        file.seek(position)
        return segments[-1].name, at, file.read(length)


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
