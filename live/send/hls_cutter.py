"""Cut one muxer's output into pieces that may begin a segment: before each key frame.

One muxer writes the whole stream, so that the continuity counters of MPEG-TS run on across segments.
"""

from collections import deque
from typing import Protocol

_TS_PACKET = 188
_TABLES = (0x0000, 0x0010, 0x0011, 0x1000)
"""PIDs of PAT, NIT, SDT and PMT as libav assigns them. Each table fits into one packet here."""

_VIDEO = b"\x00\x00\x01\xe0"
"""Start code of a PES packet of video; ISO/IEC 13818-1, 2.4.3.7."""

Piece = tuple[bool, bytes]
"""Whether these bytes begin with a key frame other than the stream's first, and the bytes."""


class Cutter(Protocol):
    """A file object for libav to write into. ``pieces``: output, to be consumed; ``init``: the init section, if any."""

    pieces: deque[Piece]
    init: bytes

    def write(self, data: bytes) -> int:
        """Accept the muxer's next bytes; returns how many, as libav expects."""
        ...


class TsCutter:
    """Cuts MPEG-TS whose muxer repeats the tables before each picture: a piece begins with a key frame's tables."""

    def __init__(self) -> None:
        self.pieces: deque[Piece] = deque()
        self.init = b""
        self._rest = b""
        self._is_first, self._is_key = True, False

    def write(self, data: bytes) -> int:
        """Pass on whole packets, and hold tables back until it is known what follows them."""
        held = self._rest + bytes(data)
        begin = tables = 0
        for at in range(0, len(held) - len(held) % _TS_PACKET, _TS_PACKET):
            if held[at + 1] & 0x40:  # a unit starts
                if (held[at + 1] & 0x1F) << 8 | held[at + 2] in _TABLES:
                    continue
                if _is_key_frame(held, at):
                    self._pass_on(held[begin:tables])
                    self._is_key, self._is_first, begin = not self._is_first, False, tables
            tables = at + _TS_PACKET
        self._pass_on(held[begin:tables])
        self._rest = held[tables:]
        return len(data)

    def _pass_on(self, data: bytes) -> None:
        if data:
            self.pieces.append((self._is_key, data))
            self._is_key = False


def _is_key_frame(data: bytes, at: int) -> bool:
    """Whether a TS packet that starts a PES packet starts a key frame of video."""
    if not data[at + 3] & 0x20 or not data[at + 4] or not data[at + 5] & 0x40:
        return False  # no adaptation field, or not marked as a random access point
    payload = at + 5 + data[at + 4]
    return data[payload : payload + len(_VIDEO)] == _VIDEO


class Mp4Cutter:
    """Cuts fragmented MP4 whose muxer writes a fragment when it receives the next key frame."""

    def __init__(self) -> None:
        self.pieces: deque[Piece] = deque()
        self.init = b""
        self._rest = bytearray()

    def write(self, data: bytes) -> int:
        """Pass on whole boxes; ``ftyp`` and ``moov`` are the init section."""
        self._rest += data
        while (box := self._box()) is not None:
            kind = box[4:8]
            if kind in (b"ftyp", b"moov"):
                self.init += box
            elif kind in (b"moof", b"mdat"):
                self.pieces.append((False, box))
                if kind == b"mdat":
                    self.pieces.append((True, b""))
        return len(data)

    def _box(self) -> bytes | None:
        """Remove and return the next box if it is complete; ISO/IEC 14496-12, 4.2."""
        rest = self._rest
        size = int.from_bytes(rest[:4], "big")
        if size == 1:
            size = int.from_bytes(rest[8:16], "big")
        if size < 8 or len(rest) < size:
            return None
        box = bytes(rest[:size])
        del rest[:size]
        return box
