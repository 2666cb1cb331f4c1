"""Everything in the file that is not upscaled: audio, subtitles, attachments, chapters, tags; packets are copied."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Stream
from av.video.stream import VideoStream

from sr4k.stages.source import video_streams

log = logging.getLogger(__name__)

_ATTACHMENTS = {"matroska"}
_COVERS = {"mp4", "mov"}

# libav can't tell which codecs an MPEG-TS may hold: those with a stream type or descriptor of their own (ISO 13818-1,
# ETSI EN 300 468).
_MPEGTS = {"aac", "ac3", "eac3", "mp2", "mp3", "dts", "opus", "dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle"}


class Passthrough:
    """Copies the other streams of a source beside the upscaled video, in step with it.

    Args:
        origin: seconds of the source that are the target's 0, what comes before is left out, and so are chapters;
            ``None``: all of it, with its own times.
    """

    def __init__(
        self, source: InputContainer, video: VideoStream, target: OutputContainer, origin: Fraction | None = None
    ) -> None:
        self._source = source
        self._target = target
        self._origin = origin
        self._streams: dict[int, Stream] = {}
        self._next: tuple[Fraction, Packet[Any]] | None = None
        self.dropped: list[str] = []  # what the target can't carry, in words
        self.damage: str | None = None  # why copying ended early, if it did
        for stream in source.streams:
            if stream.index != video.index:
                self._adopt(stream)
        target.metadata.update(source.metadata)
        if origin is None:
            self._copy_chapters()
        else:
            with suppress(av.error.FFmpegError):  # what can't be sought in is read from its beginning
                source.seek(int(origin * av.time_base))
        self._packets = self._read()

    def mux_until(self, time: Fraction | None) -> None:
        """Write all packets whose dts is before ``time`` in seconds; ``None``: all that are left."""
        while True:
            if self._next is None:
                self._next = next(self._packets, None)
            if self._next is None or (time is not None and self._next[0] >= time):
                return
            packet = self._next[1]
            packet.stream = self._streams[packet.stream_index]
            self._target.mux_one(packet)
            self._next = None

    def _adopt(self, stream: Stream) -> None:
        """Make room for a stream in the target, or say why there is none."""
        container = self._target.format.name
        if stream in (videos := video_streams(self._source)):
            self.dropped.append(f"{_describe(stream)} is another video: --map {videos.index(stream)} upscales it")
            return
        try:
            if isinstance(stream, AttachmentStream):
                if container not in _ATTACHMENTS:
                    raise ValueError
                name = stream.metadata.get("filename", "attachment")
                self._target.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)
                return
            if not self._carries(stream):
                raise ValueError
            copy = self._target.add_stream_from_template(stream, opaque=True)
        except (ValueError, av.error.FFmpegError):
            self.dropped.append(f"{_describe(stream)} can't be carried by {container}")
            return
        copy.metadata.update(stream.metadata)
        copy.disposition = stream.disposition
        self._streams[stream.index] = copy

    def _carries(self, stream: Stream) -> bool:
        """Whether the target's container has a place for the stream's codec."""
        if _is_cover(stream) and self._target.format.name not in _COVERS:
            return False
        codec = getattr(stream.codec_context, "codec", None)
        if codec is None:
            return False
        if self._target.format.name == "mpegts":
            return codec.canonical_name in _MPEGTS
        return bool({codec.name, codec.canonical_name} & self._target.supported_codecs)

    def _copy_chapters(self) -> None:
        chapters = self._source.chapters()
        if not chapters:
            return
        try:
            self._target.set_chapters(chapters)
        except (ValueError, av.error.FFmpegError):
            self.dropped.append(f"{len(chapters)} chapters can't be carried by {self._target.format.name}")

    def _read(self) -> Iterator[tuple[Fraction, "Packet[Any]"]]:
        if not self._streams:
            return
        wanted = [stream for stream in self._source.streams if stream.index in self._streams]
        packets = self._source.demux(wanted)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as err:
                self.damage = f"reading broke off: {err.strerror}"
                return
            if packet is None:
                return
            if packet.size and _is_cover(packet.stream):
                packet.pts = packet.dts = 0  # a picture for the whole file: readers give it no time
            elif self._origin is not None and not self._shift(packet, self._origin):
                continue
            if packet.dts is not None and packet.time_base:
                yield packet.dts * Fraction(packet.time_base), packet

    @staticmethod
    def _shift(packet: "Packet[Any]", origin: Fraction) -> bool:
        """Whether it belongs to what begins there; its times from there on."""
        if packet.pts is None or packet.dts is None or not packet.time_base:
            return False
        ticks = round(origin / packet.time_base)
        packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
        return packet.pts >= 0


def _is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _describe(stream: Stream) -> str:
    codec = getattr(stream.codec_context, "name", None) or "unknown"
    language = f", {stream.language}" if stream.language else ""
    return f"stream {stream.index} ({stream.type}, {codec}{language})"
