"""Encode: 4:2:0 blocks to a video file, with everything else of the source beside it."""

import gc
import logging
import math
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.errors import InputError, OptionError, OutputError
from sr4k.media.hdr import static_metadata
from sr4k.media.options import EncodeSettings
from sr4k.media.paths import for_libav
from sr4k.media.planes import as_picture
from sr4k.media.reading.open_file import open_input, video_stream
from sr4k.media.reports import ENCODE, EncodeReport, VideoReport
from sr4k.media.resume.journal import Journal, flush_to_disk
from sr4k.media.resume.segments import SegmentWriter, joined
from sr4k.media.stereo3d import packing, says_by_tag
from sr4k.media.video import VideoInfo, info_of
from sr4k.media.writing.codec_choice import chosen_codec, settled
from sr4k.media.writing.container_support import BLU_RAY, QUICKTIME
from sr4k.media.writing.containers import container_of, is_blu_ray
from sr4k.media.writing.disk_space import check_room
from sr4k.media.writing.encoder import add_video, open_encoder, tag
from sr4k.media.writing.metadata import are_a_phones, of_the_work
from sr4k.media.writing.passthrough import Passthrough
from sr4k.media.writing.write_errors import writing
from sr4k.pipeline import Format, Frame, FrameInfo, Sink
from sr4k.pipeline.latency import spread

log = logging.getLogger(__name__)

_TURNING = {*QUICKTIME, "matroska", "webm"}
"""Containers that say how a picture is turned or mirrored."""

_SHAPELESS = {"matroska", "webm"}
"""Containers that would have to be told that pixels are not square."""

_UNSIGNED = {"flv", "nut"}
"""Containers that have no times below 0, such as the dts of a first picture that later ones look back to."""

_FINEST = 10_000_000
"""Ticks a second: of a movie's clock, at most."""

_LONGEST = 2**31 - 1
"""Ticks at most from one sample to the next in MP4 and MOV, as libav writes them."""

_REMEMBERED = 256
"""Frames whose way through the graph is remembered."""


class Encode(Sink):
    """One video stream, pts as they come, and the packets of the source's other streams.

    Video goes into segments first, so that what is done is never lost; at the end they become one file with the rest.
    """

    name = ENCODE
    _opens_late = False
    """Whether it is the first picture that opens the encoder."""
    _pixel_format: str | None = None
    """What the encoder is given, if not the pictures' own."""

    def __init__(self, settings: EncodeSettings) -> None:
        self._settings = settings
        self._target: OutputContainer | None = None
        self._about: VideoReport | None = None  # once open
        self._frames = 0
        self._journal = Journal(settings.parts)
        self._held: int | None = None  # the lock on it
        self._opened = ExitStack()  # the source, and what is copied from it
        self._segments: SegmentWriter | None = None
        self._encoding: VideoStream | None = None  # with the encoder of the segment
        self._in_stretch = 0  # of those of equal length that the video is cut into
        self._work_until = math.inf
        self._is_joining = False
        self._is_cut = False  # where that is, for a stop was asked for
        self._is_whole = False
        self._joined: int | None = None  # pictures, up to there
        self._complaints = False  # of the muxer
        self._written = 0
        self._end = Fraction(0)  # of the picture, in seconds
        self._born: dict[Fraction, float] = {}
        self._last_pts: int | None = None
        self._durations: dict[int, int] = {}  # by pts: not every encoder passes them on
        self._latencies: deque[float] = deque(maxlen=_REMEMBERED)

    def open(self, source: Format) -> None:
        info = info_of(source)
        s, asked = self._settings, self._settings.codec
        s = self._settings = settled(s, bits=info.colour.bits)
        if s.codec != chosen_codec(asked, s.path):
            log.warning("pictures of %d bits are encoded as %s: --codec names another.", info.colour.bits, s.codec)
        self._info = info
        self._source = self._opened.enter_context(open_input(s.source))
        self._held = self._journal.hold(0.0)
        self._segments = SegmentWriter(self._journal)
        done = self._journal.segments()
        if done:
            self._end = done[-1].last * info.time_base + 1 / info.rate
        if info.origin is None:  # a part is short
            check_room(self._source, info, s, s.parts, done=sum(segment.bytes for segment in done))
        self._target = _open_output(s.path, _ticks(self._source, info), phone=are_a_phones(self._source.metadata))
        self._stream = add_video(self._target, info, s, self._pixel_format)
        original = video_stream(self._source, s.source, s.track)
        self._stream.metadata.update(of_the_work(original.metadata))
        mode = self._stream.metadata.pop("stereo_mode", None) or info.stereo_mode
        if mode is not None and says_by_tag(self._target.format.name, mode):
            self._stream.metadata["stereo_mode"] = mode
        self._stream.disposition = original.disposition
        self._rest = Passthrough(self._source, original, self._target, info.origin)
        self._opened.callback(self._rest.close)
        self._rest.dropped.extend(_unfit(info, self._target.format.name, self._stream.codec_context.name))
        for dropped in self._rest.dropped:
            log.warning("%s; left out.", dropped)
        for converted in self._rest.converted:
            log.warning("%s: %s can't hold it as it is.", converted, self._target.format.name)
        if not self._opens_late:
            self._open_encoder(self._target)
        self._about = VideoReport(
            codec=self._stream.codec_context.name,
            width=info.width,
            height=info.height,
            container=self._target.format.name,
        )

    def consume(self, frame: Frame) -> None:
        picture = self._picture(frame)
        picture.pts, picture.time_base = frame.info.pts, frame.info.time_base
        if frame.info.duration:
            picture.duration = frame.info.duration
        tag(picture, self._info.tags)
        self._check_gap(frame.info)
        packets = self._encoder_for(frame.info).encode(picture)
        if self._opens_late and not self._frames:
            assert self._target is not None
            self._open_encoder(self._target)
        del picture
        frame.release()  # the encoders we name have copied it
        self._frames += 1
        self._born[frame.info.pts * frame.info.time_base] = frame.info.born
        if len(self._born) > _REMEMBERED:  # an encoder may drop a frame
            del self._born[next(iter(self._born))]
        self._durations[frame.info.pts] = frame.info.duration
        if len(self._durations) > _REMEMBERED:
            del self._durations[next(iter(self._durations))]
        shown = frame.info.duration * frame.info.time_base or 1 / self._info.rate
        self._end = frame.info.pts * frame.info.time_base + shown
        if self._segments is not None:
            self._segments.lost = frame.info.lost
        self._write(packets)

    def finish(self, *, complete: bool) -> None:
        assert self._target is not None and self._segments is not None
        self._end_segment()
        with writing(self._settings.parts, av.error.FFmpegError):
            self._join(self._target)
            self._is_whole = complete and self._joined is None
            self._rest.mux_until(None if self._is_whole and self._info.origin is None else self._end)
            self._rest.end()
            with self._rest_answering():
                self._target.close()
            self._check_rest()
        self._target = None
        flush_to_disk(self._settings.path)

    def stop(self) -> None:
        """End the file where it is, if all that is left to do is to make it."""
        self._is_cut = self._is_joining

    def close(self) -> None:
        if self._target is not None:
            with suppress(av.error.FFmpegError, OSError):  # what went wrong before is what the user should read
                self._target.close()
            self._target = None
            self._settings.path.unlink(missing_ok=True)
        if self._segments is not None:
            self._segments.abandon()
        if self._held is not None:
            os.close(self._held)
            self._held = None
        self._opened.close()

    def report(self) -> EncodeReport | None:
        if self._about is None:
            return None
        return EncodeReport(
            video=replace(
                self._about,
                converted=tuple(self._rest.converted),
                until=float(self._end),
                latency=spread(tuple(self._latencies)),
            ),
            frames=self._frames,
            joined=self._joined,
            is_whole=self._is_whole,
            copy_damage=self._rest.damage,
            left_out=tuple(self._rest.dropped),
        )

    def _picture(self, frame: Frame) -> VideoFrame:
        return as_picture(frame.planes[0], self._info.pixel_format)

    @contextmanager
    def _rest_answering(self) -> Iterator[None]:
        """Count what the muxer does not like as a loss of the other streams; video comes from our own encoder."""
        try:
            yield
        except av.error.FFmpegError as err:
            if not self._rest.answers_for(err):
                raise
            self._complaints = True

    def _check_rest(self) -> None:
        """Look whether all pictures are there after all, if the muxer complained."""
        if self._complaints and (found := _pictures(self._settings.path)) != self._written:
            raise OutputError(f"{self._settings.path.name}: only {found} of {self._written} pictures were written.")
        if self._settings.strict and self._rest.damage:
            name = self._settings.source.name
            raise InputError(f"{name} is damaged: {self._rest.damage}. --strict stops at the first loss.")

    def _open_encoder(self, target: OutputContainer) -> None:
        """Open it, and write the head of the file."""
        open_encoder(self._stream, self._settings.codec)
        try:
            target.start_encoding()
        except (av.error.FFmpegError, OSError) as err:
            raise OutputError(
                f"{target.format.name} files can't be written with {self._settings.codec} video or what goes with it "
                f"({err.strerror}): choose another container or codec."
            ) from err
        for lost in self._rest.check_tags():
            log.warning("%s; left out.", lost)
        self._check_encoder()

    def _check_encoder(self) -> None:
        """What goes on in one stream has to be of one encoder: decoders get its head only once."""
        about = {
            "name": self._stream.codec_context.name,
            "head": bytes(self._stream.codec_context.extradata or b"").hex(),
        }
        before = self._journal.encoder()
        if before is None:
            with writing(self._settings.parts, av.error.FFmpegError):
                self._journal.note("encoder", about)
        elif before != about:
            raise OptionError(
                "It can't be resumed: it was begun with another encoder, or version of it; --overwrite begins again."
            )

    def _check_gap(self, info: FrameInfo) -> None:
        """See to it that the muxer will not put later pictures at other times, which it tells no one."""
        assert self._about is not None
        container = self._about.container
        gap = max(0 if self._last_pts is None else info.pts - self._last_pts, info.duration)
        self._last_pts = info.pts
        if gap > _LONGEST and container in QUICKTIME:
            hours = float(gap * info.time_base / 3600)
            raise OutputError(
                f"{self._settings.source.name} has no picture for {hours:.1f} hours from "
                f"{float(info.pts * info.time_base) / 3600 - hours:.1f} h on, which {container} can't "
                "hold in ticks this short: use .mkv."
            )

    def _encoder_for(self, info: FrameInfo) -> VideoStream:
        """A new one with the first picture of a segment, if it is time for one.

        It knows nothing of what came before: a segment that is made again is what it was. And it holds nothing back:
        what is ended is on the disk.
        """
        stretch = info.pts * info.time_base // Fraction(self._settings.segment_seconds)
        if self._encoding is not None and stretch == self._in_stretch and time.monotonic() < self._work_until:
            return self._encoding
        if self._encoding is None:
            self._encoding = self._stream
        else:
            self._end_segment()
            self._encoding = None
            gc.collect()  # encoders are held in circles by their files
            self._encoding = self._another_encoder()
        self._in_stretch = stretch
        self._work_until = time.monotonic() + self._settings.work_seconds
        return self._encoding

    def _another_encoder(self) -> VideoStream:
        """Like the first one, but with no file to write to."""
        assert self._target is not None
        nowhere = av.open(BytesIO(), "w", format=self._target.format.name)
        stream = add_video(nowhere, self._info, self._settings, self._pixel_format)
        if not self._opens_late:
            open_encoder(stream, self._settings.codec)
        return stream

    def _end_segment(self) -> None:
        assert self._segments is not None
        if self._encoding is not None:
            self._write(self._encoding.encode(None))
        with writing(self._settings.parts, av.error.FFmpegError):
            self._segments.finish()

    def _write(self, packets: "list[Packet[Any]]") -> None:
        assert self._segments is not None
        with writing(self._settings.parts, av.error.FFmpegError):
            for packet in packets:
                self._note_latency(packet)
                packet.duration = self._durations.pop(packet.pts or 0, 0) or packet.duration
                self._segments.write(packet)

    def _join(self, target: OutputContainer) -> None:
        """All segments, and everything else of the source beside them."""
        self._is_joining = True
        for packet in joined(self._journal, self._info.time_base):
            assert packet.dts is not None
            if self._is_cut and self._written:
                self._joined, self._end = self._written, packet.dts * self._info.time_base
                return
            self._written += 1
            self._rest.mux_until(packet.dts * self._info.time_base)
            packet.stream = self._stream
            with self._rest_answering():
                target.mux_one(packet)

    def _note_latency(self, packet: "Packet[Any]") -> None:
        """How long ago the source had the frame of this packet."""
        if packet.pts is not None and packet.time_base:
            born = self._born.pop(packet.pts * Fraction(packet.time_base), None)
            if born is not None:
                self._latencies.append(time.monotonic() - born)


def _pictures(path: Path) -> int:
    """How many packets of video a file has."""
    with open_input(path) as result:
        return sum(packet.size > 0 for packet in result.demux(video=0))


def _unfit(info: VideoInfo, container: str, encoder: str) -> Iterator[str]:
    """What of the pictures' shape will not be seen."""
    if info.display_matrix is not None and container not in _TURNING:
        yield f"rotation can't be carried by {container}"
    if info.hdr is not None and not static_metadata(encoder, info.hdr):
        yield f"what the pictures were mastered on can't be told by {encoder}"
    mode = info.stereo_mode
    if mode is not None and not says_by_tag(container, mode) and not packing(encoder, mode):
        yield f"that the pictures are stereoscopic (3D, {mode}) can't be carried by {container}"
    # PyAV can't tell a container; MP4 learns it from the encoder, and other codecs say it themselves
    if (info.sample_aspect_ratio or 1) != 1 and container in _SHAPELESS and "av1" in encoder:
        yield f"pixels of {info.sample_aspect_ratio} can't be carried by AV1 in {container}: .mp4 can"


def _ticks(source: InputContainer, info: VideoInfo) -> int:
    """A second in ticks in which all tracks of the source can begin exactly when they do."""
    ticks = math.lcm(info.time_base.denominator, *map(_sample_rate, source.streams.audio))
    return ticks if ticks <= _FINEST else 90_000


def _sample_rate(stream: AudioStream) -> int:
    return 1 if stream.codec_context is None else stream.sample_rate or 1  # libav knows no such codec


def _open_output(path: Path, ticks: int, *, phone: bool) -> OutputContainer:
    container = container_of(path)
    # what begins before 0, as the lead-in of sound does, moves nothing where that can be told
    options = {"avoid_negative_ts": "make_non_negative" if container in _UNSIGNED else "disabled"}
    if container in QUICKTIME:
        # edit lists, which say when a track begins, count in the movie's clock: milliseconds, if it is not told better
        flags = "+faststart+use_metadata_tags" if phone else "+faststart"
        options |= {"movflags": flags, "movie_timescale": str(ticks)}
    if is_blu_ray(path):
        options |= BLU_RAY
    try:
        return av.open(for_libav(path), "w", format=container, options=options)
    except (av.error.FFmpegError, OSError) as err:
        raise OutputError(f"{path} can't be written ({err.strerror}).") from err
