"""Run a live channel for minutes or days with random faults, on one machine.

    python benchmarks/soak.py --minutes 60 --json soak.json --markdown soak.md

Needs nginx with its RTMP module (apt-get install nginx libnginx-mod-rtmp).
"""

import argparse
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rig.channel import Channel, eventually
from rig.faults import Proxy
from rig.publish import Publisher
from rig.recording import inspect
from rig.servers import NginxRtmp
from rig.view import Viewer, measure
from sr4k.bench.machine import describe, in_words

_CALM = (4.0, 10.0)
"""Shortest and longest time between two faults, in seconds."""

_RECOVERY = 60.0
"""Timeout for a channel to recover, in seconds: the backoff between two tries may be half of it."""

_SHAPES = (((320, 180), 25), ((480, 270), 30), ((240, 180), 25), ((320, 180), 50))
"""Sizes and frame rates of the publishers."""


@dataclass
class Report:
    """Result of a run: counts, seconds, and memory in bytes."""

    minutes: float
    faults: dict[str, int] = field(default_factory=dict)
    recoveries: list[float] = field(default_factory=list)
    connects: dict[str, float] = field(default_factory=dict)
    dropped: dict[str, float] = field(default_factory=dict)
    frames: float = 0
    repeated: float = 0
    silence: float = 0
    restarts: float = 0
    memory_first: float = 0
    memory_last: float = 0
    memory_slope_an_hour: float = 0
    viewers: int = 0
    viewed: int = 0
    viewed_backwards: int = 0
    recording: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    drained_in: float = 0


class Soak:
    """The servers, proxies, publishers, viewers and the channel, and the faults that are injected."""

    def __init__(self, stack: ExitStack, folder: Path, seed: int, options: tuple[str, ...]) -> None:
        self._random = random.Random(seed)
        self._stack = stack
        self.near, self.far = stack.enter_context(NginxRtmp()), stack.enter_context(NginxRtmp())
        self.entry, self.exit = stack.enter_context(Proxy(self.near.port)), stack.enter_context(Proxy(self.far.port))
        self.recording = folder / "out.mkv"
        self._published = 0
        self.publisher = self._publish(0)
        self.channel = stack.enter_context(
            Channel(self.entry.url("in"), self.exit.url("out"), str(self.recording), options=("--no-reuse", *options))
        )
        self.viewer: Viewer | None = None
        self.sent: list[dict[str, Any]] = []
        self.seen: list[list[dict[str, Any]]] = []
        self.samples: list[tuple[float, float]] = []

    @property
    def faults(self) -> dict[str, Callable[[], None]]:
        """Faults by name. Each ends by itself; the channel has to recover from it."""
        return {
            "publisher is replaced": self._change_publisher,
            "publisher pauses": self._pause_publisher,
            "publisher freezes": self._freeze_publisher,
            "server of the source dies": lambda: self._restart(self.near),
            "server of the target dies": lambda: self._restart(self.far),
            "server of the target freezes": self._freeze_target,
            "connection of the source is reset": self.entry.cut,
            "connection of the target is reset": self.exit.cut,
            "connection of the source is half-open": lambda: self._hold(self.entry),
            "connection of the target is half-open": lambda: self._hold(self.exit),
            "bytes of the source are corrupted": self._corrupt,
            "puller is killed": lambda: self._kill("sr4k.live.receive.pull_process"),
            "process of a target is killed": lambda: self._kill("sr4k.live.send.push_process"),
        }

    def is_live(self) -> bool:
        """Whether the channel receives pictures and sends them to every target."""
        states = self.channel.states()
        return bool(states.get("ready"))

    def rest(self, seconds: float) -> None:
        """Let the channel run for ``seconds``, and take samples."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.look()
            time.sleep(0.5)

    def look(self) -> None:
        """Take a sample of the memory, and replace a viewer that has ended."""
        with suppress(OSError):
            self.samples.append((time.monotonic(), self.channel.value("resident_memory_bytes")))
        if self.viewer is not None and any("end" in line for line in self.viewer.lines()[-1:]):
            self.end_view()
        if self.viewer is None and self.is_live():
            self.viewer = Viewer(self.far.url("out"))

    def end_view(self) -> None:
        """End the viewer and keep its report."""
        if self.viewer is not None:
            self.seen.append(self.viewer.lines())
            self.viewer.__exit__()
            self.viewer = None

    def close(self) -> None:
        """End viewer and publisher, after the channel has ended."""
        self.end_view()
        self._silence()

    def _publish(self, shape: int) -> Publisher:
        size, rate = _SHAPES[shape]
        self._published += 1
        first = self._published * 7919 % 60_000
        return Publisher(
            self.near.url("in"), size=size, rate=rate, start=self._random.choice((0, 0, 1000)), first=first
        )

    def _silence(self) -> None:
        self.sent += self.publisher.lines()
        self.publisher.__exit__()

    def _change_publisher(self) -> None:
        self._silence()
        self.publisher = self._publish(self._random.randrange(len(_SHAPES)))

    def _pause_publisher(self) -> None:
        self._silence()
        time.sleep(self._random.uniform(2, 12))
        self.publisher = self._publish(self._random.randrange(len(_SHAPES)))

    def _freeze_publisher(self) -> None:
        self.publisher.freeze()
        time.sleep(self._random.uniform(1, 8))
        self.publisher.thaw()
        self._change_publisher()  # its server may have dropped it

    def _restart(self, server: NginxRtmp) -> None:
        server.kill()
        time.sleep(self._random.uniform(0.5, 6))
        server.start()
        if server is self.near:
            self._change_publisher()

    def _freeze_target(self) -> None:
        self.far.freeze()
        time.sleep(self._random.uniform(2, 12))
        self.far.thaw()

    def _hold(self, proxy: Proxy) -> None:
        proxy.hold = True
        time.sleep(self._random.uniform(2, 8))
        proxy.cut()
        proxy.hold = False

    def _corrupt(self) -> None:
        self.entry.corrupt = 0.03
        time.sleep(4)
        self.entry.corrupt = 0.0
        self.entry.cut()

    def _kill(self, module: str) -> None:
        with suppress(LookupError, ProcessLookupError):
            os.kill(self.channel.child(module), signal.SIGKILL)


def run(minutes: float, seed: int, *, calm: tuple[float, float] = _CALM, options: tuple[str, ...] = ()) -> Report:
    """Run the soak for ``minutes`` and return the report.

    Args:
        minutes: How long faults are injected.
        seed: Of the faults and their times.
        calm: Shortest and longest time between two faults, in seconds.
        options: Options of the channel's command.

    Raises:
        AssertionError: The channel didn't recover from a fault in time.
    """
    report = Report(minutes)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        soak = Soak(stack, folder, seed, options)
        chance = random.Random(seed)
        eventually(soak.is_live, _RECOVERY, "live at the start")
        end = time.monotonic() + 60 * minutes
        deck: list[str] = []
        while time.monotonic() < end:
            soak.rest(chance.uniform(*calm))
            deck = deck or chance.sample(sorted(soak.faults), len(soak.faults))
            name = deck.pop()
            report.faults[name] = report.faults.get(name, 0) + 1
            began = time.monotonic()
            soak.faults[name]()
            took = time.monotonic() - began
            soak.rest(1)  # until the channel has noticed the fault
            recovery = _recovered(soak, name)
            report.recoveries.append(recovery)
            print(f"{time.strftime('%H:%M:%S')} {name} ({took:.1f} s), recovered {recovery:.1f} s later", flush=True)
        soak.rest(3)
        _count(report, soak)
        report.exit_code, report.drained_in = soak.channel.stop()
        soak.close()
        _judge(report, soak)
    return report


def _recovered(soak: Soak, name: str) -> float:
    """Wait until the channel is live again; return the seconds that it took."""
    try:
        return round(1 + eventually(soak.is_live, _RECOVERY, f"live again after: {name}"), 2)
    except AssertionError:
        print(soak.channel.states(), *soak.channel.log.splitlines()[-20:], sep="\n")
        raise


def _count(report: Report, soak: Soak) -> None:
    """Copy the final metrics of the channel to the report."""
    value = soak.channel.value
    report.connects = {"source": value("in_connects_total"), "target": value("target_connects_total", 'number="1"')}
    causes = ("late", "ladder", "clock", "backlog", "full")
    report.dropped = {cause: value("dropped_frames_total", f'cause="{cause}"') for cause in causes}
    report.frames, report.repeated = value("out_frames_total"), value("out_repeated_frames_total")
    report.silence, report.restarts = value("out_silence_seconds_total"), value("restarts_total")


def _judge(report: Report, soak: Soak) -> None:
    """Add memory, viewers and the recording to the report, after the end."""
    times, memory = np.array([sample for sample in soak.samples if sample[1] == sample[1]]).T
    settled = times > times[0] + 0.1 * (times[-1] - times[0])
    slope = np.polyfit(times[settled] - times[0], memory[settled], 1)[0]
    report.memory_first, report.memory_last = float(np.median(memory[settled][:20])), float(np.median(memory[-20:]))
    report.memory_slope_an_hour = float(slope * 3600)
    views = [measure(soak.sent, lines) for lines in soak.seen if any("picture" in line for line in lines)]
    report.viewers, report.viewed = len(views), sum(view.pictures for view in views)
    report.viewed_backwards = sum(view.backwards for view in views)
    parts = sorted(soak.recording.parent.glob("*.mkv"))
    recorded = [inspect(part) for part in parts]
    offsets = sorted(abs(offset) for part in recorded for offset in part.offsets)
    report.recording = {
        "parts": len(parts),
        "seconds": sum(part.seconds for part in recorded),
        "backwards": sum(part.backwards for part in recorded),
        "longest_gap": max(part.longest_gap for part in recorded),
        "flashes_with_a_beep": len(offsets),
        "offset_median": offsets[len(offsets) // 2] if offsets else None,
        "offset_worst": offsets[-1] if offsets else None,
        "sizes": sorted({size for part in recorded for size in part.sizes}),
    }


def as_markdown(report: Report, machine: dict[str, Any]) -> str:
    """Return the report as a Markdown table."""
    recording, recoveries = report.recording, sorted(report.recoveries)
    faults = "; ".join(f"{count} × {name}" for name, count in sorted(report.faults.items()))
    first, last, slope = (
        value / 2**20 for value in (report.memory_first, report.memory_last, report.memory_slope_an_hour)
    )
    median, worst = (1000 * (recording[key] or 0) for key in ("offset_median", "offset_worst"))
    rows = {
        "minutes": f"{report.minutes:g}",
        "faults": f"{sum(report.faults.values())}: {faults}",
        "recovery after the end of a fault": f"median {recoveries[len(recoveries) // 2]:.1f} s, "
        f"at most {recoveries[-1]:.1f} s",
        "connections": f"source {report.connects['source']:.0f}, target {report.connects['target']:.0f}",
        "frames sent": f"{report.frames:.0f}, of which {report.repeated:.0f} repeated",
        "frames dropped": ", ".join(f"{cause} {count:.0f}" for cause, count in report.dropped.items()),
        "silence": f"{report.silence:.0f} s",
        "restarts of the graph": f"{report.restarts:.0f}",
        "memory of all processes": f"{first:.0f} MiB at first, {last:.0f} at the end, slope {slope:+.1f} MiB per hour",
        "viewers": f"{report.viewers}, {report.viewed} frames, {report.viewed_backwards} packets "
        "whose pts did not increase",
        "recording": f"{recording['seconds']:.0f} s in {recording['parts']} parts, {recording['backwards']} packets "
        f"whose pts did not increase, longest gap {recording['longest_gap']:.2f} s, sizes {recording['sizes']}",
        "offset of audio": f"{recording['flashes_with_a_beep']} flashes with a beep: median {median:.0f} ms, "
        f"worst {worst:.0f} ms",
        "exit": f"code {report.exit_code} {report.drained_in:.1f} s after SIGTERM",
    }
    table = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    command = f"`python benchmarks/soak.py --minutes {report.minutes:g}`; {in_words(machine)}"
    return "\n".join(["# A live channel and its faults", "", command, "", *table, ""])


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    args = parser.parse_args()
    report = run(args.minutes, args.seed)
    machine = describe()
    text = as_markdown(report, machine)
    print(text)
    if args.json:
        args.json.write_text(json.dumps({"machine": machine, **asdict(report)}, indent=2))
    if args.markdown:
        args.markdown.write_text(text)


if __name__ == "__main__":
    main()
