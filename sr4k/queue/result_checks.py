"""Compares a finished result with its source: as many frames, as long, as many streams."""

from collections import Counter
from fractions import Fraction
from pathlib import Path

import av

from sr4k.jobs.summary import Summary
from sr4k.media.reading.open_file import open_input, video_stream
from sr4k.queue.queued_job import Check

_SLACK = 0.5
"""Seconds by which durations may differ: sound is cut at its blocks, and headers round."""


def checked(source: Path, result: Path, summary: Summary | None, *, is_part: bool) -> list[Check]:
    """Return the comparisons that make sense for a job.

    Args:
        summary: of the job; ``None``: unknown, because it ended as its service was killed.
        is_part: whether only a part of the source was wanted.

    Raises:
        InputError: one of the files can't be read.
    """
    written = _packets(result)
    found = [_frames(written, summary)] if summary is not None else []
    if is_part:
        return found
    before, after = _seconds(source), _seconds(result)
    if before is not None and after is not None:
        is_equal = abs(before - after) <= _SLACK
        says = f"{float(after):.2f} s, and the source {float(before):.2f} s"
        found.append(Check(name="duration", ok=is_equal, says=says))
    return [*found, _streams(source, result, summary)]


def _frames(written: int, summary: Summary) -> Check:
    expected, counted = summary.frames, summary.source.expected_frames if summary.source.frames_counted else None
    lost = summary.losses.packets + summary.losses.missing
    says = f"{written} frames in the file, {expected} were made"
    ok = written == expected
    if counted is not None and not summary.stopped:
        says += f", and the source counts {counted}"
        ok = ok and (bool(lost) or expected >= counted)
    return Check(name="frames", ok=ok, says=says)


def _packets(path: Path) -> int:
    """Return the number of pictures in a file: of its header, or counted."""
    with open_input(path) as container:
        stream = video_stream(container, path)
        return stream.frames or sum(1 for packet in container.demux(stream) if packet.size)


def _seconds(path: Path) -> Fraction | None:
    with open_input(path) as container:
        return None if not container.duration else Fraction(container.duration, av.time_base)


def _streams(source: Path, result: Path, summary: Summary | None) -> Check:
    before, after = _kinds(source), _kinds(result)
    missing = before - after
    known = bool(summary is not None and summary.left_out)
    says = ", ".join(f"{after[kind]} of {count} {kind}" for kind, count in sorted(before.items())) or "none"
    if missing and known:
        says += "; what is missing is listed as left out"
    return Check(name="streams", ok=not missing, says=says)


def _kinds(path: Path) -> "Counter[str]":
    with open_input(path) as container:
        return Counter(stream.type for stream in container.streams if stream.type in ("video", "audio", "subtitle"))
