"""Where one muxer's bytes may be cut into segments: before each key frame.

One muxer makes the whole stream, so that MPEG-TS counts its packets on from segment to segment, as viewers check.
"""

from collections import deque
from typing import Protocol

_TS_PACKET = 188
_TABLES = (0x0000, 0x0010, 0x0011, 0x1000)
"""PIDs of PAT, NIT, SDT and PMT as libav gives them. Each is one packet long here."""

_VIDEO = b"\x00\x00\x01\xe0"
"""How a PES packet of video begins; ISO/IEC 13818-1, 2.4.3.7."""

Piece = tuple[bool, bytes]
"""Whether a key frame begins here, that is not the first of all, and bytes."""


class Cutter(Protocol):
    """A file for libav to write into. ``pieces``: what it wrote, to be taken out; ``init``: what goes before."""

    pieces: deque[Piece]
    init: bytes

    def write(self, data: bytes) -> int:
        """Take in what libav made next."""
        ...


class TsCutter:
    """MPEG-TS, of a muxer that repeats its tables before each picture: they go with the key frame that they precede."""

    def __init__(self) -> None:
        self.pieces: deque[Piece] = deque()
        self.init = b""
        self._rest = b""
        self._is_first, self._is_key = True, False

    def write(self, data: bytes) -> int:
        """Whole packets go on; tables, when what follows them is known."""
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
    """Whether a TS packet that starts a unit starts one of video that can be decoded by itself."""
    if not data[at + 3] & 0x20 or not data[at + 4] or not data[at + 5] & 0x40:
        return False  # no adaptation field, or not marked as a random access point
    payload = at + 5 + data[at + 4]
    return data[payload : payload + len(_VIDEO)] == _VIDEO


class Mp4Cutter:
    """Fragmented MP4 of a muxer that writes a fragment when it has the key frame after it."""

    def __init__(self) -> None:
        self.pieces: deque[Piece] = deque()
        self.init = b""
        self._rest = bytearray()

    def write(self, data: bytes) -> int:
        """Whole boxes go on: those before the first fragment are its init section."""
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
        """The next that is complete; ISO/IEC 14496-12, 4.2."""
        rest = self._rest
        size = int.from_bytes(rest[:4], "big")
        if size == 1:
            size = int.from_bytes(rest[8:16], "big")
        if size < 8 or len(rest) < size:
            return None
        box = bytes(rest[:size])
        del rest[:size]
        return box
