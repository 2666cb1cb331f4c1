"""Several live channels side by side: each is kept running, and they can change while the others go on."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sr4k.common.logs import of_channel
from sr4k.errors import OptionError, Sr4kError
from sr4k.live.retries import Retries, Tried, keep_trying
from sr4k.pipeline import WorkerStatus
from sr4k.service.channel_status import ChannelMonitor

log = logging.getLogger(__name__)

_TICK = 0.1
"""Seconds between two looks at what was asked for."""

_STEADY = 60.0
"""Seconds: a channel that ran for so long is started again after the shortest wait."""

_DRAIN = 8.0
"""Seconds that a channel gets to come to its end."""


class Runner(Protocol):
    """What runs a channel's graph to its end, as often as it is told to; see `sr4k.jobs.live_job.LiveJob.run`."""

    def run(
        self,
        *,
        on_status: Callable[[dict[str, WorkerStatus]], None],
        stop_requests: Callable[[], int],
        log_queue: Any,
        on_failure: Callable[[str], None],
        on_restart: Callable[[], None],
    ) -> object: ...


@dataclass(slots=True)
class _Channel:
    runner: Runner
    monitor: ChannelMonitor
    asked: float | None = None  # when it was asked to end, for others go on
    thread: threading.Thread = field(init=False)


class Service:
    """Runs channels until each has come to its end; one that fails is started again, for ever, and the others go on.

    One that fails by an `OptionError` before its first picture can't run as it is told to: it has come to its end.

    Attributes:
        monitors: of the channels that there are now; the list changes with them.

    Args:
        runners: of the channels, by name.
        targets: how the targets of each are shown.
        stop_requests: as for `sr4k.pipeline.run_graph`, for all.
    """

    def __init__(
        self,
        runners: Mapping[str, Runner],
        targets: Mapping[str, list[str]] | None = None,
        *,
        stop_requests: Callable[[], int] = lambda: 0,
    ) -> None:
        self._stop_requests = stop_requests
        self._channels: dict[str, _Channel] = {}
        self.monitors: list[ChannelMonitor] = []
        self._wanted: dict[str, Runner] = {}
        self._targets: dict[str, list[str]] = {}
        self.change(runners, targets)

    def change(self, runners: Mapping[str, Runner], targets: Mapping[str, list[str]] | None = None) -> None:
        """Have these channels from now on. What equals one of the same name goes on untouched.

        The others end as they do on SIGTERM, and new ones begin when all of those have ended: they may want the same
        targets.
        """
        self._wanted, self._targets = dict(runners), dict(targets or {})

    def differences(self, runners: Mapping[str, Runner]) -> dict[str, list[str]]:
        """The names of those that would be "added", "changed" and "removed"."""
        before = self._wanted
        return {
            "added": [name for name in runners if name not in before],
            "changed": [name for name, runner in runners.items() if name in before and before[name] != runner],
            "removed": [name for name in before if name not in runners],
        }

    def run(self, between: Callable[[], None] = lambda: None) -> None:
        """Run until all have ended. To be called in the main thread: Python's signal handlers run in no other.

        ``between`` is called now and then, and may `change` the channels.
        """
        while True:
            between()
            self._tend()
            if not any(channel.thread.is_alive() for channel in self._channels.values()):
                return
            # A signal that another thread of the process takes does not wake this one: it has to wake up by itself.
            time.sleep(_TICK)

    def _tend(self) -> None:
        """End what is not wanted any more, and then begin what is."""
        for name, channel in list(self._channels.items()):
            if channel.asked is None and self._wanted.get(name) != channel.runner:
                channel.asked = time.monotonic()
            if channel.asked is not None and not channel.thread.is_alive():
                del self._channels[name]
                self.monitors.remove(channel.monitor)
        if any(channel.asked is not None for channel in self._channels.values()) or self._stop_requests():
            return
        for name, runner in self._wanted.items():
            if name not in self._channels:
                self._begin(name, runner)

    def _begin(self, name: str, runner: Runner) -> None:
        channel = _Channel(runner, ChannelMonitor(name, self._targets.get(name, ())))
        channel.thread = threading.Thread(
            target=_keep_running,
            args=(name, runner, channel.monitor, lambda: self._asked(channel)),
            name=f"sr4k-{name}",
            daemon=True,
        )
        self._channels[name] = channel
        self.monitors.append(channel.monitor)
        channel.thread.start()

    def _asked(self, channel: _Channel) -> int:
        """How often a stop of this channel was asked for."""
        if channel.asked is None:
            return self._stop_requests()
        return max(self._stop_requests(), 2 if time.monotonic() - channel.asked > _DRAIN else 1)


def _keep_running(name: str, runner: Runner, monitor: ChannelMonitor, stop: Callable[[], int]) -> None:
    has_worked = False

    def update(statuses: dict[str, WorkerStatus]) -> None:
        nonlocal has_worked
        monitor.update(statuses)
        graph = monitor.status.graph
        has_worked = has_worked or (graph is not None and graph.playout.frames > 0)

    def once() -> Tried:
        began = time.monotonic()
        try:
            with monitor.running():
                runner.run(
                    on_status=update,
                    stop_requests=stop,
                    log_queue=wire,
                    on_failure=monitor.failed,
                    on_restart=monitor.restarted,
                )
            log.info("ended", extra={"event": "ended"})
            return Tried("ended", final=True)
        except Exception as err:
            reason = str(err).rstrip(".")
            if isinstance(err, OptionError) and not has_worked:  # it would fail in the same way for ever
                log.error("%s; not started again.", reason, extra={"event": "ended", "reason": reason})
                monitor.gave_up(reason)
                return Tried(reason, final=True)
            if not isinstance(err, Sr4kError):
                reason = f"{type(err).__name__}, a bug in sr4k-stream: {reason}"
            if stop():
                log.info("stopped: %s", reason, extra={"event": "ended", "reason": reason})
                return Tried(reason, final=True)
            log.debug("Where it failed", exc_info=err)
            return Tried(reason, time.monotonic() - began)

    told = Retries(log, event="restart", verb="starting", level=logging.ERROR)
    with of_channel(name) as wire:
        keep_trying(once, proven=_STEADY, retries=told, should_stop=stop, on_wait=monitor.failed, on_proven=told.forget)
