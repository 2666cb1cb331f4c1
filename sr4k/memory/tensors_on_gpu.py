"""Tensors in the memory of an NVIDIA GPU, upscaled there: nothing passes through host memory. Not yet run on hardware.

The networks on a GPU work on planes, so RGB becomes full-range Y'CbCr of 8 bits and 4:4:4 before them, and their 4:2:0
becomes RGB again: results are close to those of host memory, and not equal to them.
"""

import threading
from collections import OrderedDict

import torch
from torch import Tensor
from torch.nn import functional

from sr4k.configs import EnginePreset
from sr4k.engines import EngineSpec
from sr4k.engines.choose import GPU_ENGINES, engines_for
from sr4k.engines.on_gpu import GpuNetwork, gpu_errors, open_on_gpu
from sr4k.models.catalogue import ARCHITECTURES
from sr4k.models.colour import Colour, rgb_from_yuv, yuv_from_rgb
from sr4k.models.geometry import PAD_AFTER, PAD_BEFORE, SCALE

_COLOUR = Colour("bt601", full_range=True, chroma_location="center", sampling="444")
"""The luma of BT.601 is the one that the networks were trained on; centred chroma is enlarged by plain bilinear."""


def takes(batch: Tensor, engine: EnginePreset) -> bool:
    """Whether a batch can stay on the GPU: it is there, it is RGB of 8 bits, and the engine runs on a GPU."""
    is_ours = engine.model in ARCHITECTURES
    return batch.is_cuda and is_fit(batch) and is_ours and engines_for(engine.name, engine.device)[0] in GPU_ENGINES


def is_fit(batch: Tensor) -> bool:
    """Whether it is a batch of RGB pictures of 8 bits."""
    return batch.ndim == 4 and batch.shape[1] == 3 and batch.dtype == torch.uint8 and batch.numel() > 0


class TensorsOnGpu:
    """Upscales tensors on an NVIDIA GPU, with a network for each of the last few sizes. One thread at a time is served.

    Args:
        engine: which network runs, and how.
        kept: number of sizes.
    """

    def __init__(self, engine: EnginePreset, kept: int) -> None:
        self._engine, self._kept = engine, kept
        self._networks: OrderedDict[tuple[int, int], GpuNetwork] = OrderedDict()
        self._using = threading.Lock()

    def __call__(self, batch: Tensor) -> Tensor:
        """Return pictures (N, 3, 2H, 2W) of pictures (N, 3, H, W), uint8, on the same GPU.

        Raises:
            EngineError: no network starts, or the GPU fails.
        """
        height, width = batch.shape[2:]
        with self._using, torch.no_grad(), gpu_errors():
            network = self._network(height + height % 2, width + width % 2)
            return torch.stack([_enlarged(picture, network) for picture in batch])

    def close(self) -> None:
        """Free the networks."""
        with self._using:
            self._networks.clear()

    def _network(self, height: int, width: int) -> GpuNetwork:
        key = (height, width)
        if key not in self._networks:
            engine = self._engine
            spec = EngineSpec(
                model=engine.model,
                height=height,
                width=width,
                colour=_COLOUR,
                precision=engine.precision,
                weights=engine.weights,
                sharpness=engine.sharpness,
            )
            self._networks[key] = open_on_gpu(engines_for(engine.name, engine.device), spec)
        self._networks.move_to_end(key)
        while len(self._networks) > self._kept:
            self._networks.popitem(last=False)
        return self._networks[key]


def _enlarged(picture: Tensor, network: GpuNetwork) -> Tensor:
    """Return a picture (3, H, W) at twice its size."""
    height, width = picture.shape[1:]
    even_height, even_width = height + height % 2, width + width % 2
    planes = _transformed(picture.float(), *yuv_from_rgb(_COLOUR))
    around = (PAD_BEFORE, PAD_AFTER + width % 2, PAD_BEFORE, PAD_AFTER + height % 2)
    padded = functional.pad(planes[None], around, mode="replicate")[0].round().clamp(0, 255).to(torch.uint8)
    nv12 = network.run(padded[0].contiguous(), padded[1:].contiguous())
    luma, both = nv12[: SCALE * even_height], nv12[SCALE * even_height :]
    chroma = both.reshape(1, even_height, even_width, 2).permute(0, 3, 1, 2).float()
    fine = functional.interpolate(chroma, scale_factor=SCALE, mode="bilinear", align_corners=False)[0]
    rgb = _transformed(torch.cat([luma[None].float(), fine]), *rgb_from_yuv(_COLOUR))
    return rgb[:, : SCALE * height, : SCALE * width].round().clamp(0, 255).to(torch.uint8)


def _transformed(planes: Tensor, matrix: object, offset: object) -> Tensor:
    """Return ``matrix @ planes + offset``, for planes (3, H, W)."""
    a, b = (torch.as_tensor(values, dtype=torch.float32, device=planes.device) for values in (matrix, offset))
    return torch.einsum("ic,chw->ihw", a, planes) + b[:, None, None]
