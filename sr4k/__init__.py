"""sr4k-stream: a real-time 1080p to 4K video upscaler.

>>> from sr4k import Job
>>> summary = Job("in.mp4", "out.mp4", size="4k").run()  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sr4k.configs import Preset, load_preset
    from sr4k.errors import Sr4kError
    from sr4k.job import Job
    from sr4k.stages.settings import Box
    from sr4k.summary import Summary

__all__ = ["Box", "Job", "Preset", "Sr4kError", "Summary", "load_preset"]

_HOMES = {
    "Box": "sr4k.stages.settings",
    "Job": "sr4k.job",
    "Preset": "sr4k.configs",
    "Sr4kError": "sr4k.errors",
    "Summary": "sr4k.summary",
    "load_preset": "sr4k.configs",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """Import public names when they are used: worker processes, which import this package too, need none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
