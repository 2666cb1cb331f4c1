"""A chain of stages in one thread."""

from pathlib import Path

from toy_stages import Collecting, Collector, Counter, Counting

from sr4k.pipeline import Format
from sr4k.pipeline.chain import Chain


class _Waiting(Counter):
    """A source that needs something to be stopped, which is gone when it is closed."""

    def open(self) -> Format:
        self.is_open = True
        return super().open()

    def stop(self) -> None:
        assert self.is_open

    def close(self) -> None:
        self.is_open = False
        self.chain.stop()  # as another thread may do it now


def test_a_stop_that_comes_while_stages_are_closed_reaches_none_of_them(tmp_path: Path) -> None:
    source = _Waiting(Counting(2))
    source.chain = Chain([source, Collector(Collecting(tmp_path / "out"))], None, None)
    source.chain.run()
    assert len((tmp_path / "out").read_text().splitlines()) == 2
