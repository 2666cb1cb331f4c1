"""The one door to OpenCV.

Its import puts a path with an empty end into ``LD_LIBRARY_PATH``, and empty means the current folder: every program
started from then on would load a ``libm.so.6`` that lies there. OpenCV needs nothing of it, so it is taken back.
"""

import os

_NAME = "LD_LIBRARY_PATH"
_before = os.environ.get(_NAME)

import cv2  # noqa: E402

if _before is None:
    os.environ.pop(_NAME, None)
else:
    os.environ[_NAME] = _before

__all__ = ["cv2"]
