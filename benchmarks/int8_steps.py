"""What narrower steps of the int8 activations would gain and cost: photographs gain, text and fine waves clip.

    python benchmarks/int8_steps.py [FOLDER ...]

All step sizes of a network are multiplied by a factor: smaller steps round less and clip sooner. On folders of test
pictures the loss of PSNR-Y against the float network, as `sr4k eval` measures it; on a drawn page of black text on
white, and on a pattern of waves up to half a cycle per pixel, how far int8 is from float.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sr4k.bench import machine
from sr4k.bench.machine import in_words
from sr4k.bench.report import store
from sr4k.common.opencv import cv2
from sr4k.models import zoo
from sr4k.models.execute import FoldedExecutor, IntegerExecutor, padded
from sr4k.models.quality.metrics import luma, psnr
from sr4k.models.quality.testset import PicturePair, pictures_of, titles_of

HERE = Path(__file__).parent
NAME = "int8_steps"
FACTORS = (1.0, 0.9, 0.8, 0.7, 0.6)
SIDE = 256

Rgb = NDArray[np.uint8]


def main() -> None:
    """Measure all factors, store and print the page."""
    args = asked(__doc__)
    found = about(NAME, args) | {"factors": measured(args.model, args.folders)}
    store(args.results, NAME, found, as_markdown(found))
    print((args.results / f"{NAME}.md").read_text())


def asked(what: str | None) -> argparse.Namespace:
    """Read the command line of a benchmark of one network on folders of test pictures."""
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, help="test pictures, for the loss on photographs")
    parser.add_argument("--model", default="luma")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    return parser.parse_args()


def about(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Return the machine, the command and the network of the benchmark of that name."""
    command = " ".join([f"python benchmarks/{name}.py", *(folder.name for folder in args.folders)])
    return {"machine": machine.describe(), "command": command, "model": args.model}


def measured(name: str, folders: list[Path]) -> dict[str, dict[str, float]]:
    """Return, by factor as text: losses in dB by folder, and distances to float in dB and levels by drawn picture."""
    model = zoo.load(name)
    assert model.calibration is not None
    plain = FoldedExecutor(model.folded(None))
    drawn = {"text": page_of_text(), "waves": waves()}
    pairs = read(folders)
    expected = {key: upscaled(plain, picture) for key, picture in drawn.items()}
    usual = reached(plain, pairs)
    found: dict[str, dict[str, float]] = {}
    for factor in FACTORS:
        gains = {basis: gain * factor for basis, gain in model.calibration.gains.items()}
        narrowed = replace(model, calibration=replace(model.calibration, gains=gains))
        run = IntegerExecutor(narrowed.quantized(None))
        row = found[str(factor)] = {}
        for title, got in reached(run, pairs).items():
            row[f"loss on {title}"] = usual[title] - got
        for key, picture in drawn.items():
            got_luma, wanted = luma(upscaled(run, picture)), luma(expected[key])
            row[f"{key}, dB"] = psnr(got_luma, wanted)
            row[f"{key}, levels"] = float(np.abs(got_luma - wanted).max())
    return found


def read(folders: list[Path]) -> dict[str, list[PicturePair]]:
    """Return the test pictures of folders, by the folders' titles."""
    return {title: list(pictures_of(folder)) for title, folder in titles_of(folders).items()}


def reached(run: FoldedExecutor, pairs: dict[str, list[PicturePair]]) -> dict[str, float]:
    """Return the mean PSNR-Y in dB on each folder's pictures."""
    return {
        title: float(np.mean([psnr(luma(upscaled(run, pair.low)), luma(pair.high)) for pair in some]))
        for title, some in pairs.items()
    }


def lost(model: zoo.Model, runs: Mapping[str, FoldedExecutor], folders: list[Path]) -> dict[str, dict[str, float]]:
    """Return the losses of PSNR-Y against the float network in dB, by name of the run, then by folder."""
    pairs = read(folders)
    usual = reached(FoldedExecutor(model.folded(None)), pairs)
    found = {name: reached(run, pairs) for name, run in runs.items()}
    return {name: {title: usual[title] - got[title] for title in usual} for name, got in found.items()}


def upscaled(run: FoldedExecutor, picture: Rgb) -> Rgb:
    """Upscale an RGB picture as the engines do."""
    low = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()
    made = run.picture(padded(low))[0, :, : 2 * picture.shape[0], : 2 * picture.shape[1]]
    return made.round().clamp(0, 255).permute(1, 2, 0).numpy().astype(np.uint8)


def page_of_text() -> Rgb:
    """Return lines of black text of growing size on white, antialiased."""
    page = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for line in range(12):
        where, size = (2, 18 + 20 * line), 0.3 + 0.03 * line
        cv2.putText(page, "The quick brown fox 0123", where, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 1, cv2.LINE_AA)
    return page


def waves() -> Rgb:
    """Return a zone plate of half the range: waves that grow finer to half a cycle per pixel."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    gray = np.rint(127.5 + 60 * np.sin((x**2 + y**2) * np.pi / (2 * SIDE)))
    return np.repeat(gray[..., None], 3, 2).astype(np.uint8)


def as_markdown(found: dict[str, Any]) -> str:
    """Return the page."""
    columns = list(next(iter(found["factors"].values())))
    lines = [
        f"# Step sizes of the int8 activations of `{found['model']}`\n",
        f"`{found['command']}`; {in_words(found['machine'])}. All steps times a factor; 1: as shipped. Losses in dB of "
        "PSNR-Y against the float network; text and waves: how far int8 is from float, in dB and in levels at most.\n",
        f"| factor | {' | '.join(columns)} |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for factor, row in found["factors"].items():
        lines.append(f"| {factor} | {' | '.join(_digits(column, row[column]) for column in columns)} |")
    return "\n".join(lines) + "\n"


def _digits(column: str, value: float) -> str:
    return f"{value:.{3 if 'loss' in column else 0 if 'levels' in column else 1}f}"


if __name__ == "__main__":
    main()
