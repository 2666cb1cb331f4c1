"""What the queue knows of a job: what is wanted, how far it is, and what came of it. Plain data, as JSON shows it."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Switch = Annotated[bool, Strict()]
"""What users give as JSON: no number is true, and no switch is 1 or ``"yes"``."""


def _as_text(given: object) -> object:
    return str(given) if type(given) is int else given


NumberOrText = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=int | str)]
"""A number, or text that may be one, as keywords of `sr4k.Job` take them."""

State = Literal["waiting", "running", "paused", "done", "failed", "cancelled"]
"""``waiting``: for its turn, or for the hours of the schedule. ``paused``: until somebody lets it go on. ``cancelled``:
ended on request; finished segments are kept until the job is removed."""

Decision = Literal["undecided", "kept", "replacing", "replaced", "discarded"]
"""What became of a result. ``kept``: beside its source. ``replacing``: files are being moved. ``replaced``: in the
place of its source, which is in the bin. ``discarded``: deleted."""

Ending = Literal["keep", "replace", "discard"]
"""What may be done with a result; see `sr4k.queue.settling.settle`."""

UNFINISHED: tuple[State, ...] = ("waiting", "running", "paused")
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobOptions(_Told):
    """Options of a job that a user of the service may choose; ``None``: as the preset has it.

    They are keywords of `sr4k.Job`, and mean the same. What could name another file is not among them: paths of
    presets, weights and networks, and options of encoders by their names in FFmpeg.
    """

    preset: str = "file"
    size: str | None = None
    scale: Number | None = None
    fit: Literal["inside", "pad", "stretch"] | None = None
    codec: str | None = None
    encoder: str | None = None
    crf: Whole | None = None
    bitrate: str | None = None
    speed: str | None = None
    engine: str | None = None
    device: str | None = None
    model: str | None = None
    precision: str | None = None
    reuse: Switch | None = None
    passes: Whole | None = None
    source_quality: NumberOrText | None = None
    sharpness: Whole | None = None
    deinterlace: Literal["auto", "double", "off"] = "auto"
    track: NumberOrText = "0"
    part: str | None = None
    strict: Switch = False


class Machine(_Told):
    """What one machine of a cluster does and has done for a job; see `sr4k.cluster.machine_report.NodeWork`.

    Attributes:
        name: of the machine.
        state: ``ready``, or why it makes nothing: ``refused``, ``gone`` and the like.
        fps: frames a second since it began.
        segments: that it has made; ``running``: that it is making.
        frames: of all of them, so far; ``share``: of all frames that were made, 0 to 1.
    """

    name: str
    state: str
    fps: float
    segments: int
    running: int
    frames: int
    share: float


Phase = Literal["forecast", "upscale", "check"]
"""What a running job does: upscale a few seconds, to tell what it will take; upscale; compare the result."""


class JobProgress(_Told):
    """How far a job is; see `sr4k.jobs.file_progress.Gauge`.

    Attributes:
        phase: what it does.
        frames: frames done, including those of earlier runs; ``frames_total``: of all, if they are counted.
        share: share of the job that is done, 0 to 1; ``None``: unknown.
        fps: frames per second, lately.
        eta: seconds that the rest will take; ``None``: no estimate yet.
        busiest: the stage that the others wait for; ``load``: the share of time that each stage works.
        damage: what was lost so far, see `sr4k.jobs.summary.JobLosses`; empty: nothing.
        converted, left_out: as in `JobResult`, so far.
        machines: of the cluster that makes it; empty: this machine makes it.
        alone: why this machine makes it, where there is a cluster.
    """

    phase: Phase = "upscale"
    frames: int = 0
    frames_total: int | None = None
    seconds: float = 0.0
    seconds_total: float | None = None
    share: float | None = None
    fps: float = 0.0
    speed: float | None = None
    eta: float | None = None
    busiest: str | None = None
    load: dict[str, float] = {}
    damage: dict[str, Any] = {}
    converted: list[str] = []
    left_out: list[str] = []
    machines: list[Machine] = []
    alone: str | None = None

    def at_rest(self) -> Self:
        """Return how far the job is while it doesn't run: what was true only of the moment is left out."""
        moment: dict[str, Any] = {"fps": 0.0, "speed": None, "eta": None, "busiest": None, "load": {}, "machines": []}
        return self.model_copy(update=moment)


class Check(_Told):
    """One comparison of a result with its source. ``says``: the outcome in words."""

    name: Literal["frames", "duration", "streams"]
    ok: bool
    says: str


class JobResult(_Told):
    """What came of a job that is done.

    Attributes:
        output: path of the result. After it has replaced its source, the path under which it lies then.
        original: path of the source in the bin, once the result has taken its place.
        frames: number of frames in it; ``resumed``: how many of these earlier runs had done.
        seconds: wall time of the last run.
        width, height: of its pictures; ``codec``, ``container``: as libav calls them; ``None``, like ``model`` and
            ``engine``: the service was killed just as the job ended.
        damaged: whether any of the source was lost or concealed; ``damage``: see `sr4k.jobs.summary.JobLosses`.
        converted: streams that were converted; ``left_out``: what the container can't hold; both in words.
        checks: comparisons with the source.
        source_bytes, result_bytes: sizes of the files.
        source_mark, result_mark: what else tells them from changed ones, see `sr4k.queue.file_mark.mark_of`; ``None``:
            not known.
        model, engine: the network, and what ran it.
        machines: of the cluster that made it, and what each has done; empty: this machine made it.
    """

    output: str
    original: str | None = None
    frames: int
    resumed: int = 0
    seconds: float
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    container: str | None = None
    damaged: bool
    damage: dict[str, Any] = {}
    converted: list[str] = []
    left_out: list[str] = []
    checks: list[Check] = []
    source_bytes: int
    result_bytes: int
    source_mark: str | None = None
    result_mark: str | None = None
    model: str | None = None
    engine: str | None = None
    machines: list[Machine] = []


class QueuedJob(_Told):
    """A job of the queue, as it was when it was asked for.

    Attributes:
        id: number of the job; no other ever has it.
        source, target: absolute paths.
        options: of the job.
        state, decision: see `State` and `Decision`.
        asked: what a running job was asked for and has not done yet.
        priority: jobs of a higher one run first; ``place``: their order among those of one priority.
        origin: who added it: ``user``, or ``watch:`` and the name of a watch folder.
        created, started, ended: Unix times; ``None``: not yet. ``started``: of the first run.
        runs: how often it was started.
        progress: how far it is.
        forecast: of this machine alone, see `sr4k.jobs.forecast.Forecast`; ``None``: none was made, as for short ones.
        note: why it waits, if not for its turn.
        error: why it failed, in one line; ``code``: the exit code that the command would end with.
        result: what came of it.
    """

    id: int
    source: str
    target: str
    options: JobOptions = JobOptions()
    state: State = "waiting"
    decision: Decision = "undecided"
    asked: Literal["pause", "cancel", "wait"] | None = None
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    place: int = 0
    origin: str = "user"
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    runs: int = 0
    progress: JobProgress = JobProgress()
    forecast: dict[str, Any] | None = None
    note: str | None = None
    error: str | None = None
    code: int | None = None
    result: JobResult | None = None

    @property
    def source_now(self) -> str | None:
        """Path under which the source lies by now; ``None``: unknown."""
        if self.result is None or self.decision not in ("replacing", "replaced"):
            return self.source
        return self.result.original


class Totals(_Told):
    """All jobs that ended.

    Attributes:
        done, failed, cancelled: how many; ``damaged``: how many of those that are done had damage in their source.
        frames: of all results; ``seconds``: that the last runs of their jobs took.
        source_bytes, result_bytes: sizes of sources and results together.
    """

    done: int
    failed: int
    cancelled: int
    damaged: int
    frames: int
    seconds: float
    source_bytes: int
    result_bytes: int


EventKind = Literal["added", "changed", "progress", "removed", "moved", "queue", "channel"]


class Event(_Told):
    """Something that happened, for whoever follows.

    Attributes:
        id: number, which grows.
        at: Unix time.
        kind: ``added``, ``changed``, ``progress`` and ``removed``: of a job. ``moved``: the order is another.
            ``queue``: the queue was paused or goes on. ``channel``: one went down or came up.
        job: number of the job, if it is about one.
        data: more, as JSON: of ``progress`` a `JobProgress`; of ``changed`` the new state; of ``channel`` name and
            state.
    """

    id: int
    at: float
    kind: EventKind
    job: int | None = None
    data: dict[str, Any] = {}
