"""``sr4k-stream``: upscale a video."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sr4k.batch import Result, run_jobs
from sr4k.cli.encoder import suited, with_encoder
from sr4k.cli.live import run_live
from sr4k.cli.options import told_by_option
from sr4k.cli.outcome import log_handler, say, told_in_one_line
from sr4k.cli.progress import display, parse_progress
from sr4k.cli.result import as_data, exit_code, result_lines, state_of, tally
from sr4k.cli.signals import Interrupted, counted_signals
from sr4k.configs import load_preset, preset_names
from sr4k.engines.cpu import granted_cpus
from sr4k.errors import OptionError, Sr4kError, StoppedError
from sr4k.forecast import forecast, in_words
from sr4k.job import Job
from sr4k.live.address import is_live
from sr4k.logs import collected_logs
from sr4k.parse import NAMED_SIZES, parse_devices, parse_part, parse_rate, parse_size, parse_track
from sr4k.parts import folder_of
from sr4k.sources import jobs_into
from sr4k.stages.sequence import is_picture
from sr4k.summary import Summary
from sr4k.target import check_apart, check_target

_CPUS_OF_A_JOB = 4
"""What each of several videos gets, unless told otherwise: the fewer at once, the sooner the first is done."""

_FIRST = "0"

_AUTO = "auto"
"""Of several videos."""


class Deinterlacing(StrEnum):
    """What becomes of interlaced pictures."""

    AUTO = "auto"
    OFF = "off"
    DOUBLE = "double"


class Fitting(StrEnum):
    """How pictures of another shape go into a size."""

    INSIDE = "inside"
    PAD = "pad"
    STRETCH = "stretch"


class CompareLayout(StrEnum):
    """How a video has both source and result."""

    SPLIT = "split"
    SIDE = "side"


class LogForm(StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"


def stream(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="The video to upscale, or several, or a folder of them; or the URL of a live stream.", metavar="IN"
        ),
    ],
    target: Annotated[
        str,
        typer.Argument(
            help="Where to write; the suffix chooses the container. Or a folder, which is made if need be: for a "
            "single video, end it with a slash. For a live stream: URLs to push to, an HLS playlist (.m3u8), a "
            "recording, or several of them.",
            metavar="OUT",
        ),
    ],
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            "-c",
            help=f"Preset ({', '.join(preset_names())}) or path of a YAML file. Default: file, or live for streams.",
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help=f"Of the result: {', '.join(NAMED_SIZES)}, WIDTHxHEIGHT or x2. Default: x2.")
    ] = None,
    fit: Annotated[
        Fitting,
        typer.Option(
            help="Where the picture has another shape than --size: inside leaves its shape, and the result is smaller; "
            "pad puts black bars around it; stretch fills the size, and players are told the shape of its pixels."
        ),
    ] = Fitting.INSIDE,
    codec: Annotated[
        str | None,
        typer.Option(
            help="auto, h264, hevc or av1; h264_nvenc, hevc_nvenc or av1_nvenc on an NVIDIA GPU. "
            "auto is h264, hevc for more than 8 bits, av1 for .webm."
        ),
    ] = None,
    crf: Annotated[int | None, typer.Option(help="Constant quality, lower is better, on the codec's scale.")] = None,
    bitrate: Annotated[str | None, typer.Option(help="Bits a second, such as 20M, instead of --crf.")] = None,
    preset: Annotated[str | None, typer.Option(help="Speed preset of the encoder, such as veryfast.")] = None,
    encoder_option: Annotated[
        list[str] | None, typer.Option("-e", help="Any other option of the encoder; may repeat.", metavar="KEY=VALUE")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="What runs the network: tensorrt, cuda, openvino, torch, or auto, the best that can be used here. "
            "Default: auto."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Which network: see sr4k models. Default: luma.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder or checkpoint of its weights. Default: the shipped ones.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="auto, int8 or fp32; fp16 on a GPU.")] = None,
    pixels: Annotated[
        str | None, typer.Option(help="yuv, or bgr: run the network on RGB. Slower, for pictures and checks.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads of each network. Default: its share of the CPUs granted.")
    ] = None,
    lanes: Annotated[
        str | None, typer.Option(help="Networks side by side, on frames in turn: a number, or auto, by the CPUs.")
    ] = None,
    devices: Annotated[
        str | None, typer.Option(help="GPUs that share the frames, by number, such as 0,1. Default: the first.")
    ] = None,
    reuse: Annotated[
        bool | None,
        typer.Option("--reuse/--no-reuse", help="Take what did not change from the frame before. Default: on."),
    ] = None,
    reuse_threshold: Annotated[
        int | None, typer.Option(help="Levels (of 255) by which a part may differ and count as unchanged. Default: 0.")
    ] = None,
    workers: Annotated[str | None, typer.Option(help="processes, or threads of one process.")] = None,
    at_once: Annotated[
        int | None, typer.Option(min=1, help="How many of several videos share the CPUs. Default: one for every four.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Of a folder: the videos in all folders below it as well.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing OUT.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out what has its result already.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an earlier run of the same command was broken off.")
    ] = False,
    preview: Annotated[
        str | None,
        typer.Option(help="Only a part, to see what it looks like, such as 10s@00:05:00.", metavar="LENGTH@FROM"),
    ] = None,
    deinterlace: Annotated[
        Deinterlacing,
        typer.Option(help="Interlaced pictures: auto makes one of each, double one of each field, off leaves them."),
    ] = Deinterlacing.AUTO,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first frame that is damaged or missing; leave nothing.")
    ] = False,
    track: Annotated[
        str,
        typer.Option(
            "--map", help="Which of several videos: its number, from 0, or i: and its id, such as i:0x101.", metavar="N"
        ),
    ] = _FIRST,
    rate: Annotated[
        str | None,
        typer.Option(help="Of an image sequence: pictures a second, such as 24 or 30000/1001. Default: 25."),
    ] = None,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Play a file at its own pace, as if it were a live stream.")
    ] = False,
    sound: Annotated[bool, typer.Option(help="Of a live stream: whether there is to be any.")] = True,
    slate: Annotated[
        Path | None, typer.Option(help="Of a live stream: a picture to show while the source is away.")
    ] = None,
    segments: Annotated[str | None, typer.Option(help="Of HLS: ts or fmp4. Default: ts.")] = None,
    compare: Annotated[
        list[Path] | None,
        typer.Option(
            help="Also write source and result beside each other: a video, or a sheet of details if it is a .png; may "
            "repeat.",
            metavar="FILE",
        ),
    ] = None,
    compare_layout: Annotated[
        CompareLayout,
        typer.Option(help="split: one picture, bicubic on the left, ours on the right; side: both whole."),
    ] = CompareLayout.SPLIT,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Write nothing: tell what would be done, and time, size and memory it would take."
        ),
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Of a live stream: where to answer /metrics, /health and /ready, such as :9108.", metavar="ADDRESS"
        ),
    ] = None,
    log_format: Annotated[LogForm, typer.Option(help="Of a live stream's log.")] = LogForm.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON on stdout.")] = False,
    progress: Annotated[
        str,
        typer.Option(
            help="auto; or json, an object on a line for each job and second, on stderr, or on the file descriptor N "
            "of json:N.",
            metavar="FORM",
        ),
    ] = _AUTO,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary; warnings stay.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more, and show tracebacks.")] = False,
) -> None:
    """Upscale a video to twice its size.

    Every source frame gives one output frame at the same time; sound, subtitles, chapters and tags are copied.

    Pictures: IN and OUT may be a .png, .jpg or .webp, or many, such as frames/%05d.png.

    Live streams: IN may be rtmp(s), rtsp, http(s) or HLS, udp, srt, or pattern://1280x720@30; OUT rtmp(s), rtsp, udp,
    srt, a playlist.m3u8 or a recording, and there may be several. Where the source goes away it is waited for.

    Ctrl-C ends early and leaves a playable file with what was done; a second Ctrl-C stops at once. Whatever ends it,
    --resume goes on from there.

    Exit codes: 0 done, 9 done with losses (the source was damaged), 3 it can't be read, or --strict found a loss, 130
    or 143 ended early by a signal, others: an error.
    """
    with told_in_one_line(verbose=verbose) as redaction:
        live = realtime or any(is_live(text) for text in (*sources, target))
        chosen = load_preset(config or ("live" if live else "file"))
        with told_by_option():
            chosen = chosen.updated(
                "engine",
                name=engine,
                model=model,
                weights=weights and weights.absolute(),
                precision=precision,
                pixels=pixels,
                threads=threads,
                reuse=reuse,
                reuse_threshold=reuse_threshold,
            ).updated("graph", mode=workers, lanes=lanes, devices=devices and parse_devices(devices))
            chosen = with_encoder(chosen, codec, crf, bitrate, preset, encoder_option or [])
            chosen = chosen.updated("live", slate=slate, segments=segments)
            chosen = chosen.updated("live", slate=slate and slate.absolute())
        box = None if size is None else parse_size(size, fit.value)
        if fit is not Fitting.INSIDE and box is None:
            raise OptionError("--fit says how pictures go into a --size: name one, such as --size 4k.")
        if crf is not None and bitrate is not None:
            raise OptionError("Either the quality is constant or the bit rate is: leave --crf or --bitrate out.")
        if live:
            if at_once is not None or overwrite or resume or preview is not None or compare or dry_run or strict:
                raise OptionError(
                    "A live stream is alone, has no parts and no end, is not kept and never replaces a file: "
                    "leave --at-once, --preview, --compare, --dry-run, --resume, --strict and --overwrite out."
                )
            if recursive or skip_existing:
                raise OptionError("A live stream is no folder of videos: leave --recursive and --skip-existing out.")
            if progress != _AUTO:
                raise OptionError("A live stream has no end to progress to: leave --progress out; see --log-format.")
            if deinterlace is not Deinterlacing.AUTO or track != _FIRST or rate is not None:
                raise OptionError(
                    "Of a live stream the first video is taken, and one picture of each interlaced one: leave --map, "
                    "--deinterlace and --rate out."
                )
            source, *targets = *sources, target
            run_live(
                source,
                targets,
                chosen,
                size=box,
                sound=sound,
                as_json=as_json,
                quiet=quiet,
                verbose=verbose,
                metrics=metrics,
                log_format="json" if log_format is LogForm.JSON else "text",
                redaction=redaction,
            )
            return
        if (
            metrics is not None
            or log_format is not LogForm.TEXT
            or slate is not None
            or segments is not None
            or not sound
        ):
            raise OptionError(
                "A file is no live stream: leave --metrics, --log-format, --slate, --segments and --no-sound out, or "
                "add --realtime to play it as one."
            )
        paths, json_to = [Path(text) for text in sources], parse_progress(progress)
        if is_picture(Path(target)) and any(option is not None for option in (codec, crf, bitrate, preset)):
            raise OptionError(
                "Pictures have no --codec, --crf, --bitrate and --preset: leave them out; -e goes by name."
            )
        part = None if preview is None else parse_part(preview)
        if resume and part is not None:
            raise OptionError("--preview is done in one go: leave --resume out.")
        if resume and is_picture(Path(target)):
            raise OptionError("Pictures are done in one go: leave --resume out.")
        first = Job(
            paths[0],
            Path(target),
            chosen,
            size=box,
            overwrite=overwrite,
            part=part,
            deinterlace=deinterlace.value,
            resume=resume,
            strict=strict,
            track=parse_track(track),
            rate=None if rate is None else parse_rate(rate),
        )
        jobs = jobs_into(paths, first, folder=target.endswith("/"), recursive=recursive)
        if resume or skip_existing:
            jobs = list(_unfinished(jobs))
            if not jobs:
                return
        if codec is None:
            jobs = [replace(job, preset=suited(job, crf, bitrate, preset)) for job in jobs]
        if compare and len(jobs) > 1:
            raise OptionError("--compare is for one video: leave it out, or upscale them one after the other.")
        for number, beside in enumerate(compare or []):
            check_apart(beside, [jobs[0].target, jobs[0].source, *(compare or [])[:number]])
            check_target(beside, jobs[0].source, overwrite=overwrite)
        if dry_run:
            _tell_ahead(jobs, as_json=as_json)
            return
        level = logging.DEBUG if verbose else logging.WARNING
        names = [job.source.name for job in jobs]
        with (
            collected_logs(log_handler(), level) as queue,
            counted_signals() as signals,
            display(names, quiet=quiet or as_json, json_to=json_to) as shown,
        ):

            def end(index: int, result: Result) -> None:
                lines = result_lines(names[index], result, alone=len(jobs) == 1, quiet=quiet or as_json)
                shown.end(index, lines, state_of(result))

            results = run_jobs(
                jobs,
                at_once=at_once or max(1, granted_cpus() // _CPUS_OF_A_JOB),
                on_status=shown,
                on_end=end,
                stop_requests=lambda: len(signals),
                log_queue=queue,
            )
        if len(results) == 1 and isinstance(results[0], Sr4kError):
            raise results[0]
        if len(results) > 1 and not quiet:
            say(tally(jobs, results), err=True)
        if compare and isinstance(results[0], Summary):
            _compare(jobs[0], results[0], compare, compare_layout, is_wanted=not signals)
        if as_json:
            told = [as_data(job, result) for job, result in zip(jobs, results, strict=True)]
            typer.echo(json.dumps(told[0] if len(told) == 1 else told, indent=2))
        raise typer.Exit(exit_code(results, signals))


def _unfinished(jobs: list[Job]) -> Iterator[Job]:
    """Those that have no whole result yet."""
    for job in jobs:
        if job.target.exists() and not folder_of(job.target).exists():
            say(f"{job.target} is there already.", err=True)
        else:
            yield job


def _tell_ahead(jobs: list[Job], *, as_json: bool) -> None:
    found = []
    for job in jobs:
        found.append(forecast(job))
        if not as_json:
            say(*in_words(found[-1]))
    if as_json:
        told = [each.as_dict() for each in found]
        typer.echo(json.dumps(told[0] if len(told) == 1 else told, indent=2))


def _compare(job: Job, done: Summary, targets: list[Path], layout: CompareLayout, *, is_wanted: bool) -> None:
    from sr4k.comparison import write_comparison  # codecs, which jobs keep in processes of their own

    for target in targets:
        try:
            if not is_wanted:
                raise Interrupted
            write_comparison(job.reading, Path(done.output), target, layout=layout.value, overwrite=job.overwrite)
        except Interrupted:
            raise StoppedError(f"Stopped: {target} was not written. {done.output} is kept.") from None
