"""Numbers of threads on which an encoder's output depends: a machine can encode as another one would."""

import os
from dataclasses import replace
from typing import TypeVar

from sr4k.media.options import EncoderSettings
from sr4k.media.writing.encoder import row_of

_MOST = 128
"""Greatest number of threads that libx264 takes."""

_Settings = TypeVar("_Settings", bound=EncoderSettings)


def seen_cpus() -> int:
    """Return the number of CPUs that encoders count here: those that this process may run on, whatever its quota."""
    return len(os.sched_getaffinity(0))


def pinned(settings: _Settings, cpus: int, height: int) -> _Settings:
    """Return the settings with the number of threads that the encoder would choose on a machine with so many CPUs.

    libx264 codes each picture in one slice per thread. What libx265 makes depends on the CPUs as well, but it has no
    option for all of that; what libsvtav1 makes does not.

    Args:
        settings: with codec and encoder resolved; options about threads are kept.
        cpus: number of CPUs that the encoder would see there.
        height: of the pictures.
    """
    if row_of(settings).name != "libx264" or {"threads", "thread_type"} & settings.options.keys():
        return settings
    by_height = max(1, (height + 15) // 16 // 2)  # x264's encoder/encoder.c
    return replace(settings, options={**settings.options, "threads": str(min(max(1, cpus), by_height, _MOST))})
