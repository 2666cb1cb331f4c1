"""Foreign networks in PyTorch: those that were added as checkpoints, on an NVIDIA GPU if there is one, else on the CPU.

Conversions of colour are those of `sr4k.engines.foreign_graph`. On GPUs the network runs in float16 if that gives the
picture of float32. Needs the extra ``[convert]``. Not yet run on GPUs.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sr4k.common.option_names import option
from sr4k.engines.base import EngineSpec, Plane
from sr4k.errors import EngineError, OptionError
from sr4k.models.colour import Colour, doubling_taps, halving_taps, rgb_from_yuv, yuv_from_rgb
from sr4k.models.foreign.from_checkpoint import load_network
from sr4k.models.foreign.store import Foreign, hash_of_file
from sr4k.models.geometry import CHROMA_PAD, PAD_BEFORE

_FULL = Colour("bt601", full_range=True)
"""How the luma of RGB is computed for networks on luma."""

_MOST_APART = 1 / 255
"""Difference from float32, white being 1, that float16 may have."""


class ForeignNetwork:
    """A network that the user brought, from padded planes to planes.

    Attributes:
        device: that it runs on.
        precision: ``fp32`` or ``fp16``.
    """

    def __init__(self, spec: EngineSpec, foreign: Foreign) -> None:
        self._spec, self._card = spec, foreign.card
        path = foreign.weights
        if not foreign.card.weights_sha256:
            raise OptionError(
                f"PyTorch can't run {foreign.name}, which was not added as a checkpoint of PyTorch's: use "
                f"{option('engine', 'openvino')}."
            )
        if hash_of_file(path) != foreign.card.weights_sha256:
            raise OptionError(f"{path} is not the file that was added: remove the network and add it again.")
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = load_network(path)[0].to(self.device)
        self._kind = self._chosen()
        self._network.to(self._kind)
        self.precision = "fp16" if self._kind == torch.float16 else "fp32"
        colour = spec.colour or _FULL
        self._colour, self._location = colour, colour.chroma_location
        self._span = colour.peak if colour.full_range else 219 * colour.unit  # of luma, from black to white

    @torch.inference_mode()
    def __call__(self, planes: Sequence[Plane]) -> Plane:
        """Return the planes of the result, shaped ``spec.output_shape``, of padded planes."""
        given = [torch.from_numpy(plane).to(self.device).float() for plane in planes]
        source, chroma = self._source(given)
        scale = self._card.scale
        made = self._network((source / 255)[None].to(self._kind))[0].float() * 255
        if made.shape != (self._card.channels, scale * self._spec.height, scale * self._spec.width):
            raise EngineError(f"{self._spec.model} makes {tuple(made.shape)} of {tuple(source.shape)}.")
        if chroma is not None:
            made = self._with_chroma(made, chroma)
        return self._result(made, given)

    def _chosen(self) -> torch.dtype:
        """Return the type to compute in: float16 on GPUs, unless it makes another picture or more bits are needed."""
        deep = self._spec.colour is not None and self._spec.colour.bits > 8
        if self.device.type == "cpu" or deep or self._spec.precision == "fp32":
            return torch.float32
        return torch.float16 if half_is_enough(self._network, self._card.channels, self.device) else torch.float32

    def _source(self, given: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Return what the network gets, 0..255, and for networks on luma the picture's Y'CbCr."""
        spec, height, width = self._spec, self._spec.height, self._spec.width
        first = _cut(given[0], PAD_BEFORE, height, width)
        if spec.colour is None:
            if self._card.channels == 3:
                return first, None
            yuv = _mixed(first, *yuv_from_rgb(_FULL))
        else:
            if spec.colour.sampling == "444":
                chroma = _cut(given[1], PAD_BEFORE, height, width)
            else:
                chroma = _cut(_doubled(given[1], doubling_taps(self._location)), 2 * CHROMA_PAD - 2, height, width)
            yuv = torch.cat([first[None], chroma])
            if self._card.channels == 3:
                return _mixed(yuv, *rgb_from_yuv(spec.colour)), None
        return (yuv[:1] - self._colour.black) * (255 / self._span), yuv

    def _with_chroma(self, level: Tensor, yuv: Tensor) -> Tensor:
        """Return Y'CbCr of the network's luma, or RGB for a spec on RGB."""
        chroma = yuv[1:]
        if self._card.scale > 1:
            chroma = F.interpolate(chroma[None], size=level.shape[1:], mode="bicubic", align_corners=False)[0]
        made = torch.cat([level * (self._span / 255) + self._colour.black, chroma])
        return made if self._spec.colour is not None else _mixed(made, *rgb_from_yuv(_FULL))

    def _result(self, made: Tensor, given: list[Tensor]) -> Plane:
        """Return the planes of the result: RGB, or one block of 4:2:0."""
        spec = self._spec
        if spec.colour is None:
            made = _rounded(made, 255, torch.uint8) if spec.rounded else made
            return _on_host(made)
        yuv = made if self._card.channels == 1 else _mixed(made, *yuv_from_rgb(spec.colour))
        if self._card.channels == 1 and self._card.scale == 1 and spec.colour.sampling == "420":  # as it came
            chroma = _cut(given[1], CHROMA_PAD, spec.height // 2, spec.width // 2)
        else:
            chroma = _halved(yuv[1:], halving_taps(self._location))
        kind = torch.uint8 if spec.colour.dtype == "uint8" else torch.uint16
        flat = torch.cat([yuv[0].flatten(), chroma.flatten()])
        return _on_host(_rounded(flat, spec.colour.peak, kind)).reshape(spec.output_shape)


@torch.inference_mode()
def half_is_enough(network: torch.nn.Module, channels: int, device: torch.device) -> bool:
    """Whether a network in float32 makes the same picture in float16. It is in float32 again afterwards."""
    draw = torch.Generator().manual_seed(1)
    picture = F.interpolate(torch.rand(1, channels, 16, 16, generator=draw), size=(128, 128), mode="bilinear")
    picture = (picture + 0.05 * torch.randn(picture.shape, generator=draw)).clamp(0, 1).to(device)
    wanted = network(picture)
    try:
        found = network.to(torch.float16)(picture.half()).float()
    except RuntimeError:  # an operator that has no such form
        return False
    finally:
        network.to(torch.float32)
    return bool((found - wanted).abs().max() <= _MOST_APART)  # not if it isn't finite


def _on_host(made: Tensor) -> Plane:
    return made.contiguous().cpu().numpy()


def _cut(x: Tensor, first: int, rows: int, columns: int) -> Tensor:
    return x[..., first : first + rows, first : first + columns]


def _mixed(x: Tensor, matrix: NDArray[np.floating], offset: NDArray[np.floating]) -> Tensor:
    """Return ``matrix @ x + offset`` of the channels."""
    factors, shift = (torch.from_numpy(each.astype(np.float32)).to(x.device) for each in (matrix, offset))
    return torch.einsum("ic,chw->ihw", factors, x) + shift[:, None, None]


def _rounded(x: Tensor, peak: int, kind: torch.dtype) -> Tensor:
    return x.round().clamp(0, peak).to(kind)


def _doubled(chroma: Tensor, taps: NDArray[np.float32]) -> Tensor:
    """Enlarge chroma (2, h, w) x2 to (2, 2h - 4, 2w - 4)."""
    return F.pixel_shuffle(F.conv2d(chroma[:, None], torch.from_numpy(taps[:, None]).to(chroma.device)), 2)[:, 0]


def _halved(chroma: Tensor, taps: NDArray[np.float32]) -> Tensor:
    """Halve chroma (2, h, w)."""
    rows, columns = taps.shape
    padded = F.pad(chroma[None], (columns - 2, 0, rows - 2, 0), mode="replicate")[0][:, None]
    return F.conv2d(padded, torch.from_numpy(taps[None, None]).to(chroma.device), stride=2)[:, 0]
