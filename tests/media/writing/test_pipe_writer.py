"""Pipes that are slow, non-blocking, or left by their reader."""

import os
import threading
from multiprocessing.connection import Connection

import pytest

from sr4k.media.writing.pipe_writer import PipeWriter, ReaderGoneError

DATA = os.urandom(3 << 20)


@pytest.mark.parametrize("is_blocking", [True, False])
def test_all_of_the_data_is_written_however_slow_the_reader_is(is_blocking: bool) -> None:
    readable, writable = os.pipe()
    os.set_blocking(writable, is_blocking)
    found = bytearray()

    def read() -> None:
        while data := os.read(readable, 50_000):
            found.extend(data)

    thread = threading.Thread(target=read)
    thread.start()
    with Connection(writable, readable=False) as pipe:
        assert PipeWriter(pipe).write(memoryview(DATA)) == len(DATA)
    thread.join()
    os.close(readable)
    assert found == DATA


def test_a_reader_that_is_gone_is_named() -> None:
    readable, writable = os.pipe()
    os.close(readable)
    with (
        Connection(writable, readable=False) as pipe,
        pytest.raises(ReaderGoneError, match=r"Standard output was closed by its reader\.") as caught,
    ):
        PipeWriter(pipe).write(b"data")
    assert caught.value.exit_code == 141
