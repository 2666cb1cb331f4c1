"""The video encoders in libav: how they are configured and opened; `encoder_table` says what each understands."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.common.option_names import option
from sr4k.common.quiet_svt import quiet_svt
from sr4k.errors import OptionError
from sr4k.media.hdr import static_metadata
from sr4k.media.libav_errors import cause_of, libav_errors
from sr4k.media.options import Codec, EncoderKind, EncoderSettings
from sr4k.media.stereo3d import packing
from sr4k.media.video import ColourTags, VideoInfo
from sr4k.media.writing.codec_choice import holds
from sr4k.media.writing.container_support import QUICKTIME
from sr4k.media.writing.encoder_limits import check_quality
from sr4k.media.writing.encoder_table import (
    ENCODERS,
    RATE_CONTROL,
    EncoderRow,
    called,
    quality_options,
    speed_options,
)
from sr4k.media.writing.hardware import Trouble, device_of, trouble_with
from sr4k.models.colour import ChromaLocation

_LEAST = {"libx265": (50, 16), "libsvtav1": (32, 32)}
"""Minimum width and height in pixels.

Below it, libx265 does not open or, narrower than 50 pixels, writes past the end of its lookahead's buffers (as glibc's
malloc checks show); libsvtav1 may never end.
"""

_MOST = {"libx264": (16384, 16384), "libsvtav1": (16384, 8704)}
"""Maximum width and height in pixels."""

quiet_svt()

_SITED: dict[str, dict[ChromaLocation, str]] = {
    "libx264": {"center": "chromaloc=1", "topleft": "chromaloc=2"},
    "libx265": {"center": "chromaloc=1", "topleft": "chromaloc=2"},
    "libsvtav1": {"left": "chroma-sample-position=left", "topleft": "chroma-sample-position=topleft"},
}
"""Parameters for chroma sites other than the encoder's default; AV1 has no value for the center."""

_PARAMS = {"libx264": "x264-params", "libx265": "x265-params", "libsvtav1": "svtav1-params"}
"""libav's options that pass on parameters for which libav has no option of its own."""


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
        OptionError: The container can't hold the codec, the encoder can't be used here, or has no such option, quality
            or speed, or the pictures are too small, too large or too deep for it.
    """
    row = row_of(settings)
    _check_quality(settings)
    _check_pictures(row, info, target.format.name)
    stream = _added(target, row, info, settings)
    context = stream.codec_context
    _check_options(context, settings)
    stream.width, stream.height = info.width, info.height
    stream.pix_fmt = pixel_format or _pixel_format(row, context, info)
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


def open_encoder(stream: VideoStream) -> None:
    """Open the stream's encoder, which `add_video` has configured.

    Raises:
        OptionError: The encoder rejects its settings, or can't be used here.
    """
    context = stream.codec_context
    name = context.name
    with _log_of(name) as lines:
        try:
            context.open(strict=False)
        except (av.error.FFmpegError, OSError) as err:  # reading the context's codec may crash from here on
            raise _unopened(name, cause_of(err, lines)) from err
    if name == "libsvtav1":
        share_cpus()


def _log_of(name: str) -> AbstractContextManager[list[tuple[int, str, str]]]:
    """Collect what a hardware encoder logs.

    The threads of one in software would wait for Python to log, and Python for them to end.
    """
    return nullcontext([]) if name in _PARAMS else libav_errors()


def share_cpus() -> None:
    """Reset all threads of this process to the usual scheduling policy.

    As root, libsvtav1 gives its threads, and the one that opens it, the highest real-time priority: decoder, network
    and all other processes of the machine would get the CPU time that it leaves.
    """
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # the thread may have ended
            os.sched_setscheduler(int(task.name), os.SCHED_OTHER, os.sched_param(0))


def row_of(settings: EncoderSettings) -> EncoderRow:
    """Return the encoder that the settings name; `sr4k.media.writing.codec_choice` has resolved what is automatic."""
    return ENCODERS[_named(settings)]


def keeps_input(settings: EncoderSettings, pixel_format: str) -> bool:
    """Whether the encoder reads pictures of this format later, in the memory that they are given in: they must stay."""
    row = row_of(settings)
    return row.keeps_input and pixel_format in (row.shallow, row.deep)  # any other is converted, which is a copy


def takes_p010(settings: EncoderSettings) -> bool:
    """Whether the encoder takes pictures of P010, as those in hardware do; those in software take planar ones."""
    return _named(settings)[0] != "software"


def keeps_site(encoder: str, location: ChromaLocation) -> bool:
    """Whether an encoder, by libav's name, writes a chroma location, or it is the one that decoders assume."""
    return location == "left" or encoder in _SITED


def tag(target: VideoCodecContext | VideoFrame, tags: ColourTags) -> None:
    """Set the colour tags of an encoder, or of a picture for it."""
    target.colorspace, target.color_range = tags.colorspace, tags.color_range
    target.color_primaries, target.color_trc = tags.color_primaries, tags.color_trc


def _check_quality(settings: EncoderSettings) -> None:
    """Refuse quality and speed that were meant for another codec than container and pictures have led to.

    Raises:
        OptionError: The encoder has no such quality or speed.
    """
    kind, codec = _named(settings)
    try:
        check_quality(codec, (kind,), settings.crf, settings.preset)
    except ValueError as err:
        raise OptionError(f"{str(err)[:1].upper()}{str(err)[1:]}.") from err


def _named(settings: EncoderSettings) -> tuple[EncoderKind, Codec]:
    assert settings.encoder != "auto" and settings.codec != "auto", "not resolved"
    return settings.encoder, settings.codec


def _called(name: str) -> str:
    """Return the name for users of an encoder, by libav's name."""
    return next(called(kind, codec) for (kind, codec), row in ENCODERS.items() if row.name == name)


def _added(target: OutputContainer, row: EncoderRow, info: VideoInfo, settings: EncoderSettings) -> VideoStream:
    """Add the stream. A device that frames have to be uploaded to is opened here."""
    if row.name not in av.codecs_available:
        raise _unusable(row.name, trouble_with(*_named(settings)))
    options = _options(row, info, settings)
    try:
        stream = target.add_stream(row.name, rate=info.rate, options=options, hwaccel=device_of(row))
    except (av.error.FFmpegError, ValueError, OSError) as err:
        if row.device is not None and isinstance(err, av.error.FFmpegError | OSError):
            raise _unopened(row.name, cause_of(err, ())) from err
        raise OptionError(
            f"{target.format.name} files can't hold {_called(row.name)} video: choose another container or codec."
        ) from err
    assert isinstance(stream, VideoStream)
    return stream


def _unopened(name: str, cause: str) -> OptionError:
    """Return the error for an encoder that did not open: what it lacks, or that these settings are the cause."""
    kind, codec = next(key for key, row in ENCODERS.items() if row.name == name)
    if kind != "software" and (trouble := trouble_with(kind, codec)) is not None:
        return _unusable(name, trouble)
    return OptionError(f"The {called(kind, codec)} encoder can't be opened with these settings ({name}: {cause}).")


def _unusable(name: str, trouble: Trouble | None) -> OptionError:
    instead = "" if name in _PARAMS else f"; {option('encoder', 'software')} works on any CPU"
    return OptionError(f"The {name} encoder can't be opened here ({trouble}){instead}.")


def _check_pictures(row: EncoderRow, info: VideoInfo, container: str) -> None:
    """Refuse pictures of a size or depth that the encoder doesn't support.

    Raises:
        OptionError: It doesn't.
    """
    least_width, least_height = _LEAST.get(row.name, (2, 2))
    if info.colour.bits > row.most_bits:
        onward = f"use {_codec('hevc', container)}, or {option('encoder', 'software')}"
        raise OptionError(f"The {row.name} encoder keeps {row.most_bits} of {info.colour.bits} bits: {onward}.")
    size = f"The {_called(row.name)} encoder doesn't support {info.width}x{info.height}"
    if info.width < least_width or info.height < least_height:
        onward = f"use {_codec('h264', container)}, or a larger {option('size')}"
        raise OptionError(f"{size}: its minimum is {least_width}x{least_height}; {onward}.")
    width, height = _MOST.get(row.name, (info.width, info.height))
    if info.width > width or info.height > height:
        onward = f"use {_codec('hevc', container)}, pictures (%05d.png), or a {option('size')}"
        raise OptionError(f"{size}: its maximum is {width}x{height}; {onward}.")


def _codec(codec: Codec, container: str) -> str:
    """Return advice to use a codec, in another container where this one can't hold it."""
    advice = option("codec", codec)
    return advice if holds(container, codec) else f"{advice} in another container, such as Matroska (.mkv)"


def _pixel_format(row: EncoderRow, context: VideoCodecContext, info: VideoInfo) -> str:
    """Return the encoder's own pixel format; else the pictures' or one of their depth, if supported; or ``yuv420p``."""
    if (own := row.deep if info.colour.bits > 8 else row.shallow) is not None:
        return own
    takes = {form.name for form in context.codec.video_formats or ()}
    wanted = (info.pixel_format, "yuv420p10le", "p010le") if info.colour.bits > 8 else (info.pixel_format,)
    return next((name for name in wanted if name in takes), "yuv420p")


def _options(row: EncoderRow, info: VideoInfo, settings: EncoderSettings) -> dict[str, str]:
    speed = settings.preset or settings.options.get(row.speed_option)
    options = speed_options(row, speed)
    is_chosen = settings.bitrate is not None or RATE_CONTROL & settings.options.keys()
    if settings.crf is not None or not is_chosen:
        options |= quality_options(row, settings.crf, speed)
    options |= settings.options
    if row.name in _PARAMS:
        name = _PARAMS[row.name]
        if params := ":".join(filter(None, [*_facts(row.name, info), options.get(name)])):
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
        name = called(*_named(settings))
        raise OptionError(
            f"The {name} encoder has no option '{unknown[0]}': check the name given to {option('options')}."
        )
