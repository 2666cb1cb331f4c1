"""Measure what encoders cost and what they make of upscaled frames: CPU seconds against bits at equal quality.

    python benchmarks/encoders.py --clips film=a.mp4 animation=b.mp4@3 street=c.mp4 screen --work /var/tmp/upscaled
    python benchmarks/encoders.py --parts search

Each clip (from a second on, if one is given) is upscaled to 4K once, and kept without loss in the folder ``--work``.
Without a file they are drawn: film, animation, sports and screen. Encoders run as in the product, one
at a time, from frames in memory. CPU seconds are of all of an encoder's threads; each encoding is run ``--rounds``
times, alternately with the others, and the least counts: other load on the machine only adds. Parts:

- ``search``: the neighbourhood of the fast settings of x264, on the middle of the frames, 1920x1080;
- ``curves``: the product's settings over a range of quality, on the middle of the frames too;
- ``usual``: these settings at their usual quality, on the middle of the frames;
- ``live``: a constant bit rate as for live streams, on the middle;
- ``whole``: whole frames of 4K, at their usual quality.

PSNR is of the luma of all frames, VMAF and VMAF-NEG (extra [vmaf]) of ``--vmaf`` frames in a row. Rows that the results
hold already are not measured again: an interrupted run continues.
"""

import argparse
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from rig.drawn_scenes import CLIPS, write_clip
from rig.encoders_report import as_markdown, plot
from rig.encoding import Footage, encoded, loaded, quality
from sr4k import Job, load_preset
from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.live.send.encoder_settings import encoder_settings
from sr4k.live.settings import PlayoutSettings
from sr4k.media.options import Codec, EncoderSettings

HERE = Path(__file__).parent
NAME = "encoders"
MIDDLE = (1920, 1080)
SECONDS = 4.4
"""Length of the upscaled part of a clip: more than 100 frames at 24 a second."""

Part = Literal["search", "curves", "usual", "live", "whole"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """Settings of an encoder; ``speed=None``: the product's usual one. ``crf``: the qualities of its curve."""

    codec: Codec = "h264"
    speed: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    crf: tuple[int, ...] = (18, 23, 28)


_PLUS = {"coder": "cabac", "deblock": "0:0", "subq": "1"}
_MINUS = {"bf": "0", "weightp": "none", "aq-mode": "none"}


def _ultrafast(**options: str) -> Point:
    return Point(speed="ultrafast", options=_PLUS | _named(options))


def _superfast(**options: str) -> Point:
    return Point(speed="superfast", options=_MINUS | _named(options))


def _named(options: dict[str, str]) -> dict[str, str]:
    return {key.replace("aq_", "aq-").replace("rc_", "rc-").replace("t8x8", "8x8"): v for key, v in options.items()}


PRODUCT = {
    "superfast": Point(speed="superfast"),
    "default": Point(),
    "ultrafast": Point(speed="ultrafast"),
    "medium": Point(speed="medium"),
    "SVT-AV1 10": Point("av1", "10", crf=(30, 38, 46)),
    "SVT-AV1 12": Point("av1", "12", crf=(30, 38, 46)),
    "x265 ultrafast": Point("hevc", "ultrafast", crf=(20, 24, 28)),
}
"""Settings of the parts ``curves`` and ``whole``; the first is what others are compared with."""

SEARCH = {
    "superfast": Point(speed="superfast"),
    "ultrafast": Point(speed="ultrafast"),
    "ultrafast +cabac": Point(speed="ultrafast", options={"coder": "cabac"}),
    "ultrafast +cabac +deblock": Point(speed="ultrafast", options={"coder": "cabac", "deblock": "0:0"}),
    "ultrafast +cabac +subme 1": Point(speed="ultrafast", options={"coder": "cabac", "subq": "1"}),
    "U = ultrafast +cabac +deblock +subme 1": _ultrafast(),
    "U, frame threads": _ultrafast(thread_type="frame"),
    "U, i4x4": _ultrafast(partitions="i4x4"),
    "U, 8x8dct": _ultrafast(t8x8dct="1"),
    "U, weightp 1": _ultrafast(weightp="simple"),
    "U, aq 1": _ultrafast(aq_mode="variance"),
    "U, mbtree, aq 1": _ultrafast(mbtree="1", aq_mode="variance", rc_lookahead="10"),
    "U, 3 B-frames": _ultrafast(bf="3"),
    "U, subme 2": _ultrafast(subq="2"),
    "U, me hex": _ultrafast(me_method="hex"),
    "superfast -B": Point(speed="superfast", options={"bf": "0"}),
    "superfast -B -weightp": _superfast(aq_mode="variance"),
    "S = superfast -B -weightp -aq": _superfast(),
    "S, aq strength 0.3": _superfast(aq_mode="variance", aq_strength="0.3"),
    "S, i8x8": _superfast(partitions="i8x8"),
    "S, no partitions (the default)": Point(),
    "S, no partitions, no scenecut": _superfast(partitions="none", sc_threshold="0"),
    "S, no partitions, frame threads": _superfast(partitions="none", thread_type="frame"),
}
"""Settings of the part ``search``."""

LIVE = {"superfast": Point(speed="superfast"), "default": Point(), "ultrafast": Point(speed="ultrafast")}
POINTS: dict[Part, dict[str, Point]] = {
    "search": SEARCH,
    "curves": PRODUCT,
    "usual": PRODUCT,
    "live": LIVE,
    "whole": PRODUCT,
}


def main() -> None:
    """Measure the missing rows; store after every row."""
    args = _arguments()
    rows: list[Row] = _stored(args.results)
    with tempfile.TemporaryDirectory() as folder:
        work = args.work or Path(folder)
        for name, source in _sources(args.clips).items():
            clip = _upscaled(name, source, work)
            for part in args.parts:
                frames = args.search_frames if part == "search" else args.frames
                left = [row for row in _wanted(part, args.points) if _key(row, name) not in map(_key, rows)]
                if not left:
                    continue
                footage = loaded(clip, name, frames, None if part == "whole" else MIDDLE)
                for row in _measured(left, footage, args.rounds, args.vmaf):
                    rows.append(row | {"load": os.getloadavg()[0]})
                    print(json.dumps(row), file=sys.stderr, flush=True)
                    _keep(args.results, rows)
    about = machine.describe()
    text = as_markdown(rows, shlex.join(["python", f"benchmarks/{Path(__file__).name}", *sys.argv[1:]]), about)
    store(args.results, NAME, {"machine": about, "rows": rows}, text)
    plot(rows, args.results / f"{NAME}.png")
    print(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", nargs="+", default=[], metavar="NAME[=FILE[@SECONDS]]", help="without a file: drawn")
    parser.add_argument("--work", type=Path, help="folder for upscaled clips, to use them again; 2 GB or more")
    parser.add_argument("--parts", nargs="+", default=list(get_args(Part)), choices=get_args(Part))
    parser.add_argument("--points", nargs="+", help="names of settings; default: all of a part")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--search-frames", type=int, default=40)
    parser.add_argument("--vmaf", type=int, default=8, help="number of frames that VMAF is measured on")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    return parser.parse_args()


def _sources(clips: list[str]) -> dict[str, str | None]:
    """Return the files by the names of their clips; ``None``: it is drawn."""
    named = (clip.partition("=") for clip in clips or CLIPS)
    return {name: source or None for name, _, source in named}


def _upscaled(name: str, source: str | None, work: Path) -> Path:
    """Return a clip as the product upscales it to 4K, without loss; what is there is used again."""
    work.mkdir(parents=True, exist_ok=True)
    made = work / f"{name}.mkv"
    if not made.exists():
        with tempfile.TemporaryDirectory() as folder:
            text, _, start = (source or "").partition("@")
            clip = Path(text) if source else write_clip(name, Path(folder) / "clip.mp4", round(SECONDS * 25))
            preset = load_preset("file").updated("encode", preset="ultrafast", crf=0)
            Job(clip, made, preset=preset, size="4k", part=f"{SECONDS}s@{start or 0}").run()
    return made


def _wanted(part: Part, names: list[str] | None) -> Iterator[Row]:
    for name, point in POINTS[part].items():
        if names is None or name in names:
            crfs = {"search": point.crf[:2], "curves": point.crf}.get(part, (None,))
            yield from ({"part": part, "point": name, "crf": crf} for crf in crfs)


def _measured(wanted: list[Row], footage: Footage, rounds: int, vmaf: int) -> Iterator[Row]:
    """Measure rows of one part: first all costs, by turns, then what came of the last encodings."""
    costs: dict[int, list[float]] = {number: [] for number in range(len(wanted))}
    for turn in range(rounds):
        for number, row in enumerate(wanted):
            made = encoded(footage, _settings(row, footage))
            costs[number].append(made.cpu / len(footage.frames))
            if turn == rounds - 1:
                seconds = float(len(footage.frames) / footage.rate)
                about = {"clip": footage.name, "frames": len(footage.frames), "cpu_s_a_frame": costs[number]}
                yield row | about | {"mbit_s": made.bits / seconds / 1e6} | quality(made, footage, vmaf)


def _settings(row: Row, footage: Footage) -> EncoderSettings:
    point = POINTS[row["part"]][row["point"]]
    if row["part"] == "live":
        wanted = PlayoutSettings(targets=(), sound=None, codec=point.codec, preset=point.speed, options=point.options)
        return encoder_settings(wanted, footage.info)
    return EncoderSettings(codec=point.codec, preset=point.speed, crf=row["crf"], options=point.options)


def _key(row: Row, clip: str | None = None) -> tuple[Any, ...]:
    return (row.get("clip", clip), row["part"], row["point"], row["crf"])


def _stored(results: Path) -> list[Row]:
    path = results / f"{NAME}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else []


def _keep(results: Path, rows: list[Row]) -> None:
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{NAME}.json").write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
