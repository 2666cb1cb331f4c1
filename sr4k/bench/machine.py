"""Describes the machine that a result was measured on."""

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sr4k.engines.cpu import granted_cpus

_PACKAGES = ("sr4k-stream", "openvino", "onnxruntime", "ncnn", "torch", "av", "numpy")
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")


def describe() -> dict[str, Any]:
    """Return the CPU, the cores that this process may use, the memory, and the versions of libraries."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    info = {key.strip(): value.strip() for key, value in fields.items()}
    return {
        "cpu": info.get("model name", platform.processor()),
        "flags": [flag for flag in _FLAGS if flag in info.get("flags", "").split()],
        "cores_granted": granted_cpus(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": dict(_versions()),
    }


def in_words(info: dict[str, Any]) -> str:
    """Return the result of `describe` as one line of text."""
    versions = ", ".join(f"{name} {number}" for name, number in info["versions"].items())
    return f"{info['cpu']}, {info['cores_granted']} cores, {' '.join(info['flags'])}; {versions}"


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            yield name, version(name)
