"""Several live channels in one service: what a file says of them."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from sr4k.common.logs import LogFormat
from sr4k.common.yaml_file import Section, parsed, validated
from sr4k.configs import Preset, load_preset, preset_names
from sr4k.engines.cpu import granted_cpus
from sr4k.errors import OptionError
from sr4k.jobs.live_job import LiveJob
from sr4k.jobs.parse import parse_size
from sr4k.live.address import Address, AddressError, parse_source, parse_target
from sr4k.live.address import shown as shown_of
from sr4k.media.options import Fit
from sr4k.service.redaction import without_passwords

_SHORTEST_SECRET = 4
"""Characters; see `sr4k.live.address`."""

_DOLLAR = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\})?")
"""What stands for a ``$``, a variable, or what is neither."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class ChannelSettings(Section):
    """One channel. In ``source`` and ``targets``, ``${NAME}`` is the environment's, and is a secret; ``$$`` is a ``$``.

    ``config``: a preset by name, or by path from the file's folder. ``options``: keys of the preset to be changed, by
    section, in the preset's own form. ``size`` and ``fit``: see `sr4k.jobs.parse`; ``sound``: as of
    `sr4k.jobs.live_job.LiveJob`.
    """

    source: str
    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    config: str = "live"
    size: str | None = None
    fit: Fit = "inside"
    sound: bool = True
    options: Mapping[str, Any] = {}


class ServiceSettings(Section):
    """A whole file. ``metrics``: see `sr4k.service.endpoint.serve_http`; none: no endpoint."""

    channels: Annotated[Mapping[Name, ChannelSettings], Field(min_length=1)]
    metrics: str | None = None
    log_format: LogFormat = "text"


def load_service(path: Path) -> ServiceSettings:
    """The file of a service.

    Raises:
        OptionError: it can't be read, or is not a valid one; names the key.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "it is not UTF-8"
        raise OptionError(f"{path} can't be read: {reason}.") from err
    try:
        return parsed(ServiceSettings, text, str(path))
    except OptionError as err:
        raise OptionError(without_passwords(str(err))) from err


def plan(service: ServiceSettings, folder: Path, environment: Mapping[str, str]) -> dict[str, LiveJob]:
    """All channels, by name, with everything checked that can be without running them.

    Args:
        folder: where the paths of presets begin.
        environment: what ``${NAME}`` is taken from.

    Raises:
        OptionError: an address, preset, size or variable that can't be, or two channels with one target; names the
            channel.
    """
    cpus = max(1, granted_cpus() // len(service.channels))
    jobs = {}
    for name, settings in service.channels.items():
        try:
            jobs[name] = _planned(settings, folder, environment, cpus)
        except OptionError as err:
            raise OptionError(f"channels.{name}: {without_passwords(str(err))}") from err
    writers: dict[str, str] = {}
    for name, job in jobs.items():
        for target in job.targets:
            if target.place in writers:
                raise OptionError(f"channels.{name}: {target} is a target of {writers[target.place]} already.")
            writers[target.place] = name
    return jobs


def variables(service: ServiceSettings) -> set[str]:
    """The names that sources and targets take from the environment."""
    addresses = [text for channel in service.channels.values() for text in (channel.source, *channel.targets)]
    return {name for text in addresses for name in _DOLLAR.findall(text) if name}


def _planned(settings: ChannelSettings, folder: Path, environment: Mapping[str, str], cpus: int) -> LiveJob:
    preset = load_preset(settings.config if settings.config in preset_names() else str(folder / settings.config))
    return LiveJob(
        _filled(settings.source, parse_source, environment),
        tuple(_filled(target, parse_target, environment) for target in settings.targets),
        _changed(preset, settings.options),
        None if settings.size is None else parse_size(settings.size, settings.fit),
        settings.sound,
        cpus,
    )


def _changed(preset: Preset, options: Mapping[str, Any]) -> Preset:
    """The preset with some keys changed, section by section."""
    data = preset.model_dump()
    for section, changes in options.items():
        known = data.get(section)
        data[section] = {**known, **changes} if isinstance(known, dict) and isinstance(changes, dict) else changes
    return validated(Preset, data, "options")


def _filled(text: str, parse: Callable[[str], Address], environment: Mapping[str, str]) -> Address:
    """The address, with variables of the environment in their places and nowhere to be seen."""
    values = dict(_values(text, environment))
    try:
        address = parse(_DOLLAR.sub(lambda found: values[found[1]] if found[1] else "$", text))
    except AddressError as err:
        raise err if not values else OptionError(f"{shown_of(text)} {err.reason}") from None
    hidden = tuple(value for value in values.values() if len(value) >= _SHORTEST_SECRET)
    shown = address.shown
    for value in sorted(hidden, key=len, reverse=True):
        shown = shown.replace(value, "***")
    return replace(address, shown=shown, secrets=(*address.secrets, *hidden))


def _values(text: str, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for found in _DOLLAR.finditer(text):
        if name := found[1]:
            if not environment.get(name):
                raise OptionError(f"The environment has no {name}, which ${{{name}}} asks for: set it.")
            yield name, environment[name]
        elif found[0] == "$":  # what follows is not quoted: it may be a stream key
            raise OptionError(
                "A $ begins no ${NAME}, the only form of a variable, which has no default. Write $$ for a $ itself."
            )
