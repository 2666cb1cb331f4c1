"""The shape of a network of the RCAN family: what there is to count without building it.

RCAN: Zhang et al., "Image Super-Resolution Using Very Deep Residual Channel Attention Networks", arXiv 1807.02758.
The SR4K form used here has no channel attention and a stride-2 head, so its body works on 2x2-pixel *cells*.
"""

from dataclasses import dataclass
from typing import Literal

Pixels = Literal["yuv", "bgr"]
"""What a network works on: Y, U and V planes with the colour folded in, or RGB."""

Precision = Literal["auto", "int8", "fp32"]
"""How it computes; ``auto`` takes the best that the hardware runs well."""

SCALE = 2
"""The networks double width and height."""

CELL = 2
"""Input pixels on the side of a cell: the head's stride."""

CELL_OUT = CELL * SCALE
"""Output pixels on the side of a cell: the factor of the network's PixelShuffle."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Hyper-parameters of one network.

    Layers, C = ``features``: mean shift (1x1, 3 to 3), 3x3 stride-2 head (3 to C), ``groups`` x [``blocks`` x (3x3,
    ReLU, 3x3, add), 3x3, add], 3x3, long add, 3x3 (C to 16 C), PixelShuffle(4), 3x3 (C to 3), mean shift (1x1, 3 to 3).
    RGB in 0..255 throughout.
    """

    groups: int
    blocks: int
    features: int

    @property
    def body_convs(self) -> int:
        """Number of 3x3 C-to-C convolutions between the head and the tail."""
        return self.groups * (2 * self.blocks + 1) + 1

    @property
    def receptive_field(self) -> int:
        """How far, in input pixels to each side, an output pixel can see: head, body and the two tail convolutions."""
        return CELL * (self.body_convs + 2) + 1

    def parameters(self) -> int:
        """Number of parameters, the two mean shifts (12 each) included."""
        c = self.features
        mean_shifts = 2 * (3 * 3 + 3)
        head = 3 * 9 * c + c
        body = self.body_convs * (9 * c * c + c)
        up = 9 * c * (CELL_OUT**2 * c) + CELL_OUT**2 * c
        last = 9 * c * 3 + 3
        return mean_shifts + head + body + up + last

    def macs(self, height: int, width: int) -> int:
        """Multiply-accumulates of the published graph for one input picture of ``height`` x ``width`` pixels."""
        c, pixels = self.features, height * width
        cells = pixels // CELL**2
        outputs = pixels * SCALE**2
        per_cell = 27 * c + self.body_convs * 9 * c * c + 9 * c * CELL_OUT**2 * c
        return per_cell * cells + 27 * c * outputs + 9 * pixels + 9 * outputs

    def folded_macs(self, height: int, width: int, *, outputs: int = 24) -> int:
        """Multiply-accumulates of the folded graph: 3x3 heads over 3 planes, body, one 5x5 tail to ``outputs``."""
        c, cells = self.features, height * width // CELL**2
        return cells * (27 * c + self.body_convs * 9 * c * c + 25 * c * outputs)


RCAN2 = Architecture(groups=2, blocks=2, features=16)
"""The published RCAN2 of the SR4K model card."""

RGB_MEAN = (0.4488, 0.4371, 0.4040)
"""DIV2K's mean colour, as a fraction of 255, which the mean shifts take out and put back."""
