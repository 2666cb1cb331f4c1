"""Slow jobs down, so that a test can look at them before they end on any machine."""

import os
from pathlib import Path

_FOLDER = Path(__file__).parent / "held"


def held(*, after: int = 0, seconds: float = 0.02) -> dict[str, str]:
    """Return an environment in which the engine ``nearest``, in a worker process, takes ``seconds`` per frame.

    The first ``after`` frames run at full speed.
    """
    return {**os.environ, "PYTHONPATH": str(_FOLDER), "HELD": f"{after}:{seconds}"}
