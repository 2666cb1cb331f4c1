"""What int8 activations cost: the same network with activations of more bits, which no CPU has instructions for.

    python benchmarks/activation_bits.py [FOLDER ...]

Weights have 8 bits in all rows. On folders of test pictures the loss of PSNR-Y against the float network, as
`sr4k eval` measures it; and how much a still, noisy scene flickers in the crisp look, as `benchmarks/looks.py` measures
it: where compression leaves pixels that hardly change, each rounding turns a small change into a step or into none.
"""

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from int8_steps import about, asked, lost
from looks import SOURCES, flicker_at, through
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from rig.compressed import by_luma, lanczos
from sr4k.bench.machine import in_words
from sr4k.bench.report import store
from sr4k.models import zoo
from sr4k.models.catalogue import SHARPEST
from sr4k.models.colour import Colour
from sr4k.models.execute import FoldedExecutor, IntegerExecutor, convolved
from sr4k.models.geometry import CELL_OUT, MARGIN, SCALE, pad_planes
from sr4k.models.quantize import QuantizedNetwork

NAME = "activation_bits"
BITS = (8, 9, 10, 11)
FLOAT = "float"
SOURCE, QUALITY = "CRF 23", 28
"""Source of the still scene, and its quality, the mean QP that its decoder tells."""

Plane = NDArray[np.uint8]


class FinerExecutor(IntegerExecutor):
    """Runs a quantised network with activations of ``bits``, over the range that they have with 8."""

    def __init__(self, quantized: QuantizedNetwork, bits: int) -> None:
        super().__init__(quantized)
        self._finer = 2 ** (bits - 8)

    def quantise(self, name: str, x: Tensor) -> Tensor:
        if self._codes[name]:  # the picture: 8 bits are all it has
            return super().quantise(name, x)
        steps, finer = self._input_scales[name], self._finer
        return (x / steps * finer).round().clamp(-128 * finer, 128 * finer - 1) / finer * steps

    def conv(self, name: str, x: Tensor) -> Tensor:
        if name not in self._weight_scales:
            return super().conv(name, x)
        c, steps = self.convs[name], self._weight_scales[name][:, None, None, None]
        return convolved(x, replace(c, kernel=(c.kernel / steps).round() * steps))


def main() -> None:
    """Measure all numbers of bits, store and print the page."""
    args = asked(__doc__)
    found = about(NAME, args) | {"losses": losses(args.model, args.folders), "flicker": flickers(args.model)}
    store(args.results, NAME, found, as_markdown(found))
    print((args.results / f"{NAME}.md").read_text())


def losses(name: str, folders: list[Path]) -> dict[str, dict[str, float]]:
    """Return the losses of PSNR-Y against float in dB, by bits as text, then by folder."""
    model = zoo.load(name)
    return lost(model, {str(bits): FinerExecutor(model.quantized(None), bits) for bits in BITS}, folders)


def flickers(name: str) -> dict[str, float]:
    """Return the flicker of a still scene in the crisp look as a ratio to lanczos's, by bits as text, and in float."""
    model, colour = zoo.load(name, quality=QUALITY, sharpness=SHARPEST), Colour()
    runs: dict[str, FoldedExecutor] = {str(bits): FinerExecutor(model.quantized(colour), bits) for bits in BITS} | {
        FLOAT: FoldedExecutor(model.folded(colour))
    }
    with tempfile.TemporaryDirectory() as folder:
        usual = flicker_at(through(lanczos, Path(folder)), SOURCES[SOURCE])
        return {
            bits: flicker_at(through(by_luma(partial(enlarged, run)), Path(folder)), SOURCES[SOURCE]) / usual
            for bits, run in runs.items()
        }


def enlarged(run: FoldedExecutor, plane: Plane) -> Plane:
    """Upscale a luma plane beside gray chroma."""
    height, width = plane.shape
    gray = np.full((2, height // 2, width // 2), 128, np.uint8)
    planes = [torch.from_numpy(each).float() for each in pad_planes(plane, gray)]
    cells = run(planes[0][None, None], planes[1][None])[:, : CELL_OUT**2, MARGIN:-MARGIN, MARGIN:-MARGIN]
    made = F.pixel_shuffle(cells, CELL_OUT)[0, 0, : SCALE * height, : SCALE * width]
    return np.asarray(made.round().clamp(0, 255).to(torch.uint8).numpy())


def as_markdown(found: dict[str, Any]) -> str:
    """Return the page."""
    titles = list(found["losses"][str(BITS[0])])
    lines = [
        f"# Activations of `{found['model']}` with more bits\n",
        f"`{found['command']}`; {in_words(found['machine'])}. Weights of 8 bits. Losses in dB of PSNR-Y against the "
        f"float network; flicker of a still, noisy scene, {SOURCE}, in the crisp look, as a ratio to lanczos's.\n",
        f"| bits | {' | '.join([*(f'loss on {title}' for title in titles), 'flicker'])} |",
        "|---" * (len(titles) + 2) + "|",
    ]
    for bits, flicker in found["flicker"].items():
        lost = [f"{found['losses'][bits][title]:.3f}" if bits != FLOAT else "0" for title in titles]
        lines.append(f"| {bits} | {' | '.join([*lost, f'{flicker:.2f}'])} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
