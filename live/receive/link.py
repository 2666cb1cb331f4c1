"""The link from a puller's process to the intake: messages over a socket, frames in shared memory."""

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from multiprocessing.connection import wait
from typing import Any, TypeGuard

from sr4k.live.audio_blocks import SAMPLE_RATE, Samples
from sr4k.live.receive.link_checks import is_format, is_picture
from sr4k.live.timeline import TICKS
from sr4k.live.wire_format import cleaned, is_number, pack, unpack
from sr4k.media.video import ColourTags, VideoInfo
from sr4k.models.colour import Colour
from sr4k.pipeline.channel import Memory, map_slots
from sr4k.pipeline.frame import Format, Frame, FrameInfo, PlaneSpec

SLOTS = 8
"""Number of slots in the ring."""

_LARGEST_MESSAGE = 1 << 16
"""Maximum length of a message, in bytes."""

_PIECE = 1024
"""Maximum number of samples in a `Sound` message."""

_TALLY_EVERY = 0.5
"""Interval of `Tally` messages, in seconds."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The source is open, and its frames have this format; ``left_out``: its tracks that are not read, in words."""

    form: Format
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class FilledSlot:
    """A frame is in this slot."""

    slot: int
    info: FrameInfo


@dataclass(frozen=True, slots=True)
class Sound:
    """A block of interleaved s16 little-endian stereo at 48 kHz; ``pts`` in 1/90000 s of the source's clock."""

    pts: int
    samples: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection has ended, for this reason; ``final``: another try is pointless."""

    reason: str
    final: bool = False


@dataclass(slots=True)
class Tally:
    """Counts of what a connection has delivered so far, and of what was dropped."""

    bytes: int = 0
    pictures: int = 0
    backlog: int = 0  # pictures dropped from the initial burst
    full: int = 0  # pictures dropped for want of a free slot
    damaged: int = 0  # packets that could not be decoded, and pictures with concealed errors
    interlaced: int = 0  # pictures that were deinterlaced

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


Message = Opened | FilledSlot | Sound | Ended | Tally


def create_link() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a socket. Each message arrives whole or not at all: no reader waits for the rest of one."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class NonsenseError(Exception):
    """The puller's process sent an invalid message: it may have been compromised."""


class PullerEnd:
    """The puller's end of the link. It never waits for the network: a picture that finds no free slot is dropped.

    Raises:
        EOFError, BrokenPipeError, ConnectionResetError: the intake is gone.
    """

    def __init__(self, wire: socket.socket, memory: Memory) -> None:
        self._wire = wire
        self._memory = memory
        self._free: list[int] = []
        self._tallied = time.monotonic()
        self.tally = Tally()

    def open(self, form: Format, left_out: str = "") -> None:
        """Send the format of the frames and what is left out, and wait until the intake accepts frames."""
        self._send(Opened(form, left_out))
        self._free = list(range(self._received(0)))
        self._slots = map_slots(self._memory, form, len(self._free))

    def take(self, info: FrameInfo) -> Frame | None:
        """Return a frame to fill and `show`, or ``None`` if no slot is free."""
        with suppress(BlockingIOError):
            while True:
                self._free.append(self._received(socket.MSG_DONTWAIT))
        if not self._free:
            self.tally.full += 1
            return None
        slot = self._free.pop()
        return Frame(self._slots[slot], info, slot=slot)

    def show(self, frame: Frame) -> None:
        """Send a frame from `take`."""
        assert frame.slot is not None
        self._send(FilledSlot(frame.slot, frame.info))

    def say(self, pts: int, samples: Samples) -> None:
        """Send samples in small blocks; ``pts`` is the time of the first one, in 1/90000 s."""
        for start in range(0, len(samples), _PIECE):
            piece = samples[start : start + _PIECE].astype("<i2", copy=False)
            self._send(Sound(pts + start * TICKS // SAMPLE_RATE, piece.tobytes()))

    def report(self) -> None:
        """Send the tally if it is due; it also shows that this process is alive."""
        now = time.monotonic()
        if now - self._tallied >= _TALLY_EVERY:
            self._tallied = now
            self._send(self.tally)

    def end(self, ended: Ended) -> None:
        """Send the last tally, and why the connection ended."""
        self._send(self.tally)
        self._send(ended)

    def _send(self, message: Message) -> None:
        self._wire.send(pack(message))

    def _received(self, flags: int) -> int:
        number = self._wire.recv(1, flags)
        if not number:
            raise EOFError
        return number[0]


class IntakeEnd:
    """The intake's end of the link. It checks every message: who decodes untrusted input may be compromised."""

    def __init__(self, wire: socket.socket, memory: Memory) -> None:
        self._wire = wire
        self._memory = memory
        self._slots: list[Any] = []
        self._closing = threading.Lock()  # frames are released by threads other than the one that closes

    def receive(self, timeout: float) -> Frame | Opened | Sound | Ended | Tally | None:
        """Return the next message, or the frame that it announces; ``None`` if none comes within ``timeout`` seconds.

        Raises:
            EOFError: the puller's process is gone.
            NonsenseError: it sent an invalid message.
            OSError: the connection to it is broken.
        """
        if not wait([self._wire], timeout):
            return None
        packed, is_cut = self._received()
        if not packed:
            raise EOFError
        if is_cut:
            raise NonsenseError
        message = _read(packed)
        if isinstance(message, Opened):
            if self._slots:
                raise NonsenseError
            self._slots = map_slots(self._memory, message.form, SLOTS)
        if isinstance(message, FilledSlot):
            if not self._slots:
                raise NonsenseError
            return Frame(
                self._slots[message.slot],
                message.info,
                slot=message.slot,
                on_release=partial(self._give_back, message.slot),
            )
        return message

    def make_room(self) -> None:
        """Let the puller send frames, after an `Opened` message.

        Raises:
            OSError: the puller's process is gone.
        """
        self._tell(SLOTS)

    def close(self) -> None:
        """Close this end; frames that are still held stay readable."""
        with self._closing:
            self._wire.close()
            self._memory.close()
            self._slots = []

    def _give_back(self, slot: int) -> None:
        with self._closing, suppress(OSError):  # the puller may be gone, or not read
            self._tell(slot)

    def _received(self) -> tuple[bytes, bool]:
        """Return a message, and whether it was cut off because it is too long."""
        try:
            packed, _, flags, _ = self._wire.recvmsg(_LARGEST_MESSAGE, 0, socket.MSG_DONTWAIT)
        except ConnectionResetError:  # it is gone with data unread: its last messages can still be received
            packed, _, flags, _ = self._wire.recvmsg(_LARGEST_MESSAGE, 0, socket.MSG_DONTWAIT)
        return packed, bool(flags & socket.MSG_TRUNC)

    def _tell(self, number: int) -> None:
        self._wire.send(bytes([number]), socket.MSG_DONTWAIT)


def _read(message: bytes) -> Message:
    try:
        read = unpack(message, _KINDS)
        if _is_valid(read):
            return _cleaned(read)
    except Exception as err:
        raise NonsenseError from err
    raise NonsenseError


def _cleaned(read: Message) -> Message:
    """Return the message with what it holds in words as short lines."""
    match read:
        case Ended():
            return replace(read, reason=cleaned(read.reason))
        case Opened():
            return replace(read, left_out=cleaned(read.left_out))
    return read


def _is_valid(read: object) -> TypeGuard[Message]:
    match read:
        case Opened(Format() as form, str()):
            return is_format(form)
        case FilledSlot(slot, FrameInfo() as info):
            return is_number(slot, 0) and slot < SLOTS and is_picture(info)
        case Sound(pts, bytes() as samples):
            return is_number(pts) and len(samples) % 4 == 0
        case Ended(str(), bool()):
            return True
        case Tally():
            return all(is_number(getattr(read, f.name), 0) for f in fields(read))
    return False


_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (Opened, FilledSlot, Sound, Ended, Tally, Format, PlaneSpec, FrameInfo, VideoInfo, ColourTags, Colour)
}
"""Classes that messages may consist of. Creating one runs no code beyond assignments."""
