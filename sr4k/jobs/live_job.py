"""A live job: builds the graph of a live channel, runs it until it is stopped, and restarts it after failures."""

import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from pathlib import Path
from typing import Any

from sr4k.common.system_errors import refusal
from sr4k.configs import Preset
from sr4k.errors import FieldError, MachineError, OptionError, Sr4kError, StoppedError, WorkerError
from sr4k.jobs.fields import (
    Field,
    GivenPreset,
    Targets,
    check_cpus,
    check_switches,
    path_text,
    preset_or_text,
    source_or_text,
    targets_or_text,
)
from sr4k.jobs.graph import assembled, run_assembled
from sr4k.jobs.keywords import PresetKeywords
from sr4k.jobs.live_progress import LiveProgress, TargetProgress, live_progress
from sr4k.jobs.model_choice import is_twice, scale_of
from sr4k.jobs.result_size import GivenSize, Scaling, check_for_video, result_size, size_as_given
from sr4k.jobs.running import Impatient, Startable
from sr4k.jobs.setting_errors import errors_by_option
from sr4k.jobs.summary import LiveSummary, summarised_live
from sr4k.jobs.upscaling import lighter_than
from sr4k.jobs.watchdog import Watchdog, WorkerHangsError
from sr4k.live.address import Address
from sr4k.live.proxy import check_proxy
from sr4k.live.retries import Retries, Tried, keep_trying
from sr4k.live.send.check_target import check_stream, check_target
from sr4k.live.settings import IntakeSettings, PlayoutSettings, Segments
from sr4k.live.srt import require_srt
from sr4k.live.steering import Line, Steering
from sr4k.live.tls import is_secure, tls_options
from sr4k.media.options import ResultSize
from sr4k.media.paths import check_file, free_name
from sr4k.media.writing.codec_choice import possible_encoders
from sr4k.pipeline import GraphSpec, Outcome, StageSpec, WorkerDied, WorkerStatus
from sr4k.pipeline.spawning import has_interpreter
from sr4k.stages.settings import ConvertSettings

log = logging.getLogger(__name__)

_STEADY = 60.0
"""Seconds that a graph has to run to reset the backoff of restarts."""


@dataclass(frozen=True)
class LiveJob(PresetKeywords, Startable[LiveProgress, LiveSummary]):
    """A live job: one source, one preset, and targets that all get the same stream.

    Fields that accept text hold the parsed value afterwards. ``preset`` holds the values of the keywords that set its
    keys; see `sr4k.jobs.keywords.PresetKeywords`.

    Attributes:
        source: address to pull from; a URL or a path is accepted.
        targets: addresses to push to; URLs and paths, and a single one, are accepted.
        preset: see `sr4k.configs`; or the name of a preset, or the path of its file, as text.
        size: size of the output: a box that it has to fit into, (width, height) in pixels, a `sr4k.Scale`, which
            refers to the size that the source has at first, or text as for `sr4k.jobs.parse.parse_size`; ``None``:
            twice that size.
        scale: the same as a factor, such as 3, or as text; it becomes the size.
        sound: whether to include audio.
        slate: picture to show while the source is away, in place of its last frame.
        segments: container of the segments of HLS targets.
        cpus: number of CPUs to plan for; ``None``: all that are granted. Not compared: jobs that differ only in it are
            equal.

    Raises:
        FieldError: the preset has a value that live streams don't support, such as ``crf``.
        AddressError: an address is invalid.
        OptionError: there is no target, two are the same, or one is the source.
    """

    source: Field[Address | str | os.PathLike[str], Address] = Field(source_or_text)  # noqa: RUF009 - a descriptor
    targets: Field[Targets, tuple[Address, ...]] = Field(targets_or_text)  # noqa: RUF009 - a descriptor
    _: KW_ONLY
    preset: Field[GivenPreset, Preset] = Field(preset_or_text, "live")  # noqa: RUF009 - a descriptor
    size: Field[GivenSize, ResultSize] = Field(size_as_given, None)  # noqa: RUF009 - a descriptor
    scale: InitVar[Scaling] = None
    sound: bool = True
    cpus: int | None = field(default=None, compare=False)
    slate: str | os.PathLike[str] | None = None
    segments: Segments | None = None

    def __post_init__(self, scale: Scaling) -> None:
        """Check the fields; for what it raises see the class."""
        object.__setattr__(self, "preset", self._over_live(self.over(self.preset)))
        object.__setattr__(self, "size", result_size(self.size, scale, self.fit, usual=scale_of(self.preset.engine)))
        check_for_video(self.size)
        check_cpus(self.cpus)
        check_switches(self, "sound")
        engine, graph, encode = self.preset.engine, self.preset.graph, self.preset.encode
        for key, value, is_wrong, instead in (
            ("engine.pixels", engine.pixels, engine.pixels == "bgr", "use yuv"),
            ("graph.mode", graph.mode, graph.mode != "processes", "use processes"),
            ("graph.lanes", graph.lanes, graph.lanes not in ("auto", 1), "use auto"),
            ("graph.devices", ",".join(map(str, graph.devices)), bool(graph.devices), "leave it out"),
            ("encode.crf", encode.crf, encode.crf is not None, "use {encode.bitrate}, such as 20M"),
        ):
            if is_wrong:
                raise FieldError(f"A live stream can't be run with {{{key}}} {{0}}: {instead}.", value)
        if ("decode",) in graph.workers.values():
            raise FieldError(
                "A live stream needs one worker for decode and preprocess in graph.workers: use the preset live, or "
                "one of your own like it."
            )
        if not self.targets:
            raise OptionError("A live stream needs a target: name at least one.")
        places: set[str] = set()
        for target in self.targets:
            if target.place in places:
                raise OptionError(f"{target} is a target twice: leave one out.")
            places.add(target.place)
            if not self.source.is_local and target.place == self.source.place:
                raise OptionError(f"{target} is both source and target, a loop: choose another target.")

    def __hash__(self) -> int:  # asyncio.gather asks for it; a preset has none
        return hash((self.source, self.targets))

    def _over_live(self, preset: Preset) -> Preset:
        slate = path_text("slate", self.slate)
        with errors_by_option():
            preset = preset.updated("live", slate=slate, segments=self.segments)
            return preset if slate is None else preset.updated("live", slate=Path(slate).absolute())

    def run(
        self,
        *,
        on_progress: Callable[[LiveProgress], None] | None = None,
        on_status: Callable[[dict[str, WorkerStatus]], None] = lambda _statuses: None,
        stop_requests: Callable[[], int] = lambda: 0,
        on_failure: Callable[[str], None] = lambda _reason: None,
        on_restart: Callable[[], None] = lambda: None,
        steering: Steering | None = None,
    ) -> LiveSummary:
        """Run until the source ends, if it ever does, or a stop is requested; see `sr4k.pipeline.run_graph`.

        If a worker dies or hangs, all workers are restarted.

        Args:
            on_progress: called in this thread several times a second. An exception that it raises ends the job and is
                passed on.
            on_status: see `sr4k.pipeline.run_graph`, as for ``stop_requests``.
            on_failure: called with the reason before each wait for a restart.
            on_restart: called at each restart.
            steering: what operators want of it while it runs.

        Raises:
            Sr4kError: a failure that retries can't mend, or one after a stop was requested.
            InternalError: a bug in this package.
        """
        self._check()
        self._tell_names()
        began, runs, outcome = time.monotonic(), 0, Outcome({})

        def see(statuses: dict[str, WorkerStatus]) -> None:
            on_status(statuses)
            if on_progress is not None:
                on_progress(live_progress(statuses, runs - 1))

        def once() -> Tried:
            nonlocal runs, outcome
            runs, started = runs + 1, time.monotonic()
            if runs > 1:
                on_restart()
            try:
                outcome = self._run_once(see, stop, steering or Steering())
                return Tried("ended", final=True)
            except (WorkerDied, WorkerHangsError, OSError) as err:
                if isinstance(err, OSError) and runs == 1:
                    raise  # what the machine refuses at the first start is for the user to fix
                if stop():
                    raise WorkerError(f"Stopped: {err}.") from err
                return Tried(str(refusal(err) or err).rstrip("."), time.monotonic() - started)

        told = Retries(log, str(self.source), event="restart", verb="starting", level=logging.ERROR)
        with self.cancellable(stop_requests) as requests:
            stop = Impatient(requests)
            keep_trying(
                once,
                proven=_STEADY,
                retries=told,
                should_stop=stop,
                on_wait=on_failure,
                on_proven=told.forget,
            )
        return summarised_live(outcome, time.monotonic() - began, runs - 1)

    def _before(self) -> LiveProgress:
        return LiveProgress(targets=tuple(TargetProgress(target=str(target)) for target in self.targets))

    def _check(self) -> None:
        """Raise errors that retries can't mend. A bad target is not one of them unless all targets are bad."""
        if not has_interpreter():
            raise MachineError("There is no Python to start processes with: set sys.executable to the path of one.")
        if self.source.kind == "srt":
            require_srt()
        if is_secure(self.source):
            tls_options(self.source)
        check_proxy(self.source)
        failures: list[Sr4kError] = []
        for target in self.targets:
            try:
                check_target(target)
                check_stream(target, self.preset.codec, self.preset.encode.options)
            except Sr4kError as err:
                failures.append(err)
        if len(failures) == len(self.targets):
            raise failures[0]
        if self.source.kind == "file":
            check_file(self.source.path, str(self.source))

    def _tell_names(self) -> None:
        """Say which files are written where the targets' own exist: one may have been meant as another source."""
        for target in self.targets:
            with suppress(OSError):  # a folder that can't be read is told when the target is tried
                if target.kind == "file" and (name := free_name(target.path)) != target.path:
                    extra = {"event": "name", "target": str(target)}
                    log.info("%s exists and is kept: the recording begins in %s.", target, name, extra=extra)

    def _run_once(
        self,
        on_status: Callable[[dict[str, WorkerStatus]], None],
        stop_requests: Callable[[], int],
        steering: Steering,
    ) -> Outcome:
        statuses: dict[str, WorkerStatus] = {}
        watchdog = Watchdog(self.preset.graph.workers, hold=self.preset.live.hold)

        def note(latest: dict[str, WorkerStatus]) -> None:
            statuses.update(latest)
            on_status(latest)
            line.tend()
            stall = watchdog.look(latest)
            if stall is not None and stall.is_over and not stop_requests():
                raise WorkerHangsError(str(stall))

        with ExitStack() as ends:
            heard, said = multiprocessing.Pipe(duplex=False)
            told, tells = multiprocessing.Pipe(duplex=False)
            for end in (heard, said, told, tells):
                ends.enter_context(end)
            line = Line(steering)
            ends.callback(line.close)
            spec = self.graph(
                IntakeSettings(
                    source=self.source,
                    sound=said if self.sound else None,
                    freshness=self.preset.live.freshness,
                    tries=self.preset.live.tries,
                    ready=told,
                    size=self.size if is_twice(self.preset.engine) else None,
                    light=lighter_than(self.preset.engine) is not None,
                    line=line.stage_end("in"),
                ),
                replace(self.playout(heard if self.sound else None), ready=tells, line=line.stage_end("out")),
            )
            try:
                return run_assembled(spec, on_status=note, stop_requests=stop_requests)
            except StoppedError:
                raise
            except Sr4kError:
                if stop_requests():
                    return Outcome(statuses, stopped=True)
                raise

    def graph(self, intake: IntakeSettings, playout: PlayoutSettings) -> GraphSpec:
        """Return the graph between an intake and a playout."""
        return assembled(
            self.preset,
            decode=StageSpec("sr4k.live.receive.intake:Intake", intake),
            convert=ConvertSettings(size=self.size),
            encode=StageSpec("sr4k.live.send.playout:Playout", playout),
            cpus=self.cpus,
            prompt=True,
        )

    def playout(self, sound: Any) -> PlayoutSettings:
        """Return the settings of the last stage; ``sound`` is the pipe that audio comes from, or ``None``."""
        encode, live = self.preset.encode, self.preset.live
        (encoder,) = possible_encoders(encode.encoder, on_gpu=False)
        return PlayoutSettings(
            targets=self.targets,
            sound=sound,
            codec=self.preset.codec,
            encoder=encoder,
            bitrate=encode.bitrate,
            preset=encode.preset,
            options=dict(encode.options),
            key_seconds=live.key_seconds,
            hold=live.hold,
            slate=live.slate,
            sound_bitrate=live.sound_bitrate,
            segments=live.segments,
            patient=self.source.begins_when_told,
        )
