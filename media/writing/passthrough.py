"""Pass-through of what is not upscaled: audio, subtitles, attachments, chapters and tags; packets are copied."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Stream
from av.video.stream import VideoStream

from sr4k.common.option_names import option
from sr4k.errors import InputError
from sr4k.media.channel_layouts import Speakers
from sr4k.media.reading.discontinuities import OneClock
from sr4k.media.reading.elements import Watched, cut_element
from sr4k.media.reading.open_file import open_input, video_streams
from sr4k.media.stream_words import describe
from sr4k.media.video import ratio
from sr4k.media.writing import metadata, timecode
from sr4k.media.writing.audio_encoder import CODECS, Reencoded
from sr4k.media.writing.container_support import QUICKTIME, carries, copy_of, first_packets, introduce
from sr4k.media.writing.continued_sound import Continued
from sr4k.media.writing.subtitles import Rewritten
from sr4k.media.writing.tracks import Clock, Copied, Following, TrackWriter

log = logging.getLogger(__name__)

_ATTACHMENTS = {"matroska"}
_COVER_TYPES = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png")}

_CUT_OFF = "the file is cut off, so their ends may be missing"

_OF_A_PACKET = (av.error.InvalidDataError, av.error.ArgumentError, av.error.PatchWelcomeError)
"""Muxing errors that concern a packet, and not the disk."""

_SAME_TIMES = {"matroska", "webm"}
"""Containers in which packets of one stream may have the same dts."""


class Passthrough:
    """Copies the other streams of a source beside the upscaled video, in step with it.

    Args:
        source: Opened source.
        video: Its upscaled stream.
        target: Container opened for writing.
        path: Path of the source; of a pipe, its name.
        origin: Time of the source, in seconds, that becomes the target's 0. Earlier packets are left out, and all
            chapters. ``None``: everything is copied, with its own times.
        opened: Opens a source that comes through a pipe another time. ``None``: it is a file.
        watched: Of that pipe, tells whether its end is cut off.

    Attributes:
        dropped: Descriptions of what the target can't hold.
        converted: Descriptions of streams that had to be converted, and of the parts of streams, as they come.
    """

    def __init__(
        self,
        source: InputContainer,
        video: VideoStream,
        target: OutputContainer,
        path: Path,
        origin: Fraction | None = None,
        opened: Callable[[], InputContainer] | None = None,
        watched: Watched | None = None,
    ) -> None:
        self._source, self._path, self._watched = source, path, watched
        self._opened = opened or partial(open_input, path)
        self._target = target
        self._origin = origin
        self._tracks: dict[int, TrackWriter] = {}
        self._following: dict[int, Following] = {}
        self._clock = Clock(equal=target.format.name in _SAME_TIMES)
        self._refused: Counter[str] = Counter()  # packets lost, by stream and reason
        self._next: tuple[Fraction, Packet[Any]] | None = None
        self.dropped: list[str] = []
        self.converted: list[str] = []
        self._has_chapters = False
        self._broken: str | None = None  # why reading ended early, if it did
        self._one_clock = OneClock(source, video, can_seek=opened is None)
        self._again: InputContainer | None = None  # a second handle, if the source isn't seekable
        others = [stream for stream in source.streams if stream.index != video.index]
        self._first = first_packets(self._opened, [stream for stream in others if stream.codec_context is not None])
        for stream in others:
            self._adopt(stream)
        target.metadata.update(metadata.of_the_work(source.metadata))
        if target.format.name in QUICKTIME:
            self._check_timecode(ratio(video.guessed_rate))
        if origin is None:
            self._copy_chapters()
        elif not self._one_clock.is_read_through:
            self._seek(origin - self._one_clock.shift, video)
        self._packets = self._read()

    def check_tags(self) -> list[str]:
        """Return the tags and chapters that the target won't keep, and add them to `dropped`; call after its header."""
        chapters = self._source.chapters() if self._origin is None and self._has_chapters else []
        found = list(metadata.lost(self._target, chapters, describe))
        self.dropped.extend(found)
        return found

    @property
    def is_needed(self) -> bool:
        """Whether packets of the source are copied at all."""
        return bool(self._tracks)

    def mux_until(self, time: Fraction | None, read: int | None = None) -> None:
        """Write all packets whose dts is before ``time``, in seconds; ``None``: all that are left.

        Args:
            time: End of what is written.
            read: Number of packets of the source, of all its streams, that have come so far: no more are awaited.
                ``None``: all of the source is there.
        """
        while True:
            while self._next is None:
                if read is not None and self._one_clock.read >= read:
                    return
                try:
                    self._next = next(self._packets)
                except StopIteration:
                    return
            if time is not None and self._next[0] >= time:
                return
            packet, self._next = self._next[1], None
            for made in self._tracks[packet.stream_index].packets(packet):
                self._mux(made)

    def end(self) -> None:
        """Write the packets that the tracks hold back, and add up their losses."""
        for index, track in self._tracks.items():
            for made in track.drain():
                self._mux(made)
            stream = describe(self._source.streams[index])
            self._refused.update({f"{stream}: {why}": number for why, number in track.lost.items()})
            if isinstance(track, Rewritten) and track.shortened:
                what = "text overlaps" if track.shortened == 1 else "texts overlap"
                shows = f"{self._target.format.name} shows one at a time"
                self.dropped.append(f"{stream}: {track.shortened} {what} the next, of which {shows}")
                log.warning("%s: it ends when the next begins.", self.dropped[-1])

    def answers_for(self, error: av.error.FFmpegError) -> bool:
        """Return whether a muxing error may concern these packets, and count it: muxers report errors late."""
        if not self._tracks or not isinstance(error, _OF_A_PACKET):
            return False
        self._refused[f"other streams: {error.strerror}"] += 1
        return True

    def close(self) -> None:
        """Close the second handle of the source, if there is one."""
        if self._again is not None:
            self._again.close()

    @property
    def damage(self) -> str | None:
        """Description of what could not be copied; ``None`` if nothing was lost."""
        refused = [f"{number} packets of {why}" for why, number in (+self._refused).items()]
        return "; ".join([*refused, *([self._broken] if self._broken else [])]) or None

    @property
    def _is_cut_off(self) -> bool:
        """Whether the source, which has been read, ends in the middle of what holds media."""
        container = self._source.format.name
        if self._watched is None:
            return cut_element(self._path, container) == "media"
        return self._watched.cut_element(container) == "media"

    def _mux(self, packet: "Packet[Any]") -> None:
        stream = packet.stream
        if not self._clock.put_right(packet, stream):
            self._refused[f"{describe(stream)}: impossible times"] += 1
            return
        try:
            self._target.mux_one(packet)
        except _OF_A_PACKET as err:
            self._refused[f"{describe(stream)}: {err.strerror}"] += 1

    def _adopt(self, stream: Stream) -> None:
        """Add a stream to the target, or its description to `dropped`."""
        container = self._target.format.name
        if stream in (videos := video_streams(self._source)):
            this = option("track", str(videos.index(stream)))
            self.dropped.append(f"{describe(stream)} is another video: {this} upscales it")
            return
        try:
            if isinstance(stream, AttachmentStream):
                if container not in _ATTACHMENTS:
                    raise ValueError
                name = stream.metadata.get("filename", "attachment")
                self._target.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)
                return
            if _is_cover(stream) and container in _ATTACHMENTS:
                self._attach_cover(stream)
                return
            if _tells_chapters(stream) and self._source.chapters():
                return  # chapters are copied as such
            if stream.type == "data" and timecode.TAG in stream.metadata and container != "mpegts":
                return  # the video's tag becomes a timecode track again
            track = self._track(stream)
        except (ValueError, InputError, av.error.FFmpegError):
            why = (
                "doesn't have the size of its canvas" if _has_no_canvas(stream) else f"can't be carried by {container}"
            )
            self.dropped.append(f"{describe(stream)} {why}")
            return
        track.stream.metadata.update(stream.metadata)
        track.stream.disposition = stream.disposition
        self._tracks[stream.index] = track

    def _check_timecode(self, rate: Fraction | None) -> None:
        """Remove timecodes that the muxer would ignore silently, and add them to `dropped`."""
        for found in (self._target.metadata, *(stream.metadata for stream in self._target.streams)):
            for key in [key for key in found if key.lower() == timecode.TAG]:
                if not timecode.fits(found[key], rate or Fraction(25)):
                    self.dropped.append(f"timecode {found.pop(key)} doesn't fit the frame rate")

    def _attach_cover(self, stream: Stream) -> None:
        """Add a cover picture as an attachment.

        Raises:
            ValueError: It has no packet, or its codec has no usual file type.
        """
        codec = getattr(stream.codec_context, "name", None)
        if codec not in _COVER_TYPES:
            raise ValueError
        suffix, mimetype = _COVER_TYPES[codec]
        with self._opened() as again:  # the packets of `_source` are read later
            data = next((bytes(packet) for packet in again.demux(again.streams[stream.index]) if packet.size), None)
        if data is None:
            raise ValueError
        name = stream.metadata.get("filename", f"cover.{suffix}")
        self._target.add_attachment(name, mimetype, data)

    def _track(self, stream: Stream) -> TrackWriter:
        """Return the writer that copies or converts the stream's packets.

        Raises:
            ValueError: The target can't hold the stream, not even converted.
        """
        container = self._target.format.name
        if _has_no_canvas(stream):
            raise ValueError
        if isinstance(stream, AudioStream) and stream.codec_context:
            lasts = introduce(stream, self._first.get(stream.index))
            if lasts is not None:  # libav then gives several packets that come together one time
                self._following[stream.index] = Following(lasts)
        speakers = Speakers.of(stream) if isinstance(stream, AudioStream) and stream.codec_context else None
        if (copied := self._copied(stream, speakers)) is not None:
            if isinstance(stream, AudioStream) and speakers is not None:
                first, tell = self._first.get(stream.index), partial(self._tell_conversion, stream)
                return Continued(copied, stream, speakers, first, container, tell)
            return copied
        track: Rewritten | Reencoded
        if isinstance(stream, AudioStream) and container in CODECS and speakers is not None:
            track = Reencoded(stream, speakers, self._target, self._first.get(stream.index))
        elif Rewritten.possible(stream, container):
            track = Rewritten(stream, self._target)
        else:
            raise ValueError
        self.converted.append(f"{describe(stream)} becomes {track.stream.codec_context.codec.canonical_name}")
        return track

    def _tell_conversion(self, stream: Stream, what: str) -> None:
        """Note that some of a stream which is copied has to be converted."""
        self.converted.append(f"{describe(stream)}: {what}")
        log.warning("%s: a track of %s can't change midway.", self.converted[-1], self._target.format.name)

    def _copied(self, stream: Stream, speakers: Speakers | None) -> Copied | None:
        """Return a writer that copies the packets; ``None`` if the container can't hold them unchanged."""
        if stream.type == "video" and not (_is_cover(stream) and self._target.format.name in QUICKTIME):
            return None  # a second video would not be upscaled
        if speakers is not None and not speakers.number:
            return None
        # some muxers need a layout where the source has only a number of channels
        layouts = (None,) if speakers is None or speakers.names or not speakers.usual else (None, speakers.usual)
        first = self._first.get(stream.index)
        for layout in layouts:
            if carries(self._target, stream, first, speakers, layout):
                return Copied(copy_of(stream, self._target, layout, first))
        return None

    def _copy_chapters(self) -> None:
        chapters = self._source.chapters()
        if not chapters:
            return
        for chapter in chapters:
            later = round(self._one_clock.shift / (chapter["time_base"] or 1))
            chapter["start"], chapter["end"] = chapter["start"] + later, chapter["end"] + later
        try:
            self._target.set_chapters(chapters)
            self._has_chapters = True
        except (ValueError, av.error.FFmpegError):
            self.dropped.append(f"{len(chapters)} chapters can't be carried by {self._target.format.name}")

    def _seek(self, seconds: Fraction, video: VideoStream) -> None:
        """Seek; if that fails, reopen the source to read from its beginning: its position is undefined by then."""
        try:
            self._source.seek(int(seconds * av.time_base))
        except av.error.FFmpegError:
            self._again = self._opened()
            same = next(each for each in self._again.streams.video if each.index == video.index)
            self._one_clock = OneClock(self._again, same)

    def _read(self) -> Iterator[tuple[Fraction, "Packet[Any]"] | None]:
        """Yield for each packet of the source its dts in seconds and itself, or ``None`` if it isn't copied."""
        if not self._tracks:
            return
        packets = self._one_clock.packets()
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as err:
                self._broken = _CUT_OFF if self._is_cut_off else f"reading failed: {err.strerror}"
                return
            if packet is None:
                self._broken = _CUT_OFF if self._is_cut_off else None
                return
            if packet.stream.index not in self._tracks:
                yield None
                continue
            if packet.size and packet.stream.index in self._following:
                self._following[packet.stream.index].time(packet)
            if packet.size and _is_cover(packet.stream):
                packet.pts = packet.dts = 0  # a cover belongs to the whole file: demuxers give it no time
            elif self._origin is not None and not self._shift(packet, self._origin):
                yield None
                continue
            if packet.dts is not None and packet.time_base:
                yield packet.dts * Fraction(packet.time_base), packet
            else:
                yield None

    @staticmethod
    def _shift(packet: "Packet[Any]", origin: Fraction) -> bool:
        """Move a packet's times to count from ``origin``, and return whether it belongs to the part."""
        if packet.pts is None or packet.dts is None or not packet.time_base:
            return False
        ticks = round(origin / Fraction(packet.time_base))
        packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
        return packet.pts >= 0


def _is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _tells_chapters(stream: Stream) -> bool:
    """Whether it is QuickTime's chapter text track, which libav reads as chapters and then discards."""
    name = getattr(stream, "name", None)
    return stream.type == "data" and name == "bin_data" and stream.discard == av.stream.Discard.all


def _has_no_canvas(stream: Stream) -> bool:
    """Whether it is bitmap subtitles positioned in pixels of the source's size, without a canvas to scale by.

    Blu-ray's and DVB's contain the size of their canvas; DVD's have it in the header, if at all.
    """
    context = stream.codec_context
    return getattr(context, "name", None) == "dvdsub" and b"size:" not in (context.extradata or b"")
