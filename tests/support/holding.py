"""Jobs that no machine is done with before a test has looked at them."""

import os
from pathlib import Path

_FOLDER = Path(__file__).parent / "held"


def held(*, after: int = 0, seconds: float = 0.02) -> dict[str, str]:
    """An environment in which the engine ``nearest``, in a process, takes so many seconds for each picture.

    The first ``after`` pictures are done as fast as the machine can.
    """
    return {**os.environ, "PYTHONPATH": str(_FOLDER), "HELD": f"{after}:{seconds}"}
