"""Features of the CPU, and the share of it that this process may use."""

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_CPUINFO = Path("/proc/cpuinfo")
_INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8"}


def granted_cpus(cgroup: Path = _CGROUP) -> int:
    """Return how many CPUs this process may use: its affinity, limited by a cgroup quota (v2 ``cpu.max`` or v1 CFS)."""
    cpus = len(os.sched_getaffinity(0))
    quota = _cgroup_quota(cgroup)
    return cpus if quota is None else max(1, min(cpus, math.ceil(quota)))


def has_fast_int8(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether the CPU has int8 dot-product instructions (VNNI, AMX); without, int8 gains little and may saturate."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), [])
    return not _INT8_FLAGS.isdisjoint(flags)


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
