"""Read a service's file of live channels and plan a job for each."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from sr4k.common.logs import LogFormat
from sr4k.common.yaml_file import Section, parsed, validated
from sr4k.configs import Preset, load_preset, preset_names
from sr4k.engines.cpu import granted_cpus
from sr4k.errors import FieldError, OptionError
from sr4k.jobs.live_job import LiveJob
from sr4k.jobs.result_size import result_size
from sr4k.live.address import Address, AddressError, parse_source, parse_target
from sr4k.live.address import shown as shown_of
from sr4k.media.options import Fit
from sr4k.service.redaction import without_passwords

_SHORTEST_SECRET = 4
"""Minimum length, in characters, of a value that is hidden wherever it occurs; see `sr4k.live.address`."""

_DOLLAR = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\})?")
"""Matches ``$$`` (a ``$``), ``${NAME}`` (a variable), and a lone ``$``, which is an error."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def _named(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("must have 1 to 64 letters of English, digits, dots, dashes and underscores as its name")
    return text


Name = Annotated[str, AfterValidator(_named)]


class ChannelSettings(Section):
    """One channel, as the file describes it.

    Attributes:
        source, targets: addresses. ``${NAME}`` is replaced by an environment variable, whose value is treated as a
            secret; ``$$`` stands for a ``$``.
        config: a preset by name, or by path relative to the file's folder.
        size, scale, fit: see `sr4k.jobs.result_size.result_size`.
        sound: see `sr4k.jobs.live_job.LiveJob`.
        options: keys of the preset to change, by section, in the preset's own form.
    """

    source: str
    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    config: str = "live"
    size: str | None = None
    scale: float | str | None = None
    fit: Fit = "inside"
    sound: bool = True
    options: Mapping[str, Any] = {}


class ServiceSettings(Section):
    """A whole file. ``metrics``: address of the endpoint, see `sr4k.service.endpoint.serve_http`; ``None``: none."""

    channels: Annotated[Mapping[Name, ChannelSettings], Field(min_length=1)]
    metrics: str | None = None
    log_format: LogFormat = "text"


def load_service(path: Path) -> ServiceSettings:
    """Read the file of a service.

    Raises:
        OptionError: the file can't be read or is invalid; names the key.
    """
    return service_in(text_of(path), str(path))


def text_of(path: Path) -> str:
    """Return the text of a file.

    Raises:
        OptionError: it can't be read.
    """
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "it is not UTF-8"
        raise OptionError(f"{path} can't be read: {reason}.") from err


def service_in(text: str, where: str) -> ServiceSettings:
    """Return what the text of a service's file says.

    Raises:
        OptionError: it is invalid; names ``where`` and the key.
    """
    try:
        return parsed(ServiceSettings, text, where)
    except OptionError as err:
        raise OptionError(without_passwords(str(err))) from err


def plan(service: ServiceSettings, folder: Path, environment: Mapping[str, str]) -> dict[str, LiveJob]:
    """Return a job for each channel, by name, after all checks that don't need to run it.

    Args:
        service: the file.
        folder: folder that paths of presets are relative to.
        environment: values of ``${NAME}``.

    Raises:
        OptionError: an address, preset, size or variable is invalid, or two channels share a target; names the channel.
    """
    cpus = max(1, granted_cpus() // len(service.channels))
    jobs = {}
    for name, settings in service.channels.items():
        try:
            jobs[name] = _planned(settings, folder, environment, cpus)
        except OptionError as err:
            told = err.told({}) if isinstance(err, FieldError) else str(err)
            raise OptionError(f"channels.{name}: {without_passwords(told)}") from err
    writers: dict[str, str] = {}
    for name, job in jobs.items():
        for target in job.targets:
            if target.place in writers:
                raise OptionError(
                    f"channels.{name}: {target} is a target of {writers[target.place]} already: choose another."
                )
            writers[target.place] = name
    _refuse_loops(jobs, writers)
    return jobs


def _refuse_loops(jobs: Mapping[str, LiveJob], writers: Mapping[str, str]) -> None:
    """Refuse channels that feed each other in a circle.

    Args:
        jobs: the channels.
        writers: the names of those that write to a place.

    Raises:
        OptionError: there is a circle; names a channel in it.
    """
    for name in jobs:
        met, at = {name}, writers.get(jobs[name].source.place)
        while at is not None and at not in met:
            met.add(at)
            at = writers.get(jobs[at].source.place)
        if at == name:
            source = jobs[name].source
            raise OptionError(
                f"channels.{name}: its result comes back to it by {source}, a loop: choose another source."
            )


def variables(service: ServiceSettings) -> set[str]:
    """Return the names of the environment variables that sources and targets use."""
    addresses = [text for channel in service.channels.values() for text in (channel.source, *channel.targets)]
    return {name for text in addresses for name in variables_in(text)}


def variables_in(address: str) -> set[str]:
    """Return the names of the environment variables in an address as the file has it."""
    return {name for name in _DOLLAR.findall(address) if name}


def _planned(settings: ChannelSettings, folder: Path, environment: Mapping[str, str], cpus: int) -> LiveJob:
    preset = load_preset(settings.config if settings.config in preset_names() else str(folder / settings.config))
    return LiveJob(
        _filled(settings.source, parse_source, environment),
        tuple(_filled(target, parse_target, environment) for target in settings.targets),
        preset=_changed(preset, settings.options),
        size=result_size(settings.size, settings.scale, settings.fit, usual=None),
        sound=settings.sound,
        cpus=cpus,
    )


def _changed(preset: Preset, options: Mapping[str, Any]) -> Preset:
    """Return the preset with some keys changed, section by section."""
    data = preset.model_dump()
    for section, changes in options.items():
        known = data.get(section)
        data[section] = {**known, **changes} if isinstance(known, dict) and isinstance(changes, dict) else changes
    return validated(Preset, data, "options")


def _filled(text: str, parse: Callable[[str], Address], environment: Mapping[str, str]) -> Address:
    """Parse an address after replacing its variables, whose values are hidden wherever the address is shown."""
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
                raise OptionError(f"${{{name}}} needs the environment variable {name}: set it.")
            yield name, environment[name]
        elif found[0] == "$":  # the error doesn't quote what follows: it may be a stream key
            raise OptionError(
                "A $ must begin ${NAME}, an environment variable (defaults aren't supported); write $$ for a literal $."
            )
