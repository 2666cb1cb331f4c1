"""What may not be changed by way of a page: whatever would let it read or write any file, or send a variable
elsewhere.

Whoever may write to the file of the channels changes such things there.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sr4k.configs import preset_names
from sr4k.errors import OptionError
from sr4k.jobs.live_job import LiveJob
from sr4k.live.address import Address
from sr4k.service.channel_file import ServiceSettings
from sr4k.service.variable_places import check_variables

_INSTEAD = "change that in the file itself"


def check_settings(before: ServiceSettings, after: ServiceSettings) -> None:
    """Refuse an edit whose settings go beyond what a page may change, before anything that they name is looked at.

    Args:
        before, after: the whole file.

    Raises:
        OptionError: names the channel, and what may not be changed.
    """
    for key in ("metrics", "log_format"):
        if getattr(before, key) != getattr(after, key):
            raise OptionError(f"{key} takes effect when the service is restarted: {_INSTEAD}.")
    check_variables(before, after)
    for name, channel in after.channels.items():
        was = before.channels.get(name)
        if channel.config not in {*preset_names(), *({was.config} if was else ())}:
            raise OptionError(f"channels.{name}: config can only be a preset by its name here: {_INSTEAD}.")
        allowed = dict(_risky(was.options)) if was else {}
        for key, value in _risky(channel.options):
            if allowed.get(key) != value:
                raise OptionError(f"channels.{name}: options.{key} could name a file: {_INSTEAD}.")


def check_addresses(
    jobs: Mapping[str, LiveJob], known: Mapping[str, LiveJob], is_inside: Callable[[Path], bool]
) -> None:
    """Refuse files of channels that lie outside the libraries, unless a channel has them already.

    Args:
        jobs: the planned channels after the edit; ``known``: those before.
        is_inside: whether a path lies in a library of the service.

    Raises:
        OptionError: names the channel and the file.
    """
    places = {address.place for job in known.values() for address in _local(job)}
    for name, job in jobs.items():
        for address in _local(job):
            if address.place not in places and not is_inside(address.path):
                raise OptionError(f"channels.{name}: {address} isn't in a library of this service: {_INSTEAD}.")


def _local(job: LiveJob) -> list[Address]:
    return [address for address in (job.source, *job.targets) if address.is_local]


def _risky(options: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what could name a file: options of encoders, and texts with a slash or a dot."""
    for key, value in options.items():
        path = f"{above}{key}"
        if path == "encode.options":
            yield path, value
        elif isinstance(value, Mapping):
            yield from _risky(value, f"{path}.")
        elif any(isinstance(each, str) and {*each} & {*"./\\"} for each in _each(value)):
            yield path, value


def _each(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
