"""Compile the layered kernels of a network for a GPU that need not be present; as a program, print them as JSON.

Tests run it as a program, because Triton either interprets or compiles for the life of a process.
"""

import json
import os
import sys
from typing import Any

os.environ.pop("TRITON_INTERPRET", None)

import torch
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from sr4k.engines.base import EngineSpec
from sr4k.engines.cuda_network import FusedNetwork, Tuning
from sr4k.engines.fuse import fuse
from sr4k.models import zoo
from sr4k.models.colour import Colour

POINTERS = {
    torch.uint8: "*u8", torch.int8: "*i8", torch.int16: "*i16", torch.int32: "*i32", torch.int64: "*i64",
    torch.float16: "*fp16", torch.float32: "*fp32",
}  # fmt: skip
OPTIONS = ("num_warps", "num_stages", "enable_fp_fusion")
ALIGNED = [["tt.divisibility", 16]]


def kernels_of(
    model: str, capability: int, precision: str = "int8", stages: int | None = None, bits: int = 8, sharpness: int = 0
) -> list[dict[str, Any]]:
    """Return each launch of a network on 1080p: what it computes, its shared memory in bytes, PTX and cubin.

    What those compute that find the range of luma, of a network with a sharpness, is called ``range``.
    """
    spec = EngineSpec(model=model, height=1080, width=1920, colour=Colour(bits=bits))
    loaded = zoo.load(spec.model, sharpness=sharpness)
    network = loaded.quantized(spec.colour) if precision == "int8" else loaded.folded(spec.colour)
    fused = FusedNetwork(
        network,
        spec.height,
        spec.width,
        torch.device("cpu"),
        layout="nv12",
        tuning=None if stages is None else Tuning(stages=stages),
    )
    planes = [torch.zeros(shape, dtype=fused.dtype) for shape in spec.input_shapes]
    out = torch.zeros(fused.output_shape, dtype=fused.dtype)
    launches = list(fused.launches(planes[0], planes[1], out, fused.maps()))
    convs = [[term.conv for term in launch.terms] for launch in fuse(network)]
    convs = [["range"]] * (len(launches) - len(convs)) + convs
    return [
        {"convs": names, "programs": programs, **_compiled(kernel, arguments, capability)}
        for names, (kernel, programs, arguments) in zip(convs, launches, strict=True)
    ]


def _compiled(function: Any, arguments: dict[str, Any], capability: int) -> dict[str, Any]:
    options = {name: arguments.pop(name) for name in OPTIONS if name in arguments}
    signature, constants, attributes = {}, {}, {}
    for k, parameter in enumerate(function.params):
        value = arguments[parameter.name]
        if parameter.is_constexpr or (isinstance(value, int) and value == 1):
            signature[parameter.name], constants[(k,)] = "constexpr", value
        elif isinstance(value, torch.Tensor):
            signature[parameter.name], attributes[(k,)] = POINTERS[value.dtype], ALIGNED
        else:
            signature[parameter.name] = "fp32" if isinstance(value, float) else "i32"
    source = ASTSource(function, signature, constants, attributes)
    kernel = compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    about = {name: arguments.get(name) for name in ("features", "to_map", "outputs")}
    return {
        **about, "shared": kernel.metadata.shared, "ptx": kernel.asm["ptx"], "cubin": bytes(kernel.asm["cubin"])
    }  # fmt: skip


def main(model: str, wanted: list[str]) -> None:
    """Print all but the cubins, by what is wanted: a compute capability such as ``90``, or ``90:1`` with stages.

    ``90::10`` is float16 for pictures of 10 bits, ``90:::100`` with a sharpness.
    """
    found = {}
    for each in wanted:
        numbers = (int(number) if number else None for number in (each + ":::").split(":")[:4])
        capability, stages, bits, sharpness = numbers
        assert capability is not None
        precision = "fp16" if bits else "int8"
        found[each] = kernels_of(model, capability, precision, stages, bits or 8, sharpness or 0)
        for kernel in found[each]:
            del kernel["cubin"]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
