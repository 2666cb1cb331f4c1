"""Where the variables in a file of channels are sent. By way of a page they can't be sent anywhere else."""

import re
from collections.abc import Hashable, Iterator
from urllib.parse import urlsplit

from sr4k.errors import OptionError
from sr4k.live.schemes import SCHEMES
from sr4k.service.channel_file import ServiceSettings, variables_in

_BEGINNING = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://[^/?#]*")
"""Matches a URL up to its path: all that decides where it leads."""


def check_variables(before: ServiceSettings, after: ServiceSettings) -> None:
    """Refuse a variable in an address, unless an address before had it with the same scheme, user, host and port.

    No value of a variable is looked at, so that a refusal tells nothing about one.

    Args:
        before, after: the whole file.

    Raises:
        OptionError: names the channel and the variable.
    """
    known = {(name, place) for _, name, place in _uses(before)}
    for channel, name, place in _uses(after):
        if (name, place) not in known:
            raise OptionError(
                f"channels.{channel}: the file has ${{{name}}} in no address with the same scheme, host and port, and "
                "a key can't be sent elsewhere from here: change that in the file itself."
            )


def _uses(service: ServiceSettings) -> Iterator[tuple[str, str, Hashable]]:
    """Yield channel, variable and where it is sent."""
    for channel, settings in service.channels.items():
        for address in (settings.source, *settings.targets):
            for name in variables_in(address):
                yield channel, name, _place(address)


def _place(address: str) -> Hashable:
    """Return what two addresses have in common if they lead to the same place, whatever their variables are."""
    beginning = _BEGINNING.match(address)
    if beginning is None:
        return address  # of a file, whose name may be seen
    if variables_in(beginning[0]):
        return beginning[0]
    scheme, parts = beginning[1].lower(), urlsplit(beginning[0])
    try:
        port = parts.port or (SCHEMES[scheme].port if scheme in SCHEMES else 0)
    except ValueError:
        return beginning[0]
    return scheme, parts.netloc.rpartition("@")[0], parts.hostname, port
