"""Runs a function in a process of its own: what a broken file or a slow server does to it, it does there."""

import json
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from sr4k.common.printable import printable
from sr4k.common.system_errors import refusal
from sr4k.errors import InternalError, MachineError, Sr4kError, StoppedError
from sr4k.media.reading.naming_others import refuse_files_that_name_others
from sr4k.pipeline.starting import start_process

_TICK = 0.3
"""Seconds between two looks whether somebody still waits."""


def in_child(
    function: Callable[..., Any], *args: Any, seconds: float, is_over: Callable[[], bool] = lambda: False
) -> Any:
    """Call a function in a process of its own, and return its result.

    Args:
        function: found there by its module and name; its result has to be data for JSON.
        args: for it; they are pickled.
        seconds: that it may take.
        is_over: whether nobody waits for the result any more; asked several times a second.

    Raises:
        Sr4kError: what the function raises.
        MachineError: it takes too long, or its process can't be started, or dies.
        StoppedError: nobody waits for it any more.
    """
    return _answered(_serve, function, args, seconds, lambda _news: None, is_over)


def in_telling_child(
    function: Callable[..., Any],
    *args: Any,
    seconds: float,
    heard: Callable[[Any], None],
    is_over: Callable[[], bool],
) -> Any:
    """Call a function that tells how far it is in a process of its own, and return its result.

    Args:
        function: as for `in_child`; its first argument is what it calls with news, which have to be data for JSON.
        args: further arguments.
        seconds, is_over: as for `in_child`.
        heard: called in this thread with its news.

    Raises:
        Sr4kError: as for `in_child`.
    """
    return _answered(_serve_telling, function, args, seconds, heard, is_over)


def _answered(
    serve: Callable[..., None],
    function: Callable[..., Any],
    args: tuple[Any, ...],
    seconds: float,
    heard: Callable[[Any], None],
    is_over: Callable[[], bool],
) -> Any:
    here, there = Pipe()
    until = time.monotonic() + seconds
    with here:
        with there:
            try:
                process = start_process("sr4k-errand", serve, there, function, args)
            except OSError as err:
                raise refusal(err) or MachineError(f"No process could be started ({err.strerror}).") from err
        try:
            while True:
                if time.monotonic() > until:
                    raise MachineError(f"That takes longer than {seconds:.0f} seconds here: it was given up.")
                if is_over():
                    raise StoppedError("Nobody waits for it any more.")
                if here.poll(min(_TICK, max(0.0, until - time.monotonic()))):
                    answer = json.loads(here.recv_bytes())
                    if "news" not in answer:
                        break
                    heard(answer["news"])
        except (EOFError, ConnectionResetError):
            raise MachineError("The process that did it has died.") from None
        finally:
            process.kill()
            process.wait()
    if "error" in answer:
        raise raised(answer["error"], answer["code"])
    return answer["result"]


def raised(text: str, code: int) -> Exception:
    """Return an error of another process, by its text and its exit code."""
    kinds = {kind.exit_code: kind for kind in Sr4kError.__subclasses__()}
    return kinds.get(code, InternalError)(text)


def told(error: Exception) -> dict[str, Any]:
    """Return an error for another process: its text in one line, and its exit code."""
    known = error if isinstance(error, Sr4kError) else refusal(error)
    text = f"{type(error).__name__}, a bug in sr4k-stream: {error}" if known is None else str(known)
    code = InternalError.exit_code if known is None else known.exit_code
    return {"error": printable(" ".join(text.split())), "code": code}


def _serve(connection: Connection, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    refuse_files_that_name_others()
    try:
        answer = {"result": function(*args)}
    except Exception as err:
        answer = told(err)
    connection.send_bytes(json.dumps(answer).encode())


def _serve_telling(connection: Connection, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    def tell(news: Any) -> None:
        connection.send_bytes(json.dumps({"news": news}).encode())

    _serve(connection, function, (tell, *args))
