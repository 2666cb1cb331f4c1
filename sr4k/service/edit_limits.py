"""What may not be changed by way of a page: whatever would let it read or write any file, or send a variable
elsewhere.

Whoever may write to the file of the channels changes such things there.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

from sr4k.common.yaml_file import Section
from sr4k.configs import Preset, preset_names
from sr4k.errors import OptionError
from sr4k.jobs.live_job import LiveJob
from sr4k.live.address import Address
from sr4k.models.foreign.store import is_path
from sr4k.service.channel_file import ServiceSettings
from sr4k.service.variable_places import check_variables

_INSTEAD = "change that in the file itself"

_NETWORK = "engine.model"
"""Key of presets that holds names of networks, or paths of their files."""

_NO_FILES = frozenset({"graph.workers", "engine.name", "engine.device", "encode.preset"})
"""Further keys of presets that hold texts, and are checked against what is known: they name no files."""


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


def _risky(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what could name a file, by its key in a preset: a name without a dot or slash is one as well."""
    for section, changes in options.items():
        for key, value in changes.items() if isinstance(changes, Mapping) else ():
            path = f"{section}.{key}"
            if value is not None and (path in _open_texts() or (path == _NETWORK and _names_file(value))):
                yield path, value


def _names_file(network: Any) -> bool:
    return any(is_path(name) for name in str(network).split("+"))


@cache
def _open_texts() -> frozenset[str]:
    """Return the keys of presets that could name a file: all that hold texts, but for those known to be none."""
    sections = {name: field.annotation for name, field in Preset.model_fields.items()}
    texts = {
        f"{name}.{key}"
        for name, section in sections.items()
        if isinstance(section, type) and issubclass(section, Section)
        for key, field in section.model_fields.items()
        if _holds_text(field.annotation)
    }
    return frozenset(texts - _NO_FILES - {_NETWORK})


def _holds_text(annotation: Any) -> bool:
    return annotation in (str, Path) or any(map(_holds_text, get_args(annotation)))
