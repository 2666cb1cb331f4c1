"""Several workers that do the same side by side: frames are dealt to them in turn, and gathered in the same turn.

So the order of the frames is kept without a number on any of them, as long as each lane gives one frame for each that
it gets.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle

from sr4k.pipeline.channel import Inlet, Outlet
from sr4k.pipeline.frame import Format, Frame, FrameInfo


class Dealer:
    """One producer's end of the channels to several lanes. A frame is sent before the next is taken."""

    def __init__(self, lanes: Sequence[Outlet]) -> None:
        self._lanes = lanes
        self._turn = 0

    def open(self, form: Format) -> None:
        """See `sr4k.pipeline.channel.Outlet`; this and what follows."""
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
    """One consumer's end of the channels from several lanes."""

    def __init__(self, lanes: Sequence[Inlet]) -> None:
        self._lanes = lanes

    def open(self) -> Format:
        """See `sr4k.pipeline.channel.Inlet`; this and what follows."""
        first, *_ = [lane.open() for lane in self._lanes]
        return first

    def __iter__(self) -> Iterator[Frame]:
        flows = [iter(lane) for lane in self._lanes]
        for flow in cycle(flows):
            frame = next(flow, None)
            if frame is None:
                break
            yield frame
        for flow in flows:  # the others have ended as well: none has a frame whose turn would have come
            for _ in flow:
                raise RuntimeError("a lane gave more frames than it got")

    @property
    def complete(self) -> bool:
        return all(lane.complete for lane in self._lanes)

    @property
    def waited(self) -> float:
        return sum(lane.waited for lane in self._lanes)

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()
