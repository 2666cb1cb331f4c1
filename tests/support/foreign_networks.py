"""Small foreign networks in ONNX, made by hand."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sr4k.engines.foreign_probe import probe
from sr4k.models.foreign import store
from sr4k.models.foreign.card import Card

Array = NDArray[Any]


def with_card(path: Path) -> Card:
    """Test a network in this process, which is faster than in one of its own, and keep its card."""
    card = probe(path.read_bytes(), 0)
    store.keep_card(card)
    return card


def convolutions(
    path: Path,
    *,
    scale: int = 2,
    channels: int = 3,
    layers: int = 2,
    features: int = 8,
    peak: float = 1,
    unshuffle: int = 1,
    fixed: tuple[int, int] | None = None,
    everywhere: bool = False,
    seed: int = 0,
) -> Path:
    """Write a network of convolutions that adds a little detail to an enlargement by repetition.

    Args:
        path: of the ONNX file.
        scale: factor from input to output size.
        channels: of input and output.
        layers: number of 3x3 convolutions.
        features: channels between them.
        peak: value of white.
        unshuffle: side of the blocks that the first layer folds.
        fixed: (rows, columns) of the only size that it is declared for.
        everywhere: whether the mean of the whole picture has an influence on each pixel.
        seed: of the weights.
    """
    draw = np.random.default_rng(seed)
    nodes, weights = [], []

    def constant(name: str, values: Array) -> str:
        weights.append(numpy_helper.from_array(values, name))
        return name

    def node(kind: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [f"{kind}{len(nodes)}"], **attributes))
        return str(nodes[-1].output[0])

    folded = channels * unshuffle**2
    x = node("SpaceToDepth", "pixels", blocksize=unshuffle) if unshuffle > 1 else "pixels"
    widths = [folded, *[features] * (layers - 1), channels * (scale * unshuffle) ** 2]
    for k, (here, there) in enumerate(pairwise(widths)):
        spread = 0.5 / np.sqrt(9 * here)
        kernel = constant(f"kernel{k}", draw.normal(0, spread, (there, here, 3, 3)).astype(np.float32))
        bias = constant(f"bias{k}", (peak * draw.normal(0.02, 0.01, there)).astype(np.float32))
        x = node("Conv", x, kernel, bias, pads=[1, 1, 1, 1])
        if k + 1 < layers:
            x = node("Relu", x)
    if everywhere:
        x = node("Add", x, node("GlobalAveragePool", x))
    x = node("DepthToSpace", x, blocksize=scale * unshuffle, mode="CRD") if scale * unshuffle > 1 else x
    x = node("Mul", x, constant("little", np.float32(0.1)))
    large = "pixels"
    if scale > 1:
        sizes = constant("sizes", np.array([1, 1, scale, scale], np.float32))
        large = node(
            "Resize",
            "pixels",
            "",
            sizes,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
    nodes.append(helper.make_node("Add", [x, large], ["enlarged"]))
    sides: list[Any] = list(fixed) if fixed else ["rows", "columns"]
    ends: list[Any] = [scale * side for side in fixed] if fixed else ["more rows", "more columns"]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, channels, *sides])],
        [helper.make_tensor_value_info("enlarged", TensorProto.FLOAT, [1, channels, *ends])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path
