"""Write packets into HLS segments and a playlist.

A segment ends at each multiple of ``HlsForm.seconds`` on the stream's clock, where the playout forces a key frame. Key
frames that other targets request between these end no segment.
"""

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import av
from av.packet import Packet

from sr4k.live.send.copied import Copied
from sr4k.live.send.hls_cutter import Cutter, Mp4Cutter, TsCutter
from sr4k.live.send.hls_folder import HlsFolder
from sr4k.live.settings import HlsForm

_TS = {"mpegts_flags": "pat_pmt_at_frames", "pes_payload_size": "0"}
"""Repeat the tables before each picture, and write one audio frame per PES packet: no sound crosses a segment's end."""

_FMP4 = {"movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont+skip_trailer"}
"""Start a fragment at each key frame and keep the stream's time stamps: a segment is a whole number of fragments."""


@dataclass(frozen=True, slots=True)
class _Span:
    """A segment's duration in seconds, begin as a Unix time, and whether it doesn't continue the one before it."""

    seconds: float
    begins: float
    discontinuity: bool


class HlsWriter(Copied):
    """One run of segments: a `sr4k.live.send.open_target.OpenTarget`.

    Args:
        folder: stores and lists the segments.
        form: their duration and container.
    """

    def __init__(self, folder: HlsFolder, form: HlsForm) -> None:
        self._folder, self._form = folder, form
        self._cutter: Cutter = TsCutter() if form.kind == "ts" else Mp4Cutter()
        is_ts = form.kind == "ts"
        super().__init__(
            av.open(self._cutter, "w", format="mpegts" if is_ts else "mp4", options=_TS if is_ts else _FMP4)
        )
        self._cuts: deque[_Span | None] = deque()  # for each key frame but the first: the segment that ends there
        self._parts: list[bytes] = []
        self._first = self._start = self._last = self._step = 0  # times in the stream, ms
        self._begun = 0.0  # when the first picture was received, as a Unix time
        self._broken = folder.is_resumed  # whether the current segment doesn't continue the one before it

    def write(self, packet: "Packet[Any]", at: int) -> bool:
        """Mux a packet of time ``at`` ms; return whether that completed a segment, which is then stored and listed."""
        if packet.stream.type == "video":
            if not self._begun:
                self._begun, self._first = time.time(), at
                self._start = at
                # the best estimate of the frame interval while there is only one picture
                self._step = round(1000 * (packet.duration or 0) * (packet.time_base or 0))
            else:
                if packet.is_keyframe:
                    self._cuts.append(self._cut(at))
                self._step = at - self._last
            self._last = at
        self.mux(packet)
        before = self._folder.stored
        self._store()
        return self._folder.stored > before

    def arrived(self, written: int) -> int:  # noqa: ARG002 - bytes of an unfinished segment reach nobody
        """Return the bytes in listed segments."""
        return self._folder.stored

    def close(self, *, ended: bool) -> None:
        """Store the unfinished segment; ``ended``: no stream will follow, so end the playlist."""
        self.container.close()
        self._store()
        if self._begun:
            self._complete(self._span(self._last + self._step))
            if ended:
                self._folder.end()

    def _cut(self, at: int) -> _Span | None:
        """Return the segment that ends before the key frame at ``at`` ms; ``None`` if none does."""
        if self._slot(at) == self._slot(self._start):
            return None
        span, broken = self._span(at), False
        if round(span.seconds) > self._form.longest:  # no packets came for a while: end the segment before the gap
            span, broken = self._span(self._last + self._step), True
        self._start, self._broken = at, broken
        return span

    def _span(self, end: int) -> _Span:
        begins = self._begun + (self._start - self._first) / 1000
        return _Span(max(1, end - self._start) / 1000, begins, self._broken)

    def _slot(self, at: int) -> int:
        return int((at + 1) / (1000 * self._form.seconds))  # FLV times are rounded down to ms

    def _store(self) -> None:
        pieces = self._cutter.pieces
        while pieces:
            is_key, data = pieces.popleft()
            if is_key and self._cuts and (span := self._cuts.popleft()) is not None:
                self._complete(span)
            self._parts.append(data)

    def _complete(self, span: _Span) -> None:
        data, self._parts = b"".join(self._parts), []
        self._folder.add(data, self._cutter.init, span.seconds, span.begins, discontinuity=span.discontinuity)
