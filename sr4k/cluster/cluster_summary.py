"""Summary of a job that a cluster has worked on: that of the machine that joined it, and of those that made it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self, TypeVar

from sr4k.cluster.machine_report import ClusterReport, NodeWork
from sr4k.cluster.messages import Made
from sr4k.jobs.summary import JobLosses, Summary
from sr4k.media.reports import Change, EngineReport, Join

_Timed = TypeVar("_Timed", Change, Join)

_PLACES = 100
"""Maximum number of places of losses that are listed."""


@dataclass(frozen=True, kw_only=True)
class SegmentWork:
    """How a segment was made: by which machine, at which attempt (from 1), and how long that took."""

    key: str
    node: str
    attempt: int
    seconds: float
    frames: int
    summary: Summary

    @classmethod
    def of(cls, made: Made) -> Self:
        """Return what is told of a segment that was made."""
        assert made.done is not None
        return cls(
            key=made.key,
            node=made.node,
            attempt=made.attempt,
            seconds=made.done.seconds,
            frames=made.done.manifest.segment.frames,
            summary=made.done.summary,
        )


@dataclass(frozen=True, kw_only=True)
class SegmentLine:
    """A segment in a summary. ``tries``: number of times that it was begun; ``seconds``: of the last."""

    node: str
    tries: int
    seconds: float
    frames: int


@dataclass(frozen=True, kw_only=True)
class ClusterSummary(Summary):
    """Summary of a job that a cluster has worked on.

    Attributes:
        nodes: the machines.
        segments: the segments, in the order in which they were finished.
        again: number of segments that were begun another time.
        faults: what went wrong and was dealt with, a line each.
    """

    nodes: tuple[NodeWork, ...] = ()
    segments: tuple[SegmentLine, ...] = ()
    again: int = 0
    faults: tuple[str, ...] = ()


def over_cluster(
    joined: Summary,
    made: Sequence[SegmentWork],
    report: ClusterReport | None,
    *,
    has_last: bool,
    resumed: int,
    lost: int,
    seconds: float,
    again: int,
    faults: tuple[str, ...],
) -> ClusterSummary:
    """Return the summary of the whole job.

    Args:
        joined: of the machine that joined the segments: for it, all of them were there before.
        made: the segments.
        report: the machines, as they were last.
        has_last: whether the last segment is among those that were made; what is missing after it is told there.
        resumed: number of frames that earlier runs have done.
        lost: number of losses in earlier runs.
        seconds: duration of all.
        again: number of segments that were begun another time.
        faults: what went wrong.
    """
    own = {each.name: getattr(joined, each.name) for each in fields(Summary)}
    parts = [each.summary for each in made]
    told = [part.losses for part in parts] + ([] if has_last else [joined.losses])
    losses = _losses(told, lost, joined.losses.copying)
    left_out = dict.fromkeys([*(text for part in parts for text in part.left_out), *joined.left_out])
    engine = EngineReport.of_lanes([part.engine for part in parts]) if parts else joined.engine
    source = replace(
        joined.source,
        resumed=resumed,
        frames=joined.source.frames + sum(part.source.frames for part in parts),
        interlaced=joined.source.interlaced + sum(part.source.interlaced for part in parts),
        changes=_in_order(joined.source.changes, *(part.source.changes for part in parts)),
        joins=_in_order(joined.source.joins, *(part.source.joins for part in parts)),
    )
    own |= {"resumed": resumed, "seconds": seconds, "losses": losses, "engine": engine, "source": source}
    own["left_out"] = list(left_out)
    lines = tuple(
        SegmentLine(node=each.node, tries=each.attempt, seconds=round(each.seconds, 3), frames=each.frames)
        for each in made
    )
    nodes = () if report is None else report.nodes
    return ClusterSummary(**own, nodes=nodes, segments=lines, again=again, faults=faults)


def _in_order(*found: Sequence[_Timed]) -> tuple[_Timed, ...]:
    """Return what was found by several machines, each once, by its time."""
    return tuple(sorted({each for some in found for each in some}, key=lambda each: each.at))


def _losses(found: Sequence[JobLosses], earlier: int, copying: str | None) -> JobLosses:
    places = sorted((place for each in found for place in each.places), key=lambda place: place.at)
    listed = places[:_PLACES]
    first = [each.first_at for each in found if each.first_at is not None]
    return JobLosses(
        packets=sum(each.packets for each in found),
        missing=sum(each.missing for each in found),
        concealed=sum(each.concealed for each in found),
        retimed=sum(each.retimed for each in found),
        first_at=min(first, default=None),
        reasons=tuple(dict.fromkeys(reason for each in found for reason in each.reasons)),
        places=tuple(listed),
        unlisted=sum(each.unlisted for each in found) + sum(place.frames for place in places[_PLACES:]),
        earlier=earlier,
        copying=copying,
    )
