"""The video encoders: their names, options and limits in libav, and how they are opened."""

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

_LEAST = {"libx265": (50, 16), "libsvtav1": (32, 32)}
"""Minimum width and height in pixels.

Below it, libx265 does not open or, narrower than 50 pixels, writes past the end of its lookahead's buffers (as glibc's
malloc checks show); libsvtav1 may never end.
"""

_MOST = {"libx264": (16384, 16384), "libsvtav1": (16384, 8704)}
"""Maximum width and height in pixels."""

os.environ.setdefault("SVT_LOG", "1")  # errors only: libsvtav1 ignores libav's log level

_SITED: dict[str, dict[ChromaLocation, str]] = {
    "libx264": {"center": "chromaloc=1", "topleft": "chromaloc=2"},
    "libx265": {"center": "chromaloc=1", "topleft": "chromaloc=2"},
    "libsvtav1": {"left": "chroma-sample-position=left", "topleft": "chroma-sample-position=topleft"},
}
"""Parameters for chroma sites other than the encoder's default; AV1 has no value for the center."""

_PARAMS = {"libx264": "x264-params", "libx265": "x265-params", "libsvtav1": "svtav1-params"}
"""libav's options that pass on parameters for which libav has no option of its own."""

_ENCODERS: dict[str, str] = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}

# Default crf and speed: of like visual quality, and fast enough not to hold up the network.
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
    """Add a video stream to ``target``, its encoder configured but not opened.

    Args:
        target: Container opened for writing.
        info: Size, rate, colour and metadata of the pictures.
        settings: Codec, quality, speed and further options.
        pixel_format: libav's name of the encoder's input; ``None``: the pictures' own, or one that it supports.

    Raises:
        OptionError: The container can't hold the codec, the encoder has no such option, quality or speed, or the
            pictures are too small or too large for it.
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
        context.codec_tag = "hvc1"  # Apple's players show nothing with hev1
    if info.display_matrix is not None:
        stream.set_display_matrix(info.display_matrix)
    return stream


def open_encoder(stream: VideoStream, codec: str) -> None:
    """Open the stream's encoder.

    Args:
        stream: From `add_video`.
        codec: Named in the error.

    Raises:
        OptionError: The encoder rejects its settings, or there is no GPU for it.
    """
    context = stream.codec_context
    name = context.name
    try:
        context.open(strict=False)
    except (av.error.FFmpegError, OSError) as err:  # reading the context's codec may crash from here on
        reason = "no NVIDIA driver or GPU was found" if "nvenc" in name else f"{name}: {err.strerror}"
        raise OptionError(f"The {codec} encoder can't be opened with these settings ({reason}).") from err
    if name == "libsvtav1":
        share_cpus()


def share_cpus() -> None:
    """Reset all threads of this process to the usual scheduling policy.

    As root, libsvtav1 gives its threads, and the one that opens it, the highest real-time priority: decoder, network
    and all other processes of the machine would get the CPU time that it leaves.
    """
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # the thread may have ended
            os.sched_setscheduler(int(task.name), os.SCHED_OTHER, os.sched_param(0))


def default_crf(codec: str) -> int:
    """Return the crf (``cq`` for NVENC) that a codec gets by default."""
    return _DEFAULTS[codec][0]


def tag(target: VideoCodecContext | VideoFrame, tags: ColourTags) -> None:
    """Set the colour tags of an encoder, or of a picture for it."""
    target.colorspace, target.color_range = tags.colorspace, tags.color_range
    target.color_primaries, target.color_trc = tags.color_primaries, tags.color_trc


def _check_quality(settings: EncoderSettings) -> None:
    """Refuse quality and speed that were meant for another codec than container and pictures have led to.

    Raises:
        OptionError: The encoder has no such quality or speed.
    """
    try:
        check_quality(settings.codec, settings.crf, settings.preset)
    except ValueError as err:
        raise OptionError(f"{str(err)[:1].upper()}{str(err)[1:]}.") from err


def _check_size(encoder: str, info: VideoInfo, codec: str) -> None:
    least_width, least_height = _LEAST.get(encoder, (2, 2))
    size = f"The {codec} encoder doesn't support {info.width}x{info.height}"
    if info.width < least_width or info.height < least_height:
        raise OptionError(f"{size}: its minimum is {least_width}x{least_height}; use --codec h264, or a larger --size.")
    width, height = _MOST.get(encoder, (info.width, info.height))
    if info.width > width or info.height > height:
        raise OptionError(
            f"{size}: its maximum is {width}x{height}; use --codec hevc, pictures (%05d.png), or a --size."
        )


def _pixel_format(context: VideoCodecContext, info: VideoInfo) -> str:
    """Return the pictures' own pixel format or one of the same depth, if supported; else ``yuv420p``."""
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
        if params := ":".join(filter(None, [*_facts(encoder, info), options.get(name)])):
            options[name] = params
    return options


def _facts(encoder: str, info: VideoInfo) -> Iterator[str]:
    """Yield encoder parameters: chroma site, HDR metadata and stereo mode of the stream, and workarounds."""
    if encoder == "libx265":
        yield "log-level=error"
    if encoder == "libsvtav1":
        yield "min-qp=1"  # its choice of 0, for pictures that are easy to predict, is a stream that can't be decoded
    yield _SITED[encoder].get(info.colour.chroma_location, "")
    if info.hdr is not None:
        yield static_metadata(encoder, info.hdr)
    yield packing(encoder, info.stereo_mode)


def _check_options(context: VideoCodecContext, settings: EncoderSettings) -> None:
    """Refuse options that the encoder doesn't have, which libav would ignore silently.

    Raises:
        OptionError: There is one; names it.
    """
    known = {
        option.name
        for group in (context.supported_options.generic, context.supported_options.private)
        for option in group
    }
    unknown = sorted(set(settings.options) - known)
    if unknown:
        raise OptionError(f"The {settings.codec} encoder has no option '{unknown[0]}': check the name given to -e.")
