"""Measure what sharpening can spoil: halos at a step edge, and flicker of a still scene with noise.

    python benchmarks/looks.py

Halo: an edge between two gray levels, antialiased, at several angles, halved by area averaging and by a bicubic,
lossless and by x264 veryfast; the largest excursion beyond the two levels after upscaling, in 8-bit levels. Flicker:
photographs of scikit-image (NASA: public domain; coffee and chelsea: CC0) that stand still with camera noise, encoded
in the same ways; the mean absolute difference of the luma of neighbouring frames, as a ratio to that of swscale's
lanczos.
"""

import argparse
import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from extras import required
from numpy.typing import NDArray

from rig.compressed import LANCZOS, LOSSLESS, SCALERS, Cell, cut, deployed, lanczos, pictures, resized, write
from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.common.opencv import cv2
from sr4k.media.planes import rows_of

data = required("skimage.data")

HERE = Path(__file__).parent
NAME = "looks"

_SIDE = 160
_SUPERSAMPLED = 8
_LEVELS = ((100, 140), (60, 180), (30, 220))
_ANGLES = (0, 20, 45, 70)
_SHRUNK = ("area", "bicubic")
_PHOTOGRAPHS = ("astronaut", "coffee", "chelsea")
_FRAMES = 12
_NOISE = 3.0
"""Standard deviation of the noise, in 8-bit levels, at the size of the source."""
SOURCES = {"lossless": LOSSLESS, "CRF 23": Cell("area", "libx264", 23).options()}

Plane = NDArray[np.uint8]
Upscale = Callable[[list[av.VideoFrame], dict[str, str]], list[Plane]]


def main() -> None:
    """Measure all upscalers, store and print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    models = ["luma", "luma:50", "luma:100", "luma-fast:100", "luma-large", "luma-large:100"]
    parser.add_argument("--models", nargs="+", default=models)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        every = {LANCZOS: through(lanczos, Path(folder))}
        every |= {model: through(deployed(model), Path(folder)) for model in args.models}
        halos = {name: halo_of(upscale) for name, upscale in every.items()}
        flickers = {name: flicker_of(upscale) for name, upscale in every.items()}
    found = {"machine": machine.describe(), "halo": halos, "flicker": flickers}
    store(args.results, NAME, found, as_markdown(found))
    print((args.results / f"{NAME}.md").read_text())


def through(upscaler: Callable[[Path, Path], None], work: Path) -> Upscale:
    """Return a function from frames, and options of libx264 for them, to the luma of the upscaled ones."""

    def upscale(frames: list[av.VideoFrame], options: dict[str, str]) -> list[Plane]:
        small, large = work / "small.mkv", work / "large.mkv"
        write(small, frames, "libx264", options)
        upscaler(small, large)
        return [np.array(rows_of(frame.planes[0])[: frame.height, : frame.width]) for frame in pictures(large)]

    return upscale


def halo_of(upscale: Upscale) -> dict[str, float]:
    """Return the largest excursion beyond the levels of an edge, by source, downscaler and levels, over all angles."""
    found: dict[str, float] = {}
    for (source, options), shrunk, (low, high) in itertools.product(SOURCES.items(), _SHRUNK, _LEVELS):
        edges = [resized(edge(angle, low, high), 0.5, SCALERS[shrunk]) for angle in _ANGLES]
        inner = np.stack([plane[16:-16, 16:-16] for plane in upscale(edges, options)]).astype(int)
        found[f"{source}, {shrunk}, {low} to {high}"] = float(max(low - inner.min(), inner.max() - high))
    return found


def edge(angle: float, low: int, high: int) -> av.VideoFrame:
    """Return an antialiased edge through the middle of a square."""
    y, x = (np.mgrid[: _SIDE * _SUPERSAMPLED, : _SIDE * _SUPERSAMPLED] + 0.5) / _SUPERSAMPLED - _SIDE / 2
    turn = np.deg2rad(angle)
    fine = np.where(x * np.cos(turn) + y * np.sin(turn) < 0, low, high).astype(np.float32)
    luma = np.rint(cv2.resize(fine, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)).astype(np.uint8)
    chroma = np.full((_SIDE // 2, _SIDE), 128, np.uint8)
    return av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), format="yuv420p")


def flicker_of(upscale: Upscale) -> dict[str, float]:
    """Return the mean absolute difference of neighbouring frames, by kind of source."""
    return {source: flicker_at(upscale, options) for source, options in SOURCES.items()}


def flicker_at(upscale: Upscale, options: dict[str, str]) -> float:
    """Return the mean absolute difference of neighbouring frames of sources that libx264 encodes with these options."""
    moves = []
    for photograph in _PHOTOGRAPHS:
        large = np.stack(upscale(list(still(getattr(data, photograph)())), options)).astype(int)
        moves.append(float(np.abs(np.diff(large, axis=0)).mean()))
    return sum(moves) / len(moves)


def still(photograph: NDArray[np.uint8]) -> Iterator[av.VideoFrame]:
    """Yield frames of a photograph at half size, with other noise in each."""
    whole = cut(av.VideoFrame.from_ndarray(np.ascontiguousarray(photograph), format="rgb24").reformat(format="yuv420p"))
    half = resized(whole, 0.5, SCALERS["area"])
    clean = half.to_ndarray().astype(np.float64)
    for number in range(_FRAMES):
        noise = np.random.default_rng(number).normal(0, _NOISE, (half.height, half.width))
        noisy = clean.copy()
        noisy[: half.height] += noise
        yield av.VideoFrame.from_ndarray(np.clip(np.rint(noisy), 16, 240).astype(np.uint8), format="yuv420p")


def as_markdown(found: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    lines = ["# Halos and flicker", "", f"`python benchmarks/looks.py`; {machine.in_words(found['machine'])}.", ""]
    halo, flicker = found["halo"], found["flicker"]
    lines += ["Largest excursion at an edge between two levels, 8-bit levels:", ""]
    lines += [f"| edge | {' | '.join(halo)} |", f"|---|{'---|' * len(halo)}"]
    lines += [f"| {case} | {' | '.join(f'{row[case]:.0f}' for row in halo.values())} |" for case in halo[LANCZOS]]
    lines += ["", "Difference of neighbouring frames of a still, noisy scene, as a ratio to that of lanczos:", ""]
    lines += [f"| source | {' | '.join(flicker)} |", f"|---|{'---|' * len(flicker)}"]
    for source, base in flicker[LANCZOS].items():
        lines.append(f"| {source} | {' | '.join(f'{row[source] / base:.2f}' for row in flicker.values())} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
