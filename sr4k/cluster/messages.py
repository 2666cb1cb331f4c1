"""What the driver, in its own process, tells the job. Plain data."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sr4k.cluster.machine_report import ClusterReport
from sr4k.cluster.settings import ClusterSettings
from sr4k.cluster.tasks import SegmentDone
from sr4k.common.option_names import Reader
from sr4k.jobs.file_job import Job
from sr4k.media.reports import DecodeReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the driver is to do.

    Attributes:
        job: the job.
        pool: path of its pool.
        done: pts of the last picture that is done; ``None``: none is.
        settings: how the cluster is reached.
        address: its address; that of a private cluster is known once it runs.
        environment: variables by which it is reached.
        facts: of the job, as its journal has them.
        tries: how often segments were begun already, by their keys, that a driver before this one has left.
        reader: whom messages name options for.
        empty: an empty folder of this machine's, for the driver to be in.
    """

    job: Job
    pool: Path
    done: int | None
    settings: ClusterSettings
    address: str
    environment: dict[str, str] = field(repr=False)
    facts: dict[str, Any]
    tries: dict[str, int]
    reader: Reader
    empty: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The plan: keys and frames of the segments in order, and the video."""

    keys: tuple[str, ...]
    frames: tuple[int, ...]
    ends: tuple[float, ...]
    source: DecodeReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A segment is in the pool. ``done``: ``None``: it was there before. ``node``: who made it, at which attempt."""

    key: str
    done: SegmentDone | None = None
    node: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """How far the segments under way are: frames done of them, at which attempt each is, and the machines."""

    frames: int
    tries: dict[str, int]
    report: ClusterReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something went wrong and was dealt with; one line. ``again``: number of segments that are made again for it."""

    text: str
    again: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """All is done, or ``error`` is why not."""

    error: Exception | None = None


Message = Planned | Made | Working | Fault | Ended
