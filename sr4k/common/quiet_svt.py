"""Keeps SVT-AV1, which ignores libav's log level, from writing its settings to stderr for every stream."""

import os


def quiet_svt() -> None:
    """Let SVT-AV1's encoders of this process log errors alone, unless ``SVT_LOG`` is set."""
    os.environ.setdefault("SVT_LOG", "1")
