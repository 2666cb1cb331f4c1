"""``sr4k-stream``: upscales videos, or a live stream. Collects the options and hands them to `files` or `live`.

Importing this module is all that the help needs, so it is light: what the work needs is imported when there is some.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sr4k.cli import stream_options as o
from sr4k.cli.encoder_options import parse_pairs
from sr4k.cli.one_line_errors import errors_in_one_line
from sr4k.cli.version import Version
from sr4k.live.address import is_live
from sr4k.media.remote_path import is_in_bucket, is_remote

if TYPE_CHECKING:
    from sr4k.configs import Preset


def stream(
    sources: o.Sources,
    target: o.Target,
    config: o.Config = None,
    form: o.Format = None,
    codec: o.Codec = None,
    encoder: o.Encoder = None,
    crf: o.Crf = None,
    bitrate: o.Bitrate = None,
    preset: o.Speed = None,
    encoder_option: o.EncoderOption = None,
    size: o.Size = None,
    scale: o.Scale = None,
    fit: o.Fit = "inside",
    deinterlace: o.Deinterlace = "auto",
    preview: o.Preview = None,
    track: o.Map = o.FIRST,
    rate: o.Rate = None,
    engine: o.Engine = None,
    device: o.Device = None,
    model: o.Model = None,
    target_fps: o.TargetFps = None,
    weights: o.Weights = None,
    precision: o.Precision = None,
    pixels: o.Pixels = None,
    threads: o.Threads = None,
    lanes: o.Lanes = None,
    devices: o.Devices = None,
    reuse: o.Reuse = None,
    reuse_threshold: o.ReuseThreshold = None,
    passes: o.Passes = None,
    source_quality: o.SourceQuality = None,
    sharpness: o.Sharpness = None,
    workers: o.Workers = None,
    realtime: o.Realtime = False,
    sound: o.Sound = True,
    slate: o.Slate = None,
    segments: o.Segments = None,
    metrics: o.Metrics = None,
    log_format: o.LogFormat = "text",
    at_once: o.AtOnce = None,
    recursive: o.Recursive = False,
    overwrite: o.Overwrite = False,
    skip_existing: o.SkipExisting = False,
    resume: o.Resume = False,
    strict: o.Strict = False,
    cluster: o.Cluster = None,
    path_map: o.PathMap = None,
    cluster_cpus: o.ClusterCpus = None,
    cluster_without_token: o.WithoutToken = False,
    compare: o.Compare = None,
    compare_layout: o.Layout = "split",
    dry_run: o.DryRun = False,
    as_json: o.Json = False,
    progress: o.Progress = o.AUTO,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    version: Version = False,  # noqa: ARG001 - its callback has printed it
) -> None:
    """Upscale videos, pictures or a live stream to twice their size, or to any other size.

    Each source frame gives one output frame with the same timestamp; sound, subtitles, chapters and tags are copied.

    Pictures: IN and OUT may be a .png, .jpg, .webp or .tif, or an image sequence such as frames/%05d.png.

    Pipes: IN - is standard input, in any format that can be read forwards; OUT - is standard output.

    Live streams: IN may be rtmp(s), rtsp, http(s) or HLS, udp, srt, or a test pattern, pattern://1280x720@30; OUT may
    be rtmp(s), rtsp, udp, srt, whip(s), a playlist.m3u8 or a recording, and there may be several. If the source goes
    away, the stream waits for it.

    Ctrl-C ends a job early and leaves a playable file with the frames done so far; a second Ctrl-C stops at once.
    --resume continues a job, whatever ended it.

    Exit codes: 0 done, 9 done but the source was damaged, 3 the source can't be read, or --strict found damage, 130 or
    143 ended early by a signal, 141 the reader of OUT - has closed it, others: an error.
    """
    with (
        errors_in_one_line(verbose=verbose) as redaction,
        _warmed_up(sources, target, wanted=workers != "threads" and not dry_run and cluster is None),
    ):
        from sr4k.cli.cluster_options import ClusterOptions
        from sr4k.cli.file_options import FileOptions
        from sr4k.cli.live_options import LiveOptions
        from sr4k.cli.shared_options import SharedOptions
        from sr4k.configs import load_preset
        from sr4k.jobs.keywords import weights_given, with_encoder
        from sr4k.jobs.parse import parse_count, parse_devices
        from sr4k.jobs.result_size import result_size
        from sr4k.jobs.setting_errors import errors_by_option

        files = FileOptions(
            speed=preset,
            form=form,
            deinterlace=deinterlace,
            preview=preview,
            track=track,
            rate=rate,
            target_fps=target_fps,
            is_auto=model == o.AUTO,
            at_once=None if at_once is None else parse_count(at_once, "at_once"),
            recursive=recursive,
            overwrite=overwrite,
            skip_existing=skip_existing,
            resume=resume,
            strict=strict,
            compare=compare or [],
            compare_layout=compare_layout,
            dry_run=dry_run,
            progress=progress,
            cluster=ClusterOptions(cluster, path_map or [], cluster_cpus, cluster_without_token),
        )
        live = LiveOptions(sound=sound, slate=slate, segments=segments, metrics=metrics, log_format=log_format)
        addresses = (*(text for text in sources if cluster is None or not is_remote(text)), target)
        is_stream = realtime or any(is_live(text) and not is_in_bucket(text) for text in addresses)
        chosen = _Given(
            engine={
                "name": engine,
                "device": device,
                "model": None if model == o.AUTO else model,
                "weights": weights_given(weights),
                "precision": precision,
                "pixels": pixels,
                "threads": threads,
                "reuse": reuse,
                "reuse_threshold": reuse_threshold,
                "passes": passes,
                "source_quality": source_quality,
                "sharpness": sharpness,
            },
            graph={"mode": workers, "lanes": lanes, "devices": devices and parse_devices(devices)},
            live={"slate": slate, "segments": segments},
        ).over(load_preset(config or ("live" if is_stream else "file")))
        with errors_by_option():
            chosen = with_encoder(chosen, codec, encoder, crf, bitrate, preset, parse_pairs(encoder_option or []))
            wanted = result_size(size, scale, fit, usual=None)
        shared = SharedOptions(size=wanted, as_json=as_json, quiet=quiet, verbose=verbose, redaction=redaction)
        if is_stream:
            from sr4k.cli.live import run_live

            files.refuse_for_live((*sources, target))
            run_live(sources[0], [*sources[1:], target], chosen, live, shared)
        else:
            from sr4k.cli.files import run_files

            live.refuse_for_files()
            files.refuse_for_pipes(sources, target, as_json=as_json)
            run_files(sources, target, chosen, files, shared)


@contextmanager
def _warmed_up(sources: list[str], target: str, *, wanted: bool) -> Iterator[None]:
    """Let the processes for a file begin to import while the options are read, unless standard output is the target."""
    if not wanted or target.startswith(("-", "/dev/")) or not os.path.isfile(sources[0]):  # noqa: PTH113 - raises nothing
        yield
        return
    from sr4k.pipeline.fork_server import warmed_up

    with warmed_up("sr4k.stages.decode", "sr4k.stages.encode"):
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """Options that were given, by preset section and key; ``None``: not given."""

    engine: dict[str, Any]
    graph: dict[str, Any]
    live: dict[str, Any]

    def over(self, preset: "Preset") -> "Preset":
        """Return the preset with the options that were given.

        Raises:
            OptionError: an option has a value that it can't have.
        """
        from sr4k.jobs.setting_errors import errors_by_option, keywords_of

        changes = {"engine": self.engine, "graph": self.graph, "live": self.live}
        with errors_by_option({name for section, of in changes.items() for name in keywords_of(section, of)}):
            preset = preset.updated("engine", **self.engine).updated("graph", **self.graph).updated("live", **self.live)
            slate: Path | None = self.live["slate"]
            return preset.updated("live", slate=slate and slate.absolute())
