"""A bounded channel between one producer and one consumer: headers over a pipe, pixels in a shared-memory ring.

The ring is an anonymous memory file (``memfd``) that both ends map: it has no name that could be left behind, and the
kernel frees it with the last process. Slots are handed back over a second pipe. There are no locks, so the sudden death
of one end can't block the other: it sees the pipe close.
"""

import fcntl
import mmap
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.reduction import DupFd
from typing import Any, Protocol

from sr4k.pipeline.frame import Format, Frame, FrameInfo, Plane


class PeerLostError(Exception):
    """The other end of a channel is gone."""


class Outlet(Protocol):
    """Where a producer's frames go."""

    def open(self, form: Format) -> None:
        """Make room for frames of this format, and tell the consumer."""
        ...

    def take(self, info: FrameInfo) -> Frame:
        """A frame to fill and `send`; waits until there is room."""
        ...

    def send(self, frame: Frame) -> None:
        """Pass a frame from `take` on to the consumer."""
        ...

    def finish(self, *, complete: bool) -> None:
        """No more frames: the consumer's iteration ends. ``complete``: the source came to its own end."""
        ...

    @property
    def waited(self) -> float:
        """Seconds spent waiting for room."""
        ...

    @property
    def depth(self) -> int:
        """Frames on their way or being read by the consumer, as far as is known here."""
        ...

    def close(self) -> None:
        """Close this end. Without `finish` before, the consumer gets a `PeerLostError`."""
        ...


class Inlet(Protocol):
    """Where a consumer's frames come from: iterate over it after `open`."""

    def open(self) -> Format:
        """Wait for the producer's format."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    @property
    def waited(self) -> float:
        """Seconds spent waiting for a frame."""
        ...

    @property
    def complete(self) -> bool:
        """After the last frame: whether the source came to its own end."""
        ...

    def close(self) -> None:
        """Close this end; a producer still sending gets a `PeerLostError`."""
        ...


class Memory:
    """An anonymous shared memory file. Travels to a process being spawned."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def create(cls) -> "Memory":
        """A new one, empty. It can grow and never shrink: a mapping would lose the ground it stands on (SIGBUS)."""
        fd = os.memfd_create("sr4k-ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
        return cls(fd)

    def duplicate(self) -> "Memory":
        """A second handle on the same memory."""
        return Memory(os.dup(self.fd))

    def map(self, size: int) -> memoryview:
        """All of it, as writable bytes; grown to ``size`` if it is smaller."""
        if os.fstat(self.fd).st_size < size:
            os.ftruncate(self.fd, size)
        return memoryview(mmap.mmap(self.fd, size))

    def close(self) -> None:
        """Close the handle; mappings stay valid."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __reduce__(self) -> tuple[Any, ...]:
        return _adopt_memory, (DupFd(self.fd),)


def _adopt_memory(handle: Any) -> Memory:
    return Memory(handle.detach())


def map_slots(memory: Memory, form: Format, slots: int) -> list[tuple[Plane, ...]]:
    """The planes of each slot, which start on a page of their own."""
    size = -(-form.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    ring = memory.map(size * slots)
    return [form.view(ring[k * size : (k + 1) * size]) for k in range(slots)]


class Sender:
    """The producer's end: an `Outlet` into the ring."""

    def __init__(self, data: Connection, credit: Connection, memory: Memory, slots: int) -> None:
        self._data = data
        self._credit = credit
        self._memory = memory
        self.slots = slots
        self._free: deque[int] = deque(range(slots))
        self.waited = 0.0

    def open(self, form: Format) -> None:
        self._planes = map_slots(self._memory, form, self.slots)
        self._send(form)

    def take(self, info: FrameInfo) -> Frame:
        began = time.perf_counter()
        while self._credit.poll(0) or not self._free:
            try:
                self._free.append(int.from_bytes(self._credit.recv_bytes(), "little"))
            except (EOFError, OSError) as err:
                raise PeerLostError from err
        self.waited += time.perf_counter() - began
        slot = self._free.popleft()
        return Frame(self._planes[slot], info, slot=slot, on_release=partial(self._free.append, slot))

    def send(self, frame: Frame) -> None:
        self._send((frame.slot, frame.info))

    def finish(self, *, complete: bool) -> None:
        self._send(complete)

    @property
    def depth(self) -> int:
        return self.slots - len(self._free)

    def close(self) -> None:
        for end in (self._data, self._credit, self._memory):
            end.close()

    def _send(self, message: object) -> None:
        try:
            self._data.send(message)
        except OSError as err:
            raise PeerLostError from err


class Receiver:
    """The consumer's end: an `Inlet` from the ring."""

    def __init__(self, data: Connection, credit: Connection, memory: Memory, slots: int) -> None:
        self._data = data
        self._credit = credit
        self._memory = memory
        self.slots = slots
        self.waited = 0.0
        self.complete = False

    def open(self) -> Format:
        form: Format = self._receive()
        self._planes = map_slots(self._memory, form, self.slots)
        return form

    def __iter__(self) -> Iterator[Frame]:
        while not isinstance(message := self._receive(), bool):
            slot, info = message
            yield Frame(self._planes[slot], info, slot=slot, on_release=partial(self._give_back, slot))
        self.complete = message

    def close(self) -> None:
        for end in (self._data, self._credit, self._memory):
            end.close()

    def _receive(self) -> Any:
        began = time.perf_counter()
        try:
            return self._data.recv()
        except (EOFError, OSError) as err:
            raise PeerLostError from err
        finally:
            self.waited += time.perf_counter() - began

    def _give_back(self, slot: int) -> None:
        with suppress(OSError):  # the producer may have finished and left
            self._credit.send_bytes(slot.to_bytes(2, "little"))


def create_channel(context: BaseContext, slots: int) -> tuple[Sender, Receiver]:
    """Both ends of a new channel that holds up to ``slots`` frames."""
    memory = Memory.create()
    data_out, data_in = context.Pipe(duplex=False)
    credit_out, credit_in = context.Pipe(duplex=False)
    return Sender(data_in, credit_out, memory, slots), Receiver(data_out, credit_in, memory.duplicate(), slots)
