"""Bicubic enlargement, for frames that there is no time to put through the network."""

import numpy as np
from numpy.typing import NDArray

from sr4k.models.colour import ChromaLocation
from sr4k.models.resize import bicubic_taps
from sr4k.pipeline.frame import Plane


def enlarge_luma(plane: Plane, out: Plane) -> None:
    """Write ``plane`` (H, W), uint8, at the size of ``out``, which is larger."""
    from sr4k.common.opencv import cv2  # here, because most videos do without it

    cv2.resize(plane, (out.shape[1], out.shape[0]), dst=out, interpolation=cv2.INTER_CUBIC)


def enlarge_chroma(plane: Plane, out: Plane, location: ChromaLocation) -> None:
    """Write a Cb or Cr plane (H, W), uint8, s times as large into ``out``, (sH, sW), or smaller by less than s rows.

    Samples are sited at ``location`` within their 2x2 pixels, before and after. The same holds for columns.
    """
    from sr4k.common.opencv import cv2

    scale = -(-out.shape[1] // plane.shape[1])
    rows = bicubic_taps(_positions(scale, on=location == "topleft"), first=-2, count=5)
    columns = bicubic_taps(_positions(scale, on=location != "center"), first=-2, count=5)
    for down, vertical in enumerate(rows):
        for right, horizontal in enumerate(columns):
            part = cv2.sepFilter2D(plane, -1, horizontal, vertical, borderType=cv2.BORDER_REPLICATE)
            target = out[down::scale, right::scale]
            target[:] = part[: target.shape[0], : target.shape[1]]


def _positions(scale: int, *, on: bool) -> NDArray[np.float64]:
    """Return the positions of the output samples of one input sample, in input samples.

    Args:
        scale: factor of the enlargement.
        on: whether samples are co-sited with the first of the pixels they cover, rather than centred on them.
    """
    pixels = 2 * np.arange(scale) + (0.0 if on else 0.5)
    return ((pixels + 0.5) / scale - 0.5 - (0.0 if on else 0.5)) / 2


def widen_chroma(plane: Plane, out: Plane, location: ChromaLocation) -> None:
    """Write a Cb or Cr plane of 4:2:2 (H, W/2) as 4:4:4 into ``out`` (H, W), by bicubic interpolation.

    With ``location`` ``center``, its samples lie between two pixels; otherwise on the left one of them.
    """
    from sr4k.common.opencv import cv2

    columns = bicubic_taps(np.array([-0.25, 0.25] if location == "center" else [0.0, 0.5]), first=-2, count=5)
    for right, horizontal in enumerate(columns):
        target = out[:, right::2]
        part = cv2.sepFilter2D(plane, -1, horizontal, np.ones(1), borderType=cv2.BORDER_REPLICATE)
        target[:] = part[:, : target.shape[1]]
