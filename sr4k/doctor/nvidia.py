"""Probes of NVIDIA's driver, its GPUs and its libraries for video."""

import ctypes
import os
import re
from collections.abc import Iterator
from pathlib import Path

from sr4k.doctor import Finding
from sr4k.engines.nvidia import Driver, driver

_KERNEL_MODULE = Path("/proc/driver/nvidia/version")
_PCI = Path("/sys/bus/pci/devices")
_NVIDIA, _DISPLAY = "0x10de", "0x03"  # PCI vendor, and the prefix of PCI classes of display controllers
_LIBRARIES = {"libnvcuvid.so.1": "decoding", "libnvidia-encode.so.1": "encoding"}
_DRIVER = "sudo ubuntu-drivers install  # on Ubuntu; elsewhere from https://www.nvidia.com/drivers"
_IN_A_CONTAINER = "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility,video …"

# Errors of cuInit and cuDeviceGetCount (cuda.h), what they mean, and how to fix them.
_MEANINGS: dict[str, tuple[str, str | None]] = {
    "CUDA_ERROR_NO_DEVICE": ("the driver sees no GPU", "nvidia-smi"),
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": ("libcuda.so.1 and the kernel module have different versions", "sudo reboot"),
    "CUDA_ERROR_SYSTEM_NOT_READY": (
        "a service that this GPU needs is not running",
        "sudo systemctl start nvidia-fabricmanager",
    ),
    "CUDA_ERROR_STUB_LIBRARY": (
        "libcuda.so.1 is the stub library of the CUDA toolkit",
        "remove the folder of stubs from LD_LIBRARY_PATH",
    ),
    "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE": (
        "the forward-compatibility libcuda.so.1 does not support this GPU",
        "remove /usr/local/cuda/compat from LD_LIBRARY_PATH",
    ),
}


def _driver_and_gpus() -> Iterator[Finding]:
    found, module = driver(), _module_version()
    if found.cuda is None:
        yield _no_driver(module)
        return
    cuda = "{}.{}".format(*found.cuda)
    text = f"{module or 'unknown version'}, supports CUDA up to {cuda}"
    yield Finding("driver", "ok", text, facts={"version": module, "cuda": cuda})
    for gpu in found.gpus:
        capability = "{}.{}".format(*gpu.capability)
        yield Finding(
            f"GPU {gpu.index}",
            "ok",
            f"{gpu.name}, compute capability {capability}, {gpu.memory / 2**30:.0f} GiB",
            facts={"name": gpu.name, "capability": capability, "memory": gpu.memory},
        )
    if not found.gpus:
        yield _no_gpu(found)


def _no_driver(module: str | None) -> Finding:
    if module is None and not _gpus_on_the_bus():
        return Finding("driver", "optional", "no NVIDIA GPU and no driver: everything runs on the CPU")
    if module is None:
        return Finding("driver", "problem", "there is an NVIDIA GPU, but no driver for it", _DRIVER)
    text = (
        f"the kernel has driver {module}, but libcuda.so.1 is not found: it is missing from the container, or the "
        "installation is incomplete"
    )
    return Finding("driver", "problem", text, _IN_A_CONTAINER)


def _no_gpu(found: Driver) -> Finding:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and found.trouble in (None, "CUDA_ERROR_NO_DEVICE"):
        text = f"CUDA_VISIBLE_DEVICES={visible!r} hides all GPUs"
        return Finding("GPU", "problem", text, "unset CUDA_VISIBLE_DEVICES")
    trouble = found.trouble or "CUDA_ERROR_NO_DEVICE"
    text, mend = _MEANINGS.get(trouble, ("the driver does not start", "nvidia-smi"))
    return Finding("GPU", "problem", f"{text} ({trouble})", mend)


def _libraries() -> Iterator[Finding]:
    if driver().cuda is None:
        return
    for library, use in _LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError as err:
            text = f"no {use} on the GPU ({err}): a container needs the driver's video capability"
            yield Finding(library, "problem", text, _IN_A_CONTAINER)
        else:
            yield Finding(library, "ok", f"found, for {use} on the GPU")


def _gpus_on_the_bus() -> list[Path]:
    """Return NVIDIA's display controllers on the PCI bus."""
    return [
        device
        for device in _PCI.glob("*")
        if _text(device / "vendor") == _NVIDIA and _text(device / "class").startswith(_DISPLAY)
    ]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _module_version() -> str | None:
    """Return the version of the kernel module, which is that of the driver; ``None``: it is not loaded."""
    match = re.search(r"Module.*?\s(\d+\.[\d.]+)", _text(_KERNEL_MODULE))
    return match[1] if match else None


PROBES = (_driver_and_gpus, _libraries)
