"""Steps about the machine: its hardware and software, whether the kernels compile there, and a profile of them."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import which
from tempfile import mkdtemp
from typing import Any

from gpu_plan import MODELS, PHOTOGRAPH, REHEARSAL, Setting, Step

from sr4k.engines.cpu import granted_cpus, int8_of
from sr4k.engines.nvidia import driver

Row = dict[str, Any]

_LIBRARIES = (
    "torch", "triton", "numpy", "onnx", "onnxruntime", "cuda-bindings", "tensorrt", "av", "pydantic",
    "setproctitle", "opencv-python-headless", "scikit-image", "nvidia-cudnn-cu13",
)  # fmt: skip

_QUERIES = (
    "name,driver_version,memory.total,clocks.sm,clocks.mem,power.limit,pcie.link.gen.current,pcie.link.width.current"
)

_DRIVERS = ("/usr/local/nvidia", "/usr/lib/x86_64-linux-gnu", "/usr/lib64")
"""Folders in which drivers put libraries that the loader may not search."""

_COMPILE_SECONDS = 60.0
"""Time limit for compiling all kernels, in parallel."""

_LAUNCHES = 7
"""Number of launches of the network luma."""

_COUNTERS = (
    "gpu__time_duration.sum", "dram__bytes.sum", "lts__t_bytes.sum",
    "l1tex__data_pipe_lsu_wavefronts.avg.pct_of_peak_sustained_elapsed",
    "sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_elapsed",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed", "sm__warps_active.avg.pct_of_peak_sustained_active",
    "launch__registers_per_thread", "launch__shared_mem_per_block", "sm__inst_executed.sum",
)  # fmt: skip

_RUN_NETWORK = """
import sys, time, torch
from sr4k.engines.cuda import cuda_device
from sr4k.engines.cuda_network import FusedNetwork
from sr4k.models import zoo
from sr4k.models.colour import Colour
from sr4k.models.geometry import padded_chroma, padded_luma
name, precision, width, height, layout, times = *sys.argv[1:3], *map(int, sys.argv[3:5]), sys.argv[5], int(sys.argv[6])
model, device = zoo.load(name), cuda_device()
network = model.quantized(Colour()) if precision == "int8" else model.folded(Colour())
fused = FusedNetwork(network, height, width, device, layout=layout)
luma = torch.randint(0, 255, padded_luma(height, width), dtype=torch.uint8, device=device)
chroma = torch.randint(0, 255, (2, *padded_chroma(height, width)), dtype=torch.uint8, device=device)
out, maps = torch.zeros(fused.output_shape, dtype=torch.uint8, device=device), fused.maps()
began = time.monotonic()
for _ in range(times):
    fused.run(luma, chroma, out, maps)
if device.type == "cuda":
    torch.cuda.synchronize()
print(f"ran in {time.monotonic() - began:.1f} s")
"""


def machine(_: Setting) -> Iterator[Step]:
    """List the driver, the GPU, the CPU, tools and packages."""
    yield Step("driver", 5, _driver)
    yield Step("nvidia-smi", 20, lambda: told(["nvidia-smi", f"--query-gpu={_QUERIES}", "--format=csv,noheader"], 15))
    yield Step("video libraries", 5, lambda: {"found": [str(path) for path in video_libraries()] or "none"})
    yield Step("CPU and tools", 5, _cpu)
    yield Step("packages", 5, lambda: {name: _version(name) for name in _LIBRARIES})


def warm(setting: Setting) -> Iterator[Step]:
    """Compile and run all kernels, a process for each network: Triton keeps what it compiled on disk."""
    jobs = list(_networks(setting.size))
    began = time.monotonic()

    @cache
    def process_of(job: tuple[str, ...]) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", _RUN_NETWORK, *job]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finished(job: tuple[str, ...]) -> Row:
        for each in jobs:
            process_of(each)
        try:
            said = process_of(job).communicate(timeout=max(0.1, began + _COMPILE_SECONDS - time.monotonic()))[0]
        except subprocess.TimeoutExpired:  # no failure: it need not be tried again
            return {"said": "it is still compiling, and goes on while other rows are measured"}
        if process_of(job).returncode:
            raise RuntimeError(_last_line(said))
        return {"said": _last_line(said)}

    for job in jobs:
        model, precision, width, height, layout, _ = job
        yield Step(f"{model}, {precision}, {layout}, {width}x{height}", _COMPILE_SECONDS / 3, partial(finished, job))


def _networks(size: tuple[int, int]) -> Iterator[tuple[str, ...]]:
    """Yield the arguments of `_RUN_NETWORK` for each network that later parts run."""
    for model in MODELS:
        for precision in ("int8",) if REHEARSAL else ("int8", "fp16"):
            forms = (("nv12", size), ("cells", PHOTOGRAPH[::-1]))
            for layout, (width, height) in forms[:1] if REHEARSAL else forms:
                yield model, precision, str(width), str(height), layout, "1"


def profile(setting: Setting) -> Iterator[Step]:
    """Count what each launch of int8 luma moves and computes, by Nsight Compute."""
    yield Step("ncu, int8 luma", 60, partial(_counted, setting))


def told(command: Sequence[str | Path], seconds: float, **environment: str) -> Row:
    """Run a program and return the last line that it writes.

    Raises:
        RuntimeError: it fails, with the last line that it writes, or takes longer.
        OSError: there is no such program.
    """
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False, env={**os.environ, **environment}
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"it takes more than {seconds:.0f} s") from None
    if run.returncode:
        raise RuntimeError(f"exit code {run.returncode}: {_last_line(run.stderr or run.stdout)}")
    return {"said": _last_line(run.stdout)}


def video_libraries() -> list[Path]:
    """Return the driver's libraries for NVDEC and NVENC."""
    names = ("libnvcuvid.so*", "libnvidia-encode.so*")
    found = [path for folder in map(Path, _DRIVERS) if folder.is_dir() for name in names for path in folder.rglob(name)]
    return [path for path in found if "stubs" not in path.parts]


@cache
def linked_video_libraries() -> Path | None:
    """Return a folder with links to them by the names that FFmpeg loads, which a container may lack; or ``None``."""
    found = video_libraries()
    if not found:
        return None
    folder = Path(mkdtemp(prefix="sr4k-video-libraries-"))
    for path in found:
        link = folder / f"{path.name.partition('.so')[0]}.so.1"
        if not link.exists():
            link.symlink_to(path)
    return folder


def _last_line(text: str) -> str:
    return next(reversed(text.strip().splitlines()), "")[-600:]


def _driver() -> Row:
    found = driver()
    if not found.gpus:
        raise RuntimeError(found.trouble or "there is no NVIDIA driver")
    gpus = [f"{gpu.name}, {gpu.memory / 2**30:.0f} GiB, {gpu.capability}" for gpu in found.gpus]
    return {"cuda": found.cuda, "gpus": "; ".join(gpus)}


def _cpu() -> Row:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    tools = [path for path in map(which, ("gcc", "nvcc", "ncu")) if path]
    return {"cpu": name, "cpus": granted_cpus(), "int8": int8_of(), "tools": tools}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _counted(setting: Setting) -> Row:
    width, height = setting.size
    script, report = setting.out / "profiled.py", setting.out / "ncu.csv"
    script.write_text(_RUN_NETWORK)
    command = ["ncu", "--clock-control", "none", "-k", "regex:fused", "-s", str(2 * _LAUNCHES), "-c", str(_LAUNCHES)]
    command += ["--csv", "--log-file", str(report), "--metrics", ",".join(_COUNTERS)]
    command += [sys.executable, str(script), "luma", "int8", str(width), str(height), "nv12", "3"]
    try:
        told(command, 60)
    except RuntimeError as err:
        raise RuntimeError(f"{err}; its report ends with: {_last_line_of(report)}") from None
    rows = re.findall(r'"(lts__t_bytes.sum|dram__bytes.sum)","(\w+)","([\d,.]+)"', report.read_text())
    if not rows:
        raise RuntimeError(f"no counters; the report ends with: {_last_line_of(report)}")
    return {"counters": len(rows), "bytes": [f"{name} {number} {unit}" for name, unit, number in rows]}


def _last_line_of(report: Path) -> str:
    return _last_line(report.read_text()) if report.exists() else "nothing"
