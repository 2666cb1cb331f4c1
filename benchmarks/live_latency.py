"""Measure how much latency upscaling adds to a live stream, and where the time goes.

    python benchmarks/live_latency.py [--size 320x180@25] [--seconds 30] [--results FOLDER] [OPTIONS]

A publisher sends numbered pictures to a server, where one viewer watches them. The channel pulls them, upscales them
and pushes them to the same server, where another viewer watches. The latency that the channel adds is the difference
between both viewers for the same picture. OPTIONS are passed to sr4k-stream. Needs nginx with its RTMP module
(apt-get install nginx libnginx-mod-rtmp).
"""

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, get_args

from rig.channel import Channel, eventually
from rig.publish import Publisher
from rig.servers import NginxRtmp
from rig.view import Viewer, between, measure
from sr4k.bench.machine import describe, in_words
from sr4k.bench.report import store
from sr4k.live.channel_reports import DropCause
from sr4k.live.histogram import LATENCIES

STAGES = ("preprocess", "infer", "reconstruct", "convert", "playout")
SOURCES = ["320x180@25", "960x540@10"]
CAUSES = get_args(DropCause)
BOUNDS = (*map(str, LATENCIES), "+Inf")

_SETTLING = 5.0
"""Seconds from the first picture of a channel to the start of the viewers."""

_CATCHING_UP = 2.0
"""Seconds that a viewer needs to start, which are not measured."""


def main() -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--size", action="append", help=f"size and rate of the source; may be repeated; default: {' '.join(SOURCES)}"
    )
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--results", type=Path, help="folder for live_latency.json and live_latency.md")
    args, options = parser.parse_known_args()  # the rest is passed to sr4k-stream
    sizes = args.size or SOURCES
    result = {
        "machine": describe(),
        "seconds": args.seconds,
        "options": options,
        "load": os.getloadavg()[0],
        "sizes": {size: run(size, args.seconds, tuple(options)) for size in sizes},
    }
    text = as_markdown(result)
    print(text)
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    if args.results:
        store(args.results, "live_latency", result, text)


def run(size: str, seconds: float, options: tuple[str, ...]) -> dict[str, Any]:
    """Run one channel, watched at its source and its target; return the measurements.

    Raises:
        SystemExit: No picture was seen on both sides.
    """
    width, height, rate = map(int, size.replace("@", "x").split("x"))
    with NginxRtmp() as server, Publisher(server.url("in"), size=(width, height), rate=rate) as publisher:
        with Channel(server.url("in"), server.url("out"), options=options) as channel:
            eventually(lambda: channel.states().get("ready"), 60, "a channel that is ready")
            time.sleep(_SETTLING)
            with Viewer(server.url("in")) as near, Viewer(server.url("out")) as far:
                time.sleep(_CATCHING_UP)
                before = tally(channel)
                time.sleep(seconds)
                after = tally(channel)
                seen = near.lines(), far.lines()
        sent = publisher.lines()
    return report(sent, *seen, before, after)


def tally(channel: Channel) -> dict[str, float]:
    """Return the current values of the metrics that matter here."""
    value = channel.value
    found = {f"left out: {cause}": value("dropped_frames_total", f'cause="{cause}"') for cause in CAUSES}
    for stage in STAGES:
        found[f"busy: {stage}"] = value("stage_busy_seconds_total", f'stage="{stage}"')
        found[f"frames: {stage}"] = value("stage_frames_total", f'stage="{stage}"')
    return found | {
        "ladder_steps": value("ladder_steps_total"),
        "ladder_rung": value("ladder_rung"),
        **{f"within {bound}": value("latency_seconds_bucket", f'le="{bound}"') for bound in BOUNDS},
    }


def median_within(grown: dict[str, float]) -> float:
    """Return the median latency in seconds, interpolated between two bounds of the histogram."""
    half, low, below = grown["within +Inf"] / 2, 0.0, 0.0
    for bound in LATENCIES:
        count = grown[f"within {bound}"]
        if count >= half and count > below:
            return low + (bound - low) * (half - below) / (count - below)
        low, below = bound, count
    return low


def report(
    sent: list[dict[str, Any]],
    near: list[dict[str, Any]],
    far: list[dict[str, Any]],
    before: dict[str, float],
    after: dict[str, float],
) -> dict[str, Any]:
    """Return what both viewers saw, and where the time between them goes; times are in seconds.

    ``inside``: median from receiving a picture to sending its packet; ``stages``: mean busy time per picture.

    Raises:
        SystemExit: No picture was seen on both sides.
    """
    grown = {name: after[name] - before[name] for name in after}
    added = between(near, far)
    if not added:
        raise SystemExit("No picture was seen on both sides.")
    return {
        "source": asdict(measure(sent, near)),
        "upscaled": asdict(measure(sent, far)),
        "pairs": len(added),
        "added": median(added),
        "added_p95": added[len(added) * 95 // 100],
        "inside": median_within(grown),
        "stages": {stage: grown[f"busy: {stage}"] / max(1.0, grown[f"frames: {stage}"]) for stage in STAGES},
        "left_out": {cause: grown[f"left out: {cause}"] for cause in CAUSES},
        "ladder_steps": grown["ladder_steps"],
        "ladder_rung": after["ladder_rung"],
    }


def as_markdown(result: dict[str, Any]) -> str:
    """Return a Markdown page with two tables: what viewers see, and where the time goes."""
    command = " ".join(["sr4k-stream", "rtmp://…", "rtmp://…", *result["options"]])
    lines = [
        "# Latency of live streams",
        "",
        f"`python benchmarks/live_latency.py`: `{command}`, watched for {result['seconds']:.0f} s; "
        "publisher, server, channel and both viewers share one machine: "
        f"{in_words(result['machine'])}. Processes that ran or waited for a CPU in the minute before: "
        f"{result['load']:.1f}.",
        "",
        "Time from sending a picture until a viewer has decoded it, for the source and for the upscaled stream; "
        "added: difference between both viewers for the same picture.",
        "",
        "| source | median, ms | 95th percentile, ms | upscaled, median, ms | 95th percentile, ms "
        "| added, median, ms | 95th percentile, ms "
        "| lost | repeated | out of order | worst offset of audio |",
        "|" + "---|" * 11,
    ]
    for size, found in result["sizes"].items():
        source, upscaled = found["source"], found["upscaled"]
        latencies = (
            *(seen[key] for seen in (source, upscaled) for key in ("latency", "latency_p95")),
            found["added"],
            found["added_p95"],
        )
        counts = (upscaled[key] for key in ("lost", "repeated", "reordered"))
        cells = [size, *map(_ms, latencies), *map(str, counts), f"{_ms(upscaled['offset_worst'])} ms"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Where the added time goes, ms per picture. Stages: mean busy time; inside: median from receiving a picture "
        "to sending its packet; outside: the rest, which is a second pass through the server, and the viewer's time to "
        "decode the larger picture.",
        "",
        f"| source | {' | '.join(STAGES)} | inside | outside | dropped | ladder |",
        "|" + "---|" * (len(STAGES) + 5),
    ]
    for size, found in result["sizes"].items():
        stages = found["stages"]
        rest = found["inside"], found["added"] - found["inside"]
        left_out = ", ".join(f"{count:.0f} {cause}" for cause, count in found["left_out"].items() if count) or "none"
        ladder = f"at rung {found['ladder_rung']:.0f}, {found['ladder_steps']:.0f} changes"
        cells = [size, *map(_ms, (*stages.values(), *rest)), left_out, ladder]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f}" if abs(seconds) >= 0.01 else f"{1000 * seconds:.1f}"


if __name__ == "__main__":
    main()
