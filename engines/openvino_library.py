"""The one door to OpenVINO, which is imported without its telemetry.

With it, the import alone would write an identifier and a consent into ``~/intel``, warn where that can't be written,
and look up a host to send an event to.
"""

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # for Python: not there; OpenVINO can do without

import openvino as ov  # noqa: E402

__all__ = ["ov"]
