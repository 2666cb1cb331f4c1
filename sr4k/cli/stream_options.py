"""The options of ``sr4k-stream``: how each is written, and what its help says."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sr4k.common.logs import LogFormat as LogLines
from sr4k.configs import preset_names
from sr4k.jobs.parse import NAMED_SIZES
from sr4k.media.options import Deinterlace as Fields
from sr4k.media.options import Fit as Shape

FIRST = "0"
"""Of several videos."""

AUTO = "auto"

_WRITTEN = "What is written"
_PICTURE = "Picture"
_NETWORK = "Network"
_LIVE = "Live streams"
_FILES = "Files"
_LOOKS = "Looks and reports"

Sources = Annotated[
    list[str],
    typer.Argument(
        help="The video to upscale, or several, or a folder of them; or the URL of a live stream.", metavar="IN"
    ),
]
Target = Annotated[
    str,
    typer.Argument(
        help="The file to write; its suffix chooses the container. Or a folder, which is made if need be: end it with "
        "a slash for a single video. For a live stream: a URL to push to, an HLS playlist (.m3u8) or a recording, or "
        "several of them.",
        metavar="OUT",
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        help=f"Preset with the defaults of the options: {', '.join(preset_names())}, or the path of a YAML file. "
        "Default: file, and live for live streams.",
        metavar="PRESET",
    ),
]

Codec = Annotated[
    str | None,
    typer.Option(
        help="Video codec: h264, hevc or av1; h264_nvenc, hevc_nvenc or av1_nvenc on an NVIDIA GPU; or auto, which is "
        "h264, hevc for more than 8 bits, av1 in .webm; or auto_nvenc, the same on the GPU. Default: auto.",
        metavar="CODEC",
        rich_help_panel=_WRITTEN,
    ),
]
Crf = Annotated[
    int | None,
    typer.Option(
        help="Constant quality of the encoder, lower is better: 0 to 51 for h264 and hevc, 1 to 63 for av1. Default: "
        "18 for h264, 21 for hevc, 30 for av1.",
        rich_help_panel=_WRITTEN,
    ),
]
Bitrate = Annotated[
    str | None,
    typer.Option(
        help="Bit rate in bits a second, such as 20M or 800k, in place of --crf.",
        metavar="RATE",
        rich_help_panel=_WRITTEN,
    ),
]
Speed = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="Speed of the encoder: ultrafast to placebo for h264 and hevc, 13 to 0 for av1, p1 to p7 for NVENC. "
        "Slower makes smaller files. Default: superfast, 10, p4.",
        metavar="NAME",
        rich_help_panel=_WRITTEN,
    ),
]
EncoderOption = Annotated[
    list[str] | None,
    typer.Option(
        "-e",
        help="Further option of the encoder, by its FFmpeg name, such as tune=film; may be given several times.",
        metavar="KEY=VALUE",
        rich_help_panel=_WRITTEN,
    ),
]

Size = Annotated[
    str | None,
    typer.Option(
        help=f"Size of the result: {', '.join(NAMED_SIZES)}, WIDTHxHEIGHT in pixels, or x2, twice the source's. "
        "Default: x2.",
        metavar="SIZE",
        rich_help_panel=_PICTURE,
    ),
]
Fit = Annotated[
    Shape,
    typer.Option(
        help="Way in which a picture of another shape goes into --size: inside keeps its shape, and the result is "
        "smaller; pad adds black bars; stretch fills the size, and players are told the shape of the pixels.",
        rich_help_panel=_PICTURE,
    ),
]
Deinterlace = Annotated[
    Fields,
    typer.Option(
        help="Treatment of interlaced pictures: auto makes one picture of each, double makes one of each field, off "
        "leaves them interlaced.",
        rich_help_panel=_PICTURE,
    ),
]
Preview = Annotated[
    str | None,
    typer.Option(
        help="Upscale a part only, to see what it looks like, such as 10s@00:05:00: ten seconds, from five minutes on.",
        metavar="LENGTH@FROM",
        rich_help_panel=_PICTURE,
    ),
]
Map = Annotated[
    str,
    typer.Option(
        "--map",
        help="Video to upscale of several in the file: its number, from 0, or i: and its id, such as i:0x101.",
        metavar="N",
        rich_help_panel=_PICTURE,
    ),
]
Rate = Annotated[
    str | None,
    typer.Option(
        help="Frame rate of an image sequence, in pictures a second, such as 24 or 30000/1001. Default: 25.",
        metavar="RATE",
        rich_help_panel=_PICTURE,
    ),
]

Engine = Annotated[
    str | None,
    typer.Option(
        help="Program that runs the network: tensorrt or cuda on an NVIDIA GPU, openvino or torch on the CPU, or auto, "
        "the best that this machine can use. Default: auto.",
        metavar="ENGINE",
        rich_help_panel=_NETWORK,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Network that upscales: sr4k models lists all. Default: luma.", metavar="MODEL", rich_help_panel=_NETWORK
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="Folder or checkpoint with weights of your own for the network. Default: those that are shipped.",
        rich_help_panel=_NETWORK,
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        help="Number format of the network: int8, fp32, fp16 on a GPU, or auto, which is int8 where the network has a "
        "calibration. Default: auto.",
        metavar="FORMAT",
        rich_help_panel=_NETWORK,
    ),
]
Pixels = Annotated[
    str | None,
    typer.Option(
        help="Colour planes that the network works on: yuv, or bgr, which is slower. Default: yuv for videos, bgr for "
        "pictures.",
        metavar="PLANES",
        rich_help_panel=_NETWORK,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="CPU threads of each network. Default: its share of the CPUs that the machine grants.",
        rich_help_panel=_NETWORK,
    ),
]
Lanes = Annotated[
    str | None,
    typer.Option(
        help="Networks that work side by side, on frames in turn: a number, or auto, one for every 16 CPUs. "
        "Default: auto.",
        metavar="N",
        rich_help_panel=_NETWORK,
    ),
]
Devices = Annotated[
    str | None,
    typer.Option(
        help="GPUs that share the frames, by number, such as 0,1. Default: the first.",
        metavar="N,N",
        rich_help_panel=_NETWORK,
    ),
]
Reuse = Annotated[
    bool | None,
    typer.Option(
        "--reuse/--no-reuse",
        help="Take parts of a picture that did not change from the frame before. Default: --reuse.",
        rich_help_panel=_NETWORK,
    ),
]
ReuseThreshold = Annotated[
    int | None,
    typer.Option(
        help="Levels, of 255, by which a part may differ and still count as unchanged. Default: 0.",
        rich_help_panel=_NETWORK,
    ),
]
Workers = Annotated[
    str | None,
    typer.Option(
        help="Kind of workers that decode, upscale and encode: processes, or threads of one process. "
        "Default: processes.",
        metavar="KIND",
        rich_help_panel=_NETWORK,
    ),
]

AtOnce = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Videos of several that are upscaled at the same time. Default: one for every four CPUs.",
        rich_help_panel=_FILES,
    ),
]
Recursive = Annotated[
    bool,
    typer.Option(
        "--recursive",
        "-r",
        help="Upscale the videos in all folders below a folder as well.",
        rich_help_panel=_FILES,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an OUT that exists.", rich_help_panel=_FILES)]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Skip videos that have a result already.", rich_help_panel=_FILES)
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on where an earlier run of the same command was broken off.",
        rich_help_panel=_FILES,
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Stop at the first frame that is damaged or missing, and write nothing.",
        rich_help_panel=_FILES,
    ),
]

Realtime = Annotated[
    bool,
    typer.Option("--realtime", help="Play a file at its own pace, as if it were a live stream.", rich_help_panel=_LIVE),
]
Sound = Annotated[
    bool,
    typer.Option("--sound/--no-sound", help="Include the sound of a live stream.", rich_help_panel=_LIVE),
]
Slate = Annotated[
    Path | None,
    typer.Option(
        help="Picture to show while the source of a live stream is away. Default: the last picture stays.",
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
        help="Address at which a live stream answers /metrics, /health and /ready, such as :9108.",
        metavar="HOST:PORT",
        rich_help_panel=_LIVE,
    ),
]
LogFormat = Annotated[
    LogLines,
    typer.Option(help="Form of a live stream's log lines: plain text, or JSON.", rich_help_panel=_LIVE),
]

CompareLayout = Literal["split", "side"]
"""See `sr4k.quality.side_by_side.Layout`, which needs codecs."""

Compare = Annotated[
    list[Path] | None,
    typer.Option(
        help="Also write source and result beside each other: a video, or if it is a picture such as .png a sheet of "
        "enlarged details; may be given several times.",
        metavar="FILE",
        rich_help_panel=_LOOKS,
    ),
]
Layout = Annotated[
    CompareLayout,
    typer.Option(
        "--compare-layout",
        help="Arrangement of the --compare video: split shows one picture, the source on its left and the result on "
        "its right; side shows both whole.",
        rich_help_panel=_LOOKS,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Write nothing: print what would be done, and the time, size and memory that it would take.",
        rich_help_panel=_LOOKS,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print a summary as JSON on stdout.", rich_help_panel=_LOOKS)]
Progress = Annotated[
    str,
    typer.Option(
        help="Form of the progress on stderr: auto, which is bars on a terminal and lines elsewhere; json, an object "
        "on a line for each job and second; or json:N, the same on file descriptor N.",
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
