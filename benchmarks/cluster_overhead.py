"""Measure what a cluster costs beside its work: planning a long film, and a segment's way through Ray.

    python benchmarks/cluster_overhead.py --hours 10 --tasks 2000

The film is made of one second of packets, repeated. The tasks sleep: what they take longer is Ray's part.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from sr4k.cluster.job import reached
from sr4k.cluster.settings import ClusterSettings
from sr4k.media.options import ReadSettings
from sr4k.media.reading.stretches import stretches

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
    with reached(ClusterSettings(address="local:2")) as there:
        os.environ.update(there.environment)
        import ray

        ray.init(address=there.address, log_to_driver=False, logging_level=40)

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
        ray.shutdown()
    beside = seconds * slots / tasks - sleep
    return {
        "tasks": tasks,
        "sleep": sleep,
        "slots": slots,
        "seconds": round(seconds, 2),
        "beside_each": round(beside, 5),
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--sleep", type=float, default=0.05)
    given = parser.parse_args()
    found = {
        "load": os.getloadavg()[0],
        "plan": planned(given.hours),
        "tasks": passed_through(given.tasks, given.sleep),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
