"""What every recording of a channel has to be."""

from pathlib import Path

from rig.recording import inspect


def assert_whole(path: Path, slowdown: float, size: tuple[int, int]) -> None:
    """Both tracks unbroken from end to end, pictures of this size alone, sound in step with them.

    ``slowdown``: factor by which load slowed the channel down: a picture that fails to come in time is
    replaced, and shown later than its sound.
    """
    recorded = inspect(path)
    assert recorded.backwards == 0
    assert recorded.longest_gap < 0.7 * slowdown
    assert recorded.apart < slowdown
    assert recorded.sizes == (size,)
    assert recorded.offsets, "no flash has a beep"
    assert recorded.worst_offset <= 0.04 * slowdown, recorded.offsets
