"""Registers, shared memory, spills and instructions of the CUDA kernels, compiled for GPUs that need not be here.

    python benchmarks/kernel_report.py [--models luma luma-large]

Triton compiles the layered kernels; NVRTC, or nvcc where NVRTC isn't installed, the ones of one launch a picture.
``cuobjdump``, from Triton's wheel, reads what came of it. Nothing is run: the times beside it are predictions, for an
H100 at 1080p (docs/gpu.md). The table goes to results/kernel_report.md.
"""

import argparse
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from extras import required

triton = required("triton")

from gpu_plan import PREDICTED_AT_ONCE, PREDICTED_WITH_SHARPNESS, predicted_launch  # noqa: E402

from sr4k.bench import machine  # noqa: E402
from sr4k.engines.one_launch import options, plan_for, source  # noqa: E402
from sr4k.errors import EngineError  # noqa: E402
from sr4k.models import zoo  # noqa: E402
from sr4k.models.architecture import LumaShape  # noqa: E402
from sr4k.models.catalogue import SHARPEST  # noqa: E402
from sr4k.models.colour import Colour  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "kernel_report.md"

SHARED = {80: (163 << 10, 164 << 10), 89: (99 << 10, 100 << 10), 90: (227 << 10, 228 << 10)}
"""By compute capability, bytes of shared memory that a block may have, and those of a multiprocessor."""

_KINDS = {
    "products": r"[IH]G?MMA",
    "copies": r"LDG|LDGSTS|STG",
    "floats": r"FADD|FMUL|FFMA|FMNMX|I2F|I2FP|F2I",
}
"""Instructions to count apart, by their mnemonics."""


class Counted(NamedTuple):
    """What a cubin needs: registers a thread, bytes of stack a thread, instructions in all and by kind."""

    registers: int
    stack: int
    instructions: int
    kinds: dict[str, int]


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["luma", "luma-fast", "luma-large", "rcan2"])
    args = parser.parse_args()
    seen: set[bytes] = set()
    rows = [row for capability in SHARED for model in args.models for row in rows_of(model, capability, seen)]
    RESULTS.write_text(as_page(rows))
    print(RESULTS.read_text())


def rows_of(model: str, capability: int, seen: set[bytes]) -> Iterator[list[str]]:
    """Yield a row for each kernel: one launch first, then the layered ones whose cubin isn't ``seen`` yet."""
    from rig.compiled_kernels import kernels_of  # here: from then on Triton compiles

    for sharpness, times in ((0, PREDICTED_AT_ONCE), (SHARPEST, PREDICTED_WITH_SHARPNESS)):
        if (made := at_once(model, capability, sharpness)) is not None:
            shared, how, counted = made
            predicted = times.get(model, "") if capability == 90 else ""
            name = f"{model} int8{_sharp(sharpness)}, one launch ({how})"
            yield _row(name, capability, shared, counted, predicted)
    more = (("int8", 8, SHARPEST), ("fp16", 10, 0), ("fp16", 10, SHARPEST)) if model == "luma" else ()
    for precision, bits, sharpness in (("int8", 8, 0), ("fp16", 8, 0), *more):
        for kernel in kernels_of(model, capability, precision, bits=bits, sharpness=sharpness):
            if (image := kernel["cubin"]) in seen:
                continue
            seen.add(image)
            known = model == "luma" and precision == "int8" and capability == 90
            predicted = predicted_launch(kernel["convs"][0]) if known else ""
            form = f"{precision}{' of 10 bits' if bits > 8 else ''}{_sharp(sharpness)}"
            name = f"{model} {form}, {' + '.join(kernel['convs'])}"
            yield _row(name, capability, kernel["shared"], counted_in(image), predicted)


def _sharp(sharpness: int) -> str:
    return f" with sharpness {sharpness}" if sharpness else ""


def at_once(model: str, capability: int, sharpness: int = 0) -> tuple[int, str, Counted] | None:
    """Return shared memory, compiler and counts of the kernel that computes a picture in one launch, if it can."""
    arch = zoo.load(model).arch
    if not isinstance(arch, LumaShape) or arch.stride != 2:
        return None
    plan = plan_for(arch.convs, *SHARED[capability])
    flags = options(plan, arch.convs, "nv12", "420", zoo.load(model, sharpness=sharpness).folded(Colour()).beyond)
    try:
        from sr4k.engines.nvrtc import compiled

        image, how = compiled(source(), (capability // 10, capability % 10), flags), "NVRTC"
    except (EngineError, RuntimeError):
        image, how = _by_nvcc(capability, flags), "nvcc"
    return plan.shared_bytes(arch.convs), how, counted_in(image)


def _by_nvcc(capability: int, flags: list[str]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        code, target = Path(folder) / "kernel.cu", Path(folder) / "kernel.cubin"
        code.write_text(source())
        subprocess.run(
            ["nvcc", "-std=c++17", f"-arch=sm_{capability}", "-cubin", *flags, "-o", target, code], check=True
        )
        return target.read_bytes()


def counted_in(image: bytes) -> Counted:
    """Read the resources and the machine code of a cubin with one kernel."""
    usage, code = _read(image, "-res-usage"), _read(image, "-sass")
    registers, stack = (int(found) for found in re.findall(r"REG:(\d+) STACK:(\d+)", usage)[0])
    words = re.findall(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+ +)?([A-Z][A-Z0-9]*)", code, re.M)
    kinds = {kind: sum(bool(re.fullmatch(names, word)) for word in words) for kind, names in _KINDS.items()}
    return Counted(registers, stack, len(words) - words.count("NOP"), kinds)


def _read(image: bytes, option: str) -> str:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        Path(file.name).write_bytes(image)
        return subprocess.run([tool, option, file.name], capture_output=True, text=True, check=True).stdout


def _row(name: str, capability: int, shared: int, counted: Counted, predicted: str) -> list[str]:
    kinds = [str(counted.kinds[kind]) for kind in _KINDS]
    spilled = str(counted.stack)
    return [
        name,
        f"sm_{capability}",
        str(counted.registers),
        spilled,
        str(shared),
        str(counted.instructions),
        *kinds,
        predicted,
    ]


def as_page(rows: list[list[str]]) -> str:
    """Return a Markdown page with one row per kernel."""
    heads = [
        "kernel",
        "for",
        "registers",
        "bytes on the stack",
        "shared bytes a block",
        "instructions",
        *_KINDS,
        "predicted ms",
    ]
    lines = [
        "# CUDA kernels, compiled and not run",
        "",
        f"`python benchmarks/kernel_report.py`; {machine.in_words(machine.describe())}, triton {triton.__version__}",
        "",
        "Instructions are those in the machine code, loops counted once. Spilled registers would lie on the stack. The",
        "predictions are for 1080p on an H100; [an H200 measured](gpu_h200.md) more.",
        "",
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
