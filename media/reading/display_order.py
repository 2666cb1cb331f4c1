"""Display times of pictures whose container has decoding times (dts) only.

With B-frames, pictures are decoded in another order than they are displayed in. AVI, and some faulty files, give each
packet its dts only, which libav also uses as pts: the times then belong to other pictures than their packets do.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from av.packet import Packet
from av.video.frame import VideoFrame

_TRIED = 8
"""Number of pictures among which at least one is out of order, if the times are those of decoding."""


class Order:
    """Replaces the pts of pictures by their dts where the pts are found to be decoding times.

    Attributes:
        by_decoding: whether they are; ``None``: not known yet. It is determined once for a file.

    Args:
        looks_ahead: whether the stream may have B-frames.
    """

    def __init__(self, *, looks_ahead: bool) -> None:
        self.by_decoding: bool | None = None if looks_ahead else False
        self._last: int | None = None  # pts of the last packet
        self._grows = True  # whether the pts of all packets so far increase

    def sent(self, packet: "Packet[Any]") -> None:
        """Note a packet that is sent to the decoder: pts that do not increase there are real display times."""
        if self._grows and self.by_decoding is None and packet.pts is not None:
            self._grows = self._last is None or packet.pts > self._last
            self._last = packet.pts

    def timed(self, decoded: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        """Yield the pictures in the same order, with corrected pts where necessary."""
        if self.by_decoding is None:
            first = list(self._first(decoded))
            yield from map(self._timed, first)
        yield from map(self._timed, decoded)

    def _first(self, decoded: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        """Yield as many pictures as it takes to determine `by_decoding`."""
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
