"""The order in which pictures are shown, where their container does not tell it.

Pictures that look ahead (B-frames) are decoded in another order than they are shown in. AVI, and files that were made
carelessly, give each packet a single time, that of decoding: it belongs to another picture than the packet does.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from av.packet import Packet
from av.video.frame import VideoFrame

_TRIED = 8
"""Pictures among which one comes out of order, if any do."""


class Order:
    """Gives pictures the times at which they come out of the decoder, where their own don't grow.

    Args:
        looks_ahead: whether there may be pictures that are decoded before others that are shown before them.

    Attributes:
        by_decoding: whether that is so; ``None``: not known yet. It is found out once for a file.
    """

    def __init__(self, *, looks_ahead: bool) -> None:
        self.by_decoding: bool | None = None if looks_ahead else False
        self._last: int | None = None  # the time of the last packet
        self._grows = True  # all of them so far

    def sent(self, packet: "Packet[Any]") -> None:
        """To the decoder: times that don't grow there are times of showing."""
        if self._grows and self.by_decoding is None and packet.pts is not None:
            self._grows = self._last is None or packet.pts > self._last
            self._last = packet.pts

    def kept(self, decoded: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        """The pictures, in their order."""
        if self.by_decoding is None:
            first = list(self._first(decoded))
            yield from map(self._timed, first)
        yield from map(self._timed, decoded)

    def _first(self, decoded: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        """As many as it takes to find out."""
        shown: deque[int] = deque(maxlen=1)
        for number, picture in enumerate(decoded, 1):
            yield picture
            if picture.pts is not None:
                if shown and picture.pts < shown[0]:
                    self.by_decoding = True
                    return
                shown.append(picture.pts)
            if number == _TRIED or not self._grows:
                break
        self.by_decoding = False

    def _timed(self, picture: VideoFrame) -> VideoFrame:
        if self.by_decoding:
            picture.pts, picture.duration = picture.dts, 0
        return picture
