"""Pipes for tests: sources that come through one, as the decoder and the muxer of a job read them."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from sr4k.media.options import Piped
from sr4k.media.reading.piped_source import PipeReader, new_copy


@contextmanager
def piped(data: bytes, name: str = "standard input") -> Iterator[PipeReader]:
    """Yield the reader of a pipe into which a thread writes the data, as far as somebody reads it."""
    readable, writable = os.pipe()

    def write() -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(writable, left) :]
        except BrokenPipeError:
            pass
        finally:
            os.close(writable)

    thread = threading.Thread(target=write)
    thread.start()
    with Connection(readable, writable=False) as source, new_copy() as copy:
        reader = PipeReader(Piped(source, copy), name)
        try:
            yield reader
        finally:
            reader.close()
            source.close()
            thread.join()


@contextmanager
def fed(fifo: Path, data: bytes, *, pause: float = 0.0, is_ended: bool = True) -> Iterator[Path]:
    """Yield a named pipe into which a thread writes the data.

    Args:
        fifo: the pipe, which is made.
        data: what is written.
        pause: seconds between two kilobytes.
        is_ended: whether the thread closes the pipe when it has written all.
    """
    os.mkfifo(fifo)
    done = threading.Event()

    def write() -> None:
        with suppress(BrokenPipeError), fifo.open("wb") as pipe:
            for at in range(0, len(data), size := 1024 if pause else len(data)):
                pipe.write(data[at : at + size])
                pipe.flush()
                time.sleep(pause)
            done.wait(0 if is_ended else None)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield fifo
    finally:
        done.set()
        os.close(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))  # lets a writer go that nobody has read from
        thread.join(10)
