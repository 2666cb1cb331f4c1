"""What runs on the cluster's machines: a look at the machine, and the making of one segment."""

import logging
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from sr4k.cluster.networks import borrowed
from sr4k.cluster.settings import mapped
from sr4k.cluster.tasks import NodeFacts, SegmentDone, SegmentFailed, SegmentTask, Work
from sr4k.common.logs import collected_logs
from sr4k.common.option_names import name_for
from sr4k.common.owned_folder import owned_folder
from sr4k.engines.choose import GPU_ENGINES
from sr4k.engines.nvidia import driver
from sr4k.errors import InputError, Sr4kError
from sr4k.jobs.file_job import Job
from sr4k.jobs.graph import run_assembled
from sr4k.jobs.model_choice import engines_of
from sr4k.jobs.summary import summarised
from sr4k.media.options import ReadSettings
from sr4k.media.reading.naming_others import refuse_files_that_name_others
from sr4k.media.reading.stretches import Stretch
from sr4k.media.reports import ENCODE
from sr4k.media.resume.bucket_pool import pool_at
from sr4k.media.resume.job_folder import fingerprint
from sr4k.media.resume.journal import Journal
from sr4k.media.writing.encoder_threads import seen_cpus
from sr4k.pipeline import GraphAborted, WorkerDied, WorkerStatus

_LIBRARIES = "av", "numpy", "opencv-python-headless", "openvino", "torch", "tensorrt", "triton"

_PACKAGES = "cluster", "common", "configs", "engines", "jobs", "media", "models", "pipeline", "stages"
"""Packages of ``sr4k`` that take part in making a segment."""

_THREADS_UP_TO = 4
"""CPUs of a segment up to which its graph is threads of this process, which stays for the next one: what starts faster.

With more CPUs, threads would wait for each other: Python runs one of them at a time.
"""

_TRIED = 12
"""Number of frames that machines of different kinds have to make equal."""


def look(work: Work, code: str) -> NodeFacts:
    """Return what a machine tells of itself; it runs there.

    Args:
        work: what it is to take part in.
        code: fingerprint of the package on the machine that asks.
    """
    if (own := fingerprint_of_code()) != code:
        return NodeFacts(trouble=f"it has another version of sr4k-stream ({own}, not {code})")
    pool = mapped(work.pool, work.path_map)
    try:
        if not pool_at(pool).holds(*work.token):
            return NodeFacts(trouble=f"{pool.parent.parent} is another folder there")
    except OSError as err:
        why = str(err.strerror or err).rstrip(".")
        return NodeFacts(trouble=f"{pool.parent.parent} can't be read and written there ({why})")
    source = mapped(work.job.source, work.path_map)
    try:
        if fingerprint(source) != work.source:
            return NodeFacts(trouble=f"{source} is another file there")
    except InputError as err:
        return NodeFacts(trouble=f"the source can't be read there ({err})")
    try:
        borrowed(work.job.preset.engine, work.networks, pool_at(pool))
    except OSError as err:
        return NodeFacts(trouble=f"its network can't be brought there ({err.strerror or err})")
    return NodeFacts(kind=kind_of_machine())


def make(work: Work, task: SegmentTask, report: Callable[[int], None]) -> SegmentDone | SegmentFailed:
    """Make one segment and put it into the pool, unless it is there; it runs on one of the machines.

    Args:
        work: the job.
        task: the segment.
        report: called now and then with the number of frames that are done.
    """
    pool, began = pool_at(mapped(work.pool, work.path_map)), time.monotonic()
    kept = _Kept()
    try:
        with collected_logs(kept, logging.WARNING), pool.scratch(task.key) as folder:
            job, journal = in_this_process(_there(work, task.cpus)), Journal(folder)
            graph = job.graph_of_segment(folder, work.encodes_as, **_limits(task.stretch))
            outcome = run_assembled(graph, on_status=lambda statuses: report(_frames(statuses)), stop_requests=int)
            encoder, made = journal.encoder(), journal.segments()
            if encoder is None or not made:
                span = f"{task.stretch.start:.2f} s to {task.stretch.end:.2f} s"
                raise InputError(f"{job.source.name}: no picture could be decoded from {span}.")
            summary = summarised(job.target, outcome)
            about = {"node": platform.node(), "seconds": round(time.monotonic() - began, 3)}
            manifest = pool.put(task.key, journal, encoder, about)
    except WorkerDied as err:
        return SegmentFailed(error=RuntimeError(str(err)), is_crash=True)
    except (Sr4kError, OSError, GraphAborted) as err:
        return SegmentFailed(error=err)
    warnings = tuple(kept.lines)
    return SegmentDone(manifest=manifest, summary=summary, seconds=time.monotonic() - began, warnings=warnings)


def sample(work: Work, stretch: Stretch, cpus: int) -> str:
    """Return a hash of the first frames of a stretch as this machine makes them.

    Raises:
        Sr4kError: it can't make them.
        WorkerDied: a process died.
    """
    with owned_folder() as own:
        job, journal = _there(work, cpus), Journal(own.path)
        limits = _limits(stretch) | {"until": _after(job.reading, stretch)}
        run_assembled(
            job.graph_of_segment(journal.folder, work.encodes_as, **limits),
            on_status=lambda _statuses: None,
            stop_requests=int,
        )
        digest = sha256(str(journal.encoder()).encode())
        for segment in journal.segments():
            digest.update((journal.folder / segment.name).read_bytes())
        return digest.hexdigest()


def in_this_process(job: Job) -> Job:
    """Return the job with threads in place of processes, where they are no slower: on few CPUs, and no GPU."""
    is_for_threads = job.cpus is not None and job.cpus <= _THREADS_UP_TO
    if not is_for_threads or engines_of(job.preset.engine)[0] in GPU_ENGINES:
        return job
    return replace(job, preset=job.preset.updated("graph", mode="threads"))


@cache
def fingerprint_of_code() -> str:
    """Return a short hash of this package's modules and weights: machines that differ in it don't work together."""
    digest = sha256()
    for name in _PACKAGES:
        found = find_spec(f"sr4k.{name}")
        assert found is not None and found.submodule_search_locations
        folder = Path(found.submodule_search_locations[0])
        for file in sorted(folder.rglob("*")):
            if file.suffix in (".py", ".safetensors", ".json"):
                digest.update(f"{file.relative_to(folder)}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


@cache
def kind_of_machine() -> str:
    """Return a text on what the bytes of a segment may depend on: CPU, GPUs, and versions of libraries."""
    cpu = {
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith(("model name", "flags", "CPU part", "Features"))
    }
    versions = []
    for name in _LIBRARIES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    gpus = [gpu.name for gpu in driver().gpus]
    facts = [platform.machine(), platform.python_version(), str(seen_cpus()), *sorted(cpu), *versions, *gpus]
    return sha256("\n".join(facts).encode()).hexdigest()[:16]


class _Kept(logging.Handler):
    """Keeps the messages of warnings, each once."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.lines[record.getMessage()] = None


def _there(work: Work, cpus: int) -> Job:
    """Return the job with the paths of this machine, whose messages are for whoever began it."""
    name_for(work.reader)
    if work.refuses_files_that_name_others:
        refuse_files_that_name_others()
    job, preset = work.job, work.job.preset
    pool = pool_at(mapped(work.pool, work.path_map))
    preset = preset.model_copy(update={"engine": borrowed(preset.engine, work.networks, pool)})
    if preset.engine.weights is not None:
        weights = mapped(preset.engine.weights, work.path_map)
        engine = preset.engine.model_copy(update={"weights": weights})
        preset = preset.model_copy(update={"engine": engine})
    source, target = (mapped(path, work.path_map) for path in (job.source, job.target))
    return replace(job, source=source, target=target, preset=preset, cpus=cpus)


def _limits(stretch: Stretch) -> dict[str, int | None]:
    return {"after": stretch.after, "begin": stretch.begin, "until": stretch.until}


def _after(reading: ReadSettings, stretch: Stretch) -> int:
    """Return the pts at which a sample from the beginning of a stretch ends."""
    from sr4k.media.reading.reader import VideoReader

    with VideoReader(reading) as reader:
        until = stretch.first + round(_TRIED / (reader.info.rate * reader.info.time_base))
    return until if stretch.until is None else min(until, stretch.until)


def _frames(statuses: dict[str, WorkerStatus]) -> int:
    return next((clock.frames for status in statuses.values() for clock in status.stages if clock.name == ENCODE), 0)
