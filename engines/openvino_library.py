"""OpenVINO, imported without its telemetry, and the process's one `openvino.Core`; all others take both from here.

With telemetry, the import alone would write an identifier and a consent into ``~/intel``, warn where that can't be
written, and resolve a host to send an event to.
"""

import os
import sys
from functools import cache

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # means: not installed; OpenVINO works without it

import openvino as ov  # noqa: E402
from openvino import opset13 as ops  # noqa: E402

__all__ = ["ops", "ov", "shared_core"]


def shared_core() -> "ov.Core":
    """Return the one core of this process, which lives as long as the process.

    On CPUs with AMX, each core gives the thread that makes it an alternate signal stack, and puts the earlier one back
    when it ends. If two cores do not end in reverse order, what is put back was already unmapped, and the next signal
    crashes the process. A process that was forked gets a core of its own, since threads don't cross a fork.
    """
    return _core_of(os.getpid())


@cache
def _core_of(_process: int) -> "ov.Core":
    return ov.Core()
