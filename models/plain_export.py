"""Export a network of our own as plain ONNX, for other programs: RGB in, RGB of twice the size out.

``pixels`` is (1, 3, H, W), R'G'B' in float32 from 0 to 1, of any H and W; ``enlarged``, (1, 3, 2H, 2W), likewise.
Opset 17, without custom operators and without int8: the graph computes what the engines compute on RGB in float.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper

from sr4k.models.export import OnnxOps
from sr4k.models.folded_network import FoldedNetwork
from sr4k.models.geometry import CELL_OUT, MARGIN, PAD_BEFORE, SCALE


def to_plain_onnx(network: FoldedNetwork, about: dict[str, str]) -> onnx.ModelProto:
    """Return the graph of a network that is folded for RGB.

    Args:
        network: folded for RGB.
        about: texts to keep in the file, by name, such as its licence.
    """
    assert network.colour is None, "it is folded for planes"
    ops = OnnxOps(network)
    sides = np.array([0, 0, PAD_BEFORE, PAD_BEFORE] * 2)  # one more than the margin after it, for odd sides
    padded = ops.node("Pad", "pixels", ops.constant(sides, "margins"), mode="edge")
    levels = ops.node("Mul", padded, ops.constant(np.float32(255), "peak"))
    (cells,) = network.structure(ops, (levels,))
    picture = ops.node("DepthToSpace", cells, blocksize=CELL_OUT, mode="CRD")
    first = np.array([CELL_OUT * MARGIN] * 2)
    size = ops.node("Slice", ops.node("Shape", "pixels"), *(ops.constant(np.array([k]), "axis") for k in (2, 4)))
    large = ops.node("Mul", size, ops.constant(np.array(SCALE), "scale"))
    start = ops.constant(first, "first")
    axes = ops.constant(np.array([2, 3]), "axes")
    inner = ops.node("Slice", picture, start, ops.node("Add", large, start), axes)
    share = ops.node("Div", inner, ops.constant(np.float32(255), "peak"))
    limits = (ops.constant(np.float32(limit), "limit") for limit in (0, 1))
    ops.node("Clip", share, *limits)
    ops.nodes[-1].output[0] = "enlarged"
    graph = helper.make_graph(
        ops.nodes,
        "upscaler",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, "height", "width"])],
        [helper.make_tensor_value_info("enlarged", TensorProto.FLOAT, [1, 3, "large height", "large width"])],
        ops.constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="sr4k-stream"
    )
    helper.set_model_props(model, about)
    onnx.checker.check_model(model)
    return model
