"""Measure what each network gains over lanczos on compressed video, by strength of the compression.

    python benchmarks/compressed_video.py --clips clean.mkv --halved large.mp4 --models luma luma:100

Each clip is downscaled, compressed, upscaled by the pipeline as a user runs it but with a lossless encoder, and
compared with the original: PSNR, XPSNR, VMAF and VMAF-NEG (extra [vmaf]) of the luma. Rows that the results hold
already are not measured again: an interrupted run continues, and another model is added to those that are there. Rows
of other clips, codecs or numbers of frames are never dropped: such a run needs --results of its own.
"""

import argparse
import itertools
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rig.compressed import CODECS, SCALERS, Cell, Clip, Row, deployed, digest, judge
from rig.compressed_report import as_markdown, plot
from rig.kept_rows import KeptRows, named_clips

HERE = Path(__file__).parent
NAME = "compressed_video"


def main() -> None:
    """Measure the missing rows; store after every row."""
    args = _arguments()
    cells = [Cell(scaler, *rest) for *rest, scaler in itertools.product(args.codecs, args.crf, args.scalers)]
    with tempfile.TemporaryDirectory() as folder:
        clips, compressed = _clips(args, Path(folder))
        kept = KeptRows(args.results, NAME)
        rows = kept.read(lambda row: _is_asked(row, args.frames, cells, set(clips)))
        there = {(row["clip"], row["scaler"], row["codec"], row["crf"], row["upscaler"]) for row in rows}
        upscalers = {model: deployed(model) for model in args.models}
        weights = {model: digest(model) for model in args.models}

        def is_there(clip: str, cell: Cell, upscaler: str) -> bool:
            return (clip, cell.scaler, cell.codec, cell.crf, upscaler) in there

        for row in judge(clips, upscalers, cells, frames=args.frames, done=is_there):
            about = {"compressed": row["clip"] in compressed, "weights": weights.get(row["upscaler"], "")}
            rows.append(row | {"asked": args.frames} | about)
            print(json.dumps(rows[-1]), flush=True)
            kept.keep(rows)
    kept.publish(rows, as_markdown(rows, kept.command, _covers(rows)))
    plot(rows, args.results / f"{NAME}.png")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, nargs="+", default=[], help="uncompressed clips: ground truth")
    parser.add_argument("--halved", type=Path, nargs="+", default=[], help="clips that are ground truth at half size")
    parser.add_argument("--compressed", type=Path, nargs="+", default=[], help="compressed clips as ground truth")
    parser.add_argument("--frames", type=int, default=24, help="number of frames from the start of each clip")
    parser.add_argument("--crf", type=int, nargs="+", default=[18, 23, 28, 33])
    parser.add_argument("--scalers", nargs="+", default=list(SCALERS), choices=SCALERS)
    parser.add_argument("--codecs", nargs="+", default=list(CODECS), choices=CODECS)
    parser.add_argument("--models", nargs="+", default=["luma"], help="names, or names with a sharpness: luma:100")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    return parser.parse_args()


def _clips(args: argparse.Namespace, work: Path) -> tuple[Mapping[str, Clip], set[str]]:
    """Return the clips by name, and the names of those with compressed ground truth; default: moving photographs."""
    if not (args.clips or args.halved or args.compressed):
        from end_to_end import made_clip

        return named_clips([], [made_clip(work)]), set()
    whole = named_clips(args.compressed, [])
    return {**named_clips(args.clips, args.halved), **whole}, set(whole)


def _is_asked(row: Row, frames: int, cells: list[Cell], clips: set[str]) -> bool:
    """Whether a stored row is of a requested clip and cell, and of as many frames."""
    cell = Cell(row["scaler"], row["codec"], row["crf"])
    return row["asked"] == frames and row["clip"] in clips and cell in cells


def _covers(rows: list[Row]) -> str:
    def each(key: str) -> str:
        return ", ".join(str(value) for value in dict.fromkeys(row[key] for row in rows))

    clips = len({row["clip"] for row in rows})
    return (
        f"Covers {clips} clips, the first {each('frames')} frames of each; downscaled by {each('scaler')}; "
        f"{each('codec')}; CRF {each('crf')}.\n\n"
        "Luma, means over the frames: lanczos, and the gain of each network over it; int8 on CPUs with fast int8 "
        "instructions. PSNR and XPSNR in dB, VMAF (v0.6.1) and VMAF-NEG in points. libx264 and libx265 at veryfast; "
        "libsvtav1 at preset 10 and 63/51 of the CRF."
    )


if __name__ == "__main__":
    main()
