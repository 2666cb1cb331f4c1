"""Progress of a job on a cluster counts the frames of the plan, also when a new driver plans what is left."""

from dataclasses import replace

from sr4k.cluster.machine_report import ClusterReport
from sr4k.cluster.messages import Planned, Working
from sr4k.cluster.watching import Watching
from sr4k.jobs.file_progress import Gauge, Progress
from sr4k.media.reports import DECODE, DecodeReport, SourceReport
from sr4k.pipeline import WorkerStatus

SOURCE = SourceReport(
    width=64, height=48, codec="h264", frames_counted=False, expected_frames=None, expected_seconds=4.0, rate=25.0
)


def planned(*frames: int) -> Planned:
    keys = tuple(f"{number}" for number in range(len(frames)))
    return Planned(keys=keys, frames=frames, ends=(1.0,) * len(frames), source=DecodeReport(source=SOURCE))


def test_a_plan_counts_the_frames_and_later_ones_change_nothing() -> None:
    gauge, seen = Gauge(), list[Progress]()
    status: dict[str, WorkerStatus] = {}

    def see(statuses: dict[str, WorkerStatus]) -> None:
        status.update(statuses)
        gauge.update(statuses, float(len(seen)))
        seen.append(gauge.progress)

    watching = Watching(25, see)
    watching.tell()
    assert not seen, "nothing is known before the plan"
    watching.plan(planned(25, 25, 25))
    watching.made(25)
    watching.tell()
    watching.plan(planned(25, 25))
    watching.made(25)
    watching.tell()
    assert [(each.frames, each.frames_total) for each in seen] == [(50, 100), (75, 100)]
    watching.work(Working(frames=20, tries={}, report=ClusterReport(nodes=())))
    watching.tell()
    watching.join({"decode": replace(*status.values(), reports={})})
    assert [each.frames for each in seen[2:]] == [95, 75], "until joining knows the source, what is finished is told"
    assert min(each.fps for each in seen) >= 0 and all(each.eta is None or each.eta >= 0 for each in seen)
    (cluster,) = status.values()
    joining = replace(cluster, reports=cluster.reports | {DECODE: DecodeReport(source=replace(SOURCE, resumed=100))})
    watching.join({"encode": replace(joining, stages=())})
    assert (seen[-1].frames, seen[-1].frames_total, seen[-1].share) == (100, 100, 1.0)
