"""The last finished picture of a job that runs, beside its source's, small. It is made in a process of its own."""

import os
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from sr4k.errors import Sr4kError
from sr4k.media.resume.job_folder import folder_of
from sr4k.media.resume.journal import Journal
from sr4k.queue.errand import in_child
from sr4k.queue.queued_job import QueuedJob
from sr4k.web.shelf import Made, Shelf, content_of, discard

RESULT, SOURCE = "result.jpg", "source.jpg"

_EVERY = 5.0
"""Least seconds between two pictures of all jobs together."""

_SECONDS = 30.0
_NICE = 15
"""By how much the job goes before whatever makes its pictures."""

_WIDEST = 640

_KEPT = 20
"""Jobs whose last picture is kept: more than run at once."""


class LastPicture(NamedTuple):
    """What is known of a picture. ``segment``: where it was found; ``at``: its time in the source in seconds."""

    segment: str
    at: float


class LastPictures:
    """Makes and keeps the last picture of each job, at the request of whoever looks at it.

    A picture costs the decoding of one key frame of the result and of a few pictures of the source, and is made again
    only when a further segment is finished. Any thread may ask.

    Args:
        home: folder for their folders.
    """

    def __init__(self, home: Path) -> None:
        self._shelf = Shelf[LastPicture](home, _KEPT)
        self._next = 0.0
        self._making = threading.Lock()

    def of(self, job: QueuedJob) -> Made[LastPicture] | None:
        """Return the last picture of a job; ``None``: nothing of it is finished, or it can't be shown."""
        if self._making.acquire(blocking=False):  # else one is being made, for whoever asks next
            try:
                self._look(job)
            finally:
                self._making.release()
        return self._shelf.get(str(job.id))

    def jpeg(self, number: int, version: str, name: str) -> bytes | None:
        """Return a picture; ``None``: it is gone. ``version``: name of the folder that it is in."""
        kept = self._shelf.get(str(number))
        return content_of(kept.folder / name) if kept is not None and kept.folder.name == version else None

    def forget(self, number: int) -> None:
        """Delete the picture of a job that has ended."""
        self._shelf.forget(str(number))

    def _look(self, job: QueuedJob) -> None:
        """Make a picture if a further segment is finished, and the last one was not made just now."""
        kept, segments = self._shelf.get(str(job.id)), Journal(folder_of(Path(job.target))).segments()
        is_new = bool(segments) and (kept is None or kept.about.segment != segments[-1].name)
        if is_new and time.monotonic() >= self._next:
            self._make(job)
            self._next = time.monotonic() + _EVERY

    def _make(self, job: QueuedJob) -> None:
        folder = self._shelf.new_folder()
        part = job.options.part
        given = job.source, job.target, job.options.deinterlace, job.options.track, part
        try:
            segment, at = in_child(_made, *given, str(folder), seconds=_SECONDS)
        except Sr4kError:  # the segment has gone, or the source is damaged there: a page does without a picture
            discard(folder)
            return
        self._shelf.put(str(job.id), folder, LastPicture(segment, at))


def _made(source: str, target: str, deinterlace: Any, track: str, part: str | None, folder: str) -> tuple[str, float]:
    """Write the last key frame that is finished of a job, and the source's picture at that time.

    Returns:
        The name of the segment, and the time in the source in seconds.

    Raises:
        InputError: there is none, or one of them can't be decoded.
    """
    os.nice(_NICE)
    from sr4k.common.opencv import cv2
    from sr4k.errors import InputError
    from sr4k.jobs.parse import parse_part, parse_track
    from sr4k.media.options import ReadSettings
    from sr4k.media.reading.reader import VideoReader
    from sr4k.media.resume.segments import last_key
    from sr4k.web.trying import picture_at

    journal = Journal(folder_of(Path(target)))
    encoder, found = journal.encoder(), last_key(journal)
    if encoder is None or found is None:
        raise InputError("Nothing of the job is finished.")
    segment, pts, data = found
    reading = ReadSettings(path=Path(source), deinterlace=deinterlace, track=parse_track(track))
    with VideoReader(reading) as reader:
        first = next(reader.pictures())[1]
    at = pts * first.time_base + (parse_part(part).start if part else -first.pts * first.time_base)
    theirs = picture_at(reading, max(Fraction(0), at))
    ours = _decoded(encoder, data)
    height, width = ours.shape[:2]
    size = min(_WIDEST, width), max(1, round(height * min(_WIDEST, width) / width))
    for name, rgb in ((RESULT, ours), (SOURCE, theirs)):
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if rgb.shape[1] > size[0] else cv2.INTER_CUBIC)
        Path(folder, name).write_bytes(cv2.imencode(".jpg", small[:, :, ::-1])[1].tobytes())
    return segment, float(at)


def _decoded(encoder: dict[str, Any], data: bytes) -> Any:
    """Return a key frame as RGB (H, W, 3), uint8."""
    from dataclasses import replace

    import av
    from av.codec import Codec
    from av.packet import Packet

    from sr4k.errors import InputError
    from sr4k.media.scaling import Scaler
    from sr4k.media.video import ColourTags, colour_of

    decoder: Any = av.CodecContext.create(Codec(encoder["name"], "w").canonical_name, "r")
    decoder.extradata = bytes.fromhex(encoder["head"]) or None
    for packet in (Packet(data), None):
        for frame in decoder.decode(packet):
            tags = ColourTags(frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)
            colour = colour_of(tags, height=frame.height, codec=decoder.name)
            size = frame.width, frame.height
            return Scaler("bicubic")(frame, size, "rgb24", colour, replace(colour, full_range=True)).to_ndarray()
    raise InputError("The last finished picture can't be decoded.")
