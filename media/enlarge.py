"""Bicubic enlargement, for frames that there is no time to put through the network."""

import numpy as np

from sr4k.models.colour import ChromaLocation
from sr4k.models.resize import bicubic_taps
from sr4k.pipeline.frame import Plane

_BESIDE = np.array([-0.25, 0.25])
"""Positions of the two output samples of one input sample, where samples are centred on the pixels they cover."""

_ON = np.array([-0.125, 0.375])
"""The same, where samples are co-sited with the first of the pixels they cover."""


def enlarge_luma(plane: Plane, out: Plane) -> None:
    """Write ``plane`` (H, W), uint8, at twice its size into ``out``, (2H, 2W)."""
    from sr4k.common.opencv import cv2  # here, because most videos do without it

    cv2.resize(plane, (out.shape[1], out.shape[0]), dst=out, interpolation=cv2.INTER_CUBIC)


def enlarge_chroma(plane: Plane, out: Plane, location: ChromaLocation) -> None:
    """Write a Cb or Cr plane (H, W), uint8, at twice its size into ``out``, (2H, 2W), or smaller by a row or a column.

    Samples are sited at ``location`` within their 2x2 pixels, before and after.
    """
    from sr4k.common.opencv import cv2

    rows = bicubic_taps(_ON if location == "topleft" else _BESIDE, first=-2, count=5)
    columns = bicubic_taps(_BESIDE if location == "center" else _ON, first=-2, count=5)
    for down, vertical in enumerate(rows):
        for right, horizontal in enumerate(columns):
            part = cv2.sepFilter2D(plane, -1, horizontal, vertical, borderType=cv2.BORDER_REPLICATE)
            target = out[down::2, right::2]
            target[:] = part[: target.shape[0], : target.shape[1]]


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
