"""What every recording of a channel has to be."""

from pathlib import Path

from rig.fair_time import Stopwatch
from rig.recording import inspect


def assert_whole(path: Path, watch: Stopwatch, size: tuple[int, int]) -> None:
    """Both tracks unbroken from end to end, pictures of this size alone, sound in step with them.

    ``watch``: began with the channel. On a busy machine a picture that fails to come in time is replaced, and shown
    later than its sound.
    """
    recorded = inspect(path)
    assert recorded.backwards == 0
    assert recorded.longest_gap < watch.stretched(0.7)
    assert recorded.apart < watch.stretched(1.0)
    assert recorded.sizes == (size,)
    assert recorded.offsets, "no flash has a beep"
    assert recorded.worst_offset <= 0.04 * watch.slowdown, recorded.offsets
