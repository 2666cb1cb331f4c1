"""TensorRT on frames in GPU memory, without copies to the host. Needs the extras ``[gpu]`` and ``[cuda]``.

Not yet run on hardware.
"""

from typing import Any

import torch
from torch import Tensor

from sr4k.common.option_names import option
from sr4k.engines.base import EngineSpec
from sr4k.engines.on_gpu import nv12_of
from sr4k.engines.tensorrt import TensorRtEngine, bind, build, describe, enqueue
from sr4k.errors import OptionError


class TensorRtOnGpu:
    """The engine on a stream of its own, because on the default one TensorRT would synchronise with the whole GPU.

    Events order it after the work that is already on the current stream, and the current stream after it. Frames share
    one buffer of sub-pixels, which the next frame overwrites only after NV12 has been made of it.
    """

    def __init__(self, spec: EngineSpec) -> None:
        if spec.colour is not None and spec.colour.bits > TensorRtEngine.most_bits:
            raise OptionError(f"TensorRT works on pictures of 8 bits here: use {option('engine', 'cuda')}.")
        self._spec = spec
        self._built = build(spec)
        self._context = self._built.loaded.new_context()
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._cells = torch.empty(spec.output_shape, dtype=torch.uint8, device="cuda")
        bind(self._context, "subpixels", self._cells.data_ptr())

    def run(self, luma: Tensor, chroma: Tensor) -> Tensor:
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        bind(self._context, "luma", luma.data_ptr())
        bind(self._context, "chroma", chroma.data_ptr())
        enqueue(self._context, self._stream.cuda_stream)
        current.wait_stream(self._stream)
        return nv12_of(self._cells)

    def describe(self) -> dict[str, Any]:
        return describe(self._spec, self._built)
