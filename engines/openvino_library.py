"""OpenVINO, imported without its telemetry, and the process's one `openvino.Core`; all others take both from here.

With telemetry, the import alone would write an identifier and a consent into ``~/intel``, warn where that can't be
written, and resolve a host to send an event to. The converter of other frameworks' models, half of what the import
takes, is left to those who call it.
"""

import os
import sys
from functools import cache
from importlib import import_module
from typing import Any

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # means: not installed; OpenVINO works without it

_CONVERTER = "openvino.tools.ovc"
_is_first = "openvino" not in sys.modules  # else the program has imported all of it
if _is_first:
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]

import openvino as ov  # noqa: E402
from openvino import opset13 as ops  # noqa: E402


def _convert_model(*args: Any, **options: Any) -> Any:
    """See `openvino.tools.ovc.convert_model`, which this imports and calls."""
    return import_module(_CONVERTER).convert_model(*args, **options)


if _is_first:
    del sys.modules[_CONVERTER]
    ov.convert_model = _convert_model  # the program may use OpenVINO too

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
