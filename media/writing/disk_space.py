"""How much room on the disk a job takes, reckoned before it begins."""

import shutil
from pathlib import Path

import av
from av.container import InputContainer

from sr4k.errors import OutputError
from sr4k.media.options import EncoderSettings
from sr4k.media.video import VideoInfo
from sr4k.media.writing.encoder import default_crf

_BITS_OF_A_PIXEL = 0.03
"""Of video that is easy to encode: a job that would fit is not to be refused."""

_HALVES = 6
"""By so much more crf, half the bytes."""


def check_room(
    source: InputContainer, info: VideoInfo, settings: EncoderSettings, folder: Path, *, done: int = 0
) -> None:
    """See to it that there is room for the segments and for the file that is made of them.

    Args:
        done: bytes of segments that are there.

    Raises:
        OutputError: there is less than even video that is easy to encode takes.
    """
    video = video_bytes(source, info, settings)
    needed, free = max(0, video - done) + video, shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"{folder.parent} has too little room: {_in_words(free)} are free, and at least {_in_words(needed)} "
            "are needed, half of them until it is done: make room, or name another disk."
        )


def video_bytes(source: InputContainer, info: VideoInfo, settings: EncoderSettings) -> int:
    """Of the result, at least: 0 where the source does not tell its length."""
    seconds = (source.duration or 0) / av.time_base
    if settings.bitrate is not None:
        return round(seconds * settings.bitrate / 8)
    pixels = info.width * info.height * float(info.rate) * seconds
    usual = default_crf(settings.codec)
    finer = usual - (usual if settings.crf is None else settings.crf)
    return round(min(source.size or 0, pixels * _BITS_OF_A_PIXEL / 8) * 2 ** min(0, finer / _HALVES))


def _in_words(count: int) -> str:
    """``40 kB``, ``1.2 GB``: in a unit in which it is no 0."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.{1 if count < 10 * size else 0}f} {unit}"
    return f"{count} bytes"
