"""Packets that are written to a target as they come."""

from typing import Any

from av.container import InputContainer, OutputContainer
from av.packet import Packet


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
