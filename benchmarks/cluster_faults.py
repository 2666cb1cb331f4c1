"""Break the machines of a Ray cluster while they make a video, and see what the user loses by it.

    python benchmarks/cluster_faults.py [--only NAME] [--results benchmarks/results]

All hosts are this machine, each with its own processes of Ray and its own mounts, and once with its own network. Each
fault meets one host, or the head, while it makes a segment. Ray has its usual settings. Needs root, as for mounts.
"""

import argparse
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rig.cluster_scene import Command, Scene, alone, source_of
from rig.ray_hosts import Host, Namespaces, RayHosts
from rig.servers import MissingServerError
from sr4k.bench.machine import describe, in_words
from sr4k.bench.report import store

HERE = Path(__file__).parent
HOSTS = 3
SECONDS = 14
"""Length of the video; each second is a segment."""

AWAY = 75.0
"""Seconds for which the head is gone."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a fault did.

    Attributes:
        told: the lines that the user reads.
        seconds: beyond those of the run without a fault that was made just before.
        again: number of segments that were begun again.
        under_way: number of them that were being made when it happened.
        orphans: command lines of processes that should have ended.
        load: of the machine, over five minutes.
    """

    fault: str
    told: list[str]
    seconds: float
    again: int
    under_way: int
    orphans: list[str]
    equal: bool
    load: float


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault. ``happen``: gets the scene, the host that it meets, and the command; ``after``: when the command ended.

    Attributes:
        resumes: whether the command ends by it, and is given once more, with ``--resume``.
        prefix: beginning of the command of another host, that the fault is on from its start.
        needs_network: whether each host has to have its own.
    """

    name: str
    happen: Callable[[Scene, Host, Command], None] = lambda _scene, _host, _command: None
    after: Callable[[Scene, Host], None] = lambda _scene, _host: None
    resumes: bool = False
    fills: bool = False
    needs_network: bool = False


def lost(scene: Scene, host: Host, _command: Command) -> None:
    """Cut the power of a host, and start another one."""
    host.kill()
    scene.cluster.begin(scene.mounts()).wait()


def head_away(scene: Scene, _host: Host, _command: Command) -> None:
    """Take the head away, and start it and its hosts again."""
    scene.cluster.head.signal(signal.SIGKILL, "gcs_server")
    time.sleep(AWAY)
    scene.cluster.stop()
    scene.start()


def head_gone(scene: Scene, _host: Host, command: Command) -> None:
    """Take the head away for good."""
    scene.cluster.head.signal(signal.SIGKILL, "gcs_server")
    command.wait()


def stall(_scene: Scene, host: Host, _command: Command) -> None:
    """Stop the processes of a segment, and nothing of Ray's."""
    for process in host.work():
        os.kill(process, signal.SIGSTOP)


def thawed(_scene: Scene, host: Host) -> None:
    """Let a host go on, and wait until it has noticed what it has missed."""
    host.thaw()
    until = time.monotonic() + 90
    while host.work() and time.monotonic() < until:
        time.sleep(0.5)


def cut(scene: Scene, host: Host, _command: Command) -> None:
    """Take a host's cable away."""
    assert isinstance(scene.cluster.network, Namespaces)
    scene.cluster.network.cut(host.number)


FAULTS = (
    Fault(name="nothing"),
    Fault(name="process of a segment killed", happen=lambda _s, host, _c: host.kill_work()),
    Fault(name="process of a segment frozen", happen=stall),
    Fault(name="Ray's process on a machine killed", happen=lambda _s, host, _c: host.crash()),
    Fault(name="machine lost, another one comes", happen=lost),
    Fault(name="machine frozen, goes on after the end", happen=lambda _s, host, _c: host.freeze(), after=thawed),
    Fault(name="disk of a machine full", fills=True),
    Fault(name="folder of a machine gone", happen=lambda scene, host, _c: scene.unmount(host)),
    Fault(name="process that talks to Ray killed", happen=lambda _s, _h, command: command.kill("sr4k.cluster.driver")),
    Fault(name="command killed, then --resume", happen=lambda _s, _h, command: command.kill(), resumes=True),
    Fault(name=f"head gone for {AWAY:.0f} s", happen=head_away),
    Fault(name="head gone for good, then --resume on a new cluster", happen=head_gone, resumes=True),
    Fault(name="network cable of a machine out", happen=cut, after=thawed, needs_network=True),
)


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="run faults in whose name this is; may be repeated")
    parser.add_argument("--results", type=Path, default=None)
    args = parser.parse_args(arguments)
    wanted = [fault for fault in FAULTS if not args.only or any(text in fault.name for text in args.only)]
    stored = args.results and args.results / "cluster_faults.json"
    earlier = json.loads(stored.read_text()) if stored and stored.exists() else {"faults": [], "left_out": {}}
    rows, left_out = {row["fault"]: row for row in earlier["faults"]}, earlier["left_out"]
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        source, one, usual = source_of(Path(folder), SECONDS), Path(folder, "one.mkv"), 0.0
        alone(source, one)
        for fault in wanted:
            try:
                row = asdict(met(fault, source, one, usual))
            except MissingServerError as err:
                left_out[fault.name] = str(err)
                continue
            usual = row["seconds"] if fault.name == "nothing" else usual
            print(json.dumps(row, indent=1), file=sys.stderr, flush=True)
            rows[fault.name] = row
            left_out.pop(fault.name, None)
    result = {"machine": describe(), "segments": SECONDS, "hosts": HOSTS}
    result |= {"faults": [rows[fault.name] for fault in FAULTS if fault.name in rows], "left_out": left_out}
    text = as_markdown(result)
    print(text)
    if args.results:
        store(args.results, "cluster_faults", result, text)


def met(fault: Fault, source: Path, one: Path, usual: float) -> Row:
    """Run a command that meets a fault."""
    network = Namespaces() if fault.needs_network else None
    with Scene(RayHosts(0, network=network), source, hosts=HOSTS) as scene:
        if fault.fills:
            scene.cluster.begin(scene.mounts(room="200k")).wait()
        began = time.monotonic()
        command = scene.command()
        host = scene.busy(command)
        under_way = command.begun
        fault.happen(scene, host, command)
        told, again, left = command.wait(), 0, []
        if fault.resumes:
            left, again = scene.leftovers(), command.begun
            scene.cluster.stop()
            scene.start()
            before, command = command.made, scene.command("--resume")
            told += command.wait()
            again += before + len(command.summary["segments"]) - SECONDS
        seconds = time.monotonic() - began
        fault.after(scene, host)
        return Row(
            fault=fault.name,
            told=told,
            seconds=round(seconds - usual, 1),
            again=again + command.summary.get("again", 0),
            under_way=under_way,
            orphans=left + scene.leftovers(),
            equal=scene.is_equal(one),
            load=round(os.getloadavg()[1], 1),
        )


def as_markdown(result: dict[str, Any]) -> str:
    """Return a page with a table of the faults."""
    lines = [
        "# Faults of a cluster",
        "",
        f"`python benchmarks/cluster_faults.py --results benchmarks/results`; "
        f"{in_words(result['machine'])}, ray {version('ray')}.",
        "",
        f"A video of {result['segments']} segments on {result['hosts']} hosts with one CPU each, all on this machine, "
        "which other work shared. Seconds are those beyond a run without a fault, whose own are in the first row: they "
        "change with the load. Segments under way are those that had been begun when the fault happened.",
        "",
        "| fault | what the user reads | seconds lost | begun again | under way | orphans | equal | load |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["faults"]:
        told = "<br>".join(escape(readable(line), quote=False).replace("|", "&#124;") for line in row["told"]) or "–"
        lines.append(
            f"| {row['fault']} | {told} | {row['seconds']:.0f} | {row['again']} | {row['under_way']} "
            f"| {len(row['orphans'])} | {'yes' if row['equal'] else 'no'} | {row['load'] or '–'} |"
        )
    lines += [f"\n{result['note']}"] if "note" in result else []
    lines += [f"\nNot whole: {name} ({why})." for name, why in result["left_out"].items()]
    return "\n".join(lines) + "\n"


def readable(line: str) -> str:
    """Return a line with short names for the folders of this run."""
    return re.sub(r"/\S*/there-\w+/", "/films/", re.sub(r"[0-9a-f]{32}\.[0-9a-f]{8}", "KEY", line))


if __name__ == "__main__":
    main()
