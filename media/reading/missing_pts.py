"""Pictures at the beginning that have no time, as those before 0 in Matroska: it is counted back from the first one."""

from collections.abc import Iterator
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

_MOST = 1000
"""Pictures without a time after which none that has one is looked for."""


def counted_back(pictures: Iterator[VideoFrame], settings: ReadSettings) -> Iterator[VideoFrame]:
    """The pictures of a file from its beginning: the first ones, if they have no pts, lead up to the first that has.

    They come evenly, at the file's frame rate. The file is opened once more to find that first one, so that no picture
    is held; where there is none, all stay as they are.
    """
    times: Iterator[int] | None = None
    for picture in pictures:
        if times is None:
            times = iter(_before_the_known(settings) if picture.pts is None else ())
        if picture.pts is None:
            picture.pts = next(times, None)
        yield picture


def _before_the_known(settings: ReadSettings) -> list[int]:
    """The times of the pictures before the first with a pts, in ticks of their stream."""
    with open_input(settings.path, rate=settings.rate) as container:
        if Flags.no_timestamps in Flags(container.format.flags):
            return []
        stream = video_stream(container, settings.path, settings.track)
        stream.thread_type = "AUTO"
        step = 1 / (positive(stream.guessed_rate, Fraction(25)) * positive(stream.time_base, Fraction(1, 90_000)))
        for number, picture in enumerate(_decoded(OneClock(container, stream).packets(), stream)):
            if picture.pts is not None:
                return [picture.pts - round(left * step) for left in range(number, 0, -1)]
            if number == _MOST:
                break
    return []


def _decoded(packets: "Iterator[Packet[Any]]", stream: VideoStream) -> Iterator[VideoFrame]:
    """What can be: the losses are counted where the pictures are made."""
    with suppress(av.error.FFmpegError):
        for packet in packets:
            if packet.stream.index == stream.index and packet.size:
                with suppress(av.error.FFmpegError):
                    yield from stream.decode(packet)
        yield from stream.decode(None)
