"""Whoever is told of news. Each telling runs in a process of its own: a receiver may answer as slowly as it likes."""

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

from sr4k.errors import MachineError
from sr4k.queue.errand import in_child

WAITS = 1.0, 5.0, 25.0
"""Seconds before each further try."""


class Receiver(Protocol):
    """Whoever is told.

    Attributes:
        name: for the log, without what may be secret.
        key: distinguishes receivers in the queue's file; a hash.
        waits: seconds before each further try; after them, news is given up.
    """

    @property
    def waits(self) -> tuple[float, ...]: ...

    @property
    def name(self) -> str: ...

    @property
    def key(self) -> str: ...

    def tell(self, news: dict[str, Any], is_over: Callable[[], bool]) -> str | None:
        """Tell it, and return why that failed, in words without what may be secret; ``None``: it didn't.

        Raises:
            StoppedError: ``is_over`` has returned true meanwhile.
        """


def key_of(address: str) -> str:
    """Return what distinguishes the receiver at an address from others."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def told(function: Callable[..., str | None], *args: Any, seconds: float, is_over: Callable[[], bool]) -> str | None:
    """Run what tells a receiver, for so many seconds at most; see `Receiver.tell`."""
    try:
        reason: str | None = in_child(function, *args, seconds=seconds, is_over=is_over)
    except MachineError as err:
        return str(err)
    return reason
