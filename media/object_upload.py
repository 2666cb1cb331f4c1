"""Puts a whole file as an object behind ``s3://``, part by part. A stop leaves neither an object nor parts of one."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sr4k.errors import StoppedError
from sr4k.media.object_store import WRITE_LIMIT, in_words, store_of

if TYPE_CHECKING:
    from obstore.store import HTTPStore, S3Store

    Store = S3Store | HTTPStore

_PART, _PARTS = 8 << 20, 9000
"""Minimum bytes of a part, of which S3 wants 5 MiB; and the most parts, of which it takes 10,000.

A smaller file is put by one request, as S3 can be told to replace nothing then. Larger ones are not, as nothing can
stop a request once all of it is sent.
"""

_SIDE_BY_SIDE = 6
"""Parts that are sent at the same time: one connection alone is often slow."""

_TICK = 0.1
_GIVE_UP = 5.0
"""Seconds that the server gets to forget the parts after a stop."""


def put_file(address: str, shown: str, file: Path, *, replace: bool, is_stopped: Callable[[], bool]) -> bool:
    """Put a file of any size. It appears whole, or not at all.

    Args:
        address: of the object.
        shown: the same for messages.
        file: the file.
        replace: whether it takes the place of an object that is there.
        is_stopped: tells whether to stop; it is asked in another thread.

    Returns:
        Whether it was put; else there is an object that may not be replaced.

    Raises:
        StoppedError: it was stopped, and not put.
        InputError: it can't be written; says why, and what to do.
    """
    ended: Future[bool] = Future()
    is_left = threading.Event()
    putting = _unless_stopped(_put(address, shown, file, replace=replace), lambda: is_left.is_set() or is_stopped())

    def run() -> None:
        try:
            ended.set_result(asyncio.run(putting))
        except BaseException as err:
            ended.set_exception(err)

    # Python handles signals between the bytecodes of this thread, which a call into obstore would keep for long.
    thread = threading.Thread(target=run, name="sr4k-put", daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException:  # such as KeyboardInterrupt
        is_left.set()
        thread.join(_GIVE_UP)
        raise
    return ended.result()


async def _unless_stopped(putting: Coroutine[Any, Any, bool], is_stopped: Callable[[], bool]) -> bool:
    task = asyncio.create_task(putting)
    while not task.done():
        if is_stopped():
            task.cancel()
            await asyncio.wait([task], timeout=_GIVE_UP)
            if not task.done() or task.cancelled():
                raise StoppedError("Stopped before the result was in the bucket.")
        await asyncio.wait([task], timeout=_TICK)
    return task.result()


async def _put(address: str, shown: str, file: Path, *, replace: bool) -> bool:
    import obstore
    from obstore.exceptions import AlreadyExistsError

    with in_words(shown, "written"):
        store, key = store_of(address, shown, WRITE_LIMIT)
        size = file.stat().st_size
        if size > _PART:
            with file.open("rb") as content:
                return await _put_in_parts(store, key, content, size, replace=replace)
        try:
            mode: obstore.PutMode = "overwrite" if replace else "create"
            await obstore.put_async(store, key, file, mode=mode, use_multipart=False)
        except AlreadyExistsError:
            return False
        return True


class _TakenError(Exception):
    """There is an object of this name."""


async def _put_in_parts(store: "Store", key: str, content: BinaryIO, size: int, *, replace: bool) -> bool:
    """Put a file as parts, which the server joins at the end; what ends it before makes the server forget them.

    The last part is a few bytes, and is sent when all others are there. Until then nothing but a stop and another
    object of this name can happen: obstore can't have S3 refuse to replace one by parts, so it is looked for then.
    """
    import obstore

    count = min(size // _PART, _PARTS)
    part = (size - 1) // count
    with suppress(_TakenError):
        # Each write waits for all parts before it: the end, which can't be stopped, would else wait for them.
        async with obstore.open_writer_async(store, key, buffer_size=part, max_concurrency=1) as writer:
            left = part * count
            while left:
                data = content.read(min(left, part * _SIDE_BY_SIDE))
                await writer.write(data)
                left -= len(data)
            await writer.write(content.read())
            if not replace and await _is_there(store, key):
                raise _TakenError
        return True
    return False


async def _is_there(store: "Store", key: str) -> bool:
    import obstore

    try:
        await obstore.head_async(store, key)
    except FileNotFoundError:
        return False
    return True
