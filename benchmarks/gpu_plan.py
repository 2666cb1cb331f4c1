"""The plan of a first run on a GPU: calls, their parts and the steps of a part, each ordered by worth."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

REHEARSAL = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether everything runs on the CPU at a tiny size: it shows that the plan works, and its times mean nothing."""

PHOTOGRAPH = (8, 12) if REHEARSAL else (296, 448)
"""Rows and columns of the photographs that engines are compared on."""

MODELS = ("luma-fast",) if REHEARSAL else ("luma", "luma-large", "rcan2")
"""Networks to measure, the default first."""


PREDICTED_AT_ONCE = {"luma": "0.10-0.13", "luma-fast": "0.04-0.05"}
"""Milliseconds of int8 networks in one launch a picture, at 1080p on an H100, as estimated before the first run."""

PREDICTED_WITH_SHARPNESS = {"luma": "0.11-0.14", "luma-fast": "0.05-0.06"}
"""The same with the range of luma around each cell, which that launch finds too."""

_PREDICTED_LAUNCHES = {
    "head": "0.015-0.020", "body": "0.020-0.025", "tail": "0.025-0.030", "bicubic": "0.008-0.012",
    "range": "0.002-0.004",
}  # fmt: skip
"""The same of each launch of int8 ``luma``, by the first word of its first convolution."""


def predicted_launch(conv: str) -> str:
    """Return the milliseconds that the launch of int8 ``luma`` with this convolution was estimated to take."""
    return _PREDICTED_LAUNCHES[conv.partition(".")[0]]


@dataclass(frozen=True, slots=True)
class Setting:
    """Arguments of all steps.

    Attributes:
        size: width and height of the input frames.
        carry: folder with the clip and the wheels.
        out: folder for results.
        until: end of the call, on the clock of `time.monotonic`.
    """

    size: tuple[int, int]
    carry: Path
    out: Path
    until: float

    @property
    def clip(self) -> Path:
        """Path of the video to decode."""
        return self.carry / "clip.mp4"


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the results.

    Attributes:
        what: the row's name.
        seconds: how long it takes at most; it is not begun when less is left.
        measure: returns the row.
        predicted_ms: milliseconds a frame, as they were estimated before the first run.
    """

    what: str
    seconds: float
    measure: Callable[[], dict[str, Any]]
    predicted_ms: str | None = None


Part = Callable[[Setting], Iterator[Step]]

PARTS = {
    "machine": "gpu_machine:machine",
    "one-launch": "gpu_networks:one_launch",
    "warm": "gpu_machine:warm",
    "right": "gpu_networks:right",
    "luma": "gpu_networks:luma",
    "ceilings": "gpu_networks:ceilings",
    "launches": "gpu_networks:launches",
    "video": "gpu_video:video",
    "whole": "gpu_networks:whole",
    "engine": "gpu_networks:engine",
    "tunings": "gpu_networks:tunings",
    "profile": "gpu_machine:profile",
    "others": "gpu_networks:others",
    "peers": "gpu_networks:peers",
}
"""Module and function that make the steps of each part, imported only when its turn comes."""


@dataclass(frozen=True, slots=True)
class Call:
    """One command: its parts in order, and after how many seconds it ends."""

    parts: tuple[str, ...]
    seconds: float


CALLS = {
    "A": Call(("machine", "one-launch", "warm", "right", "luma", "ceilings", "launches"), 165),
    "B": Call(("video", "whole", "engine", "tunings", "profile", "others", "peers"), 320),
    "C": Call(tuple(PARTS), 150),
}
"""C is a reserve: it measures what A and B left without a result, unless parts are named."""


def steps_of(part: str, setting: Setting) -> Iterator[Step]:
    """Import a part and list its steps."""
    module, name = PARTS[part].split(":")
    make: Part = getattr(import_module(module), name)
    return make(setting)
