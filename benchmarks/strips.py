"""Draw what networks make of clean, compressed and old sources: the pictures of docs/models.md.

    python benchmarks/strips.py --out docs/pictures/strips.png
    python benchmarks/strips.py --old --out docs/pictures/strips_old.png

Photographs of scikit-image (NASA: public domain; coffee and chelsea: CC0) move over the picture, are halved by area
averaging and encoded by x264 veryfast, or damaged as old sources are. Each row: the source, its pixels enlarged;
swscale's lanczos; two networks, or a network and the same at its sharpest; the truth. The crop is where the truth has
most detail.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation
from extras import required
from numpy.typing import NDArray

from rig.compressed import LOSSLESS, Cell, cut, deployed, lanczos, pictures, resized, write
from rig.old_sources import SOURCES
from sr4k.models import catalogue
from sr4k.models.quality.contact_sheet import ContactSheet

data = required("skimage.data")

ROWS = {"clean": ("astronaut", None), "CRF 23": ("coffee", 23), "CRF 28": ("chelsea", 28)}
"""By caption: a photograph, and the rate factor; ``None``: lossless."""

OLD = {"VHS on DVD": "coffee", "VHS, then H.264": "astronaut", "DivX, low bit rate": "chelsea"}
"""By kind of old source: a photograph."""

SHARPER = {catalogue.DEFAULT: catalogue.DEFAULT, "sharpest": f"{catalogue.DEFAULT}:100"}
RESTORED = {model: model for model in (catalogue.DEFAULT, "luma-restore")}
"""By caption: a model, with a sharpness or without."""

_FRAMES, _SHOWN = 12, 9
_STEP = 3
"""Pixels that a photograph moves by from frame to frame, to the left and up."""

Rgb = NDArray[np.uint8]
MakeSource = Callable[[Path, Iterable[av.VideoFrame]], None]


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a .png")
    parser.add_argument("--old", action="store_true", help="old, damaged sources")
    args = parser.parse_args()
    sheet = ContactSheet()
    if args.old:
        for kind, photograph in OLD.items():
            sheet.add(kind, versions(photograph, SOURCES[kind].make, RESTORED))
    else:
        for name, (picture, crf) in ROWS.items():
            sheet.add(name, versions(picture, partial(encode, crf=crf), SHARPER))
    sheet.write(args.out)


def versions(photograph: str, make_source: MakeSource, models: dict[str, str]) -> dict[str, Rgb]:
    """Return one frame of each version of a photograph in motion, RGB of one size; the truth is the last."""
    upscalers = {"lanczos": lanczos} | {caption: deployed(model) for caption, model in models.items()}
    with tempfile.TemporaryDirectory() as folder:
        truth, small, large = (Path(folder) / f"{name}.mkv" for name in ("truth", "small", "large"))
        write(truth, map(cut, moving(getattr(data, photograph)())), "libx264", LOSSLESS)
        make_source(small, (resized(frame, 0.5, Interpolation.AREA) for frame in pictures(truth)))
        made = {"source": shown(small).repeat(2, axis=0).repeat(2, axis=1)}
        for name, upscale in upscalers.items():
            upscale(small, large)
            made[name] = shown(large)
        return made | {"truth": shown(truth)}


def encode(target: Path, frames: Iterable[av.VideoFrame], crf: int | None) -> None:
    """Write frames by x264."""
    write(target, frames, "libx264", LOSSLESS if crf is None else Cell("area", "libx264", crf).options())


def moving(photograph: Rgb) -> Iterator[av.VideoFrame]:
    """Yield the photograph as frames of a pan, YUV 4:2:0."""
    height, width = (side - _STEP * _FRAMES for side in photograph.shape[:2])
    for start in range(0, _STEP * _FRAMES, _STEP):
        view = np.ascontiguousarray(photograph[start : start + height, start : start + width])
        yield av.VideoFrame.from_ndarray(view, format="rgb24").reformat(format="yuv420p")


def shown(video: Path) -> Rgb:
    """Return the frame of a video that is drawn, uint8 RGB."""
    with av.open(str(video)) as container:
        frames = list(container.decode(video=0))
    return np.asarray(frames[_SHOWN].to_ndarray(format="rgb24"), np.uint8)


if __name__ == "__main__":
    main()
