"""What travels from a puller's process to the intake: messages over a socket, pictures in shared memory."""

import io
import pickle
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, TypeGuard

from sr4k.live.sound import SAMPLE_RATE, Samples
from sr4k.live.timeline import TICKS
from sr4k.pipeline.channel import Memory, map_slots
from sr4k.pipeline.frame import Format, Frame, FrameInfo
from sr4k.stages.video import VideoInfo

SLOTS = 8
"""Pictures that fit into the ring."""

_LARGEST_PICTURE = 32 << 20
"""Bytes."""

_LARGEST_MESSAGE = 1 << 20
"""Bytes."""

_PIECE = 1024
"""Samples of sound."""

_TALLY_EVERY = 0.5
"""Seconds."""


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
    interlaced: int = 0  # pictures that were made of two fields

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


Message = Opened | Picture | Sound | Ended | Tally


class NonsenseError(Exception):
    """The other side sent what no puller sends."""


class PullerEnd:
    """The puller's side. Nothing waits here for the network's sake: a picture that finds no room is left out."""

    def __init__(self, wire: Connection, memory: Memory) -> None:
        self._wire = wire
        self._memory = memory
        self._free: list[int] = []
        self._tallied = time.monotonic()
        self.tally = Tally()

    def open(self, form: Format) -> None:
        """Tell the format, and wait until the other side has made room."""
        self._wire.send(Opened(form))
        self._free = list(range(self._wire.recv()))
        self._slots = map_slots(self._memory, form, len(self._free))

    def take(self, info: FrameInfo) -> Frame | None:
        """A frame to fill and `show`, if there is room."""
        while self._wire.poll(0):
            self._free.append(self._wire.recv())
        if not self._free:
            self.tally.full += 1
            return None
        slot = self._free.pop()
        return Frame(self._slots[slot], info, slot=slot)

    def show(self, frame: Frame) -> None:
        """Pass a picture on."""
        assert frame.slot is not None
        self._wire.send(Picture(frame.slot, frame.info))

    def say(self, pts: int, samples: Samples) -> None:
        """Pass sound on, in small pieces; ``pts`` of its first sample."""
        for start in range(0, len(samples), _PIECE):
            piece = samples[start : start + _PIECE].astype("<i2", copy=False)
            self._wire.send(Sound(pts + start * TICKS // SAMPLE_RATE, piece.tobytes()))

    def report(self) -> None:
        """Send the tally, if it is time to: it is also the sign that this process lives."""
        now = time.monotonic()
        if now - self._tallied >= _TALLY_EVERY:
            self._tallied = now
            self._wire.send(replace(self.tally))

    def end(self, ended: Ended) -> None:
        """Say the last word."""
        self._wire.send(self.tally)
        self._wire.send(ended)


class IntakeEnd:
    """The intake's side. It believes nothing: what decodes a stranger's bytes may have become the stranger's own.

    Raises:
        EOFError: the other side is gone.
        NonsenseError: it is no longer what was started.
    """

    def __init__(self, wire: Connection, memory: Memory) -> None:
        self._wire = wire
        self._memory = memory
        self._slots: list[Any] = []
        self._closing = threading.Lock()  # frames are handed back by threads other than the one that closes

    def receive(self, timeout: float) -> Frame | Opened | Sound | Ended | Tally | None:
        """What comes next within ``timeout`` seconds."""
        if not self._wire.poll(timeout):
            return None
        message = _read(self._wire.recv_bytes(_LARGEST_MESSAGE))
        if isinstance(message, Opened):
            if self._slots:
                raise NonsenseError
            self._slots = map_slots(self._memory, message.form, SLOTS)
            self._wire.send(SLOTS)
        if isinstance(message, Picture):
            if not self._slots:
                raise NonsenseError
            return Frame(
                self._slots[message.slot],
                message.info,
                slot=message.slot,
                on_release=partial(self._give_back, message.slot),
            )
        return message

    def close(self) -> None:
        """Close it; frames that are still held stay readable."""
        with self._closing:
            self._wire.close()
            self._memory.close()
            self._slots = []

    def _give_back(self, slot: int) -> None:
        with self._closing, suppress(OSError):  # the puller may be gone
            self._wire.send(slot)


def _read(message: bytes) -> Message:
    try:
        read = _Reader(io.BytesIO(message)).load()
        if _makes_sense(read):
            return read
    except Exception as err:
        raise NonsenseError from err
    raise NonsenseError


def _makes_sense(read: object) -> TypeGuard[Message]:
    match read:
        case Opened(Format(about=VideoInfo()) as form):
            return 0 < form.nbytes <= _LARGEST_PICTURE
        case Picture(int() as slot, FrameInfo(int(), Fraction(), born=float())):
            return 0 <= slot < SLOTS
        case Sound(int(), bytes() as samples):
            return len(samples) % 4 == 0
        case Ended(str(), bool()) | Tally(int(), int(), int(), int(), int()):
            return True
    return False


class _Reader(pickle.Unpickler):
    """Makes nothing but messages: a pickle may otherwise call whatever it names."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PARTS:
            raise NonsenseError
        return super().find_class(module, name)


_PARTS = {("fractions", "Fraction")} | {
    (f"sr4k.{module}", name)
    for module, names in {
        "live.link": ("Opened", "Picture", "Sound", "Ended", "Tally"),
        "pipeline.frame": ("Format", "PlaneSpec", "FrameInfo"),
        "stages.video": ("VideoInfo", "ColourTags"),
        "models.colour": ("Colour",),
    }.items()
    for name in names
}
"""What messages are made of."""
