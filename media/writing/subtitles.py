"""Convert text subtitles to the codec that a container supports, with libav's own codecs."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeGuard

import av
from av.codec.codec import Capabilities, Properties
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from sr4k.media.writing.container_support import QUICKTIME

FORMS = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
"""Subtitle codecs by container. MPEG-TS has teletext, which libav can't write."""

_LONGEST = Fraction(1, 1000)
"""Seconds per tick in MP4 and MOV: longer than in any other track there; see `Rewritten`."""

_UNKNOWN = 2**32 - 1
"""libav's display duration, in milliseconds, of a text whose end is not known yet."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """Dialogue lines of ASS, shown from ``begin`` to ``end``, in ticks."""

    lines: list[bytes]
    begin: int
    end: int


class Rewritten:
    """One stream of text subtitles, converted. Styles and positions that the target's codec lacks are lost.

    A track of MP4 and MOV shows one text at a time: texts that begin together are merged, others end when the next
    begins. A text that nothing follows is ended by libav's muxer as soon as a packet of another track is later, for
    which it compares numbers of ticks without regard to time bases. So this track's ticks must be the longest.

    Attributes:
        stream: The target's stream.
        lost: Packets of the source that could not be converted, counted by reason.
        shortened: Number of texts that had to end early.
    """

    def __init__(self, source: SubtitleStream, target: OutputContainer) -> None:
        self._source = source.codec_context
        self._source.open(strict=False)
        assert source.time_base
        self._tick = Fraction(source.time_base)
        stream = target.add_stream(FORMS[target.format.name])
        assert isinstance(stream, SubtitleStream)
        self.stream = stream
        self.stream.codec_context.subtitle_header = self._source.subtitle_header
        self._one_at_a_time = target.format.name in QUICKTIME
        self.stream.time_base = _LONGEST if self._one_at_a_time else self._tick
        self._is_late = bool(self._source.codec.capabilities & Capabilities.delay.value)
        self._held: _Shown | None = None
        self._end = 0  # end of the last packet, in ticks
        self.shortened = 0
        self.lost: Counter[str] = Counter()

    @staticmethod
    def possible(source: Stream, container: str) -> TypeGuard[SubtitleStream]:
        """Whether it is text that libav can decode, and the container has a codec for text."""
        codec = getattr(source.codec_context, "codec", None)
        return container in FORMS and codec is not None and bool(codec.properties & Properties.TEXT_SUB.value)

    def packets(self, packet: "Packet[Any]") -> Iterator["Packet[Any]"]:
        """Convert one packet of the source; see `sr4k.media.writing.tracks.TrackWriter`."""
        if not packet.size or packet.pts is None:
            return
        self._end = packet.pts + (packet.duration or 0)
        shown = self._read(packet)
        if shown is not None:
            yield from self._in_turn(shown)

    def drain(self) -> Iterator["Packet[Any]"]:
        """Emit the texts that decoder and track hold back; see `sr4k.media.writing.tracks.TrackWriter`."""
        if self._is_late and (shown := self._read(Packet())) is not None:
            yield from self._in_turn(shown)
        if self._held is not None:
            yield from self._packet(self._held)
            self._held = None

    def _read(self, packet: "Packet[Any]") -> _Shown | None:
        try:
            found = self._source.decode2(packet)
        except av.error.FFmpegError as err:
            self.lost[f"undecodable ({err.strerror})"] += 1
            return None
        lines = [rect.ass for rect in found or () if isinstance(rect, AssSubtitle)]
        if found is None or not any(lines):
            return None
        if not self._is_late:
            assert packet.pts is not None
            return _Shown(lines, packet.pts, packet.pts + (packet.duration or 0))
        begin = round(Fraction(found.pts, av.time_base) / self._tick)
        shown_for = found.end_display_time
        end = begin + round(Fraction(shown_for, 1000) / self._tick) if 0 < shown_for < _UNKNOWN else self._end
        return _Shown(lines, begin, max(begin, end))

    def _in_turn(self, shown: _Shown) -> Iterator["Packet[Any]"]:
        """Emit the text; where one is shown at a time, the one before, now that its latest end is known."""
        held = self._held
        if not self._one_at_a_time:
            yield from self._packet(shown)
        elif held is not None and shown.begin <= held.begin:
            self._held = replace(held, lines=held.lines + shown.lines, end=max(held.end, shown.end))
        else:
            if held is not None:
                self.shortened += held.end > shown.begin
                yield from self._packet(replace(held, end=min(held.end, shown.begin)))
            self._held = shown

    def _packet(self, shown: _Shown) -> Iterator["Packet[Any]"]:
        try:  # one packet may hold several lines, shown together
            made = self.stream.codec_context.encode_subtitle(SubtitleSet.create(_together(shown.lines), 0, 0))
        except av.error.FFmpegError as err:
            self.lost[f"can't be encoded ({err.strerror})"] += 1
        else:
            made.pts = made.dts = shown.begin
            made.duration, made.time_base, made.stream = shown.end - shown.begin, self._tick, self.stream
            yield made


def _together(dialogues: list[bytes]) -> bytes:
    """Merge the texts into the first line; each line is ``ReadOrder,Layer,Style,Name,L,R,V,Effect,Text``."""
    texts = [dialogue.split(b",", 8)[-1] for dialogue in dialogues]
    return dialogues[0][: len(dialogues[0]) - len(texts[0])] + rb"\N".join(texts)
