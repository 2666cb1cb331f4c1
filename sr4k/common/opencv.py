"""Imports OpenCV; all other modules import it from here.

OpenCV's import adds an empty entry to ``LD_LIBRARY_PATH``, which means the current folder: every program started from
then on would load a ``libm.so.6`` that lies there. OpenCV doesn't need the change, so it is undone.
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
