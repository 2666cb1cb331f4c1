"""Progress of a job that a cluster works on, as the status of a worker: all displays show it like any other."""

import time
from collections.abc import Callable
from dataclasses import replace

from sr4k.cluster.machine_report import CLUSTER, ClusterReport
from sr4k.cluster.messages import Planned, Working
from sr4k.media.reports import DECODE, ENCODE, DecodeReport, EncodeReport, VideoReport
from sr4k.pipeline import WorkerStatus, report_of
from sr4k.pipeline.chain import StageClock


class Watching:
    """Adds up what is made, and tells it.

    Args:
        resumed: number of frames that earlier runs have done.
        on_status: gets the status.

    Attributes:
        report: the latest on the machines; ``None``: there is none yet.
    """

    def __init__(self, resumed: int, on_status: Callable[[dict[str, WorkerStatus]], None]) -> None:
        self._resumed, self._on_status, self._began = resumed, on_status, time.monotonic()
        self._frames = self._under_way = self._total = 0
        self._source: DecodeReport | None = None
        self.report: ClusterReport | None = None

    def plan(self, planned: Planned) -> None:
        """Note what video it is. The plan has counted its frames; a later one counts only what is missing then."""
        if self._source is None:
            self._total = self._resumed + sum(planned.frames)
            self._source = self._counted(planned.source)

    def work(self, working: Working) -> None:
        """Note how far the segments under way are."""
        self._under_way, self.report = working.frames, working.report

    def made(self, frames: int) -> None:
        """Count the frames of a finished segment."""
        self._frames += frames
        self._under_way = max(0, self._under_way - frames)

    def join(self, statuses: dict[str, WorkerStatus]) -> None:
        """Hand on the statuses of the graph that joins the segments, which does not know how many frames there are.

        Until it has opened the source, it knows nothing, and what is finished is told. Segments that were under way
        are none of it.
        """
        self._under_way = 0
        if report_of(statuses, DECODE, DecodeReport) is None:
            self.tell()
            return
        told = {}
        for name, status in statuses.items():
            read = status.reports.get(DECODE)
            reports = {**status.reports, DECODE: self._counted(read)} if isinstance(read, DecodeReport) else {}
            told[name] = replace(status, reports=reports or status.reports)
        self._on_status(told)

    def _counted(self, read: DecodeReport) -> DecodeReport:
        if not self._total:
            return read
        return replace(read, source=replace(read.source, expected_frames=self._total, frames_counted=True))

    def tell(self) -> None:
        """Hand the status on."""
        if self._source is None:
            return
        source, frames = self._source.source, self._frames + self._under_way
        seconds = (self._resumed + frames) / source.rate if source.rate else 0.0
        video = VideoReport(codec="", width=0, height=0, container="", until=source.start + seconds)
        status = WorkerStatus(
            worker=CLUSTER,
            stages=(StageClock(ENCODE, frames=frames),),
            running=time.monotonic() - self._began,
            waited_in=0.0,
            waited_out=0.0,
            cpu=0.0,
            depth=0,
            reports={
                DECODE: replace(self._source, source=replace(source, resumed=self._resumed)),
                ENCODE: EncodeReport(video=video, frames=frames),
                CLUSTER: self.report,
            },
        )
        self._on_status({CLUSTER: status})
