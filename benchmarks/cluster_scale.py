"""Simulate up to 64 machines that make one film: how long it takes, and what limits it.

    python benchmarks/cluster_scale.py [--minutes 600] [--results benchmarks/results]

Segments are given out by the code of the cluster itself (`sr4k.cluster.order`). Rates and seconds are those that were
measured: frames per second by `sr4k bench`, the start of a segment, what Ray takes and planning by
`cluster_overhead.py`, whose JSON is read. Machines are as that one, or eight times as fast; one in sixteen
has 0.4 of the usual speed. All read from and write to one disk, first come, first served.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any

from sr4k.bench.report import store
from sr4k.cluster.order import lagging, longest_first
from sr4k.cluster.tasks import SegmentTask
from sr4k.media.reading.stretches import Stretch

HERE = Path(__file__).parent
RATE = 25
MINUTE = 60 * RATE
MACHINES = (1, 4, 16, 64)
DISK = 500.0
SOURCE_MBIT, RESULT_MBIT = 8.0, 20.0
SLOW, SLOW_EVERY = 0.4, 16
FASTER = 8
"""How much faster the machines of the second table are than the one that was measured."""


@dataclass(frozen=True, kw_only=True)
class Plant:
    """Machines and a disk that they share.

    Attributes:
        machines: number of machines, each of which makes a segment at a time.
        work: seconds that a minute of the film takes one of them.
        start, beside: seconds before and beside each segment.
        megabytes: read and written for a minute of the film.
        disk: megabytes a second of the disk.
        slow: speed of machines that are not like the others, by their number.
    """

    machines: int
    work: float
    start: float
    beside: float
    megabytes: float = 0.0
    disk: float = DISK
    slow: Mapping[int, float] = field(default_factory=dict)


@dataclass
class _Run:
    task: SegmentTask
    machine: int
    began: float
    moved: float


@dataclass(frozen=True, kw_only=True)
class Finished:
    """When all segments were made, in seconds; how many were begun twice; seconds for which the disk was busy."""

    seconds: float
    twice: int
    disk: float


def finished(plant: Plant, frames: Sequence[int], *, has_copies: bool = True) -> Finished:
    """Simulate the making of segments of so many frames. ``has_copies``: whether idle machines make what lags too."""
    todo = longest_first(_task(number, each) for number, each in enumerate(frames))[::-1]
    left, took, runs, twice = {task.key for task in todo}, list[float](), list[_Run](), 0
    ends: list[tuple[float, int, _Run]] = []
    ticket, disk_free, busy, now = count(), 0.0, 0.0, 0.0
    while left:
        for machine in sorted(set(range(plant.machines)) - {run.machine for run in runs}):
            again = None if todo or not has_copies else lagging(runs, machine, took[-100:], now)
            if not todo and again is None:
                continue
            task = again.task if again is not None else todo.pop()
            twice += again is not None
            share = task.stretch.frames / MINUTE
            needed = share * plant.megabytes / plant.disk
            disk_free, busy = max(disk_free, now) + needed, busy + needed
            work = plant.start + plant.beside + share * plant.work / plant.slow.get(machine, 1.0)
            run = _Run(task, machine, now, float("inf"))
            runs.append(run)
            heappush(ends, (max(now + work, disk_free), next(ticket), run))
        soon = ends[0][0]
        if not todo and has_copies and len(runs) < plant.machines:
            soon = min(soon, now + 1.0)  # idle machines look every second for what lags
        now = soon
        while ends and ends[0][0] <= now:
            run = heappop(ends)[2]
            if run in runs:
                runs.remove(run)
                took.append(now - run.began)
                left.discard(run.task.key)
                runs[:] = [other for other in runs if other.task.key != run.task.key]
    return Finished(seconds=now, twice=twice, disk=busy)


def _task(number: int, frames: int) -> SegmentTask:
    start = number * 60.0
    stretch = Stretch(
        number=number, after=None, begin=None, until=None, first=0, frames=frames, start=start, end=start + 60.0
    )
    return SegmentTask(key=str(number), stretch=stretch, cpus=1)


def scaled(fps: float, kind: str, overhead: dict[str, Any], minutes: int) -> list[dict[str, float]]:
    """Return the time for a film on each number of machines, planning and joining in it.

    Args:
        fps: frames a second of a machine.
        kind: of the graph of a segment: ``threads`` on few CPUs, or ``processes``.
        overhead: as measured.
        minutes: length of the film.
    """
    read, written = (60 * rate / 8 for rate in (SOURCE_MBIT, RESULT_MBIT))
    plan = overhead["plan"]["seconds"] * minutes / (60 * overhead["plan"]["hours"])
    join = minutes * 2 * written / DISK  # read and written
    rows = []
    for machines in MACHINES:
        plant = Plant(
            machines=machines,
            work=MINUTE / fps,
            start=overhead["start"][kind]["seconds"],
            beside=overhead["nodes"]["beside_each"],
            megabytes=read + 3 * written,  # the source, and the segment, whose hash is computed here and there
            slow=dict.fromkeys(range(SLOW_EVERY - 1, machines, SLOW_EVERY), SLOW),
        )
        made = finished(plant, [MINUTE] * minutes)
        total = plan + made.seconds + join
        rows.append(
            {
                "machines": machines,
                "seconds": round(total, 1),
                "plan": round(plan, 1),
                "segments": round(made.seconds, 1),
                "join": round(join, 1),
                "twice": made.twice,
                "disk": round(made.disk / made.seconds, 3),
            }
        )
    return rows


def as_markdown(result: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    lines = [
        "# Many machines, simulated",
        "",
        f"**Simulated** from measured figures, by the code that gives out segments. `{result['command']}`: a film of "
        f"{result['minutes']} minutes at {RATE} frames/s, source {SOURCE_MBIT:g} Mbit/s, result {RESULT_MBIT:g} "
        f"Mbit/s, on one disk of {DISK:.0f} MB/s for all, first come, first served; every {SLOW_EVERY}th machine has "
        f"{SLOW:g} of the speed. Measured: frames/s of a machine of 2 cores ([bench](bench.md)); planning, the start "
        "of a segment and what a thousand nodes' segments cost their driver ([overhead](cluster_overhead.md)).",
    ]
    for fps, rows in result["tables"].items():
        lines += [
            "",
            f"Machines of {float(fps):.1f} frames/s:",
            "",
            "| machines | hours | times one | of ideal | planning s | joining s | begun twice | disk busy |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in rows:
            ratio = rows[0]["seconds"] / row["seconds"]
            lines.append(
                f"| {row['machines']} | {row['seconds'] / 3600:.2f} | {ratio:.1f} | {ratio / row['machines']:.0%} "
                f"| {row['plan']:.0f} | {row['join']:.0f} | {row['twice']} | {row['disk']:.0%} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Simulate, print the results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=600)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    given = parser.parse_args()
    bench, overhead = (
        json.loads((given.results / f"{name}.json").read_text()) for name in ("bench", "cluster_overhead")
    )
    measured = bench["sizes"]["1080p"]["pipeline"]["fps"]
    result = {
        "command": " ".join(["python benchmarks/cluster_scale.py", *sys.argv[1:]]),
        "machine": bench["machine"],
        "minutes": given.minutes,
        "tables": {
            str(fps): scaled(fps, kind, overhead, given.minutes)
            for fps, kind in ((measured, "threads"), (FASTER * measured, "processes"))
        },
    }
    text = as_markdown(result)
    store(given.results, "cluster_scale", result, text)
    print(text)


if __name__ == "__main__":
    main()
