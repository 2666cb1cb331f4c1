"""A folded network as an ONNX graph with Q/DQ: the one artefact that every backend runs.

Inputs are padded as `sr4k.models.fold` says. For YUV: ``luma`` uint8 (1, 1, H + 5, W + 5) and ``chroma`` uint8
(1, 2, H/2 + 4, W/2 + 4); for RGB: ``rgb`` float32 (1, 3, H + 5, W + 5). H and W are even. The output ``subpixels`` has
one cell of the picture a position and a margin cell around: (1, H/2 + 2, W/2 + 2, 24) uint8, rounded, or
(1, H/2 + 2, W/2 + 2, 48) float32, not rounded.

Q/DQ rules (for TensorRT and OpenVINO alike): opset 17, zero-points 0, a pair on every quantised convolution's input and
weights, none after a convolution, float biases; the skip of an add goes through the pair of the convolution that reads
it; the long skip is not quantised.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

from sr4k.models.architecture import CELL
from sr4k.models.fold import MARGIN, Conv, FoldedNetwork, padded_chroma, padded_luma
from sr4k.models.quantize import QuantizedNetwork

_SAME3 = [1] * 4
_SAME5 = [2] * 4
_STRIDE = [CELL, CELL]


def to_onnx(network: FoldedNetwork | QuantizedNetwork, height: int, width: int) -> onnx.ModelProto:
    """The graph for pictures of ``height`` x ``width`` pixels, both even."""
    return _Exporter(network).export(height, width)


class _Exporter:
    def __init__(self, network: FoldedNetwork | QuantizedNetwork) -> None:
        self.scales = network if isinstance(network, QuantizedNetwork) else None
        self.net = network.network if isinstance(network, QuantizedNetwork) else network
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.zero = self._constant(np.int8(0), "zero_point") if self.scales else ""

    def export(self, height: int, width: int) -> onnx.ModelProto:
        yuv = len(self.net.heads) == 2
        luma, chroma = padded_luma(height, width), padded_chroma(height, width)
        if yuv:
            inputs = [
                helper.make_tensor_value_info("luma", TensorProto.UINT8, [1, 1, *luma]),
                helper.make_tensor_value_info("chroma", TensorProto.UINT8, [1, 2, *chroma]),
            ]
            features = self._yuv_head()
        else:
            inputs = [helper.make_tensor_value_info("rgb", TensorProto.FLOAT, [1, 3, *luma])]
            features = self._conv("rgb", self.net.heads[0], "head", strides=_STRIDE)
        out = self._tail(self._body(features))
        if yuv:
            limits = (self._constant(np.float32(v), "limit") for v in (0, 255))
            out = self._node("Clip", self._node("Round", out), *limits)
            out = self._node("Cast", out, to=TensorProto.UINT8)
        # The transpose must be the very last node: OpenVINO's maps lie channel-last in memory, so it costs nothing.
        self.nodes.append(helper.make_node("Transpose", [out], ["subpixels"], perm=[0, 2, 3, 1]))
        shape = [1, height // CELL + 2 * MARGIN, width // CELL + 2 * MARGIN, len(self.net.tail.bias)]
        kind = TensorProto.UINT8 if yuv else TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes, "rcan", inputs, [helper.make_tensor_value_info("subpixels", kind, shape)], self.constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        return model

    def _yuv_head(self) -> str:
        luma, chroma = self.net.heads
        y = self._conv(self._node("Cast", "luma", to=TensorProto.FLOAT), luma, "head.luma", strides=_STRIDE)
        uv = self._conv(self._node("Cast", "chroma", to=TensorProto.FLOAT), chroma, "head.chroma")
        return self._node("Add", y, uv)

    def _body(self, features: str) -> str:
        index = iter(range(len(self.net.body)))

        def conv(x: str) -> tuple[str, str]:
            """The convolution's output, and its input as quantised, which is what a skip has to add."""
            k = next(index)
            seen = self._quantised_input(x, k)
            return self._conv(seen, self.net.body[k], f"body.{k}", quantised=k, pads=_SAME3), seen

        stream = features
        for _ in range(self.net.arch.groups):
            inner, skips = stream, []
            for _ in range(self.net.arch.blocks):
                branch, seen = conv(inner)
                branch, _ = conv(self._node("Relu", branch))
                inner = self._node("Add", branch, seen)
                skips.append(seen)
            out, _ = conv(inner)
            stream = self._node("Add", out, skips[0])
        out, _ = conv(stream)
        return self._node("Add", out, features)

    def _tail(self, features: str) -> str:
        last = len(self.net.body)
        return self._conv(self._quantised_input(features, last), self.net.tail, "tail", quantised=last, pads=_SAME5)

    def _quantised_input(self, x: str, index: int) -> str:
        if self.scales is None:
            return x
        return self._pair(x, self._constant(np.float32(self.scales.input_scales[index]), "scale"), self.zero)

    def _conv(
        self,
        x: str,
        conv: Conv,
        name: str,
        *,
        quantised: int | None = None,
        pads: list[int] | None = None,
        strides: list[int] | None = None,
    ) -> str:
        kernel = self._constant(conv.kernel.astype(np.float32), f"{name}.weight")
        if self.scales is not None and quantised is not None:
            steps = self.scales.weight_scales[quantised].astype(np.float32)
            zeros = self._constant(np.zeros(len(steps), np.int8), f"{name}.zero_point")
            kernel = self._pair(kernel, self._constant(steps, f"{name}.scale"), zeros, axis=0)
        bias = self._constant(conv.bias.astype(np.float32), f"{name}.bias")
        attributes = {"pads": pads, "strides": strides}
        return self._node("Conv", x, kernel, bias, **{k: v for k, v in attributes.items() if v is not None})

    def _pair(self, x: str, scale: str, zero: str, **attributes: Any) -> str:
        return self._node(
            "DequantizeLinear", self._node("QuantizeLinear", x, scale, zero, **attributes), scale, zero, **attributes
        )

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def _constant(self, value: ArrayLike, name: str) -> str:
        unique = f"{name}_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), unique))
        return unique
