"""A job whose segments a cluster makes. Joining them, sound, subtitles and chapters are as for any other job."""

import logging
import os
import pickle
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, fields
from functools import partial
from importlib.util import find_spec
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from sr4k.cluster.bucket_target import (
    check_bucket_target,
    joined_here,
    pool_of,
    put_whole,
    remove_pool,
    telling_what_is_kept,
)
from sr4k.cluster.cluster_summary import SegmentWork, over_cluster
from sr4k.cluster.messages import Ended, Fault, Made, Message, Planned, Request, Working
from sr4k.cluster.settings import ClusterSettings
from sr4k.cluster.watching import Watching
from sr4k.common.logs import without_repeats
from sr4k.common.option_names import option, reader
from sr4k.common.owned_folder import owned_folder
from sr4k.errors import (
    FieldError,
    MachineError,
    NoMachineError,
    OptionError,
    OutputError,
    Sr4kError,
    StoppedError,
    WorkerError,
)
from sr4k.jobs.fields import Field
from sr4k.jobs.file_job import Job
from sr4k.jobs.pipes import DASH, is_pipe, path_or_dash
from sr4k.jobs.summary import Summary
from sr4k.media.image_names import is_picture
from sr4k.media.remote_path import RemotePath
from sr4k.media.resume.job_folder import Parts
from sr4k.media.resume.pool import Manifest
from sr4k.media.writing.write_errors import writing
from sr4k.models import catalogue
from sr4k.pipeline import GraphSpec, Outcome
from sr4k.pipeline.spawning import spawn

log = logging.getLogger(__name__)

_PATIENCE = 120.0
"""Seconds for which a cluster that was lost is looked for again, each time that nothing more gets done."""

_PAUSE = 10.0
"""Seconds between two attempts."""

_TICK = 0.25

_UNJOINED = "Stopped before the result was joined."

_LEAVE = 10.0
"""Seconds that the driver gets to end after a stop."""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A cluster that is there. ``environment``: variables by which a process reaches it."""

    settings: ClusterSettings
    address: str
    environment: dict[str, str] = field(default_factory=dict, repr=False)


@contextmanager
def reached(settings: ClusterSettings) -> Iterator[Reached]:
    """Start the private cluster that is asked for, and stop it at the end; others are there.

    Raises:
        OptionError: Ray is not installed.
        MachineError: it did not start.
    """
    if find_spec("ray") is None:
        raise OptionError(f"{option('cluster')} needs Ray: pip install 'sr4k-stream[cluster]'.")
    if settings.nodes is None:
        yield Reached(settings=settings, address=settings.head)
        return
    from sr4k.cluster.private import private_cluster

    with private_cluster(settings.nodes) as (address, environment):
        yield Reached(settings=settings, address=address, environment=environment)


@dataclass(frozen=True)
class ClusterJob(Job):
    """A job on files whose segments a cluster makes; see `sr4k.jobs.file_job.Job`.

    Attributes:
        source: as for a `Job`, or an ``s3://`` or ``http(s)://`` address.
        target: as for a `Job`, or an ``s3://`` address.
        cluster: the cluster.

    Raises:
        OptionError: the preset or another value is invalid.
        FieldError: fields contradict each other, or the result would depend on where it is made.
    """

    source: Field[str | os.PathLike[str], Path] = Field(path_or_dash)  # noqa: RUF009 - a descriptor
    cluster: Reached = field(kw_only=True)

    def __post_init__(self, scale: Any) -> None:
        """Check the fields; for what it raises see the class."""
        super().__post_init__(scale)
        job: Job = self
        if job.target == DASH or is_pipe(job.source) or is_picture(job.target):
            raise FieldError("A cluster makes videos of files: pictures and pipes are for one machine.")
        if job.part is not None:
            raise FieldError("A cluster makes whole videos: leave {part} or the cluster out.")
        if job.preset.engine.reuse_threshold:
            raise FieldError(
                "With {engine.reuse_threshold} a frame depends on all before it, which other machines make: leave it "
                "out."
            )
        own = [found for found in map(catalogue.foreign, job.preset.engine.chain) if found is not None]
        if not all(each.card.deterministic for each in own):
            raise FieldError(
                "{engine.model} makes something else of a picture each time, so the result would depend on which "
                "machine makes it: use another network, or leave the cluster out."
            )
        if own and job.preset.engine.name == "torch":
            raise FieldError(
                "A cluster's machines get networks of yours as ONNX, which {engine.name} torch doesn't run: leave it "
                "out."
            )
        if job.preset.encode.work_seconds is not None:
            raise FieldError(
                "With encode.work_seconds segments depend on how fast a machine is: leave it out of the preset."
            )
        if job.preset.encode.encoder not in ("auto", "software") or "nvenc" in job.preset.encoders:
            raise FieldError(
                "Hardware encoders of several machines don't make the same packets: a cluster needs {encode.encoder} "
                "software."
            )

        if isinstance(job.target, RemotePath) and not job.target.is_in_bucket:
            raise FieldError("{0} can't be written to: name a file, or an object as s3://bucket/name.", job.target)

    def check(self) -> None:
        """Refuse what is seen to fail by source and target alone, before a cluster is started for it.

        Raises:
            InputError: the source can't be read.
            OutputError: the target exists, or an unfinished job that is not to be resumed, or it can't be written.
            OptionError: the target has no suffix of a container, or the unfinished job is another one.
        """
        self._check_target()
        facts, target = self.facts(), self.alone.target
        if not isinstance(target, RemotePath):
            Parts(target).goes_on(facts, resume=self.resume, overwrite=self.overwrite)

    def facts(self) -> dict[str, Any]:
        """Return what the result depends on: the same as without the cluster."""
        return self.alone.facts()

    @property
    def alone(self) -> Job:
        """The same job for one machine."""
        return Job(**{each.name: getattr(self, each.name) for each in fields(Job)})

    @contextmanager
    def _made_ready(self) -> Iterator[None]:
        if not isinstance(self.target, RemotePath):
            with super()._made_ready():
                yield
            return
        self._check_target()
        if not self.resume:
            remove_pool(self.target)
        yield

    def _check_target(self) -> None:
        if isinstance(self.target, RemotePath):
            check_bucket_target(self.target, self.source, overwrite=self.overwrite, resume=self.resume)
        else:
            super()._check_target()

    def _claimed(self) -> AbstractContextManager[Parts]:
        return joined_here(self.target) if isinstance(self.target, RemotePath) else super()._claimed()

    def _place(self, parts: Parts, *, stopped: bool) -> Path:
        if isinstance(self.target, RemotePath):  # it was put when it was joined
            return self.target
        return super()._place(parts, stopped=stopped)

    def _made_in(self, parts: Parts, resumed: int, run: Callable[..., Outcome]) -> Summary:
        assert isinstance(run, partial)
        target, stops = self.target, run.keywords["stop_requests"]
        if isinstance(target, RemotePath):
            parts.pool = pool_of(target)
        began, lost = time.monotonic(), parts.lost
        watching = Watching(resumed, run.keywords["on_status"])
        spread = _Spread(self, parts, watching, stops)
        with self._telling_what_is_kept(lambda: bool(spread.made or parts.done_until is not None)):
            spread.run()
        if stops() and (isinstance(target, RemotePath) or parts.done_until is None):
            raise StoppedError(_UNJOINED)
        done = sum(segment.frames for segment in parts.journal.segments())
        joining = partial(run, on_status=watching.join)
        if isinstance(target, RemotePath):
            joining = partial(self._joined_and_put, joining, parts, target)
        with without_repeats(spread.warned):
            summary = super()._made_in(parts, done, joining)
        return over_cluster(
            summary,
            spread.made,
            watching.report,
            has_last=spread.last in {each.key for each in spread.made},
            resumed=resumed,
            lost=lost,
            seconds=time.monotonic() - began,
            again=spread.again,
            faults=tuple(spread.faults),
        )

    def _telling_what_is_kept(self, is_any: Callable[[], bool]) -> AbstractContextManager[None]:
        return telling_what_is_kept(self.target, is_any) if isinstance(self.target, RemotePath) else nullcontext()

    def _joined_and_put(self, join: "partial[Outcome]", parts: Parts, target: RemotePath, graph: GraphSpec) -> Outcome:
        """Join the segments, and put the result into the bucket; a stop ends it, as a part would hide the whole."""
        stops: Callable[[], int] = join.keywords["stop_requests"]
        with self._telling_what_is_kept(lambda: True):
            outcome = join(graph, stop_requests=lambda: 2 * stops())
        if outcome.stopped:
            raise StoppedError(_UNJOINED)
        put_whole(parts, target, overwrite=self.overwrite, is_stopped=lambda: stops() > 0)
        return outcome


class _Spread:
    """Has the segments of a job made, and enters them into its journal in their order.

    Attributes:
        made: what was done for each segment.
        warned: the warnings of the machines, which were logged here.
        faults: what went wrong and was dealt with, a line each.
        again: number of segments that were made again.
        last: key of the last segment.
    """

    def __init__(self, job: ClusterJob, parts: Parts, watching: Watching, stops: Callable[[], int]) -> None:
        self._job, self._parts, self._watching, self._stops = job, parts, watching, stops
        self._keys: list[str] = []  # of the segments that are not in the journal yet, in order
        self._there: set[str] = set()  # of these, those in the pool
        self._frames: dict[str, int] = {}  # of each segment of the plan
        self._counted: set[str] = set()  # keys whose frames the progress has
        self._tries: dict[str, int] = {}  # of the segments under way
        self._dropped: set[str] = set()  # of these, those that a driver has left
        self.made: list[SegmentWork] = []
        self.warned: set[str] = set()
        self.faults: list[str] = []
        self.again = 0
        self.last: str | None = None

    def run(self) -> None:
        """Return when all segments are in the journal, or a stop was requested. What Ray said of faults is kept.

        Raises:
            Sr4kError: it can't be done.
        """
        with writing(self._parts.folder):
            self._parts.pool.make()
        with owned_folder() as own:
            said, empty = own.path / "ray.log", own.path / "empty"
            empty.mkdir()
            is_explained = False
            try:
                self._run(said, empty)
                is_explained = True
            except Sr4kError:
                is_explained = True
                raise
            finally:
                if (self.faults or not is_explained) and said.exists() and said.stat().st_size:
                    descriptor, kept = tempfile.mkstemp(prefix="sr4k-ray-", suffix=".log")
                    os.close(descriptor)
                    shutil.move(said, kept)
                    log.info("What Ray said is in %s.", kept)

    def _run(self, said: Path, empty: Path) -> None:
        """Run drivers until one has come to the end. What Ray says goes to a file; ``empty``: a folder for them."""
        until, is_private = time.monotonic() + _PATIENCE, self._job.cluster.settings.nodes is not None
        told = ""
        while not self._stops():
            before = len(self.made)
            try:
                if self._followed(said, empty):
                    return
                lost = "the process that drives it has ended"
            except MachineError as err:
                is_set_wrong = isinstance(err, NoMachineError) and not self.made
                if is_private or is_set_wrong or not self.faults:
                    raise
                lost = str(err).rstrip(".")
            self._dropped |= self._tries.keys()
            if len(self.made) > before:
                until = time.monotonic() + _PATIENCE
            if time.monotonic() > until:
                raise WorkerError(f"Stopped: the cluster was lost ({lost}).")
            pause = 0.0 if is_private else _PAUSE
            if lost != told:  # an address where nothing answers is tried often
                self._note(
                    f"Cluster: it was lost ({lost}); trying again{f' every {pause:.0f} seconds' if pause else ''}."
                )
            told = lost
            self._wait(pause)

    def _followed(self, said: Path, empty: Path) -> bool:
        """Run a driver to its end, and return whether that is the end of the job too: all is made, or to be stopped."""
        ours, theirs = Pipe()
        descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        process, pipe = spawn(
            "sr4k.cluster.driver",
            f"{theirs.fileno()} {descriptor}",
            fds=[theirs.fileno(), descriptor],
            apart=True,
        )
        theirs.close()
        os.close(descriptor)
        is_over = False
        try:
            with suppress(BrokenPipeError), pipe:
                pickle.dump(self._request(empty), pipe)
            is_over = self._listen(ours)
        finally:
            with suppress(OSError):
                ours.send("stop")
            with suppress(Exception):
                process.wait(_LEAVE if is_over else 0.0)
            process.kill()
            process.wait()
            ours.close()
        return is_over

    def _request(self, empty: Path) -> Request:
        job, cluster = self._job.alone, self._job.cluster
        return Request(
            job=job,
            pool=self._parts.pool.folder.absolute(),
            done=self._parts.done_until,
            settings=cluster.settings,
            address=cluster.address,
            environment=cluster.environment,
            facts=self._job.facts(),
            tries=self._tries,
            reader=reader(),
            empty=empty,
        )

    def _listen(self, driver: Connection) -> bool:
        """Deal with what the driver says; return whether all is done, or a stop was requested."""
        while True:
            if self._stops():
                return True
            self._watching.tell()
            if not driver.poll(_TICK):
                continue
            try:
                message: Message = driver.recv()
            except (EOFError, OSError):
                return False
            match message:
                case Planned():
                    self._keys, self._there = list(message.keys), set()
                    self._frames = dict(zip(message.keys, message.frames, strict=True))
                    self.last = self._keys[-1] if self._keys else self.last
                    self._watching.plan(message)
                case Made():
                    self._made(message)
                case Working():
                    self._tries |= message.tries
                    begun = self._dropped & message.tries.keys()
                    self.again += len(begun)
                    self._dropped -= begun
                    self._watching.work(message)
                case Fault():
                    self.again += message.again
                    self._note(message.text)
                case Ended(error=None):
                    return not self._keys
                case Ended(error=error):
                    assert error is not None
                    raise error

    def _made(self, message: Made) -> None:
        """Note a segment that is in the pool, and enter those whose turn it is into the journal."""
        self._there.add(message.key)
        self._tries.pop(message.key, None)
        self._dropped.discard(message.key)
        if message.key not in self._counted:
            self._counted.add(message.key)
            self._watching.made(self._frames[message.key])
        if message.done is not None:
            for warning in message.done.warnings:
                if warning not in self.warned:
                    self.warned.add(warning)
                    log.warning("%s", warning)
            self.made.append(SegmentWork.of(message))
        while self._keys and self._keys[0] in self._there:
            key = self._keys[0]
            manifest = self._parts.pool.seen(key)
            if manifest is None:
                raise OutputError(f"{self._parts.pool.folder}: a finished segment has vanished.")
            self._enter(manifest)
            self._keys.pop(0)
            self._there.discard(key)

    def _enter(self, manifest: Manifest) -> None:
        journal = self._parts.journal
        before = journal.encoder()
        if before is not None and before != manifest.encoder:
            raise OptionError(
                f"The segments can't be joined: machines have other encoders or versions; see {manifest.about}."
            )
        with writing(self._parts.folder):
            if before is None:
                journal.note("encoder", manifest.encoder)
            try:
                self._parts.pool.move(manifest, journal)
            except ValueError as err:
                self._parts.pool.drop(manifest.key)
                raise OutputError(f"{err}: it was discarded.") from err

    def _note(self, fault: str) -> None:
        self.faults.append(fault)
        log.warning("%s", fault)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stops():
            time.sleep(_TICK)
