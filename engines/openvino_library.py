"""Import of OpenVINO without its telemetry; all other modules import it from here.

With telemetry, the import alone would write an identifier and a consent into ``~/intel``, warn where that can't be
written, and resolve a host to send an event to.
"""

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # means: not installed; OpenVINO works without it

import openvino as ov  # noqa: E402

__all__ = ["ov"]
