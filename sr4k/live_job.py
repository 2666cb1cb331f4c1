"""One live channel: from a source and its targets to a graph that runs until it is told to stop."""

import logging
import multiprocessing
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from sr4k.configs import Preset, load_preset
from sr4k.errors import OptionError, Sr4kError, StoppedError, WorkerError
from sr4k.graph import assembled, run_assembled
from sr4k.live.address import Address
from sr4k.live.backoff import Backoff
from sr4k.live.bridge import require_srt
from sr4k.live.retries import Retries
from sr4k.live.settings import IntakeSettings, PlayoutSettings
from sr4k.live.target import check_target
from sr4k.live.tls import is_secure, tls_options
from sr4k.pipeline import GraphSpec, Outcome, StageSpec, WorkerDied, WorkerStatus
from sr4k.refusals import refusal
from sr4k.stages.paths import check_file
from sr4k.stages.settings import Box, ConvertSettings
from sr4k.summary import LiveSummary, summarised_live
from sr4k.watchdog import Watchdog, WorkerHangsError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveJob:
    """What to do.

    Attributes:
        source: what to pull.
        targets: where to push to, all the same.
        preset: see `sr4k.configs`.
        size: what the output has to fit into; ``None``: twice the source's, as it is at first.
        sound: whether there is to be any.
        cpus: how many CPUs to plan for; ``None``: all that are granted. Jobs that differ in this alone are equal.
    """

    source: Address
    targets: tuple[Address, ...]
    preset: Preset = field(default_factory=lambda: load_preset("live"))
    size: Box | None = None
    sound: bool = True
    cpus: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        engine, graph, encode = self.preset.engine, self.preset.graph, self.preset.encode
        for key, is_wrong, instead in (
            ("engine.pixels", engine.pixels == "bgr", "yuv"),
            ("graph.mode", graph.mode != "processes", "processes"),
            ("graph.lanes", graph.lanes not in ("auto", 1), "auto"),
            ("graph.devices", bool(graph.devices), "none"),
            ("encode.crf", encode.crf is not None, "encode.bitrate"),
        ):
            if is_wrong:
                raise OptionError(f"A live stream can't have this {key}: use {instead}.")
        places: set[str] = set()
        for target in self.targets:
            if target.place in places:
                raise OptionError(f"{target} is a target twice: leave one out.")
            places.add(target.place)

    def run(
        self,
        *,
        on_status: Callable[[dict[str, WorkerStatus]], None] = lambda _statuses: None,
        stop_requests: Callable[[], int] = lambda: 0,
        log_queue: Any = None,
        on_failure: Callable[[str], None] = lambda _reason: None,
    ) -> LiveSummary:
        """Run until the source ends, if it is one that does, or a stop is asked for; see `sr4k.pipeline.run_graph`.

        A process that dies or hangs is replaced, with all that belong to it; ``on_failure`` is told why.

        Raises:
            Sr4kError: what can't go well however often it is tried, in the user's words.
        """
        self._check()
        began, restarts, backoff = time.monotonic(), 0, Backoff()
        told = Retries(log, str(self.source), event="restart", verb="starting", level=logging.ERROR)
        while True:
            started = time.monotonic()
            try:
                outcome = self._run_once(on_status, stop_requests, log_queue)
                return summarised_live(outcome, time.monotonic() - began, restarts)
            except (WorkerDied, WorkerHangsError, OSError) as err:
                if isinstance(err, OSError) and not restarts:
                    raise  # what the machine refuses from the start is for the user to mend
                if stop_requests():
                    raise WorkerError(f"Stopped: {err}.") from err
                if time.monotonic() - started > 60:
                    backoff.reset()
                    told.forget()
                restarts, wait = restarts + 1, backoff.wait()
                reason = str(refusal(err) or err).rstrip(".")
                told.failed(reason, wait)
                on_failure(reason)
                _wait(wait, stop_requests)

    def _check(self) -> None:
        """What can't go well however often it is tried: one target may fail, if another may go well."""
        if self.source.kind == "srt":
            require_srt()
        if is_secure(self.source):
            tls_options(self.source)
        failures: list[Sr4kError] = []
        for target in self.targets:
            try:
                check_target(target)
            except Sr4kError as err:
                failures.append(err)
        if len(failures) == len(self.targets):
            raise failures[0]
        if self.source.kind == "file":
            check_file(self.source.path, str(self.source))

    def _run_once(
        self,
        on_status: Callable[[dict[str, WorkerStatus]], None],
        stop_requests: Callable[[], int],
        log_queue: Any,
    ) -> Outcome:
        statuses: dict[str, WorkerStatus] = {}
        watchdog = Watchdog(self.preset.graph.workers, hold=self.preset.live.hold)

        def note(latest: dict[str, WorkerStatus]) -> None:
            statuses.update(latest)
            on_status(latest)
            stall = watchdog.look(latest)
            if stall is not None and stall.is_over and not stop_requests():
                raise WorkerHangsError(str(stall))

        with ExitStack() as ends:
            heard, said = multiprocessing.Pipe(duplex=False)
            told, tells = multiprocessing.Pipe(duplex=False)
            for end in (heard, said, told, tells):
                ends.enter_context(end)
            spec = self.graph(
                IntakeSettings(
                    self.source,
                    said if self.sound else None,
                    self.preset.live.freshness,
                    self.preset.live.tries,
                    told,
                ),
                replace(self.playout(heard if self.sound else None), ready=tells),
            )
            try:
                return run_assembled(spec, on_status=note, stop_requests=stop_requests, log_queue=log_queue)
            except StoppedError:
                raise
            except Sr4kError:
                if stop_requests():
                    return Outcome(statuses, stopped=True)
                raise

    def graph(self, intake: IntakeSettings, playout: PlayoutSettings) -> GraphSpec:
        """The workers."""
        return assembled(
            self.preset,
            decode=StageSpec("sr4k.live.intake:Intake", intake),
            convert=ConvertSettings(size=self.size),
            encode=StageSpec("sr4k.live.playout:Playout", playout),
            cpus=self.cpus,
            prompt=True,
        )

    def playout(self, sound: Any) -> PlayoutSettings:
        """What the last stage is told. ``sound``: where it comes from, if there is to be any."""
        encode, live = self.preset.encode, self.preset.live
        return PlayoutSettings(
            self.targets,
            sound,
            self.preset.codec,
            encode.bitrate,
            encode.preset,
            dict(encode.options),
            key_seconds=live.key_seconds,
            hold=live.hold,
            slate=live.slate,
            sound_bitrate=live.sound_bitrate,
            segments=live.segments,
        )


def _wait(seconds: float, stop_requests: Callable[[], int]) -> None:
    end = time.monotonic() + seconds
    while not stop_requests() and time.monotonic() < end:
        time.sleep(0.1)
