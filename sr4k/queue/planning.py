"""From what users ask for to jobs: paths in the library, names for results, and options that jobs accept."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sr4k.configs import preset_names
from sr4k.errors import InputError, OptionError, OutputError, Sr4kError
from sr4k.jobs.file_job import Job
from sr4k.jobs.sources import jobs_into, videos_in
from sr4k.media.image_names import is_picture, is_sequence
from sr4k.media.paths import check_source
from sr4k.media.writing.containers import CONTAINERS
from sr4k.media.writing.target_file import check_target, is_there
from sr4k.models import catalogue
from sr4k.models.foreign.store import is_path
from sr4k.models.zoo import check_shipped
from sr4k.queue.queued_job import JobOptions, QueuedJob
from sr4k.queue.settings import BIN, Library

FORECAST_SECONDS = 180.0
"""Most seconds that a forecast may take."""

_WORK_SECONDS = 30.0
"""Most seconds of work on one segment: what a job that is ended may have to do again."""

_WORTH_SECONDS = 60.0
"""Seconds of the shortest video that a forecast is made for before its job is begun."""

_MARK = " 4K"
"""What the name of a result beside its source has more than the source's."""


def job_of(source: Path, target: Path, options: JobOptions, **more: Any) -> Job:
    """Return a job with the options that a user of the service chose.

    Args:
        more: further keywords of `sr4k.Job`.

    Raises:
        OptionError: an option has a value that it can't have, or would name a file.
    """
    if options.preset not in preset_names():
        raise OptionError(f"There is no preset '{options.preset}': use {', '.join(preset_names())}.")
    for network in [] if options.model is None else catalogue.chain(options.model):
        if is_path(network):
            raise OptionError("A network is chosen by its name here: sr4k model add FILE adds one of yours.")
        check_shipped(network, "choose another network")
    chosen = options.model_dump(exclude_none=True)
    job = Job(source, target, **chosen, **more)
    encode = job.preset.encode.model_copy(update={"work_seconds": _WORK_SECONDS})
    return replace(job, preset=job.preset.model_copy(update={"encode": encode}))


def job_of_queued(queued: QueuedJob, cpus: int) -> Job:
    """Return the job that a queued one describes, to begin or to go on with it.

    Raises:
        OptionError: as for `job_of`: what it asks for is not there any more.
    """
    resume = queued.options.part is None and Path(queued.target).suffix.lower() in CONTAINERS
    return job_of(Path(queued.source), Path(queued.target), queued.options, cpus=cpus, resume=resume)


def jobs_for(
    library: Library,
    sources: Sequence[str],
    target: str | None,
    options: JobOptions,
    *,
    recursive: bool = False,
    is_result: Callable[[str], bool] = lambda _path: False,
    check_queued: Callable[[Path], None] = lambda _target: None,
) -> list[Job]:
    """Return a job for each video that a user asks for. What a job would fail with before it begins is refused here.

    Videos of a folder that can't be upscaled, such as links that lead out of the library, are left out, unless nothing
    else is in it. So are those that are in the queue already, and results.

    Args:
        library: that sources and results have to lie in.
        sources: paths of videos, pictures, sequences of pictures, and folders.
        target: path of the result, or of a folder, whose name ends with a slash; ``None``: beside each source,
            under its name with `_MARK`.
        recursive: whether the subfolders of folders count as well.
        is_result: whether a path is that of a file that an earlier job has made.
        check_queued: raises an `OptionError` if a job of the queue has a target.

    Raises:
        Sr4kError: a path is not in the library, a source can't be read, a folder has no videos, a target can't have
            that name or exists, or an option is wrong.
    """
    paths = [*dict.fromkeys(library.inside(source) for source in sources)]
    for path in paths:
        if not path.is_dir():
            check_source(path)
    if target is None:
        found = _apart([job for path in paths for job in _beside(path, options, recursive=recursive)])
    else:
        to = library.inside(target)
        found = jobs_into(paths, job_of(paths[0], to, options), folder=target.endswith("/"), recursive=recursive)
    good, faults = list[Job](), list[Sr4kError]()
    for job in found:
        try:
            check_paths(library, job)
            if job.source not in paths:
                check_queued(job.target)
            if job.source in paths or not is_result(str(library.inside(job.source))):
                good.append(job)
        except Sr4kError as err:
            if job.source in paths:
                raise
            faults.append(err)
    if not good:
        nothing = InputError(f"{', '.join(map(str, paths))}: nothing but results of earlier jobs.")
        raise (*faults, nothing)[0]
    return good


def check_paths(library: Library, job: Job) -> None:
    """Refuse a job that can't read its source or can't write its target.

    Raises:
        Sr4kError: a path is not in the library, or is not that of a file that can be read or made.
    """
    library.inside(job.source)
    check_source(job.source)
    check_new(library, job.target, job.source)


def check_new(library: Library, target: Path, source: Path) -> None:
    """Refuse a target that can't be written, whatever its source holds.

    Raises:
        Sr4kError: it is not in the library, or can't have that name, or exists.
    """
    if BIN in library.inside(target).parts:
        raise OptionError(f"{target} is in the bin, where originals that were replaced are: name another folder.")
    if is_sequence(target):
        raise OptionError(f"{target} would be many files, and a job has one result: name a video, or one picture.")
    check_target(target, source, overwrite=True)
    check_free(target)


def check_free(target: Path) -> None:
    """Refuse a target that exists.

    Raises:
        OutputError: it does.
    """
    if is_there(target):
        raise OutputError(f"{target} exists: choose another name, or move it away.")


def _beside(path: Path, options: JobOptions, *, recursive: bool) -> list[Job]:
    if not path.is_dir():
        return [job_of(path, _marked(path), options)]
    first = job_of(path, path, options)
    videos = [video for video in videos_in(path, recursive=recursive) if not video.stem.endswith(_MARK)]
    return [replace(first, source=video, target=_marked(video)) for video in videos]


def _apart(jobs: list[Job]) -> list[Job]:
    """Return one job for each source; results of one name, as of a.avi and a.mkv, get that of their source."""
    jobs = [*{job.source: job for job in jobs}.values()]
    times = Counter(job.target for job in jobs)
    return [
        replace(job, target=job.source.with_name(f"{job.source.name}{_MARK}{job.target.suffix}"))
        if times[job.target] > 1 and job.source.suffix != job.target.suffix
        else job
        for job in jobs
    ]


def _marked(source: Path) -> Path:
    if is_sequence(source):
        return source.with_name(f"{source.parent.name}{_MARK}.mkv")
    keeps = source.suffix.lower() in CONTAINERS or is_picture(source)
    return source.with_name(f"{source.stem}{_MARK}{source.suffix if keeps else '.mkv'}")


def forecast_of(source: str, target: str, options: JobOptions) -> dict[str, Any]:
    """Return the forecast of a job, and its words; it takes some seconds of all CPUs. For a process of its own.

    Raises:
        Sr4kError: the job would fail.
    """
    from sr4k.jobs.forecast import forecast, in_words

    found = forecast(job_of(Path(source), Path(target), options))
    return {**found.as_dict(), "words": list(in_words(found))}


def forecast_if_long(source: str, target: str, options: JobOptions) -> dict[str, Any] | None:
    """Return the forecast of a job; ``None``: the video is so short that the job itself tells as much as soon.

    Raises:
        Sr4kError: as for `forecast_of`.
    """
    from sr4k.probing import probe

    seconds = probe(source).seconds
    return None if seconds is not None and seconds < _WORTH_SECONDS else forecast_of(source, target, options)


def faults_of(paths: Sequence[str]) -> dict[str, str]:
    """Return, of each file that can't be read, why; for a process of its own."""
    from sr4k.probing import probe

    faults = {}
    for path in paths:
        try:
            probe(path)
        except InputError as err:
            faults[path] = str(err)
    return faults


def probe_of(path: str) -> dict[str, Any]:
    """Return what is in a file, and its words. For a process of its own.

    Raises:
        InputError: it can't be read.
    """
    from sr4k.probing import in_words, probe

    found = probe(path)
    return {**asdict(found), "words": in_words(found)}
