"""Writes results as JSON that every reader of JSON takes."""

import json
import math
from collections.abc import Mapping
from typing import Any


def json_text(value: Any) -> str:
    r"""Return a value as indented JSON; numbers that JSON can't hold, infinite ones and NaN, become ``null``.

    >>> json_text({"PSNR": float("inf")})
    '{\n  "PSNR": null\n}'
    """
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
