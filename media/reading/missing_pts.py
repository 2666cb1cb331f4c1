"""Computes the pts of pictures at the beginning that have none, such as those before 0 in Matroska."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
from av.format import Flags
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.media.decoded_picture import positive
from sr4k.media.options import ReadSettings
from sr4k.media.reading.discontinuities import OneClock
from sr4k.media.reading.open_file import open_input, video_stream

_HELD = 32
"""Maximum number of pictures without a pts that are held in memory."""

_MOST = 1000
"""Maximum number of pictures without a pts that are decoded in search of the first one with a pts."""


def counted_back(pictures: Iterator[VideoFrame], settings: ReadSettings) -> Iterator[VideoFrame]:
    """Yield a file's pictures; those at the beginning without a pts get times that lead up to the first pts.

    They are spaced evenly at the file's frame rate. The file is opened a second time to find the first pts, so that no
    picture is held in memory; if no picture has a pts, all are left as they are.

    Args:
        pictures: the pictures of the file, from its beginning.
        settings: by which the file was opened.

    Raises:
        InputError: the file can't be opened a second time.
    """
    times: Iterator[int] | None = None
    for picture in pictures:
        if times is None:
            times = iter(_before_the_known(settings) if picture.pts is None else ())
        if picture.pts is None:
            picture.pts = next(times, None)
        yield picture


def _before_the_known(settings: ReadSettings) -> Sequence[int]:
    """Compute the pts of the pictures before the first one with a pts, in ticks of the stream."""
    with open_input(settings.path, rate=settings.rate) as container:
        stream = video_stream(container, settings.path, settings.track)
        if _has_no_times(stream):
            return []
        stream.thread_type = "AUTO"
        for number, picture in enumerate(_decoded(OneClock(container, stream).packets(), stream)):
            if picture.pts is not None:
                return _leading_to(picture.pts, number, stream)
            if number == _MOST:
                break
    return []


def held_back(pictures: Iterator[VideoFrame], stream: VideoStream) -> Iterator[VideoFrame]:
    """Do the same for a video that can't be opened a second time: hold up to `_HELD` of its pictures in memory.

    Args:
        pictures: the pictures of the video, from its beginning.
        stream: the video.
    """
    held: list[VideoFrame] = []
    for picture in pictures:
        held.append(picture)
        if picture.pts is not None or len(held) == _HELD or _has_no_times(stream):
            break
    if held and (first := held[-1].pts) is not None:
        for picture, pts in zip(held, _leading_to(first, len(held) - 1, stream), strict=False):
            picture.pts = pts
    yield from held
    yield from pictures


def _leading_to(first: int, number: int, stream: VideoStream) -> Sequence[int]:
    """Return so many times before ``first``, one frame apart, in ticks of the stream."""
    step = 1 / (positive(stream.guessed_rate, Fraction(25)) * positive(stream.time_base, Fraction(1, 90_000)))
    return [first - round(left * step) for left in range(number, 0, -1)]


def _has_no_times(stream: VideoStream) -> bool:
    """Whether no picture of this container has a time."""
    return Flags.no_timestamps in Flags(stream.container.format.flags)


def _decoded(packets: "Iterator[Packet[Any]]", stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield the pictures that can be decoded; losses are counted where the pictures are used."""
    with suppress(av.error.FFmpegError):
        for packet in packets:
            if packet.stream.index == stream.index and packet.size:
                with suppress(av.error.FFmpegError):
                    yield from stream.decode(packet)
        yield from stream.decode(None)
