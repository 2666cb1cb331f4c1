"""Describes the results of jobs, in lines for people and in data for programs."""

from collections.abc import Iterator
from typing import Any

from sr4k.common.printable import clock
from sr4k.errors import EXIT_WITH_LOSSES, Sr4kError, StoppedError
from sr4k.jobs.batch import Result
from sr4k.jobs.file_job import Job
from sr4k.jobs.summary import Summary

_PLACES_PRINTED = 10
"""Number of damaged places that are printed; ``--json`` lists more."""

_LOST = {
    "packets": "undecodable packet",
    "missing": "missing frame",
    "concealed": "damaged picture",
    "earlier": "earlier defect",
}


def result_lines(name: str, result: Result, *, alone: bool, quiet: bool) -> Iterator[str]:
    """Yield the lines to print when a job ends. The error of a job that is ``alone`` is raised instead."""
    source = "the source" if alone else name
    if result is None:
        yield f"{source}: stopped before it started"
    elif isinstance(result, Sr4kError):
        if not alone:
            named = str(result) if str(result).startswith(f"{source} ") else f"{source}: {result}"
            yield f"error: {named}"
    else:
        if not quiet:
            yield _in_words(result)
        if result.damaged:
            yield f"warning: {source} is damaged: {_losses_in_words(result)}."
            if not quiet:
                yield from _places_in_words(result)


def state_of(result: Result) -> str:
    """Return the state for programs: ``done``, ``damaged``, ``stopped``, ``failed`` or ``unbegun`` (never started)."""
    if result is None:
        return "unbegun"
    if isinstance(result, Sr4kError):
        return "failed"
    return "stopped" if result.stopped else "damaged" if result.damaged else "done"


def tally(jobs: list[Job], results: list[Result]) -> str:
    """Count the jobs that are done, and name those that are not: ``3 of 5 done; 1 failed: a.mp4; 1 …``."""
    ended = list(zip(jobs, results, strict=True))
    kinds = {
        "failed": [job for job, result in ended if isinstance(result, Sr4kError)],
        "ended early": [job for job, result in ended if isinstance(result, Summary) and result.stopped],
        "not started": [job for job, result in ended if result is None],
    }
    done = len(jobs) - sum(map(len, kinds.values()))
    counts = [f"{done} of {len(jobs)} done"]
    counts += [
        f"{len(left)} {kind}: {', '.join(job.source.name for job in left)}" for kind, left in kinds.items() if left
    ]
    return f"{'; '.join(counts)}."


def as_data(job: Job, result: Result) -> dict[str, Any]:
    """Return a job's result for JSON: its ``input``, a path, and its summary or ``error``."""
    if isinstance(result, Summary):
        told = result.as_dict()
    else:
        told = {"error": "stopped before it started" if result is None else str(result)}
    return {"input": str(job.source), **told}


def exit_code(results: list[Result], signals: list[int]) -> int:
    """Return the first error's exit code; else that of the signal that ended the jobs; else 9 for losses, or 0."""
    for result in results:
        if isinstance(result, Sr4kError) and not isinstance(result, StoppedError):
            return result.exit_code
    done = [result for result in results if isinstance(result, Summary)]
    if len(done) < len(results) or any(summary.stopped for summary in done):
        return 128 + signals[0]
    return EXIT_WITH_LOSSES if any(summary.damaged for summary in done) else 0


def _in_words(summary: Summary) -> str:
    video, engine = summary.video, summary.engine
    ended = "ended early: " if summary.stopped else ""
    onward = "; --resume continues it" if summary.goes_on else ""
    return (
        f"{ended}{summary.output}: {summary.frames} frames, {video.width}x{video.height}, "
        f"{summary.seconds:.1f} s, {summary.fps:.1f} fps "
        f"({engine.engine} {engine.networks} {engine.precision}){onward}"
    )


def _losses_in_words(summary: Summary) -> str:
    losses = summary.losses
    counted = [_counted(number, kind) for kind in _LOST if (number := getattr(losses, kind))]
    where = [] if losses.first_at is None else [f"from {clock(losses.first_at)} on"]
    copying = [] if losses.copying is None else [f"other streams: {losses.copying}"]
    return ", ".join([*counted, *where, *losses.reasons, *copying])


def _places_in_words(summary: Summary) -> Iterator[str]:
    places = summary.losses.places
    if len(places) < 2:  # the line above has said it
        return
    for place in places[:_PLACES_PRINTED]:
        end = f" to {clock(place.until)}" if place.until > place.at else ""
        yield f"  {clock(place.at)}{end}: {_counted(place.frames, place.kind)}"
    if len(places) > _PLACES_PRINTED:
        yield f"  and {len(places) - _PLACES_PRINTED} more places, which --json lists"


def _counted(number: int, kind: str) -> str:
    return f"{number} {_LOST[kind]}{'s' if number != 1 else ''}"
