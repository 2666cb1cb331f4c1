"""Export the network exactly as published, as an ONNX graph in float: RGB (1, 3, H, W), 0..255, to (1, 3, 2H, 2W)."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sr4k.models.architecture import RcanShape
from sr4k.models.zoo import Model


class PublishedGraph:
    """Builds the published graph node by node, from weights named as in PyTorch."""

    def __init__(self, model: Model) -> None:
        assert isinstance(model.arch, RcanShape)
        self._arch = model.arch
        self._nodes: list[onnx.NodeProto] = []
        self._constants = [
            numpy_helper.from_array(np.asarray(w, np.float32), name) for name, w in model.weights.items()
        ]

    def export(self, height: int, width: int) -> bytes:
        """Return the serialized model for frames of one size."""
        arch = self._arch
        head = stream = self._conv(self._conv("rgb", "sub_mean"), "head", stride=2)
        for g in range(arch.groups):
            group = stream
            for b in range(arch.blocks):
                inner = self._node("Relu", self._conv(stream, f"body.{g}.body.{b}.body.0"))
                stream = self._node("Add", self._conv(inner, f"body.{g}.body.{b}.body.2"), stream)
            stream = self._node("Add", self._conv(stream, f"body.{g}.body.{arch.blocks}"), group)
        stream = self._node("Add", self._conv(stream, f"body.{arch.groups}"), head)
        stream = self._node("DepthToSpace", self._conv(stream, "up.0"), blocksize=4, mode="CRD")
        out = self._conv(self._conv(stream, "last"), "add_mean")
        graph = helper.make_graph(
            self._nodes,
            "published",
            [helper.make_tensor_value_info("rgb", TensorProto.FLOAT, [1, 3, height, width])],
            [helper.make_tensor_value_info(out, TensorProto.FLOAT, [1, 3, 2 * height, 2 * width])],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        return model.SerializeToString()

    def _conv(self, x: str, name: str, stride: int = 1) -> str:
        pad = 0 if name.endswith("_mean") else 1
        return self._node("Conv", x, f"{name}.weight", f"{name}.bias", pads=[pad] * 4, strides=[stride] * 2)

    def _node(self, kind: str, *inputs: str, **attributes: object) -> str:
        output = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output
