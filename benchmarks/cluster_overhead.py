"""Measure what a cluster costs beside its work: planning a long film, a segment's way through Ray, and its start.

    python benchmarks/cluster_overhead.py --hours 10 --tasks 2000 --nodes 1000

The film is made of one second of packets, repeated. The tasks sleep: what they take longer is Ray's part. Those of
many nodes sleep in two processes, which stand for the nodes: so all are under way at the same time, and come back to
one driver, which is what many nodes share. A segment's start is the time that a segment of one small frame takes.
"""

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import av
import numpy as np

from sr4k import Job, load_preset
from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.cluster.job import reached
from sr4k.cluster.node import in_this_process
from sr4k.cluster.order import longest_first
from sr4k.cluster.settings import ClusterSettings
from sr4k.cluster.tasks import SegmentTask
from sr4k.jobs.graph import run_assembled
from sr4k.media.options import ReadSettings
from sr4k.media.reading.stretches import Stretch, stretches
from sr4k.media.writing.encoder_threads import seen_cpus

RATE = 25


def film(path: Path, seconds: int) -> Path:
    """Write a film of so many seconds, each of the same packets."""
    with av.open(str(path), "w") as target:
        video = target.add_stream("libx264", rate=RATE, options={"g": str(RATE), "bf": "0", "preset": "ultrafast"})
        video.width, video.height, video.time_base = 64, 48, Fraction(1, RATE)
        noise = np.random.default_rng(0).integers(0, 255, (RATE, 48, 64, 3), np.uint8)
        packets = []
        for number, rgb in enumerate(noise):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            packets += video.encode(frame)
        packets += video.encode(None)
        kept = [(bytes(packet), packet.is_keyframe) for packet in packets]
        for number in range(seconds * RATE):
            data, key = kept[number % RATE]
            packet = av.Packet(data)
            packet.pts = packet.dts = number
            packet.duration, packet.time_base, packet.is_keyframe, packet.stream = 1, Fraction(1, RATE), key, video
            target.mux_one(packet)
    return path


def planned(hours: float) -> dict[str, Any]:
    """Plan a film; return seconds, segments, and by how many bytes memory grew."""
    with tempfile.TemporaryDirectory() as folder:
        path = film(Path(folder) / "film.mkv", round(hours * 3600))
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        found = stretches(ReadSettings(path=path), Fraction(60))
        seconds = time.monotonic() - began
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return {
        "hours": hours,
        "packets": sum(stretch.frames for stretch in found),
        "segments": len(found),
        "seconds": round(seconds, 2),
        "memory_grown": grown,
    }


def passed_through(tasks: int, sleep: float) -> dict[str, Any]:
    """Pass sleeping tasks through a private cluster of two machines; return what each takes beside its sleep."""
    import ray

    @ray.remote(num_cpus=0.25, max_retries=0)
    def asleep(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    ray.get([asleep.remote(0.0) for _ in range(16)])
    slots = int(ray.cluster_resources()["CPU"] * 4)
    began, under_way, left = time.monotonic(), [], tasks
    while under_way or left:
        while left and len(under_way) < slots:
            under_way.append(asleep.remote(sleep))
            left -= 1
        done, under_way = ray.wait(under_way, num_returns=1)
        ray.get(done)
    seconds = time.monotonic() - began
    beside = seconds * slots / tasks - sleep
    return {
        "tasks": tasks,
        "sleep": sleep,
        "slots": slots,
        "seconds": round(seconds, 2),
        "beside_each": round(beside, 5),
    }


@contextmanager
def connected() -> Iterator[None]:
    """Start a private cluster of two machines, and be its driver."""
    with reached(ClusterSettings(address="local:2")) as there:
        os.environ.update(there.environment)
        import ray

        ray.init(address=there.address, log_to_driver=False, logging_level=40)
        yield
        ray.shutdown()


def of_many_nodes(nodes: int, sleep: float, rounds: int) -> dict[str, Any]:
    """Keep ``nodes`` sleeping segments under way until each node has made ``rounds``; return what each takes more.

    The process of this function is the driver, which gives out what is longest first, as that of a cluster does.
    """
    import ray

    @ray.remote(num_cpus=0, max_concurrency=nodes)
    class Sleepers:
        async def asleep(self, seconds: float) -> float:
            await asyncio.sleep(seconds)
            return seconds

    sleepers = [Sleepers.remote() for _ in range(2)]  # type: ignore[attr-defined]
    ray.get([each.asleep.remote(0.0) for each in sleepers])
    todo = longest_first(_task(number) for number in range(nodes * rounds))[::-1]
    began, cpu = time.monotonic(), time.process_time()
    under_way: dict[Any, int] = {}
    free = list(range(nodes))
    while todo or under_way:
        while todo and free:
            todo.pop()
            node = free.pop()
            under_way[sleepers[node % 2].asleep.remote(sleep)] = node
        ray.wait([*under_way], num_returns=1)
        done, _ = ray.wait([*under_way], num_returns=len(under_way), timeout=0)
        ray.get(done)
        free += [under_way.pop(ref) for ref in done]
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    return {
        "nodes": nodes,
        "segments": nodes * rounds,
        "sleep": sleep,
        "seconds": round(seconds, 2),
        "beside_each": round(seconds / rounds - sleep, 4),
        "driver_cpu_each": round(cpu / nodes / rounds, 6),
    }


def _task(number: int) -> SegmentTask:
    stretch = Stretch(number=number, after=None, begin=None, until=None, first=0, frames=60 * RATE, start=0.0, end=60.0)
    return SegmentTask(key=str(number), stretch=stretch, cpus=1)


def begun(cpus: int, rounds: int = 5) -> dict[str, Any]:
    """Return the least seconds from the start of a segment's graph to its end, for one small frame.

    Args:
        cpus: of the segment: on few it is threads of this process, else processes.
        rounds: number of segments, one after the other.
    """
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = film(folder / "film.mkv", 1)
        preset = load_preset("file")
        job = in_this_process(Job(whole, folder / "out.mkv", preset=preset, cpus=cpus))
        for number in range(rounds):
            scratch = folder / str(number)
            scratch.mkdir()
            graph = job.graph_of_segment(scratch, seen_cpus(), after=None, begin=None, until=1)
            since = time.monotonic()
            run_assembled(graph, on_status=lambda _statuses: None, stop_requests=int)
            found.append(time.monotonic() - since)
    return {"seconds": round(min(found), 2), "rounds": [round(each, 2) for each in found]}


def as_markdown(found: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    plan, tasks, many, start = (found[name] for name in ("plan", "tasks", "nodes", "start"))
    share = many["beside_each"] / 60
    return "\n".join(
        [
            "# What a cluster costs beside its work",
            "",
            f"`{found['command']}`; {machine.in_words(found['machine'])}; Ray {found['ray']}; load before: "
            f"{found['load']:.1f}, which other work on the machine made: upper bounds.",
            "",
            "| part | measured |",
            "|---|---|",
            f"| planning a film of {plan['hours']:g} hours ({plan['packets']} packets, {plan['segments']} segments) "
            f"| {plan['seconds']:.1f} s; memory grew by {plan['memory_grown'] / 1e6:.1f} MB |",
            f"| {tasks['tasks']} tasks that sleep for {1e3 * tasks['sleep']:.0f} ms, {tasks['slots']} at a time, "
            f"a process each | {tasks['seconds']:.2f} s: {1e3 * tasks['beside_each']:.1f} ms a task beside its sleep |",
            f"| {many['segments']} tasks of {many['sleep']:g} s, {many['nodes']} at a time, given out by one driver "
            f"| {many['seconds']:.1f} s: {1e3 * many['beside_each']:.0f} ms a task beside its sleep, {share:.2%} of a "
            f"minute of work; {1e3 * many['driver_cpu_each']:.2f} ms of the driver's CPU |",
            *(
                f"| a segment's graph of {kind}: start, one small frame, end | {each['seconds']:.2f} s "
                f"({', '.join(map(str, each['rounds']))}): {each['seconds'] / 60:.1%} of a minute of work |"
                for kind, each in start.items()
            ),
            "",
            "The sleeping tasks of many nodes share two processes: their part is what one driver, through which all "
            "segments go, costs each. [Simulated clusters](cluster_scale.md) have these figures in them.",
        ]
    )


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--sleep", type=float, default=0.05)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--segment", type=float, default=20.0, help="seconds that each of the nodes' segments sleeps")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    found: dict[str, Any] = {
        "command": f"python benchmarks/cluster_overhead.py {' '.join(sys.argv[1:])}".strip(),
        "machine": machine.describe(),
        "ray": version("ray"),
        "load": os.getloadavg()[0],
        "plan": planned(given.hours),
        "start": {"threads": begun(2), "processes": begun(8)},
    }
    with connected():
        found["tasks"] = passed_through(given.tasks, given.sleep)
        found["nodes"] = of_many_nodes(given.nodes, given.segment, given.rounds)
    text = as_markdown(found)
    store(given.results, "cluster_overhead", found, text)
    print(text)


if __name__ == "__main__":
    main()
