"""Lanes: several workers with the same stages. Frames are dealt to them round-robin, and gathered in the same order.

This keeps the order of frames without numbering them, as long as each lane emits one frame for each that it receives.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle

from sr4k.pipeline.channel import Inlet, Outlet
from sr4k.pipeline.frame import Format, Frame, FrameInfo


class Dealer:
    """The producer's end of the channels to several lanes. Each frame must be sent before the next one is taken."""

    def __init__(self, lanes: Sequence[Outlet]) -> None:
        self._lanes = lanes
        self._turn = 0

    def open(self, form: Format) -> None:
        """See `sr4k.pipeline.channel.Outlet` for this and the methods below."""
        for lane in self._lanes:
            lane.open(form)

    def take(self, info: FrameInfo) -> Frame:
        return self._lanes[self._turn].take(info)

    def send(self, frame: Frame) -> None:
        self._lanes[self._turn].send(frame)
        self._turn = (self._turn + 1) % len(self._lanes)

    def finish(self, *, complete: bool) -> None:
        for lane in self._lanes:
            lane.finish(complete=complete)

    @property
    def waited(self) -> float:
        return sum(lane.waited for lane in self._lanes)

    @property
    def depth(self) -> int:
        return sum(lane.depth for lane in self._lanes)

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()


class Gatherer:
    """The consumer's end of the channels from several lanes."""

    def __init__(self, lanes: Sequence[Inlet]) -> None:
        self._lanes = lanes

    def open(self) -> Format:
        """See `sr4k.pipeline.channel.Inlet` for this and the methods below."""
        first, *_ = [lane.open() for lane in self._lanes]
        return first

    def __iter__(self) -> Iterator[Frame]:
        flows = [iter(lane) for lane in self._lanes]
        for flow in cycle(flows):
            frame = next(flow, None)
            if frame is None:
                break
            yield frame
        for flow in flows:  # the other lanes must have ended as well
            for _ in flow:
                raise RuntimeError("a lane emitted more frames than it received")

    @property
    def complete(self) -> bool:
        return all(lane.complete for lane in self._lanes)

    @property
    def waited(self) -> float:
        return sum(lane.waited for lane in self._lanes)

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()
