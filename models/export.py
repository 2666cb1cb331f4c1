"""Export a folded network as an ONNX graph with Q/DQ, which every backend runs.

Inputs are padded as `sr4k.models.geometry` defines. For YUV: ``luma`` uint8 (1, 1, H + 21, W + 21) and ``chroma`` uint8
(1, 2, H/2 + 12, W/2 + 12), or 4:4:4 (1, 2, H + 21, W + 21); for RGB: ``rgb`` float32 (1, 3, H + 21, W + 21). H and W
are even. The output ``subpixels`` has one position per cell of the picture and five margin cells on each side:
(1, H/2 + 10, W/2 + 10, 24) uint8, rounded, or (1, H/2 + 10, W/2 + 10, 48) float32, not rounded unless that is asked
for. The 24 can also be two outputs, of luma and chroma. Planes of more than 8 bits are uint16, in and out.

Q/DQ rules (for TensorRT and OpenVINO alike): opset 17; zero-points 0; a Q/DQ pair on the input and weights of every
quantised convolution and none after it; float biases; the skip of an add passes through the pair of the convolution
that reads it. Convolutions that read the picture are not quantised, except the luma networks' head: its input is code
values minus 128, which int8 represents exactly.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

from sr4k.models.cell_input import cells_shape, on_cells
from sr4k.models.chroma_pairs import CELLS, CHROMA, on_pairs, paired_columns
from sr4k.models.colour import Colour
from sr4k.models.folded_network import FoldedNetwork
from sr4k.models.geometry import AROUND, AROUND_PADS, CELL, CELL_OUT, MARGIN, padded_chroma, padded_luma
from sr4k.models.quantize import OFFSET, QuantizedNetwork, folded_of


def to_onnx(
    network: FoldedNetwork | QuantizedNetwork,
    height: int,
    width: int,
    *,
    half: bool = False,
    cast_last: bool = False,
    rounded: bool = False,
    cells: bool = False,
    apart: bool = False,
    pairs: bool = False,
    ranged: bool = False,
) -> onnx.ModelProto:
    """Return the graph for pictures of ``height`` x ``width`` pixels, both even.

    Args:
        half: run those convolutions of a float network in float16 that can be int8; the picture stays in float32.
        cast_last: make the cast to uint8 the last node, as TensorRT requires.
        rounded: whether RGB becomes uint8.
        cells: whether ``luma`` comes as cells, (1, rows, columns, 4), where `sr4k.models.cell_input.reads_cells`.
        apart: whether sub-pixels of luma and chroma are two outputs, of 16 and 8 channels.
        pairs: with ``apart``, whether chroma is computed for two cells at once, where
            `sr4k.models.chroma_pairs.makes_pairs`. It may then have one more column than luma, which means nothing.
        ranged: for YUV, whether the range of luma around each cell comes as two more inputs, ``least`` and ``highest``,
            (1, 1, H/2 + 10, W/2 + 10), instead of being computed. Of a network that is kept within it.
    """
    rows, columns = height // CELL + 2 * MARGIN, width // CELL + 2 * MARGIN
    ops = OnnxOps(network, half=half, cells=cells, pairs_of=columns if pairs else None, ranged=ranged)
    net = ops.network
    luma = padded_luma(height, width)
    if net.colour is not None:
        first = [1, *cells_shape(height, width)] if cells else [1, 1, *luma]
        inputs = {"luma": first, "chroma": [1, 2, *padded_chroma(height, width, net.colour.sampling)]}
        kind = made = _kind(net.colour)
        outputs = list(net.structure(ops, tuple(map(ops.as_float, inputs))))
        if ranged:
            inputs |= {name: [1, 1, rows, columns] for name in (LEAST, HIGHEST)}
    else:
        inputs = {"rgb": [1, 3, *luma]}
        kind, made = TensorProto.FLOAT, TensorProto.UINT8 if rounded else TensorProto.FLOAT
        outputs = list(net.structure(ops, tuple(inputs)))
    rounds = made != TensorProto.FLOAT
    if rounds and not cast_last:
        outputs = [ops.rounded(out) for out in outputs]
    shapes = {"subpixels": [1, rows, columns, net.outputs]}
    if len(outputs) > 1 and apart:
        covered = paired_columns(columns) if pairs else columns
        of_luma, of_chroma = CELL_OUT**2, 2 * CELL**2
        shapes = {"luma_subpixels": [1, rows, columns, of_luma], "chroma_subpixels": [1, rows, covered, of_chroma]}
    elif len(outputs) > 1:
        outputs = [ops.node("Concat", *outputs, axis=1)]
    for (name, shape), out in zip(shapes.items(), outputs, strict=True):
        # Without cast_last the transpose comes last: it costs nothing, as OpenVINO's maps are channels-last in memory.
        transposed = ops.node("Transpose", out, perm=[0, 2, 3, 1])
        if rounds and cast_last:
            ops.rounded(transposed)
        elif pairs and name == "chroma_subpixels":
            ops.node("Reshape", transposed, ops.constant(np.array(shape), "shape"))
        ops.nodes[-1].output[0] = name
    graph = helper.make_graph(
        ops.nodes,
        "upscaler",
        [helper.make_tensor_value_info(name, kind, dims) for name, dims in inputs.items()],
        [helper.make_tensor_value_info(name, made, shape) for name, shape in shapes.items()],
        ops.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


LEAST, HIGHEST = "least", "highest"
"""Names of the inputs with the range of luma around each cell."""


class OnnxOps:
    """`sr4k.models.folded_network.Ops` on names of values: appends nodes and constants."""

    def __init__(
        self,
        network: FoldedNetwork | QuantizedNetwork,
        *,
        half: bool = False,
        cells: bool = False,
        pairs_of: int | None = None,
        ranged: bool = False,
    ) -> None:
        self._scales = network if isinstance(network, QuantizedNetwork) else None
        self._half = half
        self._halves: set[str] = set()  # names of float16 values
        self._cells = {"luma"} if cells else set()  # names of values that are luma as cells
        self._pairs_of = pairs_of  # columns of cells, if chroma is computed for two at once
        self._ranged = ranged  # whether the range of luma around cells is given
        self.network = folded_of(network)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._zero = self.constant(np.int8(0), "zero_point") if self._scales else ""

    def conv(self, name: str, x: str) -> str:
        conv = self.network.convs[name]
        if x in self._cells:
            conv, x = on_cells(conv), self._channels_first(x)
        strides = [conv.stride, conv.stride]
        if name == CHROMA and self._pairs_of is not None:
            conv, strides = on_pairs(conv, self._pairs_of), [1, CELLS]
        dtype = np.float16 if x in self._halves else np.float32
        kernel = self.constant(conv.kernel.astype(dtype), f"{name}.weight")
        if self._scales is not None and conv.quantised:
            steps = self._scales.weight_scales[name].astype(np.float32)
            zeros = self.constant(np.zeros(len(steps), np.int8), f"{name}.zero_point")
            kernel = self._pair(kernel, self.constant(steps, f"{name}.scale"), zeros, axis=0)
        bias = self.constant(conv.bias.astype(dtype), f"{name}.bias")
        out = self.node("Conv", x, kernel, bias, pads=list(conv.pads), strides=strides, group=conv.groups)
        return self._as(x, out)

    def quantise(self, name: str, x: str) -> str:
        if self._half and x not in self._halves:
            x = self._as(x, self.node("Cast", x, to=TensorProto.FLOAT16))
            self._halves.add(x)
        if self._scales is None:
            return x
        made = x
        if self.network.convs[name].codes:
            made = self.node("Sub", x, self.constant(np.float32(OFFSET), "offset"))
        made = self._pair(made, self.constant(np.float32(self._scales.input_scales[name]), "scale"), self._zero)
        return self._as(x, made)

    def add(self, a: str, b: str) -> str:
        if (a in self._halves) != (b in self._halves):
            a, b = (self.as_float(x) if x in self._halves else x for x in (a, b))
        return self._as(a, self.node("Add", a, b))

    def relu(self, x: str, basis: str) -> str:
        if self._scales is not None and basis in self.network.rectified:
            return x  # the next QuantizeLinear saturates at the ReLU's zero
        return self._as(x, self.node("Relu", x))

    def within(self, x: str, picture: str, beyond: float) -> str:
        if self._ranged:
            least, highest = self.as_float(LEAST), self.as_float(HIGHEST)
        else:
            highest = self._highest_around(picture)
            least = self.node("Neg", self._highest_around(self.node("Neg", picture)))
        step = self.constant(np.float32(beyond), "beyond")
        kept = self.node("Max", x, self.node("Sub", least, step))
        return self.node("Min", kept, self.node("Add", highest, step))

    def as_float(self, x: str) -> str:
        made = self.node("Cast", x, to=TensorProto.FLOAT)
        if x in self._cells:
            self._cells.add(made)
        return made

    def rounded(self, x: str) -> str:
        """Round and clip to code values; of RGB to 8 bits."""
        colour = self.network.colour or Colour()
        limits = (self.constant(np.float32(v), "limit") for v in (0, colour.peak))
        return self.node("Cast", self.node("Clip", self.node("Round", x), *limits), to=_kind(colour))

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator, and return the name of its output."""
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def _highest_around(self, picture: str) -> str:
        """Return the largest of the samples around each cell: (1, channels, rows, columns) for that many sub-pixels."""
        before, after = AROUND_PADS
        rows = self.node("MaxPool", picture, kernel_shape=[AROUND, 1], pads=[before, 0, after, 0], strides=[CELL, 1])
        pooled = self.node("MaxPool", rows, kernel_shape=[1, AROUND], pads=[0, before, 0, after], strides=[1, CELL])
        if self.network.yuv:
            return pooled
        colours = np.repeat(np.arange(3), CELL_OUT**2)
        return self.node("Gather", pooled, self.constant(colours, "colours"), axis=1)

    def _channels_first(self, x: str) -> str:
        """Transpose cells for a convolution. Just before it this costs nothing: OpenVINO's maps are channels-last."""
        made = self.node("Transpose", x, perm=[0, 3, 1, 2])
        if x in self._halves:
            self._halves.add(made)
        return made

    def _as(self, x: str, made: str) -> str:
        """Give ``made`` the type and the form of ``x``, which it was computed from."""
        for known in (self._halves, self._cells):
            if x in known:
                known.add(made)
        return made

    def _pair(self, x: str, scale: str, zero: str, **attributes: Any) -> str:
        quantised = self.node("QuantizeLinear", x, scale, zero, **attributes)
        return self.node("DequantizeLinear", quantised, scale, zero, **attributes)

    def constant(self, value: ArrayLike, name: str) -> str:
        """Add a constant, and return its unique name, which begins with ``name``."""
        unique = f"{name}_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), unique))
        return unique


def _kind(colour: Colour) -> int:
    """Return ONNX's number of the planes' dtype."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(colour.dtype)))
