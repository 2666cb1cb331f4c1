"""Chroma of two neighbouring cells at once: the form of its bicubic that CPUs compute fastest.

Their kernels compute blocks of 16 output channels, of which the four sub-pixels that a cell has in a plane fill a
quarter. A convolution that moves by two cells has 16 for both planes. In channels-last memory, the channels of two
neighbouring cells lie as those of one cell after the other, so that parting them moves nothing.
"""

from dataclasses import replace

import numpy as np

from sr4k.models.folded_network import Conv, FoldedNetwork

CHROMA = "bicubic.chroma"
"""Name of the convolution."""

CELLS = 2


def makes_pairs(network: FoldedNetwork) -> bool:
    """Whether a network enlarges chroma of 4:2:0 by a convolution of its own."""
    return CHROMA in network.convs and network.convs[CHROMA].stride == 1


def paired_columns(columns: int) -> int:
    """Return the number of columns that pairs of cells cover: one more than ``columns`` if that is odd."""
    return columns + columns % CELLS


def on_pairs(conv: Conv, columns: int) -> Conv:
    """Return a grouped convolution that makes ``columns`` of cells as one without groups, for two cells at a time.

    It is to move by one row and two columns. Its outputs are the channels of the first cell, then those of the second.
    """
    outputs, _, height, width = conv.kernel.shape
    kernel = np.zeros((CELLS, outputs, conv.groups, height, width + CELLS - 1), conv.kernel.dtype)
    for cell in range(CELLS):
        for plane, part in enumerate(np.split(np.arange(outputs), conv.groups)):
            kernel[cell, part, plane, :, cell : cell + width] = conv.kernel[part, 0]
    top, left, bottom, right = conv.pads
    return replace(
        conv,
        kernel=kernel.reshape(-1, *kernel.shape[2:]),
        bias=np.tile(conv.bias, CELLS),
        pads=(top, left, bottom, right + columns % CELLS),
        groups=1,
    )
