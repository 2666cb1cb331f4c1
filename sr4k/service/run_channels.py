"""Run several live channels side by side: restart those that fail, and change some while the others run on."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

from sr4k.common.logs import of_channel
from sr4k.errors import OptionError, Sr4kError
from sr4k.live.backoff import Backoff
from sr4k.live.retries import Retries, Tried, keep_trying
from sr4k.live.steering import Steering
from sr4k.pipeline import WorkerStatus
from sr4k.service.channel_status import ChannelMonitor

log = logging.getLogger(__name__)

_TICK = 0.1
"""Seconds between two checks for signals and changes."""

_STEADY = 60.0
"""Seconds that a channel must have run for its backoff to be reset."""

_DRAIN = 8.0
"""Seconds that a channel gets to drain before it is killed."""


class Runner(Protocol):
    """Runs a channel's graph to its end, and can be run again; see `sr4k.jobs.live_job.LiveJob.run`."""

    def run(
        self,
        *,
        on_status: Callable[[dict[str, WorkerStatus]], None],
        stop_requests: Callable[[], int],
        on_failure: Callable[[str], None],
        on_restart: Callable[[], None],
        steering: Steering,
    ) -> object: ...


class Ends(NamedTuple):
    """Addresses of a channel, as they may be shown, and paths of the playlists among its targets, by their index."""

    source: str = ""
    targets: tuple[str, ...] = ()
    playlists: Mapping[int, Path] = MappingProxyType({})


@dataclass(slots=True)
class _Channel:
    runner: Runner
    monitor: ChannelMonitor
    asked: float | None = None  # when this channel alone was asked to end
    thread: threading.Thread = field(init=False)


class Service:
    """Runs channels until each has ended. One that fails is restarted, for ever, while the others run on.

    A channel that fails with an `OptionError` before its first picture can't work with its settings: it has ended.

    Attributes:
        monitors: monitors of the present channels; the list changes with them.

    Args:
        runners: the channels, by name.
        ends: addresses of each channel.
        stop_requests: as for `sr4k.pipeline.run_graph`, for all channels.
    """

    def __init__(
        self,
        runners: Mapping[str, Runner],
        ends: Mapping[str, Ends] | None = None,
        *,
        stop_requests: Callable[[], int] = lambda: 0,
    ) -> None:
        self._stop_requests = stop_requests
        self._channels: dict[str, _Channel] = {}
        self.monitors: list[ChannelMonitor] = []
        self._wanted: dict[str, Runner] = {}
        self._ends: dict[str, Ends] = {}
        self._steerings: dict[str, Steering] = {}
        self._halted: frozenset[str] = frozenset()
        self._again: frozenset[str] = frozenset()
        self._refused: float | None = None  # while the system has no thread for a channel: when to try again
        self._refusals = Backoff()
        self._retries = Retries(log, event="restart", verb="starting", level=logging.ERROR)
        self.change(runners, ends)

    def change(self, runners: Mapping[str, Runner], ends: Mapping[str, Ends] | None = None) -> None:
        """Replace the channels. One that equals a running one of the same name runs on untouched.

        The others end as on SIGTERM, and new ones start when all of those have ended: they may have the same targets.
        What operators want of a channel is forgotten when it changes.
        """
        before, kept = self._wanted, self._steerings
        same = {name for name, runner in runners.items() if name in before and before[name] == runner}
        self._steerings = {name: kept[name] if name in same else Steering() for name in runners}
        self._wanted, self._ends = dict(runners), dict(ends or {})

    def differences(self, runners: Mapping[str, Runner]) -> dict[str, list[str]]:
        """Return the names of channels that `change` would add, change and remove: "added", "changed", "removed"."""
        before = self._wanted
        return {
            "added": [name for name in runners if name not in before],
            "changed": [name for name, runner in runners.items() if name in before and before[name] != runner],
            "removed": [name for name in before if name not in runners],
        }

    @property
    def names(self) -> frozenset[str]:
        """Names of all channels, also of those that were stopped."""
        return frozenset(self._wanted)

    def ends(self, name: str) -> Ends:
        """Return the addresses of a channel."""
        return self._ends.get(name, Ends())

    def steering(self, name: str) -> Steering:
        """Return what operators want of a channel; any thread may change it.

        Raises:
            KeyError: there is none of that name.
        """
        return self._steerings[name]

    @property
    def halted(self) -> frozenset[str]:
        """Names of the channels that were stopped by `halt`."""
        return self._halted & self.names

    def halt(self, name: str) -> None:
        """Stop a channel as SIGTERM does, until `let_go_on`; the others run on. Any thread may call it."""
        self._halted |= {name}

    def let_go_on(self, name: str) -> None:
        """Start a channel that was stopped."""
        self._halted -= {name}

    def restart(self, name: str) -> None:
        """Stop a channel, and start it again."""
        self._halted -= {name}
        self._again |= {name}

    def run(self, between: Callable[[], None] = lambda: None, *, lasting: bool = False) -> None:
        """Run until all channels have ended. Call it in the main thread: Python's signal handlers run in no other.

        ``between`` is called several times a second, and may `change` the channels. ``lasting``: run until a stop is
        requested, even without channels.
        """
        while True:
            between()
            self._tend()
            is_over = (not lasting and self._refused is None) or self._stop_requests()
            # One that was asked to end, and has, may be about to be replaced.
            if is_over and not any(
                each.asked is not None or each.thread.is_alive() for each in self._channels.values()
            ):
                return
            # A signal that the kernel delivers to another thread doesn't wake this one: poll.
            time.sleep(_TICK)

    def _tend(self) -> None:
        """End channels that are no longer wanted; when they have ended, start the new ones."""
        for name, channel in list(self._channels.items()):
            is_wanted = self._wanted.get(name) == channel.runner and name not in self._halted | self._again
            if channel.asked is None and not is_wanted:
                channel.asked = time.monotonic()
            if channel.asked is not None and not channel.thread.is_alive():
                del self._channels[name]
                self.monitors.remove(channel.monitor)
        if any(channel.asked is not None for channel in self._channels.values()) or self._stop_requests():
            return
        if self._refused is not None and time.monotonic() < self._refused:
            return
        self._refused = None
        for name, runner in self._wanted.items():
            if name not in self._channels and name not in self._halted and self._refused is None:
                self._begin(name, runner)

    def _begin(self, name: str, runner: Runner) -> None:
        """Start a channel, unless the system has no thread for it: then it is tried again later."""
        channel = _Channel(runner, ChannelMonitor(name, self.ends(name).targets, self.ends(name).source))
        channel.thread = threading.Thread(
            target=_keep_running,
            args=(name, runner, channel.monitor, lambda: self._asked(channel), self._steerings[name]),
            name=f"sr4k-{name}",
            daemon=True,
        )
        try:
            channel.thread.start()
        except RuntimeError as err:  # the limit of threads and processes
            wait = self._refusals.wait()
            self._refused = time.monotonic() + wait
            with of_channel(name):
                self._retries.failed(f"no thread could be started for it ({err})", wait)
            return
        self._refusals = Backoff()
        self._again -= {name}
        self._channels[name] = channel
        self.monitors.append(channel.monitor)

    def _asked(self, channel: _Channel) -> int:
        """Return how often a stop of this channel was requested; twice means at once."""
        if channel.asked is None:
            return self._stop_requests()
        return max(self._stop_requests(), 2 if time.monotonic() - channel.asked > _DRAIN else 1)


def _keep_running(
    name: str, runner: Runner, monitor: ChannelMonitor, stop: Callable[[], int], steering: Steering
) -> None:
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
                    on_failure=monitor.failed,
                    on_restart=monitor.restarted,
                    steering=steering,
                )
            log.info("ended", extra={"event": "ended"})
            return Tried("ended", final=True)
        except Exception as err:
            reason = str(err).rstrip(".")
            if isinstance(err, OptionError) and not has_worked:  # a restart would fail in the same way
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

    retries = Retries(log, event="restart", verb="starting", level=logging.ERROR)
    with of_channel(name):
        keep_trying(
            once, proven=_STEADY, retries=retries, should_stop=stop, on_wait=monitor.failed, on_proven=retries.forget
        )
