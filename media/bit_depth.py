"""Reduces more than 10 bits to 10 by rounding: libswscale truncates, which darkens a picture by up to one level."""

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from sr4k.media.planes import rows_of

_PEAK = 1023


def reduced(picture: VideoFrame, pixel_format: str, *, full_range: bool) -> VideoFrame:
    """Return a Y'CbCr or gray picture of more than 10 bits in 10, with the same chroma sampling; any other unchanged.

    Full range is scaled by the ratio of the peaks, limited range by a power of two (ITU-T H.273).

    Args:
        picture: a decoded picture.
        pixel_format: what it will be converted to, by libav's name; RGB needs no reduction, and neither does what has
            more than 10 bits itself. From 10 to 8 bits, libswscale dithers.
        full_range: whether its code values are full range.
    """
    bits = max((component.bits for component in picture.format.components), default=8)
    if bits <= 10 or _is_rgb(picture) or not _is_shallow(pixel_format):
        return picture
    deep = picture.reformat(format=_planar(picture, 16 if bits > 14 else bits))
    peak = (1 << deep.format.components[0].bits) - 1
    scale = _PEAK / peak if full_range else 1024 / (peak + 1)
    levels = np.minimum(np.rint(np.arange(peak + 1) * scale), _PEAK).astype(np.uint16)
    out = VideoFrame(picture.width, picture.height, _planar(picture, 10))
    for source, target in zip(deep.planes, out.planes, strict=True):
        width = target.width
        np.take(levels, rows_of(source, "uint16")[: target.height, :width], out=rows_of(target, "uint16")[:, :width])
    out.colorspace, out.color_range = picture.colorspace, picture.color_range
    return out


def _is_rgb(picture: VideoFrame) -> bool:
    return picture.format.is_rgb or picture.format.has_palette


def _is_shallow(pixel_format: str) -> bool:
    """Whether it is Y'CbCr or gray of at most 10 bits."""
    return pixel_format.startswith(("yuv", "gray")) and VideoFormat(pixel_format).components[0].bits <= 10


def _planar(picture: VideoFrame, bits: int) -> str:
    """Name the planar format of this depth with the same chroma sampling, without alpha."""
    form = picture.format
    if len(form.components) < 3:
        return f"gray{bits}le"
    wide, high = form.chroma_width(64) == 64, form.chroma_height(64) == 64
    return f"yuv{'444' if wide and high else '440' if wide else '422' if high else '420'}p{bits}le"
