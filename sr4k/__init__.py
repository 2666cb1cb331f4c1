"""sr4k-stream: a real-time 1080p to 4K video upscaler.

>>> from pathlib import Path
>>> from sr4k import Job
>>> summary = Job(Path("in.mp4"), Path("out.mp4")).run()  # doctest: +SKIP
"""

from sr4k.configs import Preset, load_preset
from sr4k.errors import Sr4kError
from sr4k.job import Job, Summary

__all__ = ["Job", "Preset", "Sr4kError", "Summary", "load_preset"]
