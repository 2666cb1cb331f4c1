"""Protocols that define how the quality of a network is measured: sizes, colour planes, borders."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.models.quality import Protocol
from sr4k.models.quality.metrics import chroma, luma, mean_psnr, psnr, ssim, without_border
from sr4k.models.quality.testset import PicturePair
from sr4k.models.resize import imresize

Upscale = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Function from uint8 RGB (H, W, 3) to (scale H, scale W, 3)."""

UpscaleLuma = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""Function from uint8 RGB (H, W, 3) to limited-range luma (2H, 2W)."""

_CARD_LOW, _CARD_HIGH = (1920, 1080), (3840, 2160)


@dataclass(frozen=True, slots=True)
class Quality:
    """PSNR in dB, SSIM, and PSNR of Cb and Cr together in dB; of one picture, or averaged over several."""

    psnr: float
    ssim: float
    chroma: float


def bicubic(low: NDArray[np.uint8], scale: int = 2) -> NDArray[np.uint8]:
    """Enlarge by MATLAB's bicubic, the baseline: uint8 (H, W, 3) to (scale H, scale W, 3)."""
    return imresize(low, scale * low.shape[0], scale * low.shape[1])


def as_protocol(picture: PicturePair, protocol: Protocol) -> PicturePair:
    """Return the picture at the sizes that the protocol compares."""
    if protocol == "usual":
        return picture
    high, low = (
        np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        for array, size in ((picture.high, _CARD_HIGH), (picture.low, _CARD_LOW))
    )
    return PicturePair(picture.name, high, low)


def compare(upscaled: NDArray[np.uint8], high: NDArray[np.uint8], protocol: Protocol, scale: int) -> Quality:
    """Return the quality of one upscaled picture against the ground truth, both uint8 RGB (H, W, 3)."""
    border = 0 if protocol == "card" else scale
    colour = psnr(*(without_border(chroma(picture), border) for picture in (upscaled, high)))
    if protocol == "card":
        return Quality(psnr(upscaled, high), ssim(upscaled, high), colour)
    a, b = (without_border(luma(picture), border) for picture in (upscaled, high))
    return Quality(psnr(a, b), ssim(a, b), colour)


def mean(qualities: Iterable[Quality]) -> Quality:
    """Return the means; those of PSNRs leave out what is equal, as the chroma of gray pictures is (`mean_psnr`)."""
    listed = list(qualities)
    similar = float(np.mean([q.ssim for q in listed]))
    return Quality(mean_psnr(q.psnr for q in listed), similar, mean_psnr(q.chroma for q in listed))


def mean_psnr_y(pictures: Iterable[PicturePair], upscale: UpscaleLuma, *, scale: int = 2) -> float:
    """Return the mean PSNR of luma in dB, by the usual protocol."""
    return mean_psnr(psnr(without_border(upscale(p.low), scale), without_border(luma(p.high), scale)) for p in pictures)
