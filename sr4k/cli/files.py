"""The half of ``sr4k-stream`` that is about files: which jobs are meant, and what is told of them."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from sr4k.cli.job_words import as_data, exit_code, result_lines, state_of, tally
from sr4k.cli.one_line_errors import log_handler, say
from sr4k.cli.progress import display, parse_progress
from sr4k.cli.setting_errors import told_by_option
from sr4k.cli.signals import Interrupted, counted_signals
from sr4k.cli.stream_options import AUTO, FIRST, CompareLayout
from sr4k.common.logs import collected_logs
from sr4k.configs import Preset
from sr4k.engines.cpu import granted_cpus
from sr4k.errors import OptionError, Sr4kError, StoppedError
from sr4k.jobs.batch import Result, run_jobs
from sr4k.jobs.file_job import Job, no_options_of_videos
from sr4k.jobs.forecast import forecast, in_words
from sr4k.jobs.parse import parse_part, parse_rate, parse_track
from sr4k.jobs.sources import jobs_into
from sr4k.jobs.summary import Summary
from sr4k.media.image_names import is_picture
from sr4k.media.options import Box, Deinterlace
from sr4k.media.resume.job_folder import folder_of
from sr4k.media.writing.codec_choice import check_speed
from sr4k.media.writing.target_file import check_apart, check_target
from sr4k.service.redaction import Redaction

_CPUS_OF_A_JOB = 4
"""What each of several videos gets, unless told otherwise: the fewer at once, the sooner the first is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """The options that are about files alone, as they were typed.

    Attributes:
        speed: of an encoder of videos: a preset may name one for pictures too, and a person may not.
    """

    speed: str | None
    deinterlace: Deinterlace
    preview: str | None
    track: str
    rate: str | None
    at_once: int | None
    recursive: bool
    overwrite: bool
    skip_existing: bool
    resume: bool
    strict: bool
    compare: Sequence[Path]
    compare_layout: CompareLayout
    dry_run: bool
    progress: str

    def refuse_for_live(self) -> None:
        """See to it that none of them is given for a live stream.

        Raises:
            OptionError: one is.
        """
        is_kept = self.overwrite or self.resume or self.preview is not None or self.compare or self.strict
        if self.at_once is not None or is_kept or self.dry_run:
            raise OptionError(
                "A live stream is alone, has no parts and no end, is not kept and never replaces a file: "
                "leave --at-once, --preview, --compare, --dry-run, --resume, --strict and --overwrite out."
            )
        if self.recursive or self.skip_existing:
            raise OptionError("A live stream is no folder of videos: leave --recursive and --skip-existing out.")
        if self.progress != AUTO:
            raise OptionError("A live stream has no end to progress to: leave --progress out; see --log-format.")
        if self.deinterlace != "auto" or self.track != FIRST or self.rate is not None:
            raise OptionError(
                "Of a live stream the first video is taken, and one picture of each interlaced one: leave --map, "
                "--deinterlace and --rate out."
            )


def run_files(
    sources: Sequence[str],
    target: str,
    preset: Preset,
    options: FileOptions,
    *,
    size: Box | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    redaction: Redaction,
) -> None:
    """Upscale files, and tell what becomes of them.

    Raises:
        Sr4kError: what keeps all of them from being upscaled, or went wrong with the only one.
        typer.Exit: it is done; with the exit code.
    """
    json_to = parse_progress(options.progress)
    jobs = _jobs(sources, target, preset, options, size)
    if not jobs:
        return
    _check_compare(jobs, options)
    if options.dry_run:
        _tell_ahead(jobs, as_json=as_json)
        return
    results, signals = _run(
        jobs, options, quiet=quiet or as_json, json_to=json_to, verbose=verbose, redaction=redaction
    )
    if len(results) == 1 and isinstance(results[0], Sr4kError):
        raise results[0]
    if len(results) > 1 and not quiet:
        say(tally(jobs, results), err=True)
    if options.compare and isinstance(results[0], Summary):
        _compare(jobs[0], results[0], options, is_wanted=not signals)
    if as_json:
        told = [as_data(job, result) for job, result in zip(jobs, results, strict=True)]
        typer.echo(redaction.text(json.dumps(told[0] if len(told) == 1 else told, indent=2)))
    raise typer.Exit(exit_code(results, signals))


def _jobs(sources: Sequence[str], target: str, preset: Preset, options: FileOptions, size: Box | None) -> list[Job]:
    """One for each video that has no result yet, or is to have another."""
    paths = [Path(text) for text in sources]
    with told_by_option():
        if options.speed is not None and is_picture(Path(target)):
            raise no_options_of_videos()
        first = Job(
            paths[0],
            Path(target),
            preset,
            size=size,
            overwrite=options.overwrite,
            part=None if options.preview is None else parse_part(options.preview),
            deinterlace=options.deinterlace,
            resume=options.resume,
            strict=options.strict,
            track=parse_track(options.track),
            rate=None if options.rate is None else parse_rate(options.rate),
        )
        jobs = jobs_into(paths, first, folder=target.endswith("/"), recursive=options.recursive)
    if options.speed is not None:
        for job in jobs:
            if not is_picture(job.target):
                check_speed(job.preset.encode.codec, options.speed, job.target)
    return list(_unfinished(jobs)) if options.resume or options.skip_existing else jobs


def _unfinished(jobs: list[Job]) -> Iterator[Job]:
    """Those that have no whole result yet."""
    for job in jobs:
        if job.target.exists() and not folder_of(job.target).exists():
            say(f"{job.target} is there already.", err=True)
        else:
            yield job


def _check_compare(jobs: list[Job], options: FileOptions) -> None:
    """See to it that what is written beside a result replaces nothing that it is made of."""
    if options.compare and len(jobs) > 1:
        raise OptionError("--compare is for one video: leave it out, or upscale them one after the other.")
    for number, beside in enumerate(options.compare):
        check_apart(beside, [jobs[0].target, jobs[0].source, *options.compare[:number]])
        check_target(beside, jobs[0].source, overwrite=options.overwrite)


def _tell_ahead(jobs: list[Job], *, as_json: bool) -> None:
    """What would be done, and what it would take."""
    found = []
    for job in jobs:
        found.append(forecast(job))
        if not as_json:
            say(*in_words(found[-1]))
    if as_json:
        told = [each.as_dict() for each in found]
        typer.echo(json.dumps(told[0] if len(told) == 1 else told, indent=2))


def _run(
    jobs: list[Job], options: FileOptions, *, quiet: bool, json_to: int | None, verbose: bool, redaction: Redaction
) -> tuple[list[Result], list[int]]:
    """What became of each job, and the signals that came meanwhile. Each is told when it ends."""
    names = [job.source.name for job in jobs]
    handler = log_handler()
    handler.addFilter(redaction)
    with (
        collected_logs(handler, logging.DEBUG if verbose else logging.WARNING) as queue,
        counted_signals() as signals,
        display(names, quiet=quiet, json_to=json_to) as shown,
    ):

        def end(index: int, result: Result) -> None:
            lines = result_lines(names[index], result, alone=len(jobs) == 1, quiet=quiet)
            shown.end(index, map(redaction.text, lines), state_of(result))

        results = run_jobs(
            jobs,
            at_once=options.at_once or max(1, granted_cpus() // _CPUS_OF_A_JOB),
            on_status=shown,
            on_end=end,
            stop_requests=lambda: len(signals),
            log_queue=queue,
        )
    return results, signals


def _compare(job: Job, done: Summary, options: FileOptions, *, is_wanted: bool) -> None:
    """Write source and result beside each other."""
    from sr4k.quality.side_by_side import write_comparison  # codecs, which jobs keep in processes of their own

    for target in options.compare:
        try:
            if not is_wanted:
                raise Interrupted
            layout = options.compare_layout
            write_comparison(job.reading, Path(done.output), target, layout=layout, overwrite=job.overwrite)
        except Interrupted:
            raise StoppedError(f"Stopped: {target} was not written. {done.output} is kept.") from None
