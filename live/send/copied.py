"""Packets that are written to a target as they come."""

from fractions import Fraction
from typing import Any

from av.container import InputContainer, OutputContainer
from av.packet import Packet

PROMPT = {"max_interleave_delta": "1"}
"""Muxer options of targets on the network: a packet waits for the next one of a later time at most, of any track.

libav's muxers otherwise hold a picture until there is sound of a later time, however late that is.
"""

AHEAD = 300
"""Milliseconds that `go_ahead` moves a picture's decoding time: more than sound is behind."""


def go_ahead(picture: "Packet[Any]") -> None:
    """Have libav's muxer for RTP send a picture at once, and each block of sound when the next one is there.

    It sends the packet with the lowest decoding time when it has one of each track. RTP transmits no decoding times.
    """
    assert picture.dts is not None and picture.time_base
    picture.dts -= round(Fraction(AHEAD, 1000) / picture.time_base)


class Copied:
    """The streams of a target that gets every packet of its source unchanged; a base class of targets.

    Args:
        container: what the target's format is written with.
    """

    def __init__(self, container: OutputContainer) -> None:
        self.container = container
        self._streams: dict[int, Any] = {}

    def begin(self, source: InputContainer) -> None:
        """Add a stream for each of the source's, and write the header."""
        for stream in source.streams:
            self._streams[stream.index] = self.container.add_stream_from_template(stream, opaque=True)
        self.container.start_encoding()

    def mux(self, packet: "Packet[Any]") -> None:
        """Write a packet of the source."""
        packet.stream = self._streams[packet.stream.index]
        self.container.mux_one(packet)
