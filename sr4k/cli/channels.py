"""``sr4k serve`` on a file of channels: checks them, or runs them until they are stopped."""

import logging
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import typer

from sr4k.cli.long_running import long_running
from sr4k.cli.signals import counted_signals
from sr4k.errors import OptionError, Sr4kError
from sr4k.jobs.live_job import LiveJob
from sr4k.jobs.running import Impatient
from sr4k.service.channel_file import ServiceSettings
from sr4k.service.planned_file import PlannedFile
from sr4k.service.preflight import troubles, troubles_of_ports
from sr4k.service.redaction import Redaction
from sr4k.service.run_channels import Ends, Service

log = logging.getLogger(__name__)

_AT_ONCE = 1.0
"""Seconds that all may take to end after a second signal."""

Beside = Callable[[Service, PlannedFile | None, Callable[[], None], Callable[[], bool]], AbstractContextManager[object]]
"""Opens what runs beside channels.

It is given them, their file, what asks for that to be read again, and whether all is to end at once.
"""


def run_channels(
    file: Path | None,
    metrics: str | None,
    redaction: Redaction,
    *,
    is_check: bool,
    is_verbose: bool,
    beside: Beside | None = None,
) -> None:
    """Run the channels of a file to their end.

    Args:
        file: YAML file with the channels; ``None``: there are none.
        metrics: address to serve metrics on, instead of the one in the file.
        redaction: gets to know all addresses.
        is_check: whether to start nothing, and list what can't work on this machine.
        is_verbose: whether to log more.
        beside: what is to be open while they run; the command then runs until it is stopped.

    Raises:
        Sr4kError: the file has an error.
        typer.Exit: a channel or the check failed, or signals stopped the channels at once; with the exit code.
    """
    planned = None if file is None else PlannedFile(file, metrics, dict(os.environ), redaction)
    service = None if planned is None else planned.settings(planned.text())
    jobs = {} if planned is None or service is None else planned.planned(service)
    if is_check and file is not None and service is not None:
        _check(file, service, jobs, redaction)
        return
    hangups: list[int] = []
    with counted_signals(hangups, patience=_AT_ONCE) as signals:
        stop_requests = Impatient(lambda: len(signals))
        channels = Service(jobs, _ends(jobs), stop_requests=stop_requests)
        reload: Callable[[], None] = hangups.clear
        if planned is not None and service is not None:
            reload = _Reload(planned, service, channels, hangups)
        level = logging.DEBUG if is_verbose else logging.INFO
        with (
            long_running(
                channels.monitors,
                redaction,
                metrics=metrics if service is None else service.metrics,
                log_format="text" if service is None else service.log_format,
                level=level,
            ),
            nullcontext()
            if beside is None
            else beside(channels, planned, lambda: hangups.append(signal.SIGHUP), lambda: stop_requests() > 1),
        ):
            channels.run(reload, lasting=beside is not None)
    if stop_requests() > 1:
        raise typer.Exit(128 + signals[0])
    has_failed = any(monitor.status.phase == "ended" and monitor.status.error for monitor in channels.monitors)
    if has_failed and beside is None:
        raise typer.Exit(OptionError.exit_code)


class _Reload:
    """Reads the file again after a SIGHUP, and changes the channels."""

    def __init__(self, file: PlannedFile, service: ServiceSettings, channels: Service, hangups: list[int]) -> None:
        self._file, self._service, self._channels, self._hangups = file, service, channels, hangups

    def __call__(self) -> None:
        if not self._hangups:
            return
        self._hangups.clear()
        try:
            self._apply(self._file.settings(self._file.text()))
        except Sr4kError as err:
            self._refused(str(err))
        except Exception as err:
            self._refused(f"{type(err).__name__}, a bug in sr4k-stream: {err}")
            log.debug("Where it failed", exc_info=err)

    def _apply(self, service: ServiceSettings) -> None:
        jobs = self._file.planned(service)
        found = self._channels.differences(jobs)
        fresh = {name: jobs[name] for name in (*found["added"], *found["changed"])}
        if wrong := troubles(fresh):
            raise OptionError(" ".join(wrong))
        for key in ("metrics", "log_format"):
            if getattr(service, key) != getattr(self._service, key):
                log.warning("%s: the new value of %s takes effect when the service is restarted.", self._file.path, key)
        self._channels.change(jobs, _ends(jobs))
        changes = "; ".join(f"{what}: {', '.join(names)}" for what, names in found.items() if names)
        log.info("%s was read again. %s.", self._file.path, changes or "No channel changed", extra={"event": "reload"})

    def _refused(self, reason: str) -> None:
        extra = {"event": "reload", "reason": reason}
        log.error("%s was read again, has an error and changes nothing: %s", self._file.path, reason, extra=extra)


def _ends(jobs: Mapping[str, LiveJob]) -> dict[str, Ends]:
    return {
        name: Ends(
            str(job.source),
            tuple(map(str, job.targets)),
            {index: target.path.absolute() for index, target in enumerate(job.targets) if target.kind == "hls"},
        )
        for name, job in jobs.items()
    }


def _check(file: Path, service: ServiceSettings, jobs: Mapping[str, LiveJob], redaction: Redaction) -> None:
    """Print whether the channels can be started, or a line for each reason why not.

    Raises:
        typer.Exit: there was a reason.
    """
    ports, is_running = troubles_of_ports(service.metrics, jobs)
    wrong = troubles(jobs) + ([] if is_running else ports)
    for line in wrong:
        typer.echo(f"error: {redaction.text(line)}", err=True)
    if wrong:
        raise typer.Exit(OptionError.exit_code)
    if ports and is_running:
        typer.echo(f"A service is running on {service.metrics}: send it SIGHUP to read the file again.", err=True)
    typer.echo(f"{file} has no errors. Channels: {', '.join(jobs)}.")
