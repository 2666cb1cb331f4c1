"""What the machines of a cluster do and have done. Plain data, light to import: displays show it."""

from dataclasses import dataclass
from typing import Final

CLUSTER: Final = "cluster"
"""Name of the worker that a cluster is to displays, and of its report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeWork:
    """What one machine does and has done.

    Attributes:
        node: its name.
        segments: number of segments that it has made.
        running: number of those that it is making.
        frames: frames of all of them, so far.
        fps: frames a second since it began.
        share: of all frames that were made, 0 to 1.
        state: ``ready``, ``refused``, ``gone`` or another of `sr4k.cluster.machines.Machine`.
    """

    node: str
    segments: int
    running: int
    frames: int
    fps: float
    share: float
    state: str

    def __str__(self) -> str:
        done = f"{self.segments} segment{'' if self.segments == 1 else 's'}"
        state = "" if self.state == "ready" else f" ({self.state})"
        return f"{self.node}: {self.fps:.1f} fps, {done}, {self.share:.0%}{state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterReport:
    """All machines, at one moment."""

    nodes: tuple[NodeWork, ...]
