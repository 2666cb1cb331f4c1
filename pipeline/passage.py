"""Transforms in the caller's thread, opened once, that frames pass through as often as the caller likes."""

from collections.abc import Generator, Iterator, Sequence

from sr4k.pipeline.chain import HeapBuffers
from sr4k.pipeline.frame import Format, Frame
from sr4k.pipeline.stage import Buffers, Transform


class Passage:
    """Open transforms. Unlike a `sr4k.pipeline.chain.Chain`, it is pulled from, and stays open after the last frame.

    It is for one thread at a time.

    Attributes:
        form: the format of the frames that leave it.

    Args:
        stages: in the order of the flow; not opened yet. At least one makes new frames.
        source: the format of the frames that enter it.

    Raises:
        Exception: what a stage raises when it is opened; those before it are closed again.
    """

    def __init__(self, stages: Sequence[Transform], source: Format) -> None:
        self._stages = stages
        self._is_abandoned = False
        self._opened: list[Transform] = []
        self.form, forms = source, []
        try:
            for stage in stages:
                self._opened.append(stage)
                self.form = stage.open(self.form)
                forms.append(self.form)
        except BaseException:
            self.close()
            raise
        self._last = max(index for index, stage in enumerate(stages) if not stage.in_place)
        self._pools = [HeapBuffers(form) for form in forms[: self._last]]

    def run(self, frames: Iterator[Frame], results: Buffers) -> Generator[Frame, None, None]:
        """Yield the results of these frames, in their order.

        Frames that have begun are finished in any case: if the iterator is closed early, they are computed and dropped,
        so that nothing goes on afterwards. ``frames`` must raise nothing.

        Args:
            frames: in the format of the source; the stages release them.
            results: memory for the frames that are made.
        """
        is_closed = False

        def taken() -> Iterator[Frame]:
            while not is_closed and (frame := next(frames, None)) is not None:
                yield frame

        flow = taken()
        for index, stage in enumerate(self._stages):
            flow = _through(stage, flow, self._pools[index] if index < self._last else results)
        try:
            for frame in flow:
                yield frame  # not `yield from`, which would close the flow
        finally:
            is_closed = True
            if not self._is_abandoned:
                for frame in flow:
                    frame.release()

    def abandon(self) -> None:
        """Never use the stages again, after a fork: what they have opened works only in the parent process."""
        self._is_abandoned = True
        self._opened.clear()

    def close(self) -> None:
        """Close all stages."""
        while self._opened:
            self._opened.pop().close()


def _through(stage: Transform, frames: Iterator[Frame], buffers: Buffers) -> Iterator[Frame]:
    for frame in frames:
        yield from stage.process(frame, buffers)
    yield from stage.drain(buffers)
