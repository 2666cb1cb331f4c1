"""A foreign network with the conversions of colour around it, as one ONNX graph of one size: for TensorRT.

Inputs are padded planes, as in `sr4k.models.export`; the output ``planes`` is what `EngineSpec.output_shape` says of
foreign networks. The conversions are those of `sr4k.engines.foreign_graph`, in float32; the network between them can
be in float16.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, compose, helper, numpy_helper, version_converter

from sr4k.common.printable import first_line
from sr4k.errors import EngineError
from sr4k.models.colour import ChromaLocation, Colour, doubling_taps, halving_taps, rgb_from_yuv, yuv_from_rgb
from sr4k.models.foreign.card import Card
from sr4k.models.geometry import CHROMA_PAD, PAD_BEFORE, padded_chroma, padded_luma

OUTPUT = "planes"
"""Name of the output."""

_LEAST_OPSET = 13
"""From this version of ONNX's operators on, those of the conversions are as they are written here."""

_FULL = Colour("bt601", full_range=True)
"""How the luma of RGB is computed for networks on luma."""

_MOST_HALF = float(np.finfo(np.float16).max)

_REAL = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a graph is for.

    Attributes:
        height, width: of the picture, in pixels; even.
        colour: format of the planes; ``None``: RGB in and out.
        rounded: whether RGB becomes uint8.
    """

    height: int
    width: int
    colour: Colour | None
    rounded: bool = False


def planes_graph(network: bytes, card: Card, picture: Picture, *, half: bool = False) -> onnx.ModelProto:
    """Return the graph of a network for pictures of one size.

    Args:
        network: in ONNX.
        card: what is known of it.
        picture: see `Picture`; of a size that the network takes.
        half: whether the network is in float16, but for operators that have no such form.

    Raises:
        EngineError: its operators are so old that ONNX can't bring them up to date, or it has no float16 form.
    """
    inner = _prepared(network, half=half)
    graph = _Graph(picture, card)
    inputs = graph.inputs()
    given = graph.given(list(inputs))
    source = inner.graph.input[0]
    graph.around(given, source.name, source.type.tensor_type.elem_type, inner.graph.output[0])
    before, after = graph.nodes[: graph.split], graph.nodes[graph.split :]
    kind = int(TensorProto.UINT8 if picture.rounded else TensorProto.FLOAT)
    if picture.colour is not None:
        kind = _kind(picture.colour)
    whole = helper.make_graph(
        [*before, *inner.graph.node, *after],
        "picture",
        [helper.make_tensor_value_info(name, of, shape) for name, (of, shape) in inputs.items()],
        [helper.make_tensor_value_info(OUTPUT, kind, graph.output_shape)],
        [*inner.graph.initializer, *graph.constants],
        sparse_initializer=inner.graph.sparse_initializer,
    )
    model = helper.make_model(
        whole, opset_imports=inner.opset_import, ir_version=max(inner.ir_version, 8), functions=inner.functions
    )
    onnx.checker.check_model(model)
    return model


def _prepared(network: bytes, *, half: bool) -> onnx.ModelProto:
    """Return a network under names of its own, with operators that are new enough, in float16 if that is wanted."""
    model = onnx.load_from_string(network)
    opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    try:
        if opset < _LEAST_OPSET:
            model = version_converter.convert_version(model, _LEAST_OPSET)
        if half:
            model = _halved_weights(model)
    except (
        RuntimeError,
        ValueError,
        IndexError,
        KeyError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
    ) as err:
        first = first_line(err)
        raise EngineError(
            f"the network can't be brought into {'float16' if half else 'newer operators'}: {first}"
        ) from err
    names = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in names]  # older files list weights there too
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return compose.add_prefix(model, "network/")


def _halved_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxconverter_common import float16  # here: only TensorRT needs it

    if model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT16:
        return model
    for number, node in enumerate(model.graph.node):
        node.name = f"node_{number}"  # what it adds is named after these, and files may have none, or the same twice
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16  # which it leaves
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # weights that are smaller than float16 has
        made: onnx.ModelProto = float16.convert_float_to_float16(
            model, keep_io_types=True, max_finite_val=_MOST_HALF, check_fp16_ready=False
        )
    del made.graph.value_info[:]
    onnx.checker.check_model(made, full_check=True)  # of types: it does not know all operators
    return made


class _Graph:
    """The operators before and after a network.

    Attributes:
        nodes, constants: of the graph.
        split: number of operators that come before the network.
        output_shape: of the result.
    """

    def __init__(self, picture: Picture, card: Card) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.split = 0
        self._picture, self._card = picture, card
        self._colour = picture.colour or _FULL
        self._location: ChromaLocation = self._colour.chroma_location
        self._span = self._colour.peak if self._colour.full_range else 219 * self._colour.unit
        height, width = card.scale * picture.height, card.scale * picture.width
        self.output_shape = [1, 3, height, width] if picture.colour is None else [1, 3 * height // 2, width]

    def inputs(self) -> dict[str, tuple[int, list[int]]]:
        """Return type and shape of each input, by name."""
        height, width, colour = self._picture.height, self._picture.width, self._picture.colour
        luma = padded_luma(height, width)
        if colour is None:
            return {"rgb": (TensorProto.FLOAT, [1, 3, *luma])}
        kind, chroma = _kind(colour), padded_chroma(height, width, colour.sampling)
        return {"luma": (kind, [1, 1, *luma]), "chroma": (kind, [1, 2, *chroma])}

    def given(self, names: list[str]) -> list[str]:
        """Return the inputs as float32."""
        return names if self._picture.colour is None else [self._cast(name, TensorProto.FLOAT) for name in names]

    def around(self, given: list[str], source: str, kind: int, target: onnx.ValueInfoProto) -> None:
        """Add the operators before and after the network.

        Args:
            given: names of the inputs in float32.
            source, kind: name and type of the network's input.
            target: the network's output.
        """
        card = self._card
        picture = self._joined(given)
        level, beside = (picture, "") if card.channels == 3 else self._luma_apart(picture)
        self._to_network(level, source, kind)
        self.split = len(self.nodes)
        made = self._from_network(target)
        if card.channels == 1:
            made = self._luma_back(made, beside)
        self._result(made, given)

    def _joined(self, given: list[str]) -> str:
        """Return the picture without its margin: RGB, or Y'CbCr for a network on luma."""
        channels, colour = self._card.channels, self._picture.colour
        first = self._cut(given[0], PAD_BEFORE)
        if colour is None:
            return first if channels == 3 else self._mixed(first, *yuv_from_rgb(_FULL))
        if colour.sampling == "444":
            chroma = self._cut(given[1], PAD_BEFORE)
        else:
            chroma = self._cut(self._doubled(given[1]), 2 * CHROMA_PAD - 2)
        yuv = self._node("Concat", first, chroma, axis=1)
        return yuv if channels == 1 else self._mixed(yuv, *rgb_from_yuv(colour))

    def _luma_apart(self, yuv: str) -> tuple[str, str]:
        """Return luma, 0..255, and chroma of the result's size, enlarged by a bicubic."""
        luma, scale = self._channels(yuv, 0, 1), self._card.scale
        level = self._times(self._node("Sub", luma, self._number(self._colour.black)), 255 / self._span)
        chroma = self._channels(yuv, 1, 3)
        if scale == 1:
            return level, chroma
        factors = self._constant(np.array([1, 1, scale, scale], np.float32))
        return level, self._node("Resize", chroma, "", factors, mode="cubic")

    def _to_network(self, level: str, name: str, kind: int) -> None:
        """Give the network its input, in its range, layout and type."""
        x = level if self._card.peak == 255 else self._times(level, self._card.peak / 255)
        if self._card.layout == "NHWC":
            x = self._node("Transpose", x, perm=[0, 2, 3, 1])
        if kind not in _REAL:
            x = self._clipped(x, 255)
        self._cast(x, kind)
        self.nodes[-1].output[0] = name

    def _from_network(self, target: onnx.ValueInfoProto) -> str:
        """Return the network's output in float32, NCHW, 0..255."""
        made = self._cast(target.name, TensorProto.FLOAT)
        if self._card.layout == "NHWC":
            made = self._node("Transpose", made, perm=[0, 3, 1, 2])
        return made if self._card.peak == 255 else self._times(made, 255 / self._card.peak)

    def _luma_back(self, level: str, chroma: str) -> str:
        """Return Y'CbCr of the network's luma, or RGB for a graph on RGB."""
        luma = self._node("Add", self._times(level, self._span / 255), self._number(self._colour.black))
        yuv = self._node("Concat", luma, chroma, axis=1)
        return yuv if self._picture.colour is not None else self._mixed(yuv, *rgb_from_yuv(_FULL))

    def _result(self, made: str, given: list[str]) -> None:
        """Make the planes of the result: RGB, or one block of 4:2:0. The cast comes last, as TensorRT requires."""
        colour = self._picture.colour
        if colour is None:
            rounded = self._clipped(made, 255) if self._picture.rounded else made
            self._cast(rounded, TensorProto.UINT8 if self._picture.rounded else TensorProto.FLOAT)
        else:
            yuv = made if self._card.channels == 1 else self._mixed(made, *yuv_from_rgb(colour))
            if self._card.channels == 1 and self._card.scale == 1 and colour.sampling == "420":  # as it came
                chroma = self._cut(given[1], CHROMA_PAD, halves=True)
            else:
                chroma = self._halved(self._channels(yuv, 1, 3))
            parts = [self._flat(self._channels(yuv, 0, 1)), self._flat(chroma)]
            block = self._clipped(self._node("Concat", *parts, axis=1), colour.peak)
            shape = self._constant(np.array(self.output_shape))
            self._cast(self._node("Reshape", block, shape), _kind(colour))
        self.nodes[-1].output[0] = OUTPUT

    def _doubled(self, chroma: str) -> str:
        """Enlarge chroma (1, 2, h, w) x2 to (1, 2, 2h - 4, 2w - 4)."""
        taps = doubling_taps(self._location)  # outputs, rows, columns
        kernel = self._constant(np.tile(taps[:, None], (2, 1, 1, 1)))
        return self._node("DepthToSpace", self._node("Conv", chroma, kernel, group=2), blocksize=2, mode="CRD")

    def _halved(self, chroma: str) -> str:
        """Halve chroma (1, 2, h, w)."""
        taps = halving_taps(self._location)
        before = np.array([0, 0, taps.shape[0] - 2, taps.shape[1] - 2, 0, 0, 0, 0])
        padded = self._node("Pad", chroma, self._constant(before), mode="edge") if before.any() else chroma
        kernel = self._constant(np.tile(taps[None, None], (2, 1, 1, 1)))
        return self._node("Conv", padded, kernel, group=2, strides=[2, 2])

    def _mixed(self, x: str, matrix: NDArray[np.floating], offset: NDArray[np.floating]) -> str:
        """Return ``matrix @ x + offset`` of the channels."""
        kernel = self._constant(matrix.astype(np.float32)[..., None, None])
        return self._node("Conv", x, kernel, self._constant(offset.astype(np.float32)))

    def _cut(self, x: str, first: int, *, halves: bool = False) -> str:
        step = 2 if halves else 1
        sides = (self._picture.height // step, self._picture.width // step)
        start, stop = np.array([first, first]), np.array([first + side for side in sides])
        return self._node("Slice", x, *map(self._constant, (start, stop, np.array([2, 3]))))

    def _channels(self, x: str, first: int, end: int) -> str:
        return self._node("Slice", x, *(self._constant(np.array([value])) for value in (first, end, 1)))

    def _flat(self, x: str) -> str:
        return self._node("Reshape", x, self._constant(np.array([1, -1])))

    def _times(self, x: str, factor: float) -> str:
        return x if math.isclose(factor, 1) else self._node("Mul", x, self._number(factor))

    def _clipped(self, x: str, peak: int) -> str:
        return self._node("Clip", self._node("Round", x), self._number(0), self._number(peak))

    def _cast(self, x: str, kind: int) -> str:
        return self._node("Cast", x, to=kind)

    def _number(self, value: float) -> str:
        return self._constant(np.float32(value))

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def _constant(self, value: ArrayLike) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def _kind(colour: Colour) -> int:
    """Return ONNX's number of the planes' dtype."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(colour.dtype)))
