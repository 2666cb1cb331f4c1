"""A folded network run in PyTorch: the float reference, and the eyes of calibration."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from sr4k.models.fold import MARGIN, Conv, FoldedNetwork

Observer = Callable[[str, Tensor], None]
"""Called with the name of a convolution (``body.K`` or ``tail``) and its input."""


class FoldedExecutor:
    """Runs a `FoldedNetwork` in float; inputs padded as `sr4k.models.fold` says."""

    def __init__(
        self, network: FoldedNetwork, *, dtype: torch.dtype = torch.float32, observe: Observer | None = None
    ) -> None:
        def load(conv: Conv) -> tuple[Tensor, Tensor]:
            kernel = torch.from_numpy(conv.kernel).to(dtype).contiguous(memory_format=torch.channels_last)
            return kernel, torch.from_numpy(conv.bias).to(dtype)

        self._arch = network.arch
        self._heads = [load(head) for head in network.heads]
        self._body = [load(conv) for conv in network.body]
        self._tail = load(network.tail)
        self._observe = observe or (lambda _name, _x: None)
        self._dtype = dtype

    @torch.inference_mode()
    def __call__(self, *planes: Tensor) -> Tensor:
        """Luma (1, 1, ...) and chroma (1, 2, ...), or RGB (1, 3, ...), to sub-pixels (1, 24 or 48, cells + margins)."""
        first, *rest = (plane.to(self._dtype).contiguous(memory_format=torch.channels_last) for plane in planes)
        stream = F.conv2d(first, *self._heads[0], stride=2)
        for plane, head in zip(rest, self._heads[1:], strict=True):
            stream = stream + F.conv2d(plane, *head)
        features = stream + self._run_body(stream)
        self._observe("tail", features)
        return F.conv2d(features, *self._tail, padding=2)

    def picture(self, *planes: Tensor) -> Tensor:
        """The same without the margin, RGB only: (1, 3, 2H, 2W)."""
        inner = slice(MARGIN, -MARGIN)
        return F.pixel_shuffle(self(*planes)[..., inner, inner], 4)

    def _run_body(self, stream: Tensor) -> Tensor:
        convs = enumerate(self._body)

        def conv(x: Tensor) -> Tensor:
            k, (kernel, bias) = next(convs)
            self._observe(f"body.{k}", x)
            return F.conv2d(x, kernel, bias, padding=1)

        for _ in range(self._arch.groups):
            inner = stream
            for _ in range(self._arch.blocks):
                inner = inner + conv(F.relu(conv(inner)))
            stream = stream + conv(inner)
        return conv(stream)
