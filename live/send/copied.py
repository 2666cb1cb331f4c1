"""Packets that are written to a target as they come."""

from typing import Any

from av.container import InputContainer, OutputContainer
from av.packet import Packet

PROMPT = {"max_interleave_delta": "1"}
"""Muxer options of targets on the network: a packet waits for the next one of a later time at most, of any track.

libav's muxers otherwise hold a picture until there is sound of a later time, however late that is.
"""


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
