"""A bounded channel from one producer to one consumer: headers over a pipe, pixels in a shared-memory ring.

The ring is an anonymous memory file (``memfd``) that both ends map: it leaves no name behind, and the kernel frees it
when the last process exits. The consumer returns slots over a second pipe. There are no locks, so the sudden death of
one end can't block the other, which sees the pipe close.
"""

import fcntl
import mmap
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, Pipe
from typing import Any, Protocol

from sr4k.pipeline.frame import Format, Frame, FrameInfo, Plane


class PeerLostError(Exception):
    """The other end of a channel was closed, or its process died."""


class Outlet(Protocol):
    """The producer's end of a channel."""

    def open(self, form: Format) -> None:
        """Allocate the ring for frames of this format, and send the format to the consumer.

        Raises:
            PeerLostError: the consumer is gone.
        """
        ...

    def take(self, info: FrameInfo) -> Frame:
        """Return a frame to fill and `send`; block until a slot is free.

        Raises:
            PeerLostError: the consumer is gone.
        """
        ...

    def send(self, frame: Frame) -> None:
        """Send a frame from `take` to the consumer.

        Raises:
            PeerLostError: the consumer is gone.
        """
        ...

    def finish(self, *, complete: bool) -> None:
        """End the consumer's iteration.

        Args:
            complete: whether the source reached its own end.

        Raises:
            PeerLostError: the consumer is gone.
        """
        ...

    @property
    def waited(self) -> float:
        """Seconds spent waiting for a free slot."""
        ...

    @property
    def depth(self) -> int:
        """Number of frames in flight or being read by the consumer, as far as the producer knows."""
        ...

    def close(self) -> None:
        """Close this end. Without a `finish` before, the consumer gets a `PeerLostError`."""
        ...


class Inlet(Protocol):
    """The consumer's end of a channel: iterate over it after `open`; both raise `PeerLostError`."""

    def open(self) -> Format:
        """Wait for the producer's format and return it.

        Raises:
            PeerLostError: the producer is gone.
        """
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    @property
    def waited(self) -> float:
        """Seconds spent waiting for a frame."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the source reached its own end; valid after the last frame."""
        ...

    def close(self) -> None:
        """Close this end; a producer that is still sending gets a `PeerLostError`."""
        ...


class Memory:
    """An anonymous shared-memory file; `sr4k.pipeline.starting` hands it to a process that is being started."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def create(cls) -> "Memory":
        """Create an empty file that can grow but not shrink: shrinking would make mapped pages invalid (SIGBUS)."""
        fd = os.memfd_create("sr4k-ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
        return cls(fd)

    def duplicate(self) -> "Memory":
        """Return a second handle to the same memory."""
        return Memory(os.dup(self._descriptor))

    def map(self, size: int) -> memoryview:
        """Grow the file to ``size`` bytes if it is smaller, and return ``size`` writable bytes of it."""
        if os.fstat(self._descriptor).st_size < size:
            os.ftruncate(self._descriptor, size)
        return memoryview(mmap.mmap(self._descriptor, size))

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._descriptor

    def close(self) -> None:
        """Close the handle; mappings stay valid."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def map_slots(memory: Memory, form: Format, slots: int) -> list[tuple[Plane, ...]]:
    """Return the planes of each slot; slots start on page boundaries."""
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


def create_channel(slots: int) -> tuple[Sender, Receiver]:
    """Create a channel that holds up to ``slots`` frames, and return both ends."""
    memory = Memory.create()
    data_out, data_in = Pipe(duplex=False)
    credit_out, credit_in = Pipe(duplex=False)
    return Sender(data_in, credit_out, memory, slots), Receiver(data_out, credit_in, memory.duplicate(), slots)
