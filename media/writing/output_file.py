"""The result's file: how its container is opened, and what of the source's video that container can't hold.

`sr4k.media.writing.container_support` knows what it can hold of the other streams.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from sr4k.errors import OutputError
from sr4k.media.hdr import static_metadata
from sr4k.media.paths import for_libav
from sr4k.media.reading.open_file import open_input
from sr4k.media.stereo3d import packing, says_by_tag
from sr4k.media.video import VideoInfo
from sr4k.media.writing.container_support import BLU_RAY, QUICKTIME
from sr4k.media.writing.containers import container_of, is_blu_ray
from sr4k.media.writing.encoder import keeps_site
from sr4k.media.writing.metadata import are_a_phones, of_the_work

_WITH_ROTATION = {*QUICKTIME, "matroska", "webm"}
"""Containers that store rotation and mirroring."""

_WITHOUT_ASPECT_RATIO = {"matroska", "webm"}
"""Containers whose sample aspect ratio PyAV can't set: it has to come from the encoder."""

_WITHOUT_NEGATIVE_TIMES = {"flv", "nut"}
"""Containers without times below 0, such as the dts of a first picture that B-frames are reordered around."""

_FINEST = 10_000_000
"""Maximum of the movie timescale, in ticks per second."""

_USUAL = 90_000
"""Movie timescale, in ticks per second, where an exact one would be finer than that."""

_LONGEST = 2**31 - 1
"""Maximum duration of a sample in MP4 and MOV, in ticks, as libav writes them."""


class Writable(Protocol):
    """What libav writes to instead of a file, from its beginning to its end.

    Attributes:
        name: name in messages.
    """

    name: str

    def write(self, data: bytes, /) -> int:
        """Write all of the data, and return its length."""
        ...


def open_output(path: Path, source: InputContainer, info: VideoInfo, pipe: Writable | None = None) -> OutputContainer:
    """Open a file or a pipe for writing, in the container that its suffix chooses.

    Args:
        path: The file; of a pipe, a name with the suffix.
        source: Opened source. Tracks of MP4 and MOV are to begin exactly when those of the source do.
        info: The result's video.
        pipe: What is written to instead of the file, from the beginning to the end.

    Raises:
        OptionError: The suffix chooses no container that can be written.
        OutputError: The file can't be opened.
    """
    container = container_of(path)
    # what begins before 0, such as the priming samples of AAC, shifts nothing where the container can say so
    options = {"avoid_negative_ts": "make_non_negative" if container in _WITHOUT_NEGATIVE_TIMES else "disabled"}
    if container in QUICKTIME:
        # edit lists, which say when a track begins, count in the movie timescale: milliseconds by default
        flags = "+faststart+use_metadata_tags" if are_a_phones(source.metadata) else "+faststart"
        options |= {"movflags": flags, "movie_timescale": str(_timescale(source, info))}
    if is_blu_ray(path):
        options |= BLU_RAY
    try:
        return av.open(pipe or for_libav(path), "w", format=container, options=options)
    except (av.error.FFmpegError, OSError) as err:
        raise OutputError(f"{path} can't be written ({err.strerror}).") from err


def copy_video_tags(original: VideoStream, stream: VideoStream, info: VideoInfo, container: str) -> None:
    """Copy tags and disposition of the source's video stream to the result's; the stereo mode too where it is a tag."""
    stream.metadata.update(of_the_work(original.metadata))
    mode = stream.metadata.pop("stereo_mode", None) or info.stereo_mode
    if mode is not None and says_by_tag(container, mode):
        stream.metadata["stereo_mode"] = mode
    stream.disposition = original.disposition


def unsupported(info: VideoInfo, container: str, encoder: str) -> Iterator[str]:
    """Name the properties of the video that neither the container nor the encoder (libav's names) can store."""
    if info.display_matrix is not None and container not in _WITH_ROTATION:
        yield f"rotation can't be carried by {container}"
    if info.hdr is not None and not static_metadata(encoder, info.hdr):
        yield f"mastering display and light levels (HDR10) can't be carried by {encoder}"
    if encoder != "rawvideo" and not keeps_site(encoder, info.colour.chroma_location):  # y4m's header holds it
        yield f"the chroma location ({info.colour.chroma_location}) can't be carried by {encoder}"
    mode = info.stereo_mode
    if mode is not None and not says_by_tag(container, mode) and not packing(encoder, mode):
        yield f"that the pictures are stereoscopic (3D, {mode}) can't be carried by {container}"
    # PyAV can't set it on a container; MP4 takes it from the encoder, and other codecs than AV1 store it themselves
    if (info.sample_aspect_ratio or 1) != 1 and container in _WITHOUT_ASPECT_RATIO and "av1" in encoder:
        yield f"pixels of {info.sample_aspect_ratio} can't be carried by AV1 in {container}: .mp4 can"


def check_gap(source: Path, container: str, *, ticks: int, until: int, time_base: Fraction) -> None:
    """Refuse a gap between two pictures for which the muxer would silently move all that follow.

    Args:
        source: Named in the error.
        container: libav's name.
        ticks: Length of the gap.
        until: pts of the picture after it.
        time_base: Seconds per tick.

    Raises:
        OutputError: The gap is too long for MP4 or MOV.
    """
    if ticks > _LONGEST and container in QUICKTIME:
        hours = float(ticks * time_base / 3600)
        raise OutputError(
            f"{source.name} has no picture for {hours:.1f} hours from {float(until * time_base) / 3600 - hours:.1f} h "
            f"on, which {container} can't hold in ticks this short: use .mkv."
        )


def count_pictures(path: Path) -> int:
    """Return how many video packets a file has.

    Raises:
        InputError: The file can't be read.
    """
    with open_input(path) as result:
        return sum(packet.size > 0 for packet in result.demux(video=0))


def _timescale(source: InputContainer, info: VideoInfo) -> int:
    """Return the movie timescale, in ticks per second, in which all tracks begin exactly when the source's do."""
    ticks = math.lcm(info.time_base.denominator, *map(_sample_rate, source.streams.audio))
    return ticks if ticks <= _FINEST else _USUAL


def _sample_rate(stream: AudioStream) -> int:
    return 1 if stream.codec_context is None else stream.sample_rate or 1  # no context: libav doesn't know the codec
