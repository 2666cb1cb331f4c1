"""RGB as planes for networks, and their NV12 as RGB, by PyTorch's operations: what kernels are compared with."""

import torch
from torch import Tensor
from torch.nn import functional

from sr4k.engines.rgb_planes import COLOUR
from sr4k.models.colour import rgb_from_yuv, yuv_from_rgb
from sr4k.models.geometry import PAD_AFTER, PAD_BEFORE, SCALE


def planes_of(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Return padded luma and chroma of a picture (3, H, W)."""
    height, width = picture.shape[1:]
    planes = _transformed(picture.float(), *yuv_from_rgb(COLOUR))
    around = (PAD_BEFORE, PAD_AFTER + width % 2, PAD_BEFORE, PAD_AFTER + height % 2)
    padded = functional.pad(planes[None], around, mode="replicate")[0].round().clamp(0, 255).to(torch.uint8)
    return padded[0].contiguous(), padded[1:].contiguous()


def rgb_of(nv12: Tensor, height: int, width: int) -> Tensor:
    """Return the picture (3, 2H, 2W) of a network's NV12, whose sides are even."""
    even_height, even_width = height + height % 2, width + width % 2
    luma, both = nv12[: SCALE * even_height], nv12[SCALE * even_height :]
    chroma = both.reshape(1, even_height, even_width, 2).permute(0, 3, 1, 2).float()
    fine = functional.interpolate(chroma, scale_factor=SCALE, mode="bilinear", align_corners=False)[0]
    rgb = _transformed(torch.cat([luma[None].float(), fine]), *rgb_from_yuv(COLOUR))
    return rgb[:, : SCALE * height, : SCALE * width].round().clamp(0, 255).to(torch.uint8)


def _transformed(planes: Tensor, matrix: object, offset: object) -> Tensor:
    """Return ``matrix @ planes + offset``, for planes (3, H, W)."""
    a, b = (torch.as_tensor(values, dtype=torch.float32, device=planes.device) for values in (matrix, offset))
    return torch.einsum("ic,chw->ihw", a, planes) + b[:, None, None]
