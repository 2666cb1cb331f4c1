"""Encode: 4:2:0 blocks to a video file, with everything else of the source beside it."""

import logging
import os
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.errors import OptionError, OutputError
from sr4k.pipeline import Format, Frame, Sink
from sr4k.stages.passthrough import Passthrough
from sr4k.stages.picture import as_picture
from sr4k.stages.settings import EncodeSettings
from sr4k.stages.source import open_input, video_stream
from sr4k.stages.video import VideoInfo

log = logging.getLogger(__name__)

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
_CONTAINER_OPTIONS: dict[str, dict[str, str]] = {"mp4": {"movflags": "+faststart"}, "mov": {"movflags": "+faststart"}}

_REMEMBERED = 256
"""Frames whose way through the graph is remembered."""


class Encode(Sink):
    """One video stream, pts as they come, and the packets of the source's other streams."""

    name = "encode"
    _opens_late = False
    """Whether it is the first picture that opens the encoder."""

    def __init__(self, settings: EncodeSettings) -> None:
        self._settings = settings
        self._target: OutputContainer | None = None
        self._about: dict[str, Any] = {}
        self._frames = 0
        self._end = Fraction(0)  # of the picture, in seconds
        self._born: dict[Fraction, float] = {}
        self._latencies: deque[float] = deque(maxlen=_REMEMBERED)

    def open(self, source: Format) -> None:
        s, info = self._settings, source.about
        assert isinstance(info, VideoInfo)
        self._info = info
        self._source = open_input(s.source)
        self._target = _open_output(s.path)
        self._stream = self._add_video(self._target, info)
        original = video_stream(self._source, s.source)
        self._stream.metadata.update(original.metadata)
        self._stream.disposition = original.disposition
        self._rest = Passthrough(self._source, original, self._target)
        for dropped in self._rest.dropped:
            log.warning("%s; left out.", dropped)
        if not self._opens_late:
            self._open_encoder(self._target)
        self._about = {
            "codec": self._stream.codec_context.name,
            "width": info.width,
            "height": info.height,
            "container": self._target.format.name,
            "left_out": self._rest.dropped,
        }

    def consume(self, frame: Frame) -> None:
        picture = self._picture(frame)
        picture.pts, picture.time_base = frame.info.pts, frame.info.time_base
        if frame.info.duration:
            picture.duration = frame.info.duration
        tags = self._info.tags
        picture.colorspace, picture.color_range = tags.colorspace, tags.color_range
        picture.color_primaries, picture.color_trc = tags.color_primaries, tags.color_trc
        packets = self._stream.encode(picture)
        if self._opens_late and not self._frames:
            assert self._target is not None
            self._open_encoder(self._target)
        del picture
        frame.release()  # the encoders we name have copied it
        self._frames += 1
        self._born[frame.info.pts * frame.info.time_base] = frame.info.born
        if len(self._born) > _REMEMBERED:  # an encoder may drop a frame
            del self._born[next(iter(self._born))]
        self._end = (frame.info.pts + frame.info.duration) * frame.info.time_base
        self._mux(packets)

    def finish(self, *, complete: bool) -> None:
        self._mux(self._stream.encode(None))
        assert self._target is not None
        with _Writing(self._settings.path):
            self._rest.mux_until(None if complete else self._end)
            self._target.close()
        self._target = None
        _flush_to_disk(self._settings.path)

    def close(self) -> None:
        if self._target is not None:
            with suppress(av.error.FFmpegError, OSError):  # what went wrong before is what the user should read
                self._target.close()
            self._target = None
        if hasattr(self, "_source"):
            self._source.close()

    def report(self) -> dict[str, Any]:
        damage = self._rest.damage if hasattr(self, "_rest") else None
        return {
            **self._about,
            "frames": self._frames,
            "copy_damage": damage,
            "latency": _spread(self._latencies),
        }

    def _pixel_format(self, context: VideoCodecContext) -> str:
        """The pictures' own, if the encoder takes it; else libav converts them."""
        own = self._info.pixel_format
        return own if own in {form.name for form in context.codec.video_formats or ()} else "yuv420p"

    def _picture(self, frame: Frame) -> VideoFrame:
        return as_picture(frame.planes[0], self._info.pixel_format)

    def _open_encoder(self, target: OutputContainer) -> None:
        """Open it, and write the head of the file."""
        s, context = self._settings, self._stream.codec_context
        try:
            context.open(strict=False)
        except (av.error.FFmpegError, OSError) as err:
            name = context.name
            reason = "no NVIDIA driver or GPU was found" if "nvenc" in name else f"{name}: {err.strerror}"
            raise OptionError(f"The {s.codec} encoder can't be opened with these settings ({reason}).") from err
        try:
            target.start_encoding()
        except (av.error.FFmpegError, OSError) as err:
            raise OutputError(f"{s.path.name}: the container can't be written ({err.strerror}).") from err

    def _mux(self, packets: "list[Packet[Any]]") -> None:
        assert self._target is not None
        with _Writing(self._settings.path):
            for packet in packets:
                if packet.dts is not None and packet.pts is not None and packet.dts > packet.pts:
                    packet.dts = packet.pts  # libx265 leaves it uninitialised in streams of one or two frames
                self._note_latency(packet)
                if packet.dts is not None and packet.time_base:
                    self._rest.mux_until(packet.dts * Fraction(packet.time_base))
                self._target.mux_one(packet)

    def _note_latency(self, packet: "Packet[Any]") -> None:
        """How long ago the source had the frame of this packet."""
        if packet.pts is not None and packet.time_base:
            born = self._born.pop(packet.pts * Fraction(packet.time_base), None)
            if born is not None:
                self._latencies.append(time.monotonic() - born)

    def _add_video(self, target: OutputContainer, info: VideoInfo) -> VideoStream:
        s = self._settings
        encoder = _ENCODERS.get(s.codec, s.codec)
        try:
            stream = target.add_stream(encoder, rate=info.rate, options=_encoder_options(s))
        except (av.error.FFmpegError, ValueError) as err:
            raise OptionError(
                f"{target.format.name} files can't hold {s.codec} video: choose another container or codec."
            ) from err
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        _check_options(context, s)
        stream.width, stream.height, stream.pix_fmt = info.width, info.height, self._pixel_format(context)
        stream.time_base = info.time_base
        context.time_base = info.time_base
        if info.sample_aspect_ratio:
            stream.sample_aspect_ratio = info.sample_aspect_ratio
            context.sample_aspect_ratio = info.sample_aspect_ratio
        if s.bitrate is not None:
            stream.bit_rate = s.bitrate
        tags = info.tags
        context.colorspace, context.color_range = tags.colorspace, tags.color_range
        context.color_primaries, context.color_trc = tags.color_primaries, tags.color_trc
        if info.display_matrix is not None:
            stream.set_display_matrix(info.display_matrix)
        return stream


def _spread(seconds: Iterable[float]) -> dict[str, float] | None:
    """Median and 95th percentile."""
    ordered = sorted(seconds)
    return {"median": ordered[len(ordered) // 2], "p95": ordered[len(ordered) * 95 // 100]} if ordered else None


def _encoder_options(s: EncodeSettings) -> dict[str, str]:
    crf, speed = _DEFAULTS[s.codec]
    options = {"preset": s.preset or speed}
    if s.bitrate is None:
        options["cq" if s.codec.endswith("nvenc") else "crf"] = str(crf if s.crf is None else s.crf)
    return options | dict(s.options)


def _check_options(context: VideoCodecContext, s: EncodeSettings) -> None:
    """Libav ignores options that it does not know: a typo must not pass in silence."""
    known = {
        option.name
        for group in (context.supported_options.generic, context.supported_options.private)
        for option in group
    }
    unknown = sorted(set(s.options) - known)
    if unknown:
        raise OptionError(f"The {s.codec} encoder has no option '{unknown[0]}': check the name given to -e.")


def _open_output(path: Path) -> OutputContainer:
    suffix = path.suffix.lstrip(".").lower()
    try:
        return av.open(str(path), "w", options=_CONTAINER_OPTIONS.get(suffix, {}))
    except ValueError as err:
        raise OptionError(
            f"'.{suffix}' is not a container that can be written: use .mp4, .mkv, .mov, .webm or .ts."
        ) from err
    except (av.error.FFmpegError, OSError) as err:
        raise OutputError(f"{path} can't be written ({err.strerror}).") from err


class _Writing:
    """Turns what goes wrong while writing into the user's words."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, av.error.FFmpegError | OSError):
            raise OutputError(f"{self._path.parent}: writing failed ({error.strerror}).") from error


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
