"""The cluster's machines as the driver sees them: which are there, which take part, and how much each can do."""

from dataclasses import dataclass, field
from typing import Any

_CPUS_OF_A_SEGMENT = 16
"""Most CPUs that one segment keeps busy: those of one lane."""

_CPUS_BESIDE_A_GPU = 4
"""CPUs that decode and encode beside a GPU."""

_GIB = 1 << 30

_MEMORY = 2 * _GIB
"""Bytes asked for each segment: what a graph of 1080p to 4K takes, and half as much again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one segment asks of a machine: CPUs, GPUs and bytes of memory."""

    cpus: int
    gpus: int = 0
    memory: int = _MEMORY

    def times_in(self, resources: dict[str, float]) -> int:
        """Return how many segments a machine with these resources, as Ray names them, can make at the same time."""
        parts = [resources.get("CPU", 0.0) // self.cpus, resources.get("memory", float("inf")) // self.memory]
        if self.gpus:
            parts.append(resources.get("GPU", 0.0) // self.gpus)
        return int(min(parts))

    def __str__(self) -> str:
        gpus = f", {_counted(self.gpus, 'GPU')}" if self.gpus else ""
        return f"{_counted(self.cpus, 'CPU')}{gpus} and {self.memory / _GIB:.0f} GiB"


@dataclass(slots=True, kw_only=True)
class Machine:
    """One of Ray's nodes.

    Attributes:
        id: Ray's.
        name: for people.
        slots: number of segments that it can make at once.
        state: ``new``, ``asked``, ``ready``, ``refused`` or ``gone``.
        running: keys of the segments that it makes.
        done: number of segments that it has made; ``frames``, ``seconds``: of these.
        strikes: faults of its own in a row.
        gone_at: when it was last found to be gone, on the monotonic clock.
    """

    id: str
    name: str
    slots: int
    state: str = "new"
    running: set[str] = field(default_factory=set)
    done: int = 0
    frames: int = 0
    seconds: float = 0.0
    strikes: int = 0
    gone_at: float = 0.0

    @property
    def free(self) -> int:
        """Number of segments that it could begin now."""
        return self.slots - len(self.running) if self.state == "ready" else 0


def needed(nodes: list[dict[str, Any]], cpus: int | None, *, on_gpu: bool) -> Need:
    """Return what to ask for each segment.

    Args:
        nodes: as `ray.nodes` lists them.
        cpus: that were asked for; ``None``: all of the smallest machine that has any, but no more than keep busy.
        on_gpu: whether the network runs on a GPU.
    """
    there = [int(count) for node in nodes if (count := node["Resources"].get("CPU", 0)) >= 1]
    most = _CPUS_BESIDE_A_GPU if on_gpu else _CPUS_OF_A_SEGMENT
    return Need(cpus=cpus or min([most, *there]), gpus=int(on_gpu))


def largest(nodes: list[dict[str, Any]]) -> str:
    """Return the resources of the largest machine, for a message. A head without CPUs makes no segments."""
    working = [node["Resources"] for node in nodes if node["Resources"].get("CPU", 0) >= 1]
    if not working:
        return "it has no machine with CPUs for work"
    best = max(working, key=lambda each: (each.get("GPU", 0), each["CPU"]))
    which = "the only one" if len(working) == 1 else f"the largest of {len(working)}"
    cpus, gpus = _counted(best["CPU"], "CPU"), _counted(best.get("GPU", 0), "GPU")
    return f"{which} has {cpus}, {gpus} and {best.get('memory', 0) / _GIB:.0f} GiB"


def _counted(number: float, what: str) -> str:
    return f"{number:.0f} {what}{'' if number == 1 else 's'}"


def name_of(node: dict[str, Any], others: list[dict[str, Any]]) -> str:
    """Return a machine's name for people: with a part of its id, where several have the same."""
    name = str(node.get("NodeName") or node["NodeManagerAddress"])
    same = sum(str(other.get("NodeName") or other["NodeManagerAddress"]) == name for other in others)
    return name if same < 2 else f"{name}/{node['NodeID'][:6]}"
