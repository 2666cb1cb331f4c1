"""Notices by Apprise, an extra, which knows how to reach people."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sr4k.errors import MachineError, OptionError
from sr4k.queue.errand import in_child
from sr4k.queue.receiver import WAITS, key_of, told

APPRISE = "SR4K_APPRISE"
"""Environment variable that holds the addresses, with spaces between."""

_WHOLE = 60.0
"""Seconds for Apprise to tell those behind an address; the start of its process is among them."""


@dataclass(frozen=True)
class Notified:
    """Those whom Apprise reaches by one address; see `Receiver`.

    Attributes:
        number: of the address in the environment variable.
        waits: empty where it stands for several, of whom some may have been reached by a try that failed.
    """

    address: str = field(repr=False)
    number: int
    waits: tuple[float, ...]

    @property
    def name(self) -> str:
        return f"Address {self.number} of {APPRISE}"

    @cached_property
    def key(self) -> str:
        return key_of(self.address)

    def tell(self, news: dict[str, Any], is_over: Callable[[], bool]) -> str | None:
        return told(_notified, self.address, in_words(news), seconds=_WHOLE, is_over=is_over)


def notified_at(addresses: Sequence[str]) -> Iterator[Notified]:
    """Yield those whom Apprise reaches by addresses.

    Raises:
        OptionError: Apprise doesn't know one of them.
    """
    found: list[int | None] = [0] * len(addresses)
    with suppress(MachineError):  # this machine can't tell in time: what the log says of the first news will
        found = in_child(_recipients, addresses, seconds=_WHOLE)
    if None in found:
        where = f"number {found.index(None) + 1} of {len(addresses)}"
        raise OptionError(f"{APPRISE} has an address that Apprise doesn't know: {where}.")
    for number, (address, count) in enumerate(zip(addresses, found, strict=True), 1):
        yield Notified(address, number, WAITS if count == 1 else ())


def in_words(news: dict[str, Any]) -> str:
    """Return news as a sentence."""
    if "job" in news:
        job = news["job"]
        end = f"failed: {job['error']}" if job["state"] == "failed" else "is done."
        return f"Job {job['id']}, {job['source']}, {end}"
    channel = news["channel"]
    reason = f": {channel['reason']}" if channel.get("reason") else "."
    return f"Channel {channel['name']} is {channel['state']}{reason}"


def _recipients(addresses: Sequence[str]) -> list[int | None]:
    """Return how many each address stands for; ``None``: it is none that Apprise knows."""
    logging.disable()
    return [None if (to := _opened(address)) is None else sum(map(len, to)) for address in addresses]


def _opened(address: str) -> Any:
    import apprise  # an extra, and slow to import

    to = apprise.Apprise()
    return to if to.add(address) else None


def _notified(address: str, text: str) -> str | None:
    """Tell people; return why that failed: not in the words of others, which may hold an address."""
    logging.disable()
    try:
        if (to := _opened(address)) is None:
            return "Apprise doesn't know it"
        return None if to.notify(title="sr4k-stream", body=text) else "Apprise could not reach everybody behind it"
    except Exception as err:  # of a library that talks to a hundred services
        return type(err).__name__
