"""What the sinks that encode a video share: the encoder's input, its limits, and the report."""

import logging
from dataclasses import replace
from fractions import Fraction
from typing import Any

from av.packet import Packet
from av.video.frame import VideoFrame

from sr4k.common.option_names import option
from sr4k.media.options import ResultSettings
from sr4k.media.planes import Block, PixelFormat, as_picture, planar_of_p010
from sr4k.media.reports import ENCODE, EncodeReport, VideoReport
from sr4k.media.video import VideoInfo, info_of
from sr4k.media.writing.codec_choice import chosen_codec, settled
from sr4k.media.writing.encoder import keeps_input, tag, takes_p010
from sr4k.media.writing.in_flight import InFlight
from sr4k.media.writing.output_file import check_gap
from sr4k.media.writing.result import Result
from sr4k.pipeline import Format, Frame, Sink
from sr4k.pipeline.latency import spread

log = logging.getLogger(__name__)


class VideoSink(Sink):
    """Encodes 4:2:0 blocks, with their pts unchanged."""

    name = ENCODE
    _pixel_format: str | None = None
    """Pixel format of the encoder's input; ``None``: that of the frames."""
    _info: VideoInfo
    _result: Result

    def __init__(self, settings: ResultSettings) -> None:
        self._settings = settings
        self._about: VideoReport | None = None  # once open
        self._frames = 0
        self._joined: int | None = None  # pictures in the file, if joining was stopped early
        self._is_whole = False
        self._end = Fraction(0)  # end of the last picture, in seconds
        self._in_flight = InFlight()
        self._last_pts: int | None = None

    def _settle(self, source: Format) -> None:
        """Choose the codec for these frames."""
        self._info = info_of(source)
        asked, bits = self._settings.codec, self._info.colour.bits
        self._settings = settled(self._settings, bits=bits)
        if self._settings.codec != chosen_codec(asked, self._settings.path):
            other = option("codec")
            log.warning("pictures of %d bits are encoded as %s: %s names another.", bits, self._settings.codec, other)

    def _prepared(self, frame: Frame) -> VideoFrame:
        """Return the picture for the encoder. The frame can be released when that has taken it.

        Raises:
            OutputError: MP4 or MOV can't hold the gap before the frame.
        """
        info = frame.info
        picture = self._picture(frame)
        picture.pts, picture.time_base = info.pts, info.time_base
        if info.duration:
            picture.duration = info.duration
        tag(picture, self._info.tags)
        gap = max(0 if self._last_pts is None else info.pts - self._last_pts, info.duration)
        self._last_pts = info.pts
        check_gap(self._settings.source, self._container, ticks=gap, until=info.pts, time_base=info.time_base)
        return picture

    @property
    def _container(self) -> str:
        """Libav's name of the container."""
        return self._result.container

    def _took(self, frame: Frame) -> None:
        """Note a frame that the encoder has taken, and release it."""
        info = frame.info
        frame.release()
        self._frames += 1
        self._in_flight.enter(info)
        shown = info.duration * info.time_base or 1 / self._info.rate
        self._end = info.pts * info.time_base + shown

    def _left(self, packets: "list[Packet[Any]]") -> "list[Packet[Any]]":
        """Note packets that have left the encoder, and return them."""
        for packet in packets:
            self._in_flight.leave(packet)
        return packets

    def report(self) -> EncodeReport | None:
        if self._about is None:
            return None
        rest = self._result.rest
        video = replace(
            self._about,
            converted=tuple(rest.converted),
            until=float(self._end),
            latency=spread(tuple(self._in_flight.latencies)),
        )
        return EncodeReport(
            video=video,
            frames=self._frames,
            joined=self._joined,
            is_whole=self._is_whole,
            copy_damage=rest.damage,
            left_out=tuple(rest.dropped),
        )

    def _picture(self, frame: Frame) -> VideoFrame:
        block = frame.planes[0]
        if keeps_input(self._settings, self._info.pixel_format):
            block = block.copy()
        return self._wrapped(block, self._info.pixel_format)

    def _wrapped(self, block: Block, form: PixelFormat) -> VideoFrame:
        """Return a block as a libav frame that the encoder takes."""
        if form == "p010le" and not takes_p010(self._settings):
            return planar_of_p010(block)
        return as_picture(block, form)
