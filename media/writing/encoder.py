"""The video encoders: which there are, what they are told, and how they are opened."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.errors import OptionError
from sr4k.media.hdr import static_metadata
from sr4k.media.options import EncoderSettings
from sr4k.media.stereo3d import packing
from sr4k.media.video import ColourTags, VideoInfo
from sr4k.media.writing.container_support import QUICKTIME
from sr4k.media.writing.encoder_limits import check_quality
from sr4k.models.colour import ChromaLocation

_LEAST = {"libx265": 16, "libsvtav1": 32}
"""Pixels that a side must have: below, libx265 does not open, and libsvtav1 may never end."""

_MOST = {"libx264": (16384, 16384), "libsvtav1": (16384, 8704)}
"""Width and height that a picture can have, at most."""

os.environ.setdefault("SVT_LOG", "1")  # errors alone: libsvtav1 has a tongue of its own

_SITED: dict[str, dict[ChromaLocation, str]] = {
    "libx264": {"center": "chromaloc=1", "topleft": "chromaloc=2"},
    "libx265": {"center": "chromaloc=1", "topleft": "chromaloc=2"},
    "libsvtav1": {"left": "chroma-sample-position=left", "topleft": "chroma-sample-position=topleft"},
}
"""What encoders are told of chroma where silence would mean something else; AV1 has no word for the center."""

_PARAMS = {"libx264": "x264-params", "libx265": "x265-params", "libsvtav1": "svtav1-params"}
"""Options of libav through which they are told what libav has no option for."""

_ENCODERS: dict[str, str] = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}

# Quality and speed where the user names none: alike to the eye, and fast enough not to hold up the network.
_DEFAULTS: dict[str, tuple[int, str]] = {
    "h264": (18, "superfast"),
    "hevc": (21, "superfast"),
    "av1": (30, "10"),
    "h264_nvenc": (20, "p4"),
    "hevc_nvenc": (23, "p4"),
    "av1_nvenc": (30, "p4"),
}


def add_video(
    target: OutputContainer, info: VideoInfo, settings: EncoderSettings, pixel_format: str | None = None
) -> VideoStream:
    """A video stream in ``target``, its encoder told everything but not opened.

    ``pixel_format``: what it is given; ``None``: the pictures' own, or what it takes.

    Raises:
        OptionError: the container can't hold the codec, the encoder has no such option, or the pictures are too
            small or too large for it.
    """
    encoder = _ENCODERS.get(settings.codec, settings.codec)
    _check_quality(settings)
    _check_size(encoder, info, settings.codec)
    try:
        stream = target.add_stream(encoder, rate=info.rate, options=_options(encoder, info, settings))
    except (av.error.FFmpegError, ValueError) as err:
        raise OptionError(
            f"{target.format.name} files can't hold {settings.codec} video: choose another container or codec."
        ) from err
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    _check_options(context, settings)
    stream.width, stream.height = info.width, info.height
    stream.pix_fmt = pixel_format or _pixel_format(context, info)
    stream.time_base = info.time_base
    context.time_base = info.time_base
    if info.sample_aspect_ratio:
        stream.sample_aspect_ratio = info.sample_aspect_ratio
        context.sample_aspect_ratio = info.sample_aspect_ratio
    if settings.bitrate is not None:
        stream.bit_rate = settings.bitrate
    tag(context, info.tags)
    if stream.codec_context.codec.canonical_name == "hevc" and target.format.name in QUICKTIME:
        context.codec_tag = "hvc1"  # without which Apple's players show nothing
    if info.display_matrix is not None:
        stream.set_display_matrix(info.display_matrix)
    return stream


def open_encoder(stream: VideoStream, codec: str) -> None:
    """Open it.

    Raises:
        OptionError: it does not take its settings, or there is no GPU for it.
    """
    context = stream.codec_context
    name = context.name
    try:
        context.open(strict=False)
    except (av.error.FFmpegError, OSError) as err:  # from now on, to ask the context for its codec may crash
        reason = "no NVIDIA driver or GPU was found" if "nvenc" in name else f"{name}: {err.strerror}"
        raise OptionError(f"The {codec} encoder can't be opened with these settings ({reason}).") from err
    if name == "libsvtav1":
        share_cpus()


def share_cpus() -> None:
    """Of all threads of this process, and of those that they start: wait for a CPU like any other.

    As root libsvtav1 gives its threads, and the one that opens it, the highest real-time priority that there is:
    decoder, network and everybody else on the machine would get what it leaves.
    """
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it may have ended
            os.sched_setscheduler(int(task.name), os.SCHED_OTHER, os.sched_param(0))


def default_crf(codec: str) -> int:
    """Where the user names none."""
    return _DEFAULTS[codec][0]


def tag(target: VideoCodecContext | VideoFrame, tags: ColourTags) -> None:
    """Write the colour tags on an encoder, or on a picture for it."""
    target.colorspace, target.color_range = tags.colorspace, tags.color_range
    target.color_primaries, target.color_trc = tags.color_primaries, tags.color_trc


def _check_quality(settings: EncoderSettings) -> None:
    """For a codec that was chosen by the container or by the pictures: what was asked for may be another's."""
    try:
        check_quality(settings.codec, settings.crf, settings.preset)
    except ValueError as err:
        raise OptionError(f"{str(err)[:1].upper()}{str(err)[1:]}.") from err


def _check_size(encoder: str, info: VideoInfo, codec: str) -> None:
    least = _LEAST.get(encoder, 2)
    size = f"The {codec} encoder can't have pictures of {info.width}x{info.height}"
    if min(info.width, info.height) < least:
        raise OptionError(f"{size}: their sides need {least} pixels; use --codec h264, or a larger --size.")
    width, height = _MOST.get(encoder, (info.width, info.height))
    if info.width > width or info.height > height:
        raise OptionError(f"{size}, but up to {width}x{height}: use --codec hevc, pictures (%05d.png), or a --size.")


def _pixel_format(context: VideoCodecContext, info: VideoInfo) -> str:
    """The pictures' own, or one of the same depth, if the encoder takes it."""
    takes = {form.name for form in context.codec.video_formats or ()}
    wanted = (info.pixel_format, "p010le") if info.colour.bits > 8 else (info.pixel_format,)
    return next((name for name in wanted if name in takes), "yuv420p")


def _options(encoder: str, info: VideoInfo, settings: EncoderSettings) -> dict[str, str]:
    crf, speed = _DEFAULTS[settings.codec]
    options = {"preset": settings.preset or speed}
    if settings.bitrate is None:
        options["cq" if settings.codec.endswith("nvenc") else "crf"] = str(
            crf if settings.crf is None else settings.crf
        )
    options |= settings.options
    if encoder in _PARAMS:
        name = _PARAMS[encoder]
        if told := ":".join(filter(None, [*_facts(encoder, info), options.get(name)])):
            options[name] = told
    return options


def _facts(encoder: str, info: VideoInfo) -> Iterator[str]:
    """What the stream is to say of its pictures, in an encoder's own tongue."""
    if encoder == "libx265":
        yield "log-level=error"
    if encoder == "libsvtav1":
        yield "min-qp=1"  # its choice of 0, for pictures that are easy to predict, is a stream that can't be decoded
    yield _SITED[encoder].get(info.colour.chroma_location, "")
    if info.hdr is not None:
        yield static_metadata(encoder, info.hdr)
    yield packing(encoder, info.stereo_mode)


def _check_options(context: VideoCodecContext, settings: EncoderSettings) -> None:
    """Libav ignores options that it does not know: a typo must not pass in silence."""
    known = {
        option.name
        for group in (context.supported_options.generic, context.supported_options.private)
        for option in group
    }
    unknown = sorted(set(settings.options) - known)
    if unknown:
        raise OptionError(f"The {settings.codec} encoder has no option '{unknown[0]}': check the name given to -e.")
