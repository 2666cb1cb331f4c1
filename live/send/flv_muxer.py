"""Mux pictures and sound into FLV tags at once, in whatever order they come.

A muxer of libav for both would hold a picture until there is sound of a later time, and sound until there is a picture
of a later time: up to a frame interval each time the stream is muxed. So each track has a muxer of its own here, which
holds nothing.
"""

from collections.abc import Iterable
from typing import Any, Literal

import av
from av.container import OutputContainer
from av.packet import Packet

from sr4k.live.send.flv import FlvSplitter, Tag

Track = Literal["video", "audio"]


class FlvMuxer:
    """Muxer of one FLV stream. Time stamps increase within each track only.

    They must not be negative: a muxer moves its track to zero, without the other one.

    Attributes:
        header: FLV file header of the stream; empty before `begin`.
    """

    def __init__(self) -> None:
        self._muxers: dict[Track, _Muxer] = {}
        self.header = b""

    def container(self, track: Track) -> OutputContainer:
        """Return the container to add the only stream of this track to, before `begin`."""
        return self._muxers.setdefault(track, _Muxer()).container

    def begin(self) -> list[Tag]:
        """Return the stream's head: metadata and decoder configurations. Encoders must be open."""
        both = _Muxer()
        for muxer in self._muxers.values():
            muxer.container.start_encoding()
            muxer.take()  # a head for one track
            both.container.add_stream_from_template(muxer.container.streams[0], opaque=True)
        both.container.start_encoding()
        head = both.take()
        self.header = both.splitter.header
        both.container.close()
        return head

    def mux(self, packets: "Iterable[Packet[Any]]") -> list[Tag]:
        """Return the tags of packets, whose streams are those of the `container` of each track."""
        return [tag for packet in packets for tag in self._of(packet).mux(packet)]

    def close(self) -> list[Tag]:
        """Return the tags that end the stream."""
        return [tag for muxer in self._muxers.values() for tag in muxer.close()]

    def _of(self, packet: "Packet[Any]") -> "_Muxer":
        return self._muxers["video" if packet.stream.type == "video" else "audio"]


class _Muxer:
    """A muxer of libav, whose output is split into tags."""

    def __init__(self) -> None:
        self.splitter = FlvSplitter()
        self._written = _Written()
        options = {"flush_packets": "1", "flvflags": "no_duration_filesize"}
        self.container: OutputContainer = av.open(self._written, "w", format="flv", options=options)

    def mux(self, packet: "Packet[Any]") -> list[Tag]:
        self.container.mux_one(packet)
        return self.take()

    def close(self) -> list[Tag]:
        self.container.close()
        return self.take()

    def take(self) -> list[Tag]:
        """Return the tags that were written since the last call."""
        return list(self.splitter.feed(self._written.take()))


class _Written:
    """A file object for libav to write into."""

    def __init__(self) -> None:
        self._data: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._data.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data, self._data = b"".join(self._data), []
        return data
