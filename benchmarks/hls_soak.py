"""Read HLS targets of live channels strictly while their processes are killed and the service restarts.

    python benchmarks/hls_soak.py --minutes 10 --results benchmarks/results

Another target, which keeps disconnecting, requests extra key frames. Needs nginx with its RTMP module.
"""

import argparse
import json
import os
import random
import signal
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rig.channel import Channel, eventually
from rig.hls import StrictReader
from rig.processes import command_of
from rig.publish import Publisher
from rig.servers import NginxRtmp
from sr4k.bench.machine import describe, in_words

_CALM = (4.0, 10.0)
"""Shortest and longest time between two faults, in seconds."""

_PUSH_PROCESS = "sr4k.live.send.push_process"


@dataclass
class Report:
    """Result of a run. ``lists``: what the reader of each playlist found, by kind of segments."""

    minutes: float
    faults: dict[str, int] = field(default_factory=dict)
    lists: dict[str, dict[str, Any]] = field(default_factory=dict)


class Soak:
    """The channels and the faults that are injected."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self.near, self.far = stack.enter_context(NginxRtmp()), stack.enter_context(NginxRtmp())
        stack.enter_context(Publisher(self.near.url("in")))
        self.playlists = {kind: folder / kind / "index.m3u8" for kind in ("ts", "fmp4")}
        self._channels: dict[str, Channel] = {}
        self.start()
        self.faults = {
            "process of a target is killed": self.kill,
            "server of the other target restarts": self.bounce,
            "service restarts": self.restart,
        }

    def start(self) -> None:
        """Start a channel for each kind of segments; one of them has another target."""
        for kind, playlist in self.playlists.items():
            others = [self.far.url("out")] if kind == "ts" else []
            options = ("--segments", kind)
            self._channels[kind] = self._stack.enter_context(
                Channel(self.near.url("in"), str(playlist), *others, options=options)
            )
        eventually(lambda: all(playlist.exists() for playlist in self.playlists.values()), 60, "listed")

    def stop(self) -> None:
        """Stop the channels as a service is stopped."""
        for channel in self._channels.values():
            code, _ = channel.stop()
            assert code == 0, channel.log

    def restart(self) -> None:
        """Stop the service, and start it again."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """Kill the processes of one channel's targets."""
        channel = random.choice(list(self._channels.values()))
        for process in channel.children():
            if _PUSH_PROCESS in command_of(process):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def bounce(self) -> None:
        """Kill the server of the other target and start it again."""
        self.far.kill()
        self.far.start()


def run(minutes: float, seed: int) -> Report:
    """Run the soak for ``minutes``; return the findings of the readers.

    Raises:
        AssertionError: A channel didn't start or stop as it should.
    """
    random.seed(seed)
    report = Report(minutes)
    with ExitStack() as stack:
        soak = Soak(stack, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hls-"))))
        readers = {kind: stack.enter_context(StrictReader(path)) for kind, path in soak.playlists.items()}
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            time.sleep(random.uniform(*_CALM))
            name = random.choices(list(soak.faults), weights=(6, 3, 1))[0]
            report.faults[name] = report.faults.get(name, 0) + 1
            soak.faults[name]()
            print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
        time.sleep(_CALM[1])
        soak.stop()
        for kind, reader in readers.items():
            reader.look()
            segments = list(reader.segments.values())
            report.lists[kind] = {
                "versions": reader.versions,
                "segments": len(segments),
                "seconds": round(sum(segment.seconds for segment in segments), 1),
                "longest": max(segment.seconds for segment in segments),
                "discontinuities": sum(segment.discontinuity for segment in segments),
                "files left": len(list(soak.playlists[kind].parent.iterdir())),
                "faults": reader.faults,
            }
    return report


def as_markdown(report: Report, machine: dict[str, Any]) -> str:
    """Return the report as a Markdown table."""
    faults = ", ".join(f"{count} × {name}" for name, count in sorted(report.faults.items()))
    names = [*next(iter(report.lists.values()))]
    rows = [f"| {' | '.join([name, *(str(found[name]) for found in report.lists.values())])} |" for name in names]
    head = [f"| | {' | '.join(report.lists)} |", f"|---|{'---|' * len(report.lists)}"]
    command = f"`python benchmarks/hls_soak.py --minutes {report.minutes:g}`; {in_words(machine)}"
    title = "# Playlists read strictly while the service is broken"
    return "\n".join([title, "", command, "", f"{report.minutes:g} minutes: {faults}.", "", *head, *rows, ""])


def main() -> None:
    """Run the command line; exit with 1 if a reader found faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path)
    args = parser.parse_args()
    report = run(args.minutes, args.seed)
    machine = describe()
    text = as_markdown(report, machine)
    print(text)
    if args.results:
        (args.results / "hls_soak.json").write_text(json.dumps({"machine": machine, **asdict(report)}, indent=2))
        (args.results / "hls_soak.md").write_text(text)
    if any(found["faults"] for found in report.lists.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
