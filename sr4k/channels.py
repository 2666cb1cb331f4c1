"""Several live channels in one service: what a file says of them, and how each is kept running."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sr4k.configs import Preset, load_preset, preset_names
from sr4k.engines.cpu import granted_cpus
from sr4k.errors import OptionError, Sr4kError
from sr4k.job import parse_size
from sr4k.live.address import Address, AddressError, parse_source, parse_target
from sr4k.live.address import shown as shown_of
from sr4k.live.backoff import Backoff
from sr4k.live_job import LiveJob
from sr4k.live_status import ChannelMonitor
from sr4k.logs import LogFormat, of_channel
from sr4k.models.yaml_file import parsed, validated
from sr4k.pipeline import WorkerStatus

log = logging.getLogger(__name__)

_TICK = 0.1
"""Seconds between two looks whether a stop was asked for, or all channels have ended."""

_STEADY = 60.0
"""Seconds: a channel that ran for so long is started again after the shortest wait."""

_SHORTEST_SECRET = 4
"""Characters; see `sr4k.live.address`."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChannelSettings(_Section):
    """One channel. In ``source`` and ``targets``, ``${NAME}`` is the environment's, and is a secret.

    ``config``: a preset by name, or by path from the file's folder. ``options``: keys of the preset to be changed, by
    section, in the preset's own form. ``size`` and ``sound``: as of `sr4k.live_job.LiveJob`.
    """

    source: str
    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    config: str = "live"
    size: str | None = None
    sound: bool = True
    options: Mapping[str, Any] = {}


class ServiceSettings(_Section):
    """A whole file. ``metrics``: see `sr4k.endpoint.serve_http`; none: no endpoint."""

    channels: Annotated[Mapping[Name, ChannelSettings], Field(min_length=1)]
    metrics: str | None = None
    log_format: LogFormat = "text"


class Runner(Protocol):
    """What runs a channel's graph to its end, as often as it is told to; see `sr4k.job.Job.run`."""

    def run(
        self,
        *,
        on_status: Callable[[dict[str, WorkerStatus]], None],
        stop_requests: Callable[[], int],
        log_queue: Any,
    ) -> object: ...


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
    return parsed(ServiceSettings, text, str(path))


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
            raise OptionError(f"channels.{name}: {err}") from err
    writers: dict[str, str] = {}
    for name, job in jobs.items():
        for target in job.targets:
            if target.url in writers:
                raise OptionError(f"channels.{name}: {target} is a target of {writers[target.url]} already.")
            writers[target.url] = name
    return jobs


def variables(service: ServiceSettings) -> set[str]:
    """The names that sources and targets take from the environment."""
    addresses = [text for channel in service.channels.values() for text in (channel.source, *channel.targets)]
    return {name for text in addresses for name in _VARIABLE.findall(text)}


def run_channels(
    runners: Mapping[str, Runner],
    monitors: Sequence[ChannelMonitor],
    *,
    stop_requests: Callable[[], int] = lambda: 0,
) -> None:
    """Run all until each has come to its end; one that fails is started again, for ever, and the others go on.

    To be called in the main thread: Python's signal handlers run in no other.

    Args:
        runners: of the channels, by name.
        monitors: one for each, in the same order.
        stop_requests: as for `sr4k.pipeline.run_graph`, for all.
    """
    threads = [
        threading.Thread(
            target=_keep_running,
            args=(name, runner, monitor, stop_requests),
            name=f"sr4k-{name}",
            daemon=True,
        )
        for (name, runner), monitor in zip(runners.items(), monitors, strict=True)
    ]
    for thread in threads:
        thread.start()
    # A signal that another thread of the process takes does not wake this one: it has to wake up by itself.
    while any(thread.is_alive() for thread in threads):
        time.sleep(_TICK)


def _keep_running(name: str, runner: Runner, monitor: ChannelMonitor, stop: Callable[[], int]) -> None:
    backoff = Backoff()
    with of_channel(name) as wire:
        while not stop():
            began = time.monotonic()
            try:
                with monitor.running():
                    runner.run(on_status=monitor.update, stop_requests=stop, log_queue=wire)
                log.info("ended")
                return
            except Exception as err:
                if stop():
                    log.info("stopped: %s", err)
                    return
                if time.monotonic() - began >= _STEADY:
                    backoff.reset()
                _wait(backoff.wait(), err, monitor, stop)


def _wait(seconds: float, err: Exception, monitor: ChannelMonitor, stop: Callable[[], int]) -> None:
    """Tell what happened, and let some time go by."""
    kind = "" if isinstance(err, Sr4kError) else f"{type(err).__name__}, a bug in sr4k-stream: "
    log.error("%s%s Starting again in %.0f s.", kind, err, seconds)
    log.debug("Where it failed", exc_info=err)
    monitor.failed(f"{kind}{err}")
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stop():
        time.sleep(_TICK)


def _planned(settings: ChannelSettings, folder: Path, environment: Mapping[str, str], cpus: int) -> LiveJob:
    preset = load_preset(settings.config if settings.config in preset_names() else str(folder / settings.config))
    return LiveJob(
        _filled(settings.source, parse_source, environment),
        tuple(_filled(target, parse_target, environment) for target in settings.targets),
        _changed(preset, settings.options),
        None if settings.size is None else parse_size(settings.size),
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
        address = parse(_VARIABLE.sub(lambda found: values[found[1]], text))
    except AddressError as err:
        raise err if not values else OptionError(f"{shown_of(text)} {err.reason}") from None
    hidden = tuple(value for value in values.values() if len(value) >= _SHORTEST_SECRET)
    shown = address.shown
    for value in sorted(hidden, key=len, reverse=True):
        shown = shown.replace(value, "***")
    return replace(address, shown=shown, secrets=(*address.secrets, *hidden))


def _values(text: str, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in _VARIABLE.findall(text):
        if not environment.get(name):
            raise OptionError(f"The environment has no {name}, which ${{{name}}} asks for: set it.")
        yield name, environment[name]
