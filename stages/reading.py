"""Reading a video: its pictures in the order of their times, from its beginning, of a part, or from a place on."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from typing import Any

import av
from av.codec.context import Flags
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.stages.crop import Crop
from sr4k.stages.decoded import positive
from sr4k.stages.deinterlace import Deinterlacer
from sr4k.stages.extent import Extent
from sr4k.stages.headers import margins
from sr4k.stages.joins import OneClock, from_key_frame
from sr4k.stages.losses import REORDERED, Awaited, Losses
from sr4k.stages.order import Order
from sr4k.stages.png import plain_head, plain_packet
from sr4k.stages.settings import DecodeSettings, TimeSpan
from sr4k.stages.source import open_input, video_stream
from sr4k.stages.untimed import counted_back

_BACK = (0, 10, 60, 600)
"""Seconds by which seeking goes further back, try after try: not every file knows where its key frames are."""

_GUESSED = {"mpeg", "mpegvideo"}
"""Containers in which few pictures have a time: those of the others, libav guesses otherwise after seeking."""


class Reading:
    """A file that is read, and its pictures.

    Attributes:
        stream: the video.
        tick: of its packets, in seconds; ``unit``: of its pictures.
        extent: how long it is.
        clock: what its times are told by.
        crop: what is cut off.
    """

    stream: VideoStream
    tick: Fraction
    unit: Fraction
    extent: Extent
    clock: OneClock
    deinterlacer: Deinterlacer
    crop: Crop

    def __init__(
        self, settings: DecodeSettings, losses: Losses, say: Callable[[str], None], accelerator: HWAccel | None = None
    ) -> None:
        self._settings, self._losses, self._say = settings, losses, say
        self._accelerator = accelerator
        self._container: InputContainer | None = None
        self._order: Order | None = None

    def pictures(self) -> Iterator[VideoFrame]:
        """From the beginning, or of the part that is wanted."""
        container = self._open()
        part = self._settings.part
        return self._from_beginning() if part is None else self._of(part, container)

    def onward(self, done: int) -> tuple[Iterator[VideoFrame], bool]:
        """Those after the one of that pts, decoded from a key frame on that lies before them all.

        Where seeking does not lead to one, or the last that is done does not come by again, further back is tried, and
        at last the beginning: then all is decoded again.

        Returns:
            The pictures, and whether those that are done come by once more.
        """
        lead = self._lead()
        assert self._container is not None
        for back in () if self._container.format.name in _GUESSED else _BACK:
            self.close()
            container = self._open()
            at = done * self.unit - lead - back
            try:
                decoded = self._from(at, container)
            except av.error.FFmpegError:
                break
            first = next(decoded, None)
            if first is None or first.pts is None:
                break
            early = first.key_frame and first.pts * self.unit <= done * self.unit - lead
            if early and _comes_by(done, chain([first], decoded)):
                return decoded, False
        self.close()
        self._open()
        return self._from_beginning(), True

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            self._container.close()

    def _open(self) -> InputContainer:
        settings = self._settings
        self._container = open_input(settings.path, self._accelerator, settings.rate)
        self.stream = video_stream(self._container, settings.path, settings.track)
        self.stream.thread_type = "AUTO"
        plain_head(self.stream)
        self.stream.codec_context.flags |= Flags.unaligned  # else what is to be cut off on the left is not
        self.tick = positive(self.stream.time_base, Fraction(1, 90_000))
        self.deinterlacer = Deinterlacer(self.stream, self._say, settings.deinterlace)
        self.unit = self.tick / self.deinterlacer.ticks
        self.clock = OneClock(self._container, self.stream)
        self._order = self._order or Order(looks_ahead=self.stream.codec_context.has_b_frames)
        self.extent = Extent(settings.path, self._container, self.stream, self.clock)
        self._losses.near = 2 / positive(self.stream.guessed_rate, Fraction(25))
        self._awaited = Awaited(self.stream, self.tick, self._losses)
        context = self.stream.codec_context
        self.crop = Crop(margins(self.stream), (context.width, context.height))
        return self._container

    def _from_beginning(self) -> Iterator[VideoFrame]:
        part = self._settings.part
        whole = self._settings.done_until is None and not (part and part.start)
        return self._made(self.clock.packets(), whole=whole, from_beginning=True)

    def _from(self, at: Fraction, container: InputContainer) -> Iterator[VideoFrame]:
        """From the last key frame on that is shown no later than ``at`` seconds, if seeking leads there.

        Raises:
            av.error.FFmpegError: it can't be sought in.
        """
        if at <= self.clock.start:
            return self._from_beginning()
        self.extent.from_beginning = False
        if self.clock.is_read_through:
            return self._made(from_key_frame(self.clock.packets(), self.stream, at), whole=False)
        container.seek(int((at - self.clock.shift) / self.tick), stream=self.stream)
        return self._made(self.clock.packets(), whole=False)

    def _of(self, part: TimeSpan, container: InputContainer) -> Iterator[VideoFrame]:
        """The pictures of a part: from the key frame before it on they are decoded, and those before it left out."""
        start = self.clock.start + part.start
        try:
            at = start - self._lead() - self._ahead()
            decoded = self._from(at, container) if part.start else self._from_beginning()
        except av.error.FFmpegError:  # what can't be sought in is read from its beginning, and seeking has led astray
            self.close()
            self._open()
            decoded = self._from_beginning()
        at = start - (step := 1 / positive(self.stream.guessed_rate, Fraction(25)))
        for picture in decoded:
            at = at + step if picture.pts is None else picture.pts * self.unit
            if at >= start + part.seconds:
                return
            if at >= start:
                yield picture

    def _lead(self) -> Fraction:
        """Seconds before a picture that it takes to make it: fields need the pictures around them."""
        return 2 / positive(self.stream.guessed_rate, Fraction(25)) if self.deinterlacer.expected else Fraction(0)

    def _ahead(self) -> Fraction:
        """Seconds by which pictures may be decoded before they are shown, where their container may not tell."""
        pictures = REORDERED if self.stream.codec_context.has_b_frames else 0
        return pictures / positive(self.stream.guessed_rate, Fraction(25))

    def _made(
        self, packets: "Iterator[Packet[Any]]", *, whole: bool, from_beginning: bool = False
    ) -> Iterator[VideoFrame]:
        """Of packets. ``whole``: that they are those of the stream from its beginning, and all are wanted."""
        assert self._order is not None
        timed = self._order.kept(self._decode(packets, self._order, whole=whole))
        timed = counted_back(timed, self._settings) if from_beginning else timed
        return map(self.crop, self.deinterlacer.pictures(timed))

    def _decode(self, packets: "Iterator[Packet[Any]]", order: Order, *, whole: bool) -> Iterator[VideoFrame]:
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as err:
                self._losses.add("packets", f"reading broke off: {err.strerror}", self.extent.seen)
                packet = None
            if packet is None:
                yield from self._drain(whole=whole)
                self._awaited.ended()
                return
            self.extent.saw(packet)
            if packet.stream.index != self.stream.index or not packet.size:  # which shows the last picture again
                continue
            order.sent(packet)
            self._awaited.sent(packet)
            try:
                for picture in self.stream.decode(plain_packet(packet, self.stream)):
                    self._awaited.shown(picture, whole=whole)
                    yield picture
            except av.error.FFmpegError as err:
                self._awaited.failed(packet, f"undecodable packet: {err.strerror}")

    def _drain(self, *, whole: bool) -> Iterator[VideoFrame]:
        """What the decoder still has at the end."""
        with suppress(av.error.FFmpegError):
            for picture in self.stream.decode(None):
                if self.stream.time_base is not None:  # pictures that come of no packet have none
                    picture.time_base = self.stream.time_base
                self._awaited.shown(picture, whole=whole)
                yield picture


def _comes_by(pts: int, pictures: Iterator[VideoFrame]) -> bool:
    """Whether a picture of that time is among them; it and those before are taken."""
    for picture in pictures:
        if picture.pts is None or picture.pts >= pts:
            return picture.pts == pts
    return False
