"""One upscaling job: from a source and a target to a graph, and from how the graph went to a summary."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, overload

from sr4k.configs import STAGES, GraphPreset, Preset, StageName, load_preset
from sr4k.engines.choose import GPU_ENGINES, engines_for
from sr4k.engines.cpu import granted_cpus
from sr4k.engines.nvidia import only
from sr4k.errors import InputError, InternalError, OptionError, Sr4kError, StoppedError, WorkerError
from sr4k.models.architecture import Pixels
from sr4k.parts import Parts, claimed, fingerprint, flat
from sr4k.pipeline import (
    GraphAborted,
    GraphSpec,
    Outcome,
    StageFailed,
    StageSpec,
    WorkerDied,
    WorkerSpec,
    WorkerStatus,
    run_graph,
)
from sr4k.pipeline.starting import leave_if_importing
from sr4k.refusals import refusal
from sr4k.size import parse_size
from sr4k.stages.sequence import is_picture, is_sequence
from sr4k.stages.settings import (
    FIRST_VIDEO,
    Box,
    ConvertSettings,
    DecodeSettings,
    Deinterlace,
    EncodeSettings,
    InferSettings,
    PictureSettings,
    PreprocessSettings,
    TimeSpan,
    VideoChoice,
)
from sr4k.target import appeared, check_target, folder_made, free_partial_of, place, unfinished

log = logging.getLogger(__name__)

_CPUS_OF_A_LANE = 16
"""What one lane keeps busy, and its share of decoder and encoder beside it."""


@dataclass(frozen=True)
class Summary:
    """How a job went.

    ``stages`` has, by name, the seconds of work and the frames of each stage; ``processes`` the CPU seconds of each.
    ``losses`` is what the source could not give, ``left_out`` what the target could not carry. Of the ``frames``,
    ``resumed`` were done by earlier runs, to which the ``earlier`` losses came. ``goes_on``: whether it was stopped and
    can be resumed.
    """

    output: str
    frames: int
    resumed: int
    seconds: float
    stopped: bool
    source: dict[str, Any]
    engine: dict[str, Any]
    video: dict[str, Any]
    losses: dict[str, Any]
    left_out: list[str]
    stages: dict[str, dict[str, float]]
    processes: dict[str, dict[str, float]]
    goes_on: bool = False

    @property
    def fps(self) -> float:
        """Frames a second, start-up included."""
        return (self.frames - self.resumed) / self.seconds if self.seconds else 0.0

    @property
    def damaged(self) -> bool:
        """Whether anything of the source was lost or had to be patched up."""
        return any(self.losses.get(key) for key in ("packets", "missing", "concealed", "earlier", "copying"))

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**asdict(self), "fps": self.fps, "damaged": self.damaged}


_Given = TypeVar("_Given")
_Kept = TypeVar("_Kept")


class _Field(Generic[_Given, _Kept]):
    """A field that may be given in a person's words, and is kept as what they mean."""

    def __init__(self, meaning: Callable[[_Given], _Kept], *default: _Given) -> None:
        self._meaning, self._default = meaning, default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, job: None, owner: type) -> _Given: ...
    @overload
    def __get__(self, job: object, owner: type) -> _Kept: ...
    def __get__(self, job: object | None, owner: type) -> Any:
        if job is not None:
            return job.__dict__[self._name]
        if not self._default:  # dataclasses ask the class for it
            raise AttributeError(self._name)
        return self._default[0]

    def __set__(self, job: object, value: _Given) -> None:
        job.__dict__[self._name] = self._meaning(value)


def _path(given: str | os.PathLike[str]) -> Path:
    return Path(given)


def _preset(given: Preset | str) -> Preset:
    return load_preset(given) if isinstance(given, str) else given


def _box(given: Box | str | None) -> Box | None:
    return parse_size(given) if isinstance(given, str) else given


@dataclass(frozen=True)
class Job:
    """What to do: one file, one target, one preset.

    Attributes:
        source: a video file; text or a path, and a path once it is there.
        target: where the result goes, likewise; its suffix chooses the container.
        preset: see `sr4k.configs`; or its name, or the path of its file, as text.
        size: what the result has to fit into; or text as for `sr4k.size.parse_size`; ``None``: twice the source's.
        overwrite: whether an existing target may be replaced.
        cpus: how many CPUs to plan for; ``None``: all that are granted.
        part: what to upscale of it; ``None``: all.
        deinterlace: what becomes of interlaced pictures; see `sr4k.stages.settings.DecodeSettings`.
        resume: whether to go on where an earlier run of the same job was broken off, if there was one.
        strict: whether the first loss ends the job, and nothing is written.
        track: which of several videos.
        rate: pictures a second, of an image sequence; ``None``: 25.
    """

    source: _Field[str | os.PathLike[str], Path] = _Field(_path)
    target: _Field[str | os.PathLike[str], Path] = _Field(_path)
    preset: _Field[Preset | str, Preset] = _Field(_preset, "file")
    size: _Field[Box | str | None, Box | None] = _Field(_box, None)
    overwrite: bool = False
    cpus: int | None = None
    part: TimeSpan | None = None
    deinterlace: Deinterlace = "auto"
    resume: bool = False
    strict: bool = False
    track: VideoChoice = FIRST_VIDEO
    rate: Fraction | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be, while whoever made it is there.

        Raises:
            OptionError: a value that there can't be.
        """
        if self.deinterlace not in get_args(Deinterlace):
            raise OptionError(f"deinterlace can't be '{self.deinterlace}': use {', '.join(get_args(Deinterlace))}.")
        if self.rate is not None and not is_sequence(self.source):
            raise OptionError(f"A rate is for image sequences, which {self.source} is not: leave it out.")

    def run(
        self,
        *,
        on_status: Callable[[dict[str, WorkerStatus]], None] = lambda _statuses: None,
        stop_requests: Callable[[], int] = lambda: 0,
        log_queue: Any = None,
    ) -> Summary:
        """Upscale. The target appears under its name only when it is complete; see `sr4k.pipeline.run_graph`.

        Raises:
            Sr4kError: what went wrong, in the user's words.
        """
        leave_if_importing()
        check_target(self.target, self.source, overwrite=self.overwrite or self._may_go_on())
        with folder_made(self.target.parent):
            return self._run_into_folder(on_status, stop_requests, log_queue)

    def _run_into_folder(
        self,
        on_status: Callable[[dict[str, WorkerStatus]], None],
        stop_requests: Callable[[], int],
        log_queue: Any,
    ) -> Summary:
        if is_picture(self.target):
            with unfinished(self.target) as partial:
                outcome = _run(self._graph(self.reading, self._pictures(partial)), on_status, stop_requests, log_queue)
                self._check_outcome(outcome)
                output = free_partial_of(self.target) if outcome.stopped else self.target
                place(partial, output, overwrite=self.overwrite)
            return _summarise(output, outcome)
        with claimed(self.target) as parts:
            resumed = parts.begin(self._facts(), resume=self.resume, overwrite=self.overwrite)
            lost = parts.lost
            try:
                outcome = _run(self.graph(parts, resumed), on_status, stop_requests, log_queue)
            except (WorkerError, StoppedError) as err:
                raise type(err)(f"{err} {parts.fate(is_part=self.part is not None)}") from err
            except InputError:
                if self.strict and not resumed:  # it would fail again, and is to leave nothing
                    parts.remove()
                raise
            self._check_outcome(outcome, resumed)
            output = parts.place(stopped=outcome.stopped, overwrite=self.overwrite)
            if not outcome.stopped or self.part is not None:
                parts.remove()
            if output != self.target and not outcome.stopped:
                raise appeared(self.target, output)
            goes_on = outcome.stopped and self.part is None
            return replace(_summarise(output, outcome, resumed, lost), goes_on=goes_on)

    @property
    def reading(self) -> DecodeSettings:
        """How the source is read."""
        return DecodeSettings(
            path=self.source,
            part=self.part,
            deinterlace=self.deinterlace,
            strict=self.strict,
            track=self.track,
            rate=self.rate,
            pixels=self._pixels,
            keeps_alpha=is_picture(self.target),
        )

    @property
    def _pixels(self) -> Pixels:
        """Pictures from pictures keep a colour for every pixel."""
        if self.preset.engine.pixels != "auto":
            return self.preset.engine.pixels
        return "bgr" if is_picture(self.source) and is_picture(self.target) else "yuv"

    def _may_go_on(self) -> bool:
        """Whether the target is what an earlier run left, and may be replaced by more of it."""
        return self.resume and not is_picture(self.target) and Parts(self.target).left == self.target

    def _facts(self) -> dict[str, Any]:
        """What the result depends on."""
        settings = {
            "size": str(self.size),
            "part": str(self.part),
            "deinterlace": self.deinterlace,
            "track": str(self.track),
            "rate": str(self.rate),
            "engine": self.preset.engine.model_dump(exclude={"name", "threads", "reuse"}),
            "engine.name": engines_for(self.preset.engine.name)[0],
            "encode": self.preset.encode.model_dump(exclude={"work_seconds"}),
        }
        return fingerprint(self.source) | flat(settings)

    def graph(self, parts: Parts, resumed: int = 0) -> GraphSpec:
        """The workers that write the video into its parts, after the ``resumed`` frames that are there."""
        done = parts.done_until if resumed else None
        return self._graph(replace(self.reading, done_until=done, done_frames=resumed), self._video(parts))

    def _graph(self, reading: DecodeSettings, encode: StageSpec) -> GraphSpec:
        engine = self.preset.engine
        layout, upscaler = self.preset.graph, self.preset.graph.upscaler
        pixels, cpus = self._pixels, self.cpus or granted_cpus()
        first, *fallbacks = engines_for(engine.name)
        lanes = _lanes(layout, cpus, on_gpu=first in GPU_ENGINES)
        threads = engine.threads or max(1, cpus // lanes)
        devices = tuple(only(device) for device in layout.devices)
        specs = {
            "decode": StageSpec("sr4k.stages.decode:Decode", reading),
            "preprocess": StageSpec("sr4k.stages.preprocess:Preprocess", PreprocessSettings(pixels=pixels)),
            "infer": StageSpec(
                "sr4k.stages.infer:Infer",
                InferSettings(
                    engine=first,
                    model=engine.model,
                    weights=engine.weights,
                    precision=engine.precision,
                    threads=threads,
                    pixels=pixels,
                    reuse=engine.reuse,
                    reuse_threshold=engine.reuse_threshold,
                    fallbacks=tuple(fallbacks),
                ),
            ),
            "reconstruct": StageSpec("sr4k.stages.reconstruct:Reconstruct"),
            "convert": StageSpec(
                "sr4k.stages.convert:Convert", ConvertSettings(rgb=is_picture(self.target), size=self.size)
            ),
            "encode": encode,
        }
        workers = tuple(
            WorkerSpec(name, tuple(specs[stage] for stage in stages), lanes, environments=devices)
            if name == upscaler
            else WorkerSpec(name, tuple(_on_gpu(specs, stages) if on_gpu else (specs[stage] for stage in stages)))
            for name, stages in layout.workers.items()
            for on_gpu in [first in GPU_ENGINES and pixels == "yuv" and {*STAGES[:-1]} <= {*stages}]
        )
        return GraphSpec(workers, (layout.slots,) * (len(workers) - 1), layout.mode)

    def _video(self, parts: Parts) -> StageSpec:
        encode = self.preset.encode
        settings = EncodeSettings(
            codec=self.preset.codec,
            crf=encode.crf,
            bitrate=encode.bitrate,
            preset=encode.preset,
            options=dict(encode.options),
            source=self.source,
            path=parts.whole,
            parts=parts.folder,
            segment_seconds=encode.segment_seconds,
            work_seconds=encode.work_seconds,
            strict=self.strict,
            track=self.track,
            deep_codec="hevc" if encode.codec == "auto" else None,
        )
        return StageSpec("sr4k.stages.encode:Encode", settings)

    def _pictures(self, output: Path) -> StageSpec:
        settings = PictureSettings(
            reading=self.reading, path=output, options=dict(self.preset.encode.options), size=self.size
        )
        return StageSpec("sr4k.stages.pictures:EncodePictures", settings)

    def _check_outcome(self, outcome: Outcome, resumed: int = 0) -> None:
        if not resumed + outcome.reports.get("encode", {}).get("frames", 0):
            raise StoppedError("Stopped before the first frame: nothing was written.")


def _on_gpu(specs: Mapping[str, StageSpec], stages: Sequence[StageName]) -> Iterator[StageSpec]:
    """The stages of a worker with all up to the encoder, on a GPU: what lies between has become one kernel.

    What is to have another size than the network makes is scaled in host memory.
    """
    yield replace(specs["decode"], factory="sr4k.stages.card:GpuDecode")
    yield replace(specs["infer"], factory="sr4k.stages.card:GpuUpscale")
    is_resized = getattr(specs["convert"].settings, "size", None) is not None
    if not is_resized and "encode" in stages and getattr(specs["encode"].settings, "codec", "").endswith("_nvenc"):
        yield replace(specs["encode"], factory="sr4k.stages.card_encode:GpuEncode")
        return
    yield StageSpec("sr4k.stages.card:Download")
    if is_resized:
        yield specs["convert"]
    if "encode" in stages:
        yield specs["encode"]


def _lanes(layout: GraphPreset, cpus: int, *, on_gpu: bool) -> int:
    if layout.lanes != "auto":
        return layout.lanes
    if on_gpu:
        return max(1, len(layout.devices))
    return 1 if layout.upscaler is None else max(1, cpus // _CPUS_OF_A_LANE)


def parse_track(text: str) -> VideoChoice:
    """``1``: the second video of a file; ``i:0x101``: the one with this id.

    Raises:
        OptionError: anything else.
    """
    by_id, number = text.startswith("i:"), text.removeprefix("i:")
    try:
        return VideoChoice(int(number, 0 if by_id else 10), by_id)
    except ValueError:
        raise OptionError(
            f"'{text}' is no video track: use its number, from 0, or i: and its id, such as i:0x101."
        ) from None


def parse_rate(text: str) -> Fraction:
    """``24`` or ``30000/1001`` pictures a second.

    Raises:
        OptionError: anything else.
    """
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise OptionError(f"'{text}' is no rate: use pictures a second, such as 24 or 30000/1001.")
    return rate


def parse_devices(text: str) -> tuple[int, ...]:
    """Numbers with commas between them.

    Raises:
        OptionError: anything else.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise OptionError(f"'{text}' are no GPUs: use their numbers with commas between, such as 0,1.")
    return tuple(map(int, parts))


def _run(
    spec: GraphSpec,
    on_status: Callable[[dict[str, WorkerStatus]], None],
    stop_requests: Callable[[], int],
    log_queue: Any,
) -> Outcome:
    """Run the graph, with its errors turned into ours."""
    try:
        outcome = run_graph(spec, on_status=on_status, stop_requests=stop_requests, log_queue=log_queue)
    except StageFailed as err:
        log.debug("%s failed:\n%s", err.stage, err.trace)
        if isinstance(err.cause, Sr4kError):
            raise err.cause from err
        if (refused := refusal(err.cause)) is not None:
            raise refused from err
        raise InternalError(f"{err.stage} failed: {err.cause or type(err.cause).__name__}") from err
    except WorkerDied as err:
        raise WorkerError(f"Stopped: {err}.") from err
    except GraphAborted as err:
        raise StoppedError("Stopped at once.") from err
    outcome.stopped = not outcome.reports.get("encode", {}).get("is_whole", not outcome.stopped)
    return outcome


def _summarise(output: Path, outcome: Outcome, resumed: int = 0, lost: int = 0) -> Summary:
    reports = outcome.reports
    source, video = dict(reports["decode"]), dict(reports["encode"])
    losses = {**source.pop("losses"), "earlier": lost, "copying": video.pop("copy_damage")}
    statuses = outcome.statuses.values()
    frames, _ = resumed + video.pop("frames"), video.pop("is_whole", None)
    return Summary(
        output=str(output),
        frames=video.pop("joined", None) or frames,
        resumed=resumed,
        seconds=outcome.seconds,
        stopped=outcome.stopped,
        source=source,
        engine=_of_all_lanes(outcome.lane_reports["infer"]),
        left_out=[*source.pop("left_out", []), *video.pop("left_out")],
        video=video,
        losses=losses,
        stages=_stages(statuses),
        processes={
            s.worker: {"cpu": s.cpu, "waited_in": s.waited_in, "waited_out": s.waited_out, "running": s.running}
            for s in statuses
        },
    )


def _of_all_lanes(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """What the engines tell; they differ in the share of the work that had to be computed alone."""
    shares = [report["computed"] for report in reports if "computed" in report]
    computed = {"computed": sum(shares) / len(shares)} if shares else {}
    return {**reports[0], "lanes": len(reports), **computed}


def _stages(statuses: Iterable[WorkerStatus]) -> dict[str, dict[str, float]]:
    """Seconds of work and frames of each stage, of all its lanes together."""
    found: dict[str, dict[str, float]] = {}
    for clock in (clock for status in statuses for clock in status.stages):
        stage = found.setdefault(clock.name, {"busy": 0.0, "frames": 0})
        stage["busy"] += clock.busy
        stage["frames"] += clock.frames
    return found
