"""What the driver asks of Ray: the functions that run on the machines, and the connection to the cluster."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayError

from sr4k.cluster import node
from sr4k.cluster.connecting import check_reachable, connect_patiently, unreachable
from sr4k.cluster.messages import Request
from sr4k.cluster.tasks import NodeFacts, SegmentDone, SegmentFailed, SegmentTask, Work
from sr4k.errors import MachineError
from sr4k.media.reading.stretches import Stretch

_NOTE_EVERY = 2.0
"""Seconds between two notes on how many frames of a segment are done."""

_SEGMENTS_OF_A_PROCESS = 50
"""Segments after which a process that makes them ends, so that what libraries might leak does not add up."""


@ray.remote(num_cpus=0, max_restarts=-1)
class Board:
    """Holds how many frames of each segment are done; machines write to it, the driver reads it."""

    def __init__(self) -> None:
        self._frames: dict[str, int] = {}

    def note(self, run: str, frames: int) -> None:
        self._frames[run] = frames

    def all(self) -> dict[str, int]:
        return self._frames


@ray.remote(num_cpus=0, max_retries=0)
def look_at(work: Work, code: str) -> NodeFacts:
    return node.look(work, code)


@ray.remote(max_retries=0)
def sample_of(work: Work, stretch: Stretch, cpus: int) -> str:
    return node.sample(work, stretch, cpus)


@ray.remote(max_retries=0, max_calls=_SEGMENTS_OF_A_PROCESS)
def made_by(work: Work, task: SegmentTask, run: str, board: Any) -> SegmentDone | SegmentFailed:
    last = [0.0, 0]

    def report(frames: int) -> None:
        now = time.monotonic()
        if now - last[0] > _NOTE_EVERY and frames != last[1]:
            last[:] = [now, frames]
            board.note.remote(run, frames)

    return node.make(work, task, report)


@contextmanager
def connected(request: Request) -> Iterator[None]:
    """Connect to the cluster, and leave it at the end.

    Raises:
        MachineError: it can't be reached.
    """
    check_reachable(request.address)
    connect = partial(ray.init, address=request.address, log_to_driver=False, logging_level=logging.WARNING)
    try:
        connect_patiently(connect, request.address)
    except (RayError, ConnectionError, ValueError, RuntimeError, TimeoutError, AssertionError) as err:
        raise MachineError(unreachable(request.address, err)) from err
    try:
        yield
    finally:
        ray.shutdown()


def alive() -> list[dict[str, Any]]:
    """Return the machines that are there, as Ray describes them."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [each for each in nodes if each["Alive"]]


def new_board() -> Any:
    """Start a board, and return its handle."""
    return Board.remote()  # type: ignore[attr-defined]
