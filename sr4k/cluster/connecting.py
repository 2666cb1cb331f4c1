"""What stands between an address and a connection: whether anything answers there, and patience with a busy head."""

import re
import socket
import time
from collections.abc import Callable

from sr4k.cluster.settings import AUTO
from sr4k.errors import MachineError

_CONNECT = 10.0
"""Seconds that the head gets to accept a connection."""

_ATTEMPTS = 4
"""Number of times that Ray Client gets to start the process of a job; it waits 30 seconds for each."""

_PAUSE = 5.0
"""Seconds between two attempts."""


def check_reachable(address: str) -> None:
    """Refuse an address at which nothing listens: Ray would try for a minute, and end this process then.

    Raises:
        MachineError: nothing does.
    """
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if not separator:
        return  # "auto": Ray looks where that is
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT).close()
    except OSError as err:
        reason = err.strerror or "there is no answer"
        raise MachineError(f"The cluster at {address} can't be reached: {reason}.") from err


def connect_patiently(connect: Callable[[], object], address: str, wait: Callable[[float], None] = time.sleep) -> None:
    """Connect to a cluster. Ray Client starts a process for it on the head, for which a busy head may take too long.

    Args:
        connect: connects, and raises `ConnectionAbortedError` where the head has not started that process in time.
        address: for messages.
        wait: waits so many seconds.

    Raises:
        MachineError: it was tried several times.
        Exception: what else ``connect`` raises.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            connect()
        except ConnectionAbortedError as err:
            if attempt == _ATTEMPTS:
                raise MachineError(
                    f"The cluster at {address} can't be used: {_ATTEMPTS} times its Ray Client did not start a process "
                    f"for this job ({_reason(err)}). Try again when its head is less busy, or use the head's own "
                    "address, HOST:PORT."
                ) from err
            wait(_PAUSE)
        else:
            return


def unreachable(address: str, error: Exception) -> str:
    """Return what to tell of an error of Ray's on connecting."""
    if address == AUTO and "any running Ray" in str(error):
        return (
            "There is no Ray cluster on this machine, and RAY_ADDRESS names none elsewhere: name the address of its "
            "head, or local:2 to try it."
        )
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
    return (
        f"The cluster at {address} can't be reached: {reason}. If it runs, check three things: that its head listens "
        "at this port, that RAY_AUTH_TOKEN_PATH names its token, and that it has the version of Ray that is here."
    )


def _reason(error: Exception) -> str:
    """Return the first sentence of an error's last line: it comes from another process, with its traceback."""
    lines = str(error).strip().splitlines()
    return re.split(r"[.!](?:\s|$)", lines[-1].strip())[0] if lines else type(error).__name__
