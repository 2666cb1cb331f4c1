"""Measure what networks gain over lanczos on old, damaged sources, by kind of source.

    python benchmarks/restore.py --clips clean.mkv --halved large.mp4 --models luma luma@40

Each clip is halved, damaged as an old source is (`benchmarks/rig/old_sources.py`), upscaled by the pipeline as a user
runs it but with a lossless encoder, and compared with the original: PSNR, SSIM, VMAF and VMAF-NEG (extra [vmaf]) of the
luma. Rows that the results hold already are not measured again; rows of other clips or numbers of frames are never
dropped: such a run needs --results of its own.
"""

import argparse
import itertools
import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from av.video.reformatter import Interpolation

from rig.compressed import (
    LANCZOS,
    LOSSLESS,
    Clip,
    Row,
    cut,
    deployed,
    digest,
    lanczos,
    pictures,
    resized,
    write,
)
from rig.kept_rows import KeptRows, named_clips
from rig.old_sources import SOURCES
from sr4k.quality.measure_videos import compare_videos

HERE = Path(__file__).parent
NAME = "restore"
MEASURES = {"PSNR": 2, "SSIM": 4, "VMAF": 1, "VMAF-NEG": 1}
"""Measures, and how many digits are shown."""


def main() -> None:
    """Measure the missing rows; store after every cell."""
    args = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        clips = _clips(args, Path(folder))
        kept = KeptRows(args.results, NAME)
        rows = kept.read(lambda row: row["asked"] == args.frames and row["clip"] in clips and row["source"] in SOURCES)
        for kind, (clip, source) in itertools.product(SOURCES, clips.items()):
            there = {row["upscaler"] for row in rows if (row["source"], row["clip"]) == (kind, clip)}
            left = [name for name in (LANCZOS, *args.models) if name not in there]
            rows += judged(kind, source, left, Path(folder), clip=clip, frames=args.frames)
            kept.keep(rows)
    kept.publish(rows, as_markdown(rows, kept.command))


def judged(kind: str, source: Clip, upscalers: Sequence[str], work: Path, *, clip: str, frames: int) -> Iterator[Row]:
    """Measure upscalers, by name, on one clip that is damaged in one way; yield a row for each."""
    if not upscalers:
        return
    truth, small, large = (work / f"{name}.mkv" for name in ("truth", "small", "large"))
    write(truth, (cut(frame) for frame in itertools.islice(source(), frames)), "libx264", LOSSLESS)
    SOURCES[kind].make(small, (resized(frame, 0.5, Interpolation.AREA) for frame in pictures(truth)))
    for name in upscalers:
        (lanczos if name == LANCZOS else deployed(name))(small, large)
        found = compare_videos(large, truth, MEASURES)
        weights = "" if name == LANCZOS else digest(name)
        about = {"source": kind, "clip": clip, "upscaler": name, "weights": weights, "asked": frames}
        print(json.dumps(about | found.mean()), flush=True)
        yield about | found.mean()


def as_markdown(rows: Sequence[Row], command: str) -> str:
    """Return a table of the means over clips, by kind of source, and one over kinds, by clip."""
    clips = len({row["clip"] for row in rows})
    return "\n".join(
        [
            "# Upscaling of old, damaged sources\n",
            f"`{command}`\n",
            f"{clips} clips, {rows[0]['asked']} frames of each, halved by area averaging and then damaged by filters "
            "and encoders of those years (`benchmarks/rig/old_sources.py`). Luma, means over the frames: lanczos, and "
            "the gain of each network over it; int8 on CPUs with fast int8 instructions. PSNR in dB, VMAF (v0.6.1) and "
            "VMAF-NEG in points.\n",
            *_table(rows, "source"),
            *_table(rows, "clip"),
        ]
    )


def _table(rows: Sequence[Row], key: str) -> Iterator[str]:
    names = [name for name in dict.fromkeys(row["upscaler"] for row in rows) if name != LANCZOS]
    measures = {name: digits for name, digits in MEASURES.items() if all(name in row for row in rows)}
    yield f"| {key} | " + " | ".join(f"lanczos {m} | " + " | ".join(names) for m in measures) + " |"
    yield "|---|" + "---|" * (len(measures) * (1 + len(names)))
    for value in [*dict.fromkeys(row[key] for row in rows), None]:
        some = [row for row in rows if value is None or row[key] == value]
        cells = []
        for measure, digits in measures.items():
            mean = {name: _mean(some, name, measure) for name in (LANCZOS, *names)}
            cells.append(f"{mean[LANCZOS]:.{digits}f}")
            cells += [f"{mean[name] - mean[LANCZOS]:+.{digits}f}" for name in names]
        yield f"| {'**all**' if value is None else value} | " + " | ".join(cells) + " |"
    yield ""


def _mean(rows: Sequence[Row], upscaler: str, measure: str) -> float:
    return statistics.mean(row[measure] for row in rows if row["upscaler"] == upscaler)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, nargs="+", default=[], help="uncompressed clips: ground truth")
    parser.add_argument("--halved", type=Path, nargs="+", default=[], help="clips that are ground truth at half size")
    parser.add_argument("--frames", type=int, default=12, help="number of frames from the start of each clip")
    parser.add_argument("--models", nargs="+", default=["luma"], help="names, name:sharpness, name@quality")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    return parser.parse_args()


def _clips(args: argparse.Namespace, work: Path) -> Mapping[str, Clip]:
    """Return the clips by name; default: moving photographs."""
    if args.clips or args.halved:
        return named_clips(args.clips, args.halved)
    from end_to_end import made_clip

    return named_clips([], [made_clip(work)])


if __name__ == "__main__":
    main()
