"""Protocols: what exactly is compared when the quality of a network is told in one number."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.models.quality.metrics import chroma, luma, psnr, ssim, without_border
from sr4k.models.quality.testset import Picture
from sr4k.models.resize import imresize

Upscale = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""uint8 RGB (H, W, 3) to (scale H, scale W, 3)."""

UpscaleLuma = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""uint8 RGB (H, W, 3) to limited-range luma (2H, 2W)."""

Protocol = Literal["usual", "card"]
"""``usual``, that of papers: PSNR and SSIM of the luma of BT.601, a border as wide as the scale cut; PSNR of its chroma
besides.

``card``: that of the SR4K model card. The low resolution is resized to 1920x1080 and the high one to 3840x2160 by
bilinear interpolation; PSNR over all samples of BGR, SSIM as the mean over the three colours.
"""

_CARD_LOW, _CARD_HIGH = (1920, 1080), (3840, 2160)


@dataclass(frozen=True, slots=True)
class Quality:
    """PSNR in dB and SSIM, and the PSNR of chroma, Cb and Cr together, in dB; of one picture or the mean of some."""

    psnr: float
    ssim: float
    chroma: float


def bicubic(low: NDArray[np.uint8], scale: int = 2) -> NDArray[np.uint8]:
    """The baseline: MATLAB's bicubic."""
    return imresize(low, scale * low.shape[0], scale * low.shape[1])


def as_protocol(picture: Picture, protocol: Protocol) -> Picture:
    """The picture at the sizes that the protocol compares at."""
    if protocol == "usual":
        return picture
    high, low = (
        np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        for array, size in ((picture.high, _CARD_HIGH), (picture.low, _CARD_LOW))
    )
    return Picture(picture.name, high, low)


def compare(upscaled: NDArray[np.uint8], high: NDArray[np.uint8], protocol: Protocol, scale: int) -> Quality:
    """Quality of one picture, uint8 RGB."""
    border = 0 if protocol == "card" else scale
    colour = psnr(*(without_border(chroma(picture), border) for picture in (upscaled, high)))
    if protocol == "card":
        return Quality(psnr(upscaled, high), ssim(upscaled, high), colour)
    a, b = (without_border(luma(picture), border) for picture in (upscaled, high))
    return Quality(psnr(a, b), ssim(a, b), colour)


def mean(qualities: Iterable[Quality]) -> Quality:
    """Mean of the dB and of the SSIM; that of chroma over pictures whose chroma differs, as that of grays does not."""
    listed = list(qualities)
    colours = [q.chroma for q in listed if np.isfinite(q.chroma)] or [np.inf]
    return Quality(*(float(np.mean(v)) for v in ([q.psnr for q in listed], [q.ssim for q in listed], colours)))


def mean_psnr_y(pictures: Iterable[Picture], upscale: UpscaleLuma, *, scale: int = 2) -> float:
    """Mean PSNR in dB of the luma alone, by the usual protocol."""
    return float(
        np.mean([psnr(without_border(upscale(p.low), scale), without_border(luma(p.high), scale)) for p in pictures])
    )
