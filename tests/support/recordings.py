"""What can be said of a recording, whatever was done to the channel that made it."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np

from rig import counter


def tracks(path: Path) -> dict[str, list[float]]:
    """Times of all packets by kind, in their order."""
    found: dict[str, list[float]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.pts is not None:
                found.setdefault(packet.stream.type, []).append(float(packet.pts * packet.time_base))
    return found


def assert_whole(path: Path, *, size: tuple[int, int], longest_gap: float = 0.7) -> None:
    """Both tracks unbroken from end to end, times growing, every picture of one size, sound and picture together."""
    found = tracks(path)
    for kind, times in found.items():
        steps = [b - a for a, b in pairwise(times)]
        assert min(steps) > 0, kind
        assert max(steps) < longest_gap, kind
    assert abs(found["video"][-1] - found["audio"][-1]) < 1
    flashes, beeps, sizes = events(path)
    assert sizes == {size}
    offsets = [min((beep - flash for beep in beeps), key=abs, default=9.0) for flash in flashes]
    heard = [offset for offset in offsets if abs(offset) < 0.45]
    assert heard, "no flash has a beep"
    assert max(map(abs, heard)) <= 0.045, heard  # a picture is 40 ms long


def events(path: Path) -> tuple[list[float], list[float], set[tuple[int, int]]]:
    """Times of flashes and beeps, and the sizes of all pictures."""
    flashes: list[float] = []
    beeps: list[float] = []
    sizes = set()
    quiet = shone = -1.0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0, audio=0):
            at = float(frame.pts * frame.time_base)
            if isinstance(frame, av.VideoFrame):
                sizes.add((frame.width, frame.height))
                luma = frame.to_ndarray(format="gray8")
                bright = luma[frame.height * 5 // 8 : frame.height * 7 // 8].mean() > 200
                if bright and at - shone > 0.5:
                    flashes.append(at)
                shone = at if bright else shone
            else:
                loud = np.flatnonzero(np.abs(frame.to_ndarray()).max(axis=0) > 0.2)
                if len(loud):
                    if at - quiet > 0.2:
                        beeps.append(at + loud[0] / frame.sample_rate)
                    quiet = at
    return flashes, beeps, sizes


def counters(path: Path) -> list[int | None]:
    """The numbers in the pictures."""
    with av.open(str(path)) as container:
        return [counter.read(_luma(frame)) for frame in container.decode(video=0)]


def _luma(frame: Any) -> Any:
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
