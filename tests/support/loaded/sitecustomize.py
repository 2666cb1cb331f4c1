"""Record which modules each Python process with this folder on PYTHONPATH has imported by its end."""

import atexit
import os
import sys
from pathlib import Path


def _tell() -> None:
    name = sys.argv[2] if sys.argv[0] == "-c" else "command"  # as `sr4k.pipeline.spawning` names those it starts
    Path(os.environ["LOADED"], name).write_text("\n".join(sys.modules))


atexit.register(_tell)
