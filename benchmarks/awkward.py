"""Upscale files that break tools, and report how each ended.

    python benchmarks/awkward.py FOLDER [--results FOLDER]

The command line upscales every file, without a network, into the same container. The table has what the command
printed, its exit code, and how far the timestamps of video, and of audio that is copied, are from those of the source.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from sr4k.bench import machine

_CONTAINERS = {".webm": ".mkv", ".flv": ".mkv", ".h264": ".mkv"}
"""Container of the result, by suffix, for containers that can't be written or can't hold H.264."""


def main() -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--results", type=Path, help="folder for awkward.md")
    args = parser.parse_args()
    rows = [row_of(path) for path in sorted(args.folder.iterdir())]
    lines = [
        "# Files that break tools",
        "",
        f"`python benchmarks/awkward.py FOLDER`; {machine.in_words(machine.describe())}",
        "",
        "Without a network. Timestamps: of all frames, and of all packets of copied audio, against the source's.",
        "",
        "| file | frames | timestamps | exit code | printed |",
        "|---|---|---|---|---|",
        *rows,
    ]
    page = "\n".join(lines) + "\n"
    print(page)
    if args.results:
        (args.results / "awkward.md").write_text(page)


def row_of(source: Path) -> str:
    """Upscale one file and return its row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"out{_CONTAINERS.get(source.suffix, source.suffix)}"
        command = [str(Path(sys.executable).with_name("sr4k-stream")), str(source), str(target)]
        options = ["--engine", "nearest", "--preset", "ultrafast", "--json"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        summary: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        times = _times(source, target) if target.exists() else "no output"
    printed = "; ".join(_short(line, source) for line in done.stderr.splitlines()) or "nothing"
    return f"| {source.name} | {summary.get('frames', 0)} | {times} | {done.returncode} | {printed} |"


def _times(source: Path, target: Path) -> str:
    """Return how the timestamps of two files differ, in words."""
    apart = []
    for kind in ("video", "audio"):
        there, here = _of(source, kind), _of(target, kind)
        if kind == "audio" and _codec(source) != _codec(target):
            continue
        if there and here:
            apart.append(max(abs(a - b) for a, b in zip(there, here, strict=False)) + (len(there) != len(here)))
    if not apart:
        return "no common stream"
    return "equal" if not max(apart) else f"up to {1000 * float(max(apart)):.3f} ms apart"


def _of(path: Path, kind: str) -> list[Fraction]:
    """Return the times of all frames that can be decoded, or of all audio packets, in seconds."""
    found: list[Fraction] = []
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        if not streams:
            return []
        streams[0].thread_type = "AUTO" if kind == "video" else "SLICE"
        for packet in container.demux(streams[0]):
            try:
                parts = packet.decode() if kind == "video" else [packet]
            except av.error.FFmpegError:
                continue
            found += [part.pts * packet.time_base for part in parts if part.pts is not None and packet.time_base]
    return found


def _codec(path: Path) -> str | None:
    """Return the codec of the first audio stream."""
    with av.open(str(path)) as container:
        return next((stream.codec_context.name for stream in container.streams.audio), None)


def _short(line: str, source: Path) -> str:
    for word in ("WARNING ", "warning: ", "error: ", f"{source}: ", f"{source.name}: "):
        line = line.removeprefix(word)
    return line.replace("|", "/")


if __name__ == "__main__":
    main()
