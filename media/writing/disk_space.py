"""Estimate of the disk space that a job needs, checked before it begins."""

import shutil
from pathlib import Path

import av
from av.container import InputContainer

from sr4k.errors import OutputError
from sr4k.media.options import EncoderSettings
from sr4k.media.video import VideoInfo
from sr4k.media.writing.encoder import row_of

_BITS_OF_A_PIXEL = 0.03
"""Bits per pixel of video that is easy to encode: a job that would fit must not be refused."""

_HALVES = 6
"""Steps of crf that halve the size."""


def check_space(
    source: InputContainer, info: VideoInfo, settings: EncoderSettings, folder: Path, *, done: int = 0
) -> None:
    """Refuse a job whose disk has no space for the segments and the file that is made of them.

    Args:
        source: Opened source.
        info: The result's video.
        settings: The encoder's settings.
        folder: Folder of the segments.
        done: Bytes of segments that exist.

    Raises:
        OutputError: There is less space than even video that is easy to encode needs.
    """
    video = video_bytes(source, info, settings)
    needed, free = max(0, video - done) + video, shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"{folder.parent} has too little disk space: {_in_words(free)} are free, and at least {_in_words(needed)} "
            "are needed, half of them only until the job is done: free some, or name another disk."
        )


def video_bytes(source: InputContainer, info: VideoInfo, settings: EncoderSettings) -> int:
    """Return the minimum size of the result in bytes; 0 where the source has no duration."""
    seconds = (source.duration or 0) / av.time_base
    if settings.bitrate is not None:
        return round(seconds * settings.bitrate / 8)
    pixels = info.width * info.height * float(info.rate) * seconds
    usual = row_of(settings).usual
    finer = usual - (usual if settings.crf is None else settings.crf)
    return round(min(source.size or 0, pixels * _BITS_OF_A_PIXEL / 8) * 2 ** min(0, finer / _HALVES))


def _in_words(count: int) -> str:
    """Format a number of bytes: ``40 kB``, ``1.2 GB``."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.{1 if count < 10 * size else 0}f} {unit}"
    return f"{count} bytes"
