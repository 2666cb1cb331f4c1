"""What travels from a puller's process to the intake: messages over a socket, pictures in shared memory."""

from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing.connection import Connection

from sr4k.pipeline.channel import Memory, map_slots
from sr4k.pipeline.frame import Format, Frame, FrameInfo

SLOTS = 8
"""Pictures that fit into the ring."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The source is there, and this is the format of its pictures."""

    form: Format


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture lies in this slot."""

    slot: int
    info: FrameInfo


@dataclass(frozen=True, slots=True)
class Sound:
    """Interleaved s16 little-endian stereo at 48 kHz; ``pts`` in 1/90000 s of the source's clock."""

    pts: int
    samples: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """There will be no more: why, and whether another try is of no use."""

    reason: str
    final: bool = False


@dataclass(slots=True)
class Tally:
    """What a connection brought so far, and what of it was of no use."""

    bytes: int = 0
    pictures: int = 0
    backlog: int = 0  # pictures that came in a burst at the start
    full: int = 0  # pictures for which there was no room
    damaged: int = 0  # packets that could not be decoded, and pictures patched up

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


Message = Opened | Picture | Sound | Ended | Tally


class PullerEnd:
    """The puller's side. Nothing waits here for the network's sake: a picture that finds no room is left out."""

    def __init__(self, wire: Connection, memory: Memory) -> None:
        self._wire = wire
        self._memory = memory
        self._free: list[int] = []

    def open(self, form: Format) -> None:
        """Tell the format, and wait until the other side has made room."""
        self._wire.send(Opened(form))
        self._free = list(range(self._wire.recv()))
        self._slots = map_slots(self._memory, form, len(self._free))

    def take(self, info: FrameInfo) -> Frame | None:
        """A frame to fill and `send`, if there is room."""
        while self._wire.poll(0):
            self._free.append(self._wire.recv())
        if not self._free:
            return None
        slot = self._free.pop()
        return Frame(self._slots[slot], info, slot=slot)

    def send(self, message: Frame | Message) -> None:
        """Pass something on."""
        if isinstance(message, Frame):
            assert message.slot is not None
            message = Picture(message.slot, message.info)
        self._wire.send(message)


class IntakeEnd:
    """The intake's side.

    Raises:
        EOFError: the other side is gone.
    """

    def __init__(self, wire: Connection, memory: Memory) -> None:
        self._wire = wire
        self._memory = memory

    def receive(self, timeout: float) -> Frame | Opened | Sound | Ended | Tally | None:
        """What comes next within ``timeout`` seconds."""
        if not self._wire.poll(timeout):
            return None
        message: Message = self._wire.recv()
        if isinstance(message, Opened):
            self._slots = map_slots(self._memory, message.form, SLOTS)
            self._wire.send(SLOTS)
        if isinstance(message, Picture):
            return Frame(
                self._slots[message.slot],
                message.info,
                slot=message.slot,
                on_release=partial(self._give_back, message.slot),
            )
        return message

    def close(self) -> None:
        """Close it; frames that are still held stay readable."""
        self._wire.close()
        self._memory.close()

    def _give_back(self, slot: int) -> None:
        with suppress(OSError):  # the puller may be gone
            self._wire.send(slot)
