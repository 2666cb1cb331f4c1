"""``sr4k-stream`` on files: turns options into jobs, runs them and prints their results."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from sr4k.cli.file_options import FileOptions
from sr4k.cli.job_words import as_data, exit_code, result_lines, state_of, tally
from sr4k.cli.one_line_errors import log_handler, say
from sr4k.cli.progress import display, parse_progress, refuse_on_stdout
from sr4k.cli.shared_options import SharedOptions
from sr4k.cli.signals import Interrupted, counted_signals
from sr4k.cli.standard_streams import STDERR
from sr4k.common.json_text import json_text
from sr4k.common.logs import collected_logs
from sr4k.configs import Preset
from sr4k.engines.cpu import granted_cpus
from sr4k.errors import OptionError, Sr4kError, StoppedError
from sr4k.jobs.batch import Result, run_jobs
from sr4k.jobs.fast_enough import fast_enough
from sr4k.jobs.file_job import Job, no_options_of_raw_video, no_options_of_videos
from sr4k.jobs.forecast import forecast, in_words
from sr4k.jobs.parse import parse_part, parse_rate, parse_track
from sr4k.jobs.pipes import path_or_dash
from sr4k.jobs.setting_errors import errors_by_option
from sr4k.jobs.sources import jobs_into
from sr4k.jobs.summary import Summary
from sr4k.media.image_names import is_picture
from sr4k.media.options import ResultSize
from sr4k.media.resume.job_folder import folder_of
from sr4k.media.writing.codec_choice import check_speed
from sr4k.media.writing.target_file import check_apart, check_target

_CPUS_OF_A_JOB = 4
"""CPUs for each of several videos, unless ``--at-once`` is given. The fewer at once, the sooner the first is done."""


def run_files(
    sources: Sequence[str],
    target: str,
    preset: Preset,
    options: FileOptions,
    shared: SharedOptions,
) -> None:
    """Upscale files, and print the results.

    Raises:
        Sr4kError: no job can be started, or the only one failed.
        typer.Exit: all jobs have ended; with the exit code.
    """
    json_to = parse_progress(options.progress)
    if shared.as_json and json_to != STDERR:  # where a service's log takes both, that is as it is wanted
        refuse_on_stdout(options.progress, json_to, "the summary of --json")
    if options.target_fps is not None:
        parse_rate(options.target_fps)
    elif options.is_auto:
        raise OptionError("--model auto chooses a network that is fast enough: add --target-fps.")
    options.cluster.check()
    options.cluster.refuse_beside(target_fps=options.target_fps is not None, dry_run=options.dry_run)
    jobs = _jobs(sources, target, preset, options, shared.size)
    if not jobs:
        return
    _check_compare(jobs, options)
    if options.dry_run:
        _print_forecasts(jobs, options.target_fps, as_json=shared.as_json)
        return
    with options.cluster.spread(jobs) as spread:
        results, signals = _run(spread, options, shared, json_to)
    if len(results) == 1 and isinstance(results[0], Sr4kError):
        raise results[0]
    if len(results) > 1 and not shared.quiet:
        say(tally(jobs, results), err=True)
    if options.compare and isinstance(results[0], Summary):
        _compare(jobs[0], results[0], options, is_wanted=not signals)
    if shared.as_json:
        data = [as_data(job, result) for job, result in zip(jobs, results, strict=True)]
        typer.echo(shared.redaction.text(json_text(data[0] if len(data) == 1 else data)))
    raise typer.Exit(exit_code(results, signals))


def _jobs(sources: Sequence[str], target: str, preset: Preset, options: FileOptions, size: ResultSize) -> list[Job]:
    """Return a job for each video to upscale: without those that are done, with ``--resume`` or ``--skip-existing``."""
    paths = [path_or_dash(text) for text in sources]
    with errors_by_option():
        if options.speed is not None and is_picture(Path(target)):
            raise no_options_of_videos()
        first = Job(
            paths[0],
            target,
            preset=preset,
            size=size,
            overwrite=options.overwrite,
            part=None if options.preview is None else parse_part(options.preview),
            deinterlace=options.deinterlace,
            resume=options.resume,
            strict=options.strict,
            track=parse_track(options.track),
            rate=None if options.rate is None else parse_rate(options.rate),
            format=options.form,
        )
        jobs = jobs_into(paths, first, folder=target.endswith("/"), recursive=options.recursive)
        if options.speed is not None and first.is_raw:
            raise no_options_of_raw_video()
    if options.speed is not None:
        for job in jobs:
            if not is_picture(job.target):
                check_speed(job.preset.encode.codec, job.preset.encoders, options.speed, job.target)
    return list(_unfinished(jobs)) if options.resume or options.skip_existing else jobs


def _unfinished(jobs: list[Job]) -> Iterator[Job]:
    """Yield the jobs that have no complete result yet."""
    for job in jobs:
        if job.target.exists() and not folder_of(job.target).exists():
            say(f"{job.target} exists already: skipped.", err=True)
        else:
            yield job


def _check_compare(jobs: list[Job], options: FileOptions) -> None:
    """Refuse ``--compare`` files that would replace a source, a result or one another."""
    if options.compare and len(jobs) > 1:
        raise OptionError("--compare is for a single video: leave it out, or upscale the videos one by one.")
    for number, beside in enumerate(options.compare):
        check_apart(beside, [jobs[0].target, jobs[0].source, *options.compare[:number]])
        check_target(beside, jobs[0].source, overwrite=options.overwrite)


def _print_forecasts(jobs: list[Job], target_fps: str | None, *, as_json: bool) -> None:
    """Print what each job would do, and the time, size and memory that it would take."""
    found = []
    for job in jobs:
        found.append(forecast(job if target_fps is None else fast_enough(job, target_fps)))
        if not as_json:
            say(*in_words(found[-1]))
    if as_json:
        data = [each.as_dict() for each in found]
        typer.echo(json_text(data[0] if len(data) == 1 else data))


def _run(
    jobs: list[Job], options: FileOptions, shared: SharedOptions, json_to: int | None
) -> tuple[list[Result], list[int]]:
    """Run the jobs, and print each result as soon as the job ends. Return the results and the signals received."""
    names, quiet = [job.source.name for job in jobs], shared.quiet or shared.as_json
    handler = log_handler()
    handler.addFilter(shared.redaction)
    with (
        collected_logs(handler, logging.DEBUG if shared.verbose else logging.WARNING),
        counted_signals() as signals,
        display(names, quiet=quiet, json_to=json_to) as shown,
    ):

        def end(index: int, result: Result) -> None:
            lines = result_lines(names[index], result, alone=len(jobs) == 1, quiet=quiet)
            shown.end(index, map(shared.redaction.text, lines), state_of(result))

        results = run_jobs(
            jobs,
            at_once=options.at_once or options.cluster.at_once(max(1, granted_cpus() // _CPUS_OF_A_JOB)),
            target_fps=options.target_fps,
            on_status=shown,
            on_end=end,
            stop_requests=lambda: len(signals),
        )
    return results, signals


def _compare(job: Job, done: Summary, options: FileOptions, *, is_wanted: bool) -> None:
    """Write the ``--compare`` files."""
    from sr4k.quality.side_by_side import write_comparison  # imports codecs, which this process has not needed so far

    for target in options.compare:
        try:
            if not is_wanted:
                raise Interrupted
            layout = options.compare_layout
            write_comparison(job.reading, Path(done.output), target, layout=layout, overwrite=job.overwrite)
        except Interrupted:
            raise StoppedError(f"Stopped: {target} was not written. {done.output} is kept.") from None
