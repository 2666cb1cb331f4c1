"""Decode: a video file to padded Y, U and V planes, frame by frame, with every frame's own time."""

import itertools
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
from av.codec.context import Flags
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame

from sr4k.errors import InputError
from sr4k.pipeline import Buffers, Format, Frame, FrameInfo, Source
from sr4k.stages.changes import Changes
from sr4k.stages.crop import Crop
from sr4k.stages.decoded import copy_inside, describe, is_colourful, kept, layout_of, padded_format, positive
from sr4k.stages.deinterlace import Deinterlacer
from sr4k.stages.fitting import before_network, fitted
from sr4k.stages.hdr import lost_metadata
from sr4k.stages.headers import margins
from sr4k.stages.losses import Awaited, Losses
from sr4k.stages.png import plain_head, plain_packet
from sr4k.stages.rgb import copy_rgb_inside, deep_yuv, rgb_format
from sr4k.stages.scaling import Scaler
from sr4k.stages.sequence import is_picture, is_sequence, numbered, numbers
from sr4k.stages.settings import DecodeSettings, Part
from sr4k.stages.sidedata import has_profile
from sr4k.stages.source import open_input, packets_of, video_stream
from sr4k.stages.transparency import may_be_transparent, over_black
from sr4k.stages.unkept import Unkept

log = logging.getLogger(__name__)

_BACK = (0, 10, 60, 600)
"""Seconds by which seeking goes further back, try after try: not every file knows where its key frames are."""

_GUESSED = {"mpeg", "mpegvideo"}
"""Containers in which few pictures have a time: those of the others, libav guesses otherwise after seeking."""


class Decode(Source):
    """One video stream of a file."""

    name = "decode"

    def __init__(self, settings: DecodeSettings, accelerator: HWAccel | None = None) -> None:
        self._settings = settings
        self._accelerator = accelerator
        self._container: InputContainer | None = None
        self._losses = Losses(settings.path.name, settings.strict)
        self._packets = 0
        self._emitted = 0
        self.on_card = False  # once open: whether pictures are NV12 in a GPU's memory
        self._last_pts: int | None = None
        self._origin = 0  # the pts that is the output's 0
        self._end_of_packets = Fraction(0)
        self._said: set[str] = set()
        self._scaler = Scaler()
        self._left_out: list[str] = []  # of what the pictures say

    def open(self) -> Format:
        container, decoded = self._opened()
        part, done = self._settings.part, self._settings.done_until
        self._decoded = decoded if part is None else self._within(part, decoded, container)
        first = next(self._decoded, None)
        if first is None:
            empty = "the stream is empty" if part is None else "it ends before that part"
            reason = "; ".join(self._losses.reasons) or empty
            raise InputError(f"{self._settings.path}: no picture could be decoded ({reason}).")
        self._decoded = itertools.chain([first], self._decoded)
        self.on_card = first.sw_format is not None and first.sw_format.name == "nv12"
        self._changes = Changes(self._stream, first, self._say)
        self._unkept = Unkept(self._stream)
        self._shown = (first.width, first.height)
        self._size = before_network(self._shown, self._settings.size)
        self._info = describe(first, self._stream, self._size, self._unit)
        self._info = kept(self._info, layout_of(first.sw_format or first.format), first)
        self._info = replace(self._info, rate=self._info.rate * self._deinterlacer.most)
        if part is not None:
            self._origin = first.pts or 0
            self._info = replace(self._info, origin=self._origin * self._unit)
        if done is not None:
            self._decoded = self._onward(done)
            self._changes.follow(self._stream)
        self._expected = self._expected_frames()
        self._rgb = self._settings.pixels == "bgr" and is_colourful(first.format)
        self._check_picture(first)
        return rgb_format(self._info) if self._rgb else padded_format(self._info)

    def frames(self, buffers: Buffers) -> Iterator[Frame]:
        for picture, info in self.pictures():
            out = buffers.take(info)
            if self._rgb:
                is_other = self._changes.note(picture, self._now())
                shape = (self._changes.sample_aspect_ratio() or Fraction(1)) if is_other else None
                copy_rgb_inside(picture, out, self._info, shape, self._scaler)
            else:
                copy_inside(self.fit(picture), out.planes, self._info.colour)
            yield out

    @property
    def interlaced(self) -> bool:
        """Once open: whether pictures are to be deinterlaced."""
        return self._settings.deinterlace != "off" and self._deinterlacer.expected

    @property
    def is_cut(self) -> bool:
        """Once open: whether pictures go on in part or smaller, or more of them than is to be seen, as a GPU's may."""
        context = self._stream.codec_context
        return self._shown != (context.width, context.height) or self._size != self._shown or self._crop.is_needed

    def pictures(self) -> Iterator[tuple[VideoFrame, FrameInfo]]:
        """All pictures as they were decoded, or deinterlaced, with their times."""
        done = self._settings.done_until
        for picture in self._decoded:
            info = self._time(picture)
            if done is not None and info.pts <= done:
                self._losses.forget()  # they were told when it was done
                continue
            self._emitted += 1
            for unkept in self._unkept.of(picture):
                self._left_out.append(f"{unkept} can't be taken along")
                self._say(self._left_out[-1])
            yield picture, info
        if self._settings.part is None:
            self._count_missing()

    def close(self) -> None:
        if self._container is not None:
            self._container.close()

    def report(self) -> dict[str, Any]:
        if not hasattr(self, "_expected"):
            return {}
        return {
            "width": self._shown[0],
            "height": self._shown[1],
            "codec": self._stream.codec_context.name,
            "rate": float(self._info.rate),
            "expected_frames": self._expected,
            "frames": self._emitted,
            "interlaced": self._deinterlacer.found,
            "changes": self._changes.found,
            "seconds": float((self._last_pts or 0) * self._info.time_base),
            "losses": self._losses.as_dict(),
            "left_out": self._left_out,
        }

    def _opened(self) -> tuple[InputContainer, Iterator[VideoFrame]]:
        """The file, and its pictures from the beginning, or from where it is sought to before the first is taken."""
        self._container = open_input(self._settings.path, self._accelerator, self._settings.rate)
        self._stream = video_stream(self._container, self._settings.path, self._settings.track)
        self._stream.thread_type = "AUTO"
        plain_head(self._stream)
        self._stream.codec_context.flags |= Flags.unaligned  # else what is to be cut off on the left is not
        self._tick = positive(self._stream.time_base, Fraction(1, 90_000))
        self._deinterlacer = Deinterlacer(self._stream, self._say, self._settings.deinterlace)
        self._unit = self._tick / self._deinterlacer.ticks
        self._losses.near = 2 / positive(self._stream.guessed_rate, Fraction(25))
        self._awaited = Awaited(self._stream, self._tick, self._losses)
        context = self._stream.codec_context
        self._crop = Crop(margins(self._stream), (context.width, context.height))
        return self._container, map(self._crop, self._deinterlacer.pictures(self._decode(self._container)))

    def _onward(self, done: int) -> Iterator[VideoFrame]:
        """Pictures after those that are done, decoded from a key frame on that lies before them all.

        Where seeking does not lead to one, or the last that is done does not come by again, further back is tried, and
        at last the beginning: then all is decoded again.
        """
        assert self._container is not None
        lead = self._lead()
        for back in () if self._container.format.name in _GUESSED else _BACK:
            self.close()
            container, decoded = self._opened()
            at = done * self._unit - lead - back
            try:
                container.seek(int(at / self._tick), stream=self._stream)
            except av.error.FFmpegError:
                break
            first = next(decoded, None)
            if first is None or first.pts is None:
                break
            early = first.key_frame and first.pts * self._unit <= done * self._unit - lead
            if early and _comes_by(done, itertools.chain([first], decoded)):
                self._last_pts = done
                self._losses.forget()  # they were told when it was done
                return decoded
        self.close()
        return self._opened()[1]

    def _lead(self) -> Fraction:
        """Seconds before a picture that it takes to make it: fields need the pictures around them."""
        return 2 / positive(self._stream.guessed_rate, Fraction(25)) if self._deinterlacer.expected else Fraction(0)

    def _decode(self, container: InputContainer) -> Iterator[VideoFrame]:
        packets = packets_of(container)
        whole = self._settings.done_until is None and not (self._settings.part and self._settings.part.start)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as err:
                self._losses.add("packets", f"reading broke off: {err.strerror}", self._end_of_packets)
                packet = None
            if packet is None:
                yield from self._drain()
                self._awaited.ended()
                return
            self._end_of_packets = max(self._end_of_packets, _end(packet))
            if packet.stream.index != self._stream.index:
                continue
            self._packets += packet.size > 0
            self._awaited.sent(packet)
            try:
                for picture in self._stream.decode(plain_packet(packet, self._stream)):
                    self._awaited.shown(picture, whole=whole)
                    yield picture
            except av.error.FFmpegError as err:
                self._awaited.failed(packet, f"undecodable packet: {err.strerror}")

    def _drain(self) -> Iterator[VideoFrame]:
        """What the decoder still has, where the end came as an error."""
        with suppress(av.error.FFmpegError):  # it has been drained: the end is a packet too
            for picture in self._stream.decode(None):
                self._awaited.shown(picture, whole=True)
                yield picture

    def _within(self, part: Part, decoded: Iterator[VideoFrame], container: InputContainer) -> Iterator[VideoFrame]:
        """The pictures of a part: from the key frame before it on they are decoded, and those before it left out."""
        start = Fraction(container.start_time or 0, av.time_base) + part.start
        if part.start:
            with suppress(av.error.FFmpegError):  # what can't be sought in is read from its beginning
                container.seek(int((start - self._lead()) * av.time_base))
        for picture in decoded:
            at = start if picture.pts is None else picture.pts * self._unit
            if at >= start + part.seconds:
                return
            if at >= start:
                yield picture

    def fit(self, picture: VideoFrame) -> VideoFrame:
        """The picture in planes like the first one's, and of the right size: converted only where it has to be."""
        is_other = self._changes.note(picture, self._now())
        shows_through = not self._settings.keeps_alpha and may_be_transparent(picture.format)
        if shows_through and (opaque := over_black(picture)) is not None:
            self._say("what is transparent is laid over black")
            picture = opaque
        if is_other:
            return fitted(picture, self._info, self._changes.sample_aspect_ratio(), self._scaler)
        layout, target = layout_of(picture.format), self._info.colour
        if layout.bits > 8 and is_colourful(picture.format):
            picture = deep_yuv(picture, target)
        if layout.is_of(picture) and (picture.width, picture.height) == self._size:
            return picture
        source = replace(target, full_range=True) if is_colourful(picture.format) else target
        return self._scaler(picture, self._size, layout.name, source, target)

    def _check_picture(self, first: VideoFrame) -> None:
        """Say what of the pictures, or of a sequence of them, is not taken along."""
        for lost in lost_metadata(first, self._stream):
            self._say(lost)
        bits = max((component.bits for component in first.format.components), default=8)
        if bits > 10 and not is_colourful(first.format):
            self._say(f"pictures of {bits} bits are reduced to 10")
        if has_profile(first):
            self._say("its ICC profile is left out; colours may look different")
        path = self._settings.path
        if is_sequence(path):
            found = numbers(path)
            after = next((number for number, next_one in pairwise(found) if next_one > number + 1), None)
            if after is not None:
                left_out = [number for number in found if number > after]
                reason = f"{numbered(path, after + 1).name} is missing, {len(left_out)} pictures after it are left out"
                self._losses.add("missing", reason, (after + 1 - found[0]) / self._info.rate, len(left_out))

    def _time(self, picture: VideoFrame) -> FrameInfo:
        """The picture's own pts. One without, or one that does not grow, follows its predecessor."""
        pts, duration = picture.pts, picture.duration or 0
        if pts is None or (self._last_pts is not None and pts <= self._last_pts):
            step = 1 if pts is not None else max(1, duration or round(1 / (self._info.rate * self._info.time_base)))
            pts = 0 if self._last_pts is None else self._last_pts + step
            self._losses.retimed += 1
        self._last_pts = pts
        pts -= self._origin
        if picture.is_corrupt:
            self._losses.add("concealed", "damaged pictures", self._now())
        return FrameInfo(
            pts,
            self._info.time_base,
            duration,
            bool(picture.key_frame),
            bool(picture.is_corrupt),
            time.monotonic(),
            lost=self._losses.total,
        )

    def _now(self) -> Fraction:
        return (self._last_pts or 0) * self._unit

    def _expected_frames(self) -> int | None:
        """Still to come, from the header: exact where the container counts frames, else reckoned from its duration."""
        if self._settings.part is not None:
            return max(1, round(self._info.rate * self._settings.part.seconds))
        if is_picture(self._settings.path) and not is_sequence(self._settings.path):
            return 1
        assert self._container is not None
        container, frames = self._container, self._stream.frames * self._deinterlacer.most
        if not self._counted(container):
            frames = max(1, round(self._info.rate * container.duration / av.time_base)) if container.duration else 0
        return max(0, frames - self._settings.done_frames) if frames else None

    def _counted(self, container: InputContainer) -> bool:
        """Whether the header says how many frames there are. AVI counts those too that are not there."""
        return self._stream.frames > 0 and container.format.name != "avi"

    def _count_missing(self) -> None:
        """Compare with what the header promised, if the file's end came early."""
        assert self._container is not None
        seen, container = self._end_of_packets, self._container
        promised = Fraction((container.duration or 0) + (container.start_time or 0), av.time_base)
        if self._counted(container) and self._settings.done_until is None:
            missing = max(0, self._stream.frames - self._packets)
        else:
            rate = self._info.rate / self._deinterlacer.most
            missing = round((promised - seen) * rate) if promised - seen >= 1 else 0
        if missing:
            reason = f"the file ends at {float(seen):.2f} s of {float(promised):.2f} s"
            self._losses.add("missing", reason, seen, missing, max(seen, promised))

    def _say(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            log.warning("%s: %s.", self._settings.path.name, message)


def _comes_by(pts: int, pictures: Iterator[VideoFrame]) -> bool:
    """Whether a picture of that time is among them; it and those before are taken."""
    for picture in pictures:
        if picture.pts is None or picture.pts >= pts:
            return picture.pts == pts
    return False


def _end(packet: "Packet[Any]") -> Fraction:
    if packet.pts is None or not packet.time_base:
        return Fraction(0)
    return (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base)
