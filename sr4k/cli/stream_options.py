"""The options of ``sr4k-stream``: their names and their help."""

from pathlib import Path
from typing import Annotated

import typer

from sr4k.common.logs import LogFormat as LogLines
from sr4k.common.shipped_files import shipped_names
from sr4k.jobs.parse import NAMED_SIZES
from sr4k.media.options import Deinterlace as Fields
from sr4k.media.options import Fit as Shape
from sr4k.quality import CompareLayout

FIRST = "0"
"""Default of ``--map``: the first video of the file."""

AUTO = "auto"

_PRESETS = shipped_names("sr4k.configs")

_WRITTEN = "Output"
_PICTURE = "Picture"
_NETWORK = "Network"
_LIVE = "Live streams"
_FILES = "Files"
_CLUSTER = "Many machines"
_LOOKS = "Comparison and reports"

Sources = Annotated[
    list[str],
    typer.Argument(
        help="The video to upscale, several videos, or a folder of videos; - for standard input; an s3:// address, or "
        "with --cluster http(s)://; or the URL of a live stream.",
        metavar="IN",
    ),
]
Target = Annotated[
    str,
    typer.Argument(
        help="The file to write, whose suffix selects the container; or a folder, which is created if needed: with a "
        "single video, end its name with a slash; - for standard output, in the format of -f; with --cluster an "
        "s3:// address. For a live stream: a URL to push to, an HLS playlist (.m3u8) or a recording, or several "
        "of them.",
        metavar="OUT",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        help="Format for OUT -: matroska, nut, mpegts, webm or flv; or, without sound and without compression, "
        "yuv4mpegpipe (or y4m) or rawvideo. Default: matroska.",
        metavar="FORMAT",
        rich_help_panel=_WRITTEN,
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        help=f"Preset that sets the defaults of the other options: {', '.join(_PRESETS)}, or the path of a YAML "
        "file. Default: file; for live streams, live.",
        metavar="PRESET",
    ),
]

Codec = Annotated[
    str | None,
    typer.Option(
        help="Video codec: h264, hevc, av1, or auto, which is h264, or hevc for more than 8 bits, or av1 for .webm. "
        "Default: auto.",
        metavar="CODEC",
        rich_help_panel=_WRITTEN,
    ),
]
Encoder = Annotated[
    str | None,
    typer.Option(
        help="Encoder of that codec: software, on the CPU; nvenc on an NVIDIA GPU, qsv on Intel's, amf on AMD's, vaapi "
        "on any that Linux reaches by VA-API; or auto, which is software, or nvenc if it works where frames stay on an "
        "NVIDIA GPU (-c nvenc). sr4k doctor lists those that work here. Default: auto.",
        metavar="ENCODER",
        rich_help_panel=_WRITTEN,
    ),
]
Crf = Annotated[
    int | None,
    typer.Option(
        help="Constant rate factor (files only), lower is better: 0 to 51 for h264 and hevc, 1 to 63 for av1. "
        "Default: 19 for h264 (18 with --preset), 21 for hevc, 30 for av1. Other encoders than software have scales of "
        "their own.",
        rich_help_panel=_WRITTEN,
    ),
]
Bitrate = Annotated[
    str | None,
    typer.Option(
        help="Bit rate in bits per second, such as 20M or 800k, instead of --crf.",
        metavar="RATE",
        rich_help_panel=_WRITTEN,
    ),
]
Speed = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="Speed of the encoder, from fast to slow: ultrafast to placebo for h264 and hevc, 13 to 0 for av1; p1 to "
        "p7 for nvenc, veryfast to veryslow for qsv, speed to quality for amf, 7 to 1 for vaapi. Slower makes smaller "
        "files. Default: a lighter superfast for h264, superfast for hevc, 10 for av1; p4, medium, balanced or the "
        "driver's.",
        metavar="NAME",
        rich_help_panel=_WRITTEN,
    ),
]
EncoderOption = Annotated[
    list[str] | None,
    typer.Option(
        "-e",
        help="Encoder option by its FFmpeg name, such as tune=film; may be given several times.",
        metavar="KEY=VALUE",
        rich_help_panel=_WRITTEN,
    ),
]

Size = Annotated[
    str | None,
    typer.Option(
        help=f"Size of the result: {', '.join(NAMED_SIZES)}, WIDTHxHEIGHT in pixels, or a factor as for --scale. The "
        "network's result is scaled to it; above 2.2 times the source's size, the network runs twice. Default: x2.",
        metavar="SIZE",
        rich_help_panel=_PICTURE,
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        help="Factor by which the result is wider and higher than the source, such as 1.5, 2, 3 or 4; or a size as for "
        "--size. Default: 2.",
        metavar="FACTOR",
        rich_help_panel=_PICTURE,
    ),
]
Fit = Annotated[
    Shape,
    typer.Option(
        help="Method to fit a video with a different aspect ratio into --size: inside keeps the ratio and makes the "
        "result smaller; pad adds black bars; stretch fills the size and sets the sample aspect ratio (SAR), so that "
        "players show the right shape.",
        rich_help_panel=_PICTURE,
    ),
]
Deinterlace = Annotated[
    Fields,
    typer.Option(
        help="Method of deinterlacing: auto makes one frame of each interlaced frame, double makes one of each field, "
        "off leaves frames interlaced.",
        rich_help_panel=_PICTURE,
    ),
]
Preview = Annotated[
    str | None,
    typer.Option(
        help="Upscale only a part, to see what it looks like, such as 10s@00:05:00: ten seconds from five minutes on.",
        metavar="LENGTH@FROM",
        rich_help_panel=_PICTURE,
    ),
]
Map = Annotated[
    str,
    typer.Option(
        "--map",
        help="Video stream to upscale if the file has several: its number, from 0, or i: and its id, such as i:0x101.",
        metavar="N",
        rich_help_panel=_PICTURE,
    ),
]
Rate = Annotated[
    str | None,
    typer.Option(
        help="Frame rate, in frames per second, such as 24 or 30000/1001. Of an image sequence; default: 25. Or of raw "
        "video to standard output, for which frames are repeated and dropped; default: the source's, which has to be "
        "constant.",
        metavar="RATE",
        rich_help_panel=_PICTURE,
    ),
]

Engine = Annotated[
    str | None,
    typer.Option(
        help="Backend that runs the network: tensorrt or cuda on an NVIDIA GPU, openvino or torch on the CPU, or auto, "
        "the best one that this machine can use. Default: auto.",
        metavar="ENGINE",
        rich_help_panel=_NETWORK,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Device that OpenVINO runs the network on: cpu; gpu, an Intel GPU, or gpu.1, the second; npu, an Intel "
        "NPU; or auto, the fastest. Others than the CPU must give its picture of a test frame first. Default: cpu.",
        metavar="DEVICE",
        rich_help_panel=_NETWORK,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Network that upscales; sr4k models lists all, and those that you added. Or the path of an ONNX file. "
        "Networks that keep the size may come first: clean+luma. Default: luma. auto: luma, or a smaller one if this "
        "machine is too slow for --target-fps, or for a live stream.",
        metavar="MODEL",
        rich_help_panel=_NETWORK,
    ),
]
TargetFps = Annotated[
    str | None,
    typer.Option(
        help="Frames per second that are wanted of a file, such as 25 or 30000/1001: a few seconds of it are upscaled "
        "first, and if that is too slow, a smaller network is used. If that takes no more than a second, the start-up "
        "counts.",
        metavar="RATE",
        rich_help_panel=_NETWORK,
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="Folder or checkpoint with your own weights for the network. Default: the weights that are shipped.",
        rich_help_panel=_NETWORK,
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        help="Number format of the network: int8, fp32, fp16 (on GPUs, and for networks of yours on CPUs that have "
        "it), bf16 (for networks of yours, on CPUs that have it), or auto, which is int8 if the weights are "
        "calibrated for it. Default: auto.",
        metavar="FORMAT",
        rich_help_panel=_NETWORK,
    ),
]
Pixels = Annotated[
    str | None,
    typer.Option(
        help="Colour planes that the network works on: yuv or bgr (slower). Default: yuv for videos, bgr for pictures.",
        metavar="PLANES",
        rich_help_panel=_NETWORK,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="CPU threads for each lane's network. Default: an equal share of the CPUs that this process may use.",
        rich_help_panel=_NETWORK,
    ),
]
Lanes = Annotated[
    str | None,
    typer.Option(
        help="Number of lanes, which are networks that run in parallel and take frames in turn; or auto, one for every "
        "16 CPUs. Default: auto.",
        metavar="N",
        rich_help_panel=_NETWORK,
    ),
]
Devices = Annotated[
    str | None,
    typer.Option(
        help="NVIDIA GPUs to use, by number, such as 0,1: they take frames in turn. Default: the first.",
        metavar="N,N",
        rich_help_panel=_NETWORK,
    ),
]
Reuse = Annotated[
    bool | None,
    typer.Option(
        "--reuse/--no-reuse",
        help="Reuse earlier results where the picture did not change, or moved by whole pixels. Default: --reuse.",
        rich_help_panel=_NETWORK,
    ),
]
ReuseThreshold = Annotated[
    int | None,
    typer.Option(
        help="Levels, of 255, by which a pixel may differ and still count as unchanged. Default: 0.",
        rich_help_panel=_NETWORK,
    ),
]
Passes = Annotated[
    int | None,
    typer.Option(
        help="Maximum number of passes through the network, 1 or 2. Results of more than 2.2 times their source's size "
        "take two; 1 is three times as fast there, and an interpolation filter does the rest. Default: 2.",
        rich_help_panel=_NETWORK,
    ),
]
SourceQuality = Annotated[
    str | None,
    typer.Option(
        help="Compression of the source, which the network's weights follow: auto, as measured frame by frame; clean; "
        "or 0 (clean) to 51, the QP at which H.264 would lose as much. Default: auto.",
        metavar="QUALITY",
        rich_help_panel=_NETWORK,
    ),
]
Sharpness = Annotated[
    int | None,
    typer.Option(
        help="Crispness of the result, at hardly any cost in time: 0 is most faithful to the source, 100 is for eyes "
        "rather than meters. For the models whose names begin with luma. Default: 0.",
        metavar="0-100",
        rich_help_panel=_NETWORK,
    ),
]
Workers = Annotated[
    str | None,
    typer.Option(
        help="Way to run the workers that decode, upscale and encode: as processes, or as threads of one process. "
        "Default: processes.",
        metavar="KIND",
        rich_help_panel=_NETWORK,
    ),
]

AtOnce = Annotated[
    str | None,
    typer.Option(
        help="Number of videos to upscale at the same time. Default: one for every four CPUs.",
        metavar="N",
        rich_help_panel=_FILES,
    ),
]
Recursive = Annotated[
    bool,
    typer.Option(
        "--recursive",
        "-r",
        help="Include the videos in subfolders of a folder.",
        rich_help_panel=_FILES,
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace OUT if it exists already.", rich_help_panel=_FILES)
]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Skip videos whose result exists already.", rich_help_panel=_FILES)
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue where an earlier run of the same command was interrupted.",
        rich_help_panel=_FILES,
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Stop at the first damaged or missing frame, and write nothing.",
        rich_help_panel=_FILES,
    ),
]

Realtime = Annotated[
    bool,
    typer.Option(
        "--realtime", help="Play a file at its own speed, as if it were a live stream.", rich_help_panel=_LIVE
    ),
]
Sound = Annotated[
    bool,
    typer.Option("--sound/--no-sound", help="Include the sound of a live stream.", rich_help_panel=_LIVE),
]
Slate = Annotated[
    Path | None,
    typer.Option(
        help="Picture to show while the source of a live stream is away. Default: the last frame.",
        rich_help_panel=_LIVE,
    ),
]
Segments = Annotated[
    str | None,
    typer.Option(
        help="Container of the segments of an HLS playlist: ts or fmp4. Default: ts.",
        metavar="KIND",
        rich_help_panel=_LIVE,
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        help="Address to serve a live stream's /metrics, /health and /ready on, such as :9108. Default: none.",
        metavar="HOST:PORT",
        rich_help_panel=_LIVE,
    ),
]
LogFormat = Annotated[
    LogLines,
    typer.Option(help="Format of a live stream's log lines: text or json.", rich_help_panel=_LIVE),
]

Cluster = Annotated[
    str | None,
    typer.Option(
        help="Ray cluster that makes the video, a segment per machine at a time: auto, HOST:PORT, ray://HOST:PORT, or "
        "local:N, a private one of N machines on this one, to try it. The result is the same as without.",
        metavar="WHERE",
        rich_help_panel=_CLUSTER,
    ),
]
PathMap = Annotated[
    list[str] | None,
    typer.Option(
        help="Folder that the cluster's machines have at another path; may be given several times.",
        metavar="/HERE=/THERE",
        rich_help_panel=_CLUSTER,
    ),
]
ClusterCpus = Annotated[
    str | None,
    typer.Option(
        help="CPUs for each segment. Default: those of the cluster's smallest machine, but at most 16.",
        metavar="N",
        rich_help_panel=_CLUSTER,
    ),
]
WithoutToken = Annotated[
    bool,
    typer.Option(
        "--cluster-without-token",
        help="Use a cluster that asks for no token. Whoever reaches its ports can run anything on it.",
        rich_help_panel=_CLUSTER,
    ),
]

Compare = Annotated[
    list[Path] | None,
    typer.Option(
        help="File to write a comparison of source and result to: a video, or a picture such as .png with enlarged "
        "details; may be given several times.",
        metavar="FILE",
        rich_help_panel=_LOOKS,
    ),
]
Layout = Annotated[
    CompareLayout,
    typer.Option(
        "--compare-layout",
        help="Layout of the --compare video: split shows the left half of the source and the right half of the result; "
        "side shows both in full, side by side.",
        rich_help_panel=_LOOKS,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Write nothing: print what would be done, and the estimated time, size and memory.",
        rich_help_panel=_LOOKS,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print a summary as JSON on stdout.", rich_help_panel=_LOOKS)]
Progress = Annotated[
    str,
    typer.Option(
        help="Format of the progress on stderr: auto, which is bars on a terminal and lines elsewhere; json, one line "
        "of JSON per job and second; or json:N, the same on file descriptor N.",
        metavar="FORM",
        rich_help_panel=_LOOKS,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print no progress and no summary; warnings stay.", rich_help_panel=_LOOKS),
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Log more, and print tracebacks of errors.", rich_help_panel=_LOOKS),
]
