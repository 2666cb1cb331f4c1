"""Compile the kernels of a network for a GPU that need not be present, and print them as JSON.

It is a separate program, because Triton either interprets or compiles for the life of a process.
"""

import json
import os
import sys

os.environ.pop("TRITON_INTERPRET", None)

import torch
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from sr4k.engines.base import EngineSpec
from sr4k.engines.cuda_kernels import fused_convolution
from sr4k.engines.cuda_network import FusedNetwork, Tuning
from sr4k.models import zoo
from sr4k.models.colour import Colour

POINTERS = {
    torch.uint8: "*u8", torch.int8: "*i8", torch.int32: "*i32", torch.float16: "*fp16", torch.float32: "*fp32"
}  # fmt: skip
OPTIONS = ("num_warps", "num_stages", "enable_fp_fusion")
ALIGNED = [["tt.divisibility", 16]]


def main(model: str, capability: int, stages: int | None) -> None:
    spec = EngineSpec(model=model, height=1080, width=1920, colour=Colour())
    quantized = zoo.load(spec.model).quantized(spec.colour)
    tuning = Tuning(stages=stages)
    network = FusedNetwork(quantized, spec.height, spec.width, torch.device("cpu"), tuning=tuning)
    planes = [torch.zeros(shape, dtype=torch.uint8) for shape in spec.input_shapes]
    out = torch.zeros(network.output_shape, dtype=torch.uint8)
    found = []
    for _, arguments in network.launches(planes[0], planes[1], out, network.maps()):
        options = {name: arguments.pop(name) for name in OPTIONS if name in arguments}
        signature, constants, attributes = {}, {}, {}
        for k, parameter in enumerate(fused_convolution.params):
            value = arguments[parameter.name]
            if parameter.is_constexpr or (isinstance(value, int) and value == 1):
                signature[parameter.name], constants[(k,)] = "constexpr", value
            elif isinstance(value, torch.Tensor):
                signature[parameter.name], attributes[(k,)] = POINTERS[value.dtype], ALIGNED
            else:
                signature[parameter.name] = "fp32" if isinstance(value, float) else "i32"
        source = ASTSource(fused_convolution, signature, constants, attributes)
        kernel = compile(source, target=GPUTarget("cuda", capability, 32), options=options)
        about = {name: arguments[name] for name in ("features", "to_map", "outputs")}
        found.append({**about, "shared": kernel.metadata.shared, "ptx": kernel.asm["ptx"]})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else None)
