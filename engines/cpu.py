"""Features of the CPU, and the share of it that this process may use."""

import math
import os
from pathlib import Path
from typing import Literal

_CGROUP = Path("/sys/fs/cgroup")
_CPUINFO = Path("/proc/cpuinfo")
_DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8"}

Int8 = Literal["dot products", "pairs"]
"""A CPU's instructions for int8: dot products (VNNI, AMX), or those of AVX2, which add products in pairs of 16 bits
(`sr4k.models.int8_pairs`)."""


def granted_cpus(cgroup: Path = _CGROUP) -> int:
    """Return how many CPUs this process may use: its affinity, limited by a cgroup quota (v2 ``cpu.max`` or v1 CFS)."""
    cpus = len(os.sched_getaffinity(0))
    quota = _cgroup_quota(cgroup)
    return cpus if quota is None else max(1, min(cpus, math.ceil(quota)))


def int8_of(cpuinfo: Path = _CPUINFO) -> Int8 | None:
    """Return how the CPU computes faster in int8 than in float; ``None`` if it doesn't.

    CPUs with AVX-512 and without VNNI run float, as int8 wasn't measured there.
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return None
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), [])
    if not _DOT_PRODUCTS.isdisjoint(flags):
        return "dot products"
    return "pairs" if "avx2" in flags and "avx512f" not in flags else None


def _cgroup_quota(root: Path) -> float | None:
    try:
        quota, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if quota in ("max", "-1"):
        return None
    return int(quota) / int(period)
