"""Compare videos side by side (`--at-once`) with the same videos one after the other.

    python benchmarks/at_once.py [--videos 4] [--frames 60] [--rounds 3] [--results benchmarks/results]

Each round upscales all the videos, 720p of different content, by whole commands: one at a time, two at once, and all at
once, in an order that turns from round to round. Compared are the frames per second of all of them, start-up included,
and the memory and threads of all processes.
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av

from rig.watched import watched
from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.media.sample_pattern import draw

HERE = Path(__file__).parent
SIZE = (1280, 720)


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=4)
    parser.add_argument("--frames", type=int, default=60, help="of each video")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rounds = compare(Path(folder), args.videos, args.frames, args.rounds)
    result = {"machine": machine.describe(), "videos": args.videos, "frames": args.frames, "rounds": rounds}
    text = as_markdown(result)
    store(args.results, "at_once", result, text)
    print(text)


def compare(work: Path, videos: int, frames: int, rounds: int) -> list[dict[str, Any]]:
    """Return by round what each number at once took."""
    clips = [write_clip(work / f"{number}.mp4", number, frames) for number in range(videos)]
    numbers = sorted({1, min(2, videos), videos})
    made = []
    for count in range(rounds):
        turned = numbers[count % len(numbers) :] + numbers[: count % len(numbers)]
        made.append({str(at_once): asdict(run(clips, work / "out", at_once)) for at_once in turned})
        print(json.dumps(made[-1]), file=sys.stderr)
    return made


def write_clip(path: Path, number: int, frames: int) -> Path:
    """Write a clip of a moving pattern, which begins elsewhere for each number."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"crf": "18", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        for k in range(frames):
            out.mux(video.encode(av.VideoFrame.from_ndarray(draw(1000 * number + k, SIZE), format="rgb24")))
        out.mux(video.encode(None))
    return path


def run(clips: list[Path], target: Path, at_once: int) -> Any:
    """Upscale all clips into a folder, as a user does, every frame by the network."""
    command = [Path(sys.executable).parent / "sr4k-stream", *clips, target, "--at-once", str(at_once)]
    return watched([*command, "--overwrite", "--quiet", "--no-reuse"])


def as_markdown(result: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    rounds, frames = result["rounds"], result["videos"] * result["frames"]
    lines = [
        "# Several videos at once",
        "",
        f"`python benchmarks/at_once.py`; {machine.in_words(result['machine'])}",
        "",
        f"{result['videos']} videos of {result['frames']} frames, {SIZE[1]}p to {2 * SIZE[1]}p, whole "
        f"commands with the default preset, {len(rounds)} rounds. The ratio is the median of those within a round.",
        "",
        "| at once | frames/s | range | against one at a time | memory, MiB | threads |",
        "|---|---|---|---|---|---|",
    ]
    for at_once in sorted(rounds[0], key=int):
        seconds = [made[at_once]["seconds"] for made in rounds]
        ratio = statistics.median(made["1"]["seconds"] / made[at_once]["seconds"] for made in rounds)
        mib, threads = (max(made[at_once][fact] for made in rounds) for fact in ("mib", "threads"))
        lines.append(
            f"| {at_once} | {frames / statistics.median(seconds):.2f} | {frames / max(seconds):.2f}-"
            f"{frames / min(seconds):.2f} | **{ratio:.2f}** | {mib:.0f} | {threads} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
