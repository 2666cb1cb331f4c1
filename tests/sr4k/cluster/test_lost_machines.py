"""Machines of a cluster are killed, fill up, hang and are cut off in the middle of their segments.

Each has its own network and its own mounts on this machine. It waits at a gate in the middle of a segment until what
is to happen to it has happened: so the order of events does not depend on how fast the machine is.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from gates import Gates
from needed import required

from rig.cluster_scene import Command, Scene, alone, source_of
from rig.ray_hosts import Host, Namespaces, RayHosts
from sr4k import load_preset

pytestmark = pytest.mark.slow(seconds=40)

SEGMENTS = 6
ROOM = "200k"
"""Size of the disk that is full: less than a segment has."""

MANY = 8
"""CPUs that Ray takes a machine to have."""

QUICK = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "2",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "6",
}
"""Settings of Ray by which it notices in seconds what it usually takes a minute for."""


@dataclass(frozen=True)
class Stage:
    """A cluster without machines, gates for those that begin, and what one machine makes of the video."""

    scene: Scene
    gates: Gates
    one: Path


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    source, one = source_of(tmp_path, SEGMENTS), tmp_path / "one.mkv"
    preset = (
        load_preset("file")
        .updated("engine", name="nearest")
        .updated("encode", segment_seconds=1, crf=12, encoder="software")
    )
    settings = preset.model_dump(mode="json")
    settings["graph"]["workers"] = {"all": [name for names in settings["graph"]["workers"].values() for name in names]}
    (tmp_path / "preset.yaml").write_text(yaml.safe_dump(settings))
    alone(source, one)
    (tmp_path / "gates").mkdir()
    gates = Gates(tmp_path / "gates")
    cluster = RayHosts(0, network=Namespaces(), environment=QUICK | gates.environment)
    scene = Scene(cluster, source, hosts=0)
    with ExitStack() as stack:
        required(lambda: stack.enter_context(scene))
        yield Stage(scene, gates, one)


def begun(stage: Stage, *rooms: str | None, cpus: int = 1) -> list[Host]:
    """Begin hosts, all at once.

    Args:
        stage: where.
        rooms: the size of each one's disk; ``None``: that of the others.
        cpus: of each; with more than a few, segments have processes of their own, which could be left behind.
    """
    hosts = [stage.scene.cluster.begin(stage.scene.mounts(room), cpus) for room in rooms]
    for host in hosts:
        host.wait()
    return hosts


def assert_whole(stage: Stage, command: Command) -> None:
    told = command.wait()
    assert stage.scene.is_equal(stage.one), told
    assert not stage.scene.leftovers(seconds=120)


@pytest.mark.long
def test_one_video_survives_all_that_happens_to_the_machines_that_make_it(stage: Stage) -> None:
    scene, gates = stage.scene, stage.gates
    killed, full, without, frozen, cut = hosts = begun(stage, None, ROOM, None, None, None, cpus=MANY)
    called = {host: scene.cluster.network.address(host.number) for host in hosts}
    command = scene.command()
    for host in hosts:
        gates.until_waiting(host, command)

    killed.kill_work()
    gates.until_waiting(killed, command, processes=2)
    command.until_told(f"again: {called[killed]}: the process that made it has ended")
    stalled = killed.work()
    for process in stalled:
        os.kill(process, signal.SIGSTOP)

    gates.open(full)
    command.until_told(f"again: {called[full]}: its disk is full", f"{called[full]} is left out: its disk is full")
    scene.unmount(without)
    gates.open(without)
    command.until_told(f"{called[without]} is left out: ", "No such file or directory")
    assert isinstance(scene.cluster.network, Namespaces)
    scene.cluster.network.cut(cut.number)
    frozen.freeze()
    command.until_told(f"{called[cut]} is gone: the segment", f"{called[frozen]} is gone: the segment")

    (added,) = begun(stage, None, cpus=MANY)
    called[added] = scene.cluster.network.address(added.number)
    gates.open(added)
    told = command.wait()
    assert any(f"takes long on {called[killed]}: {called[added]} makes it too" in line for line in told)
    frozen.thaw()
    cut.kill()
    assert_whole(stage, command)
    made = command.summary
    assert {segment["node"] for segment in made["segments"]} == {called[added]}
    assert made["again"] == 1 + 2 + 2 + 2 + 1 and len(made["faults"]) == len(told)


@pytest.mark.long
def test_a_head_that_is_gone_for_longer_than_ray_waits_costs_what_was_under_way(stage: Stage) -> None:
    (first,) = begun(stage, None)
    command = stage.scene.command()
    stage.gates.until_waiting(first, command)
    stage.scene.cluster.head.signal(signal.SIGKILL, "gcs_server")
    command.until_told("it was lost (the process that drives it has ended)")
    stage.scene.cluster.stop()
    stage.scene.cluster.start()
    (second,) = begun(stage, None)
    stage.gates.open(second)
    assert_whole(stage, command)
    assert command.summary["again"] <= 1
