"""What is sent to the cluster's machines and comes back: a few hundred bytes for each segment, and no picture."""

from dataclasses import dataclass
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any

from sr4k.cluster.networks import Network
from sr4k.cluster.settings import PathMap
from sr4k.common.option_names import Reader
from sr4k.jobs.file_job import Job
from sr4k.jobs.summary import Summary
from sr4k.media.reading.stretches import Stretch
from sr4k.media.resume.pool import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What all segments of a job share.

    Attributes:
        job: the job, with the paths of the machine that it was started on.
        pool: folder for the segments, likewise.
        path_map: see `sr4k.cluster.settings`.
        encodes_as: number of CPUs that the encoder sees on the machine where the segments are joined.
        token: name and content of a file in the pool, by which a machine finds out whether it sees the same folder.
        source: facts that change with the source's content.
        networks: those that the user brought.
        reader: whom messages name options for.
        refuses_files_that_name_others: see `sr4k.media.reading.naming_others`.
    """

    job: Job
    pool: Path
    path_map: PathMap
    encodes_as: int
    token: tuple[str, str]
    source: dict[str, Any]
    networks: tuple[Network, ...] = ()
    reader: Reader = "python"
    refuses_files_that_name_others: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTask:
    """One segment to make. ``key``: what it is; ``cpus``: that it may use; ``attempt``: from 1."""

    key: str
    stretch: Stretch
    cpus: int
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentDone:
    """A segment that is in the pool. ``warnings``: what was logged while it was made."""

    manifest: Manifest
    summary: Summary
    seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFailed:
    """A segment that was not made. ``error``: why; ``is_crash``: whether a process of its graph died."""

    error: Exception
    is_crash: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What a machine tells of itself.

    Attributes:
        trouble: why it can't be used, in words; ``None``: it can.
        kind: what the bytes of a segment may depend on; those of machines of one kind are equal.
    """

    trouble: str | None = None
    kind: str = ""


def key_of(facts: dict[str, Any], stretch: Stretch, encodes_as: int, code: str) -> str:
    """Return the key of a segment: a hash of all that its bytes depend on.

    Args:
        facts: of the job, its source among them.
        stretch: of the source.
        encodes_as: see `Work`.
        code: fingerprint of this package.
    """
    cut = [stretch.begin, stretch.until]
    return sha256(dumps([facts, cut, encodes_as, code], sort_keys=True).encode()).hexdigest()[:32]
