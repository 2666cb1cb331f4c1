"""View a stream as it arrives: read its numbers, flashes and beeps, and compare them with those published."""

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import av
import numpy as np

from rig import counter
from rig.process import RigProcess, emit
from rig.publish import BEEP, RATE
from rig.recording import offsets

_BACKLOG = 2.0
"""Seconds after its start in which a viewer may get old pictures: servers cache a GOP."""

_FAR = 1000
"""Difference between two numbers that means another publisher: no network loses or reorders that many pictures."""


class Viewer(RigProcess):
    """Views ``url`` until it ends or is killed, and reports every picture and audio packet.

    ``patience``: seconds that it waits for a stream that can be opened.
    """

    def __init__(self, url: str, *, patience: float = 5.0) -> None:
        super().__init__("rig.view", url=url, patience=patience)


@dataclass(frozen=True)
class Measured:
    """What a viewer received of a publisher's stream; times are in seconds.

    Attributes:
        pictures: Number of pictures whose number could be read.
        unreadable: Number of the other pictures.
        latency: Median time from sending a picture to its first display, once the viewer has caught up.
        latency_p95: 95th percentile of the same.
        lost: Numbers between the lowest and the highest of each publisher that never arrived.
        repeated: Pictures whose number had arrived before.
        reordered: Pictures that first arrived after a higher number.
        backwards: Packets whose pts didn't increase, in both tracks.
        offset: Median delay of audio after video, over all flashes with a beep.
        offset_worst: Largest absolute offset.
        longest_gap: Longest time between two pictures.
        sizes: Widths and heights of its pictures.
    """

    pictures: int
    unreadable: int
    latency: float
    latency_p95: float
    lost: int
    repeated: int
    reordered: int
    backwards: int
    offset: float
    offset_worst: float
    longest_gap: float
    sizes: tuple[tuple[int, int], ...]


def measure(sent: list[dict[str, Any]], seen: list[dict[str, Any]]) -> Measured:
    """Compare the reports of publishers with that of a viewer."""
    when = {line["n"] % (1 << counter.BITS): line["at"] for line in sent if "n" in line}
    pictures = [line for line in seen if "picture" in line]
    numbers = [line["picture"] for line in pictures if line["picture"] is not None]
    late = sorted(at - when[number] for number, at in _first_sights(seen).items() if number in when)
    steps = np.diff([line["pts"] for line in pictures]) if len(pictures) > 1 else np.zeros(1)
    sound = np.diff([line["sound"] for line in seen if "sound" in line])
    order = _order(numbers)
    found = _offsets(seen)
    return Measured(
        pictures=len(numbers),
        unreadable=len(pictures) - len(numbers),
        latency=median(late) if late else float("nan"),
        latency_p95=late[len(late) * 95 // 100] if late else float("nan"),
        lost=order["lost"],
        repeated=order["repeated"],
        reordered=order["reordered"],
        backwards=int((steps <= 0).sum() + (sound <= 0).sum()),
        offset=median(found) if found else float("nan"),
        offset_worst=max(map(abs, found), default=float("nan")),
        longest_gap=float(steps.max()),
        sizes=tuple(sorted({tuple(line["size"]) for line in pictures})),
    )


def between(earlier: list[dict[str, Any]], later: list[dict[str, Any]]) -> list[float]:
    """Return the seconds from the first display of each picture at one viewer to that at another, ascending."""
    before, after = _first_sights(earlier), _first_sights(later)
    return sorted(after[number] - before[number] for number in before.keys() & after.keys())


def _first_sights(seen: list[dict[str, Any]]) -> dict[int, float]:
    """Return the monotonic time at which each number arrived first, once the viewer has caught up."""
    pictures = [line for line in seen if "picture" in line]
    settled = min((line["at"] for line in pictures), default=0.0) + _BACKLOG
    first = {line["picture"]: line["at"] for line in reversed(pictures) if line["picture"] is not None}
    return {number: at for number, at in first.items() if at > settled}


def _order(numbers: list[int]) -> Counter[str]:
    """Count lost, repeated and reordered numbers. Each publisher begins far from the last number of the one before."""
    order: Counter[str] = Counter()
    breaks = [k for k, (a, b) in enumerate(pairwise(numbers), 1) if abs(b - a) >= _FAR]
    for start, end in pairwise([0, *breaks, len(numbers)]):
        known: set[int] = set()
        for number in numbers[start:end]:
            order["repeated"] += number in known
            order["reordered"] += number not in known and number < max(known, default=number)
            known.add(number)
        order["lost"] += max(known) - min(known) + 1 - len(known) if known else 0
    return order


def _offsets(seen: list[dict[str, Any]]) -> list[float]:
    flashes = [line["pts"] for line in seen if line.get("flash")]
    first = [t for k, t in enumerate(flashes) if k == 0 or t - flashes[k - 1] > 0.5]  # repeats prolong a flash
    return offsets(first, [line["beep"] for line in seen if "beep" in line])


def _main(url: str, patience: float) -> None:
    until, why = time.monotonic() + patience, ""
    while time.monotonic() < until:
        try:
            container = _opened(url, patience)
        except (av.error.FFmpegError, OSError) as err:
            why = type(err).__name__
            time.sleep(0.1)
            continue
        if container.streams.video:
            _view(container)
            return
        container.close()
    emit(end=f"nothing to view: {why}")


def _opened(url: str, patience: float) -> Any:
    options = {"analyzeduration": "1000000", "probesize": "1000000"}
    if url.startswith("rtmp"):
        options |= {"rtmp_live": "live", "tcp_nodelay": "1"}
    return av.open(url, options=options, timeout=(patience, 3600.0))


def _view(container: Any) -> None:
    container.streams.video[0].thread_type = "SLICE"
    quiet = 0.0
    try:
        for packet in container.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio":
                emit(sound=float(packet.pts * packet.time_base), at=time.monotonic())
            for frame in packet.decode():
                if packet.stream.type == "video":
                    look(frame, time.monotonic(), is_key=packet.is_keyframe)
                elif packet.stream.type == "audio":
                    quiet = hear(frame, quiet)
        emit(end="end of stream")
    except (av.error.FFmpegError, OSError, ValueError) as err:
        emit(end=type(err).__name__)


def look(frame: Any, now: float, *, is_key: bool) -> None:
    """Report a picture that was decoded at ``now``."""
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    emit(
        picture=counter.read(luma),
        pts=float(frame.pts * frame.time_base),
        at=now,
        size=[frame.width, frame.height],
        key=is_key,
        flash=bool(luma[frame.height * 5 // 8 : frame.height * 7 // 8].mean() > 215),
    )


def hear(frame: Any, quiet_since: float) -> float:
    """Report a beep that begins in this block; return the time of the last loud sample, so that it is reported once."""
    array = frame.to_ndarray()
    channels = array.reshape(-1, frame.layout.nb_channels).T if frame.format.is_packed else array
    samples = np.abs(channels).max(axis=0).astype(float)
    if frame.format.name.startswith("s16"):
        samples /= 32768
    start = float(frame.pts * frame.time_base)
    for at in np.flatnonzero(samples > 0.2):
        time_of = start + at / RATE
        if time_of - quiet_since > 10 * BEEP:
            emit(beep=time_of)
        quiet_since = time_of
    return quiet_since


if __name__ == "__main__":
    _main(**json.loads(sys.argv[1]))
