"""Foreign networks in OpenVINO: the conversions of colour before and after the network are part of its graph.

Planes come in padded, as for folded networks, and the margin is cut off first: foreign networks do their own padding.
They leave as planes of the result's size; see `sr4k.engines.base.EngineSpec.output_shape`.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr4k.common.printable import one_line
from sr4k.engines.base import EngineSpec
from sr4k.engines.openvino_library import ops, ov
from sr4k.errors import EngineError
from sr4k.models.colour import ChromaLocation, Colour, doubling_taps, halving_taps, rgb_from_yuv, yuv_from_rgb
from sr4k.models.foreign.card import Layout
from sr4k.models.foreign.store import Foreign
from sr4k.models.geometry import CHROMA_PAD, PAD_BEFORE

_FULL = Colour("bt601", full_range=True)
"""How the luma of RGB is computed for networks on luma."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a graph costs: multiply-accumulates, and bytes of the values that are alive at once, at most."""

    macs: int
    nbytes: int


def read_network(core: "ov.Core", graph: bytes) -> "ov.Model":
    """Return a network as OpenVINO reads it.

    Raises:
        EngineError: OpenVINO does not take it; the message says why.
    """
    try:
        model = core.read_model(graph)
    except RuntimeError as err:
        raise EngineError(f"OpenVINO does not take the network: {reason(err)}") from err
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise EngineError(
            f"it has {len(model.inputs)} inputs and {len(model.outputs)} outputs, and must have one of each"
        )
    return model


def sized(model: "ov.Model", layout: Layout, channels: int, rows: int, columns: int) -> "ov.Model":
    """Return a copy of the network for pictures of one size.

    Raises:
        EngineError: it takes no pictures of that size.
    """
    shape = [1, channels, rows, columns] if layout == "NCHW" else [1, rows, columns, channels]
    copy = model.clone()
    try:
        copy.reshape(ov.PartialShape(shape))
    except RuntimeError as err:
        raise EngineError(f"it takes no pictures of {columns}x{rows}: {reason(err)}") from err
    return copy


def reason(err: BaseException) -> str:
    """Return the last line of an error of OpenVINO's, which says what is wrong."""
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    return one_line(lines[-1], 300) if lines else type(err).__name__


def cost_of(model: "ov.Model") -> Cost:
    """Count what a network with a fixed size costs."""
    nodes = model.get_ordered_ops()
    last: dict[tuple[str, int], int] = {}
    for at, node in enumerate(nodes):
        for given in node.inputs():
            source = given.get_source_output()
            last[source.get_node().get_friendly_name(), source.get_index()] = at
    ends: dict[int, int] = {}
    alive = most = macs = 0
    for at, node in enumerate(nodes):
        macs += _macs(node)
        if node.get_type_name() not in ("Constant", "Result"):
            for made in node.outputs():
                size = _size(made) * made.get_element_type().size
                alive += size
                end = last.get((node.get_friendly_name(), made.get_index()), at)
                ends[end] = ends.get(end, 0) + size
        most = max(most, alive)
        alive -= ends.pop(at, 0)
    return Cost(macs, most)


def _size(made: Any) -> int:
    return math.prod(made.get_shape()) if made.get_partial_shape().is_static else 0


def _macs(node: Any) -> int:
    kind = node.get_type_name()
    if kind in ("Convolution", "GroupConvolution"):
        kernel = node.input(1).get_shape()
        taps = kernel[1:] if kind == "Convolution" else kernel[2:]
        return int(_size(node.output(0)) * math.prod(taps))
    if kind in ("ConvolutionBackpropData", "GroupConvolutionBackpropData"):
        kernel = node.input(1).get_shape()
        taps = kernel[1:] if kind == "ConvolutionBackpropData" else kernel[2:]
        return int(_size(node.input(0)) * math.prod(taps))
    if kind == "MatMul" and node.input(0).get_partial_shape().is_static:
        given = node.input(0).get_shape()
        inner = given[-2] if node.get_attributes().get("transpose_a") and len(given) > 1 else given[-1]
        return int(_size(node.output(0)) * inner)
    return 0


def plain_graph(core: "ov.Core", foreign: Foreign, spec: EngineSpec) -> "ov.Model":
    """Return a foreign network with conversions around it, for the planes of a spec.

    Raises:
        EngineError: OpenVINO does not take it, or not at that size.
    """
    card, colour = foreign.card, spec.colour
    network = sized(read_network(core, foreign.path.read_bytes()), card.layout, card.channels, spec.height, spec.width)
    kind = ov.Type.f32 if colour is None else ov.Type.u8 if colour.dtype == "uint8" else ov.Type.u16
    given = [ops.parameter([1] * (4 - len(shape)) + list(shape), kind) for shape in spec.input_shapes]
    planes = _Planes(spec, card.channels, card.scale)
    source = planes.joined(given)  # RGB 0..255, or luma
    if card.channels == 1:
        source, beside = planes.luma_apart(source)
    made = _run(network, source, card.peak, card.layout)
    wanted = [1, card.channels, card.scale * spec.height, card.scale * spec.width]
    if list(made.get_output_partial_shape(0)) != wanted:
        raise EngineError(
            f"{foreign.name} makes {made.get_output_partial_shape(0)} of {spec.width}x{spec.height} pixels, which is "
            "not what its card says: remove the network and add it again."
        )
    if card.channels == 1:
        made = planes.luma_back(made, beside)
    out = planes.result(made, given)
    out.get_output_tensor(0).set_names({"planes"})
    return ov.Model([ops.result(out)], given, foreign.name.rpartition("/")[2])


def _run(network: "ov.Model", source: Any, peak: float, layout: Layout) -> Any:
    """Append the network; return its output in NCHW, 0..255."""
    kind = network.input(0).get_element_type()
    x = source if peak == 255 else ops.multiply(source, _number(peak / 255))
    if layout == "NHWC":
        x = ops.transpose(x, np.array([0, 2, 3, 1]))
    if kind != ov.Type.f32:
        if not kind.is_real():
            x = ops.clamp(ops.round(x, "half_to_even"), 0.0, 255.0)
        x = ops.convert(x, kind)
    network.input(0).get_node().output(0).replace(x.output(0))
    made = network.output(0).get_node().input(0).get_source_output().get_node()
    if made.get_output_element_type(0) != ov.Type.f32:
        made = ops.convert(made, ov.Type.f32)
    if layout == "NHWC":
        made = ops.transpose(made, np.array([0, 3, 1, 2]))
    return made if peak == 255 else ops.multiply(made, _number(255 / peak))


class _Planes:
    """The conversions around a network."""

    def __init__(self, spec: EngineSpec, channels: int, scale: int) -> None:
        self._spec, self._channels, self._scale = spec, channels, scale
        colour = spec.colour or _FULL
        self._location: ChromaLocation = colour.chroma_location
        self._colour = colour
        self._span = colour.peak if colour.full_range else 219 * colour.unit  # of luma, from black to white

    def joined(self, given: list[Any]) -> Any:
        """Return the picture without its margin as one tensor: RGB, or Y'CbCr for a network on luma."""
        spec = self._spec
        if spec.colour is None:
            rgb = _cut(given[0], PAD_BEFORE, spec.height, spec.width)
            return rgb if self._channels == 3 else _mixed(rgb, *yuv_from_rgb(_FULL))
        luma = _float(_cut(given[0], PAD_BEFORE, spec.height, spec.width))
        if spec.colour.sampling == "444":
            chroma = _float(_cut(given[1], PAD_BEFORE, spec.height, spec.width))
        else:
            chroma = _doubled(_float(given[1]), self._location)
            chroma = _cut(chroma, 2 * CHROMA_PAD - 2, spec.height, spec.width)
        yuv = ops.concat([luma, chroma], 1)
        return yuv if self._channels == 1 else _mixed(yuv, *rgb_from_yuv(spec.colour))

    def luma_apart(self, yuv: Any) -> tuple[Any, Any]:
        """Return luma, 0..255, and Y'CbCr enlarged by a bicubic, of which the chroma is kept."""
        luma = _channels(yuv, 0, 1)
        level = ops.multiply(ops.subtract(luma, _number(self._colour.black)), _number(255 / self._span))
        chroma = _channels(yuv, 1, 3)
        if self._scale == 1:
            return level, chroma
        sizes = np.array([self._scale * self._spec.height, self._scale * self._spec.width])
        large = ops.interpolate(
            chroma,
            sizes,
            mode="cubic",
            shape_calculation_mode="sizes",
            coordinate_transformation_mode="half_pixel",
            axes=np.array([2, 3]),
        )
        return level, large

    def luma_back(self, level: Any, chroma: Any) -> Any:
        """Return Y'CbCr of the network's luma, or RGB for a spec on RGB."""
        luma = ops.add(ops.multiply(level, _number(self._span / 255)), _number(self._colour.black))
        yuv = ops.concat([luma, chroma], 1)
        return yuv if self._spec.colour is not None else _mixed(yuv, *rgb_from_yuv(_FULL))

    def result(self, made: Any, given: list[Any]) -> Any:
        """Return the planes of the result: RGB, or one block of 4:2:0."""
        spec, scale = self._spec, self._scale
        if spec.colour is None:
            return _rounded(made, 255, ov.Type.u8) if spec.rounded else made
        if self._channels == 1:
            luma, chroma = _channels(made, 0, 1), _channels(made, 1, 3)
        else:  # each by itself: OpenVINO takes long to part what one convolution makes
            matrix, offset = yuv_from_rgb(spec.colour)
            luma, chroma = _mixed(made, matrix[:1], offset[:1]), _mixed(made, matrix[1:], offset[1:])
        kind = ov.Type.u8 if spec.colour.dtype == "uint8" else ov.Type.u16
        luma = _rounded(luma, spec.colour.peak, kind)
        if self._channels == 1 and scale == 1 and spec.colour.sampling == "420":  # as it came
            chroma = _cut(given[1], CHROMA_PAD, spec.height // 2, spec.width // 2)
        else:
            chroma = _rounded(_halved(chroma, self._location), spec.colour.peak, kind)
        flat = ops.concat([_flat(luma), _flat(chroma)], 1)
        return ops.reshape(flat, np.array([1, *spec.output_shape]), False)


def _number(value: float) -> Any:
    return ops.constant(np.float32(value))


def _float(x: Any) -> Any:
    return ops.convert(x, ov.Type.f32)


def _flat(x: Any) -> Any:
    return ops.reshape(x, np.array([1, -1]), False)


def _cut(x: Any, first: int, rows: int, columns: int) -> Any:
    start, stop = np.array([first, first]), np.array([first + rows, first + columns])
    return ops.slice(x, start, stop, np.array([1, 1]), np.array([2, 3]))


def _channels(x: Any, first: int, end: int) -> Any:
    return ops.slice(x, np.array([first]), np.array([end]), np.array([1]), np.array([1]))


def _mixed(x: Any, matrix: NDArray[np.floating], offset: NDArray[np.floating]) -> Any:
    """Return ``matrix @ x + offset`` of the channels."""
    kernel = ops.constant(matrix.astype(np.float32)[..., None, None])
    mixed = ops.convolution(x, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    return ops.add(mixed, ops.constant(offset.astype(np.float32)[None, :, None, None]))


def _rounded(x: Any, peak: int, kind: Any) -> Any:
    return ops.convert(ops.clamp(ops.round(x, "half_to_even"), 0.0, float(peak)), kind)


def _doubled(chroma: Any, location: ChromaLocation) -> Any:
    """Enlarge chroma (1, 2, h, w) x2, as `sr4k.models.colour.upsample_chroma`, to (1, 2, 2h - 4, 2w - 4)."""
    kernel = np.tile(doubling_taps(location)[None, :, None], (2, 1, 1, 1, 1))  # groups, outputs, inputs, rows, columns
    split = ops.group_convolution(chroma, ops.constant(kernel), [1, 1], [0, 0], [0, 0], [1, 1])
    return ops.depth_to_space(split, "depth_first", 2)


def _halved(chroma: Any, location: ChromaLocation) -> Any:
    """Halve chroma (1, 2, h, w), as `sr4k.models.colour.downsample_chroma`."""
    taps = halving_taps(location)
    before = np.array([0, 0, taps.shape[0] - 2, taps.shape[1] - 2])
    padded = ops.pad(chroma, before, np.array([0, 0, 0, 0]), "edge")
    kernel = np.tile(taps[None, None, None], (2, 1, 1, 1, 1))
    return ops.group_convolution(padded, ops.constant(kernel), [2, 2], [0, 0], [0, 0], [1, 1])
