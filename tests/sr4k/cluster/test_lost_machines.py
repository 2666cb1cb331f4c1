"""Machines are lost, hang, fill up and come back while they make a video: it is the same, and none leaves a process."""

import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from clips import packet_bytes, video_times, write_clip
from needed import required

from rig.cluster_scene import Scene, alone, source_of
from rig.ray_hosts import QUICK, Host, Namespaces, RayHosts
from sr4k import Job, Preset, load_preset
from sr4k.cluster.cluster_summary import ClusterSummary
from sr4k.cluster.job import ClusterJob, Reached
from sr4k.cluster.settings import ClusterSettings
from sr4k.jobs.file_progress import Progress
from sr4k.media.resume.job_folder import folder_of

pytestmark = pytest.mark.slow(seconds=25)

ROOM = 20_000
"""Bytes that a machine may write to a file: less than a segment has."""


@pytest.fixture(scope="module")
def hosts() -> Iterator[RayHosts]:
    """Return a cluster of a head and two hosts; tests may change which there are, and leave one at least."""
    with RayHosts(2, environment=QUICK) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Return a job of five segments, and run it on one machine."""
    folder = tmp_path_factory.mktemp("clips")
    source = write_clip(folder / "a.mkv", frames=125, size=(160, 90))
    preset: Preset = load_preset("file").updated("engine", name="nearest").updated("graph", mode="threads")
    preset = preset.updated("encode", segment_seconds=1, preset="medium", crf=10)
    made = Job(source, folder / "one.mkv", preset=preset, size="640x360")
    made.run()
    return made


def on(hosts: RayHosts, job: Job, target: Path) -> ClusterJob:
    """Return the job for the hosts."""
    settings = ClusterSettings(address=hosts.address, trusts=True)
    there = Reached(settings=settings, address=hosts.address, environment=hosts.environment | QUICK)
    return ClusterJob(job.source, target, preset=job.preset, size=job.size, cluster=there)


def run(job: ClusterJob, on_progress: Callable[[Progress], None]) -> ClusterSummary:
    summary = job.run(on_progress=on_progress)
    assert isinstance(summary, ClusterSummary)
    return summary


def once_busy(hosts: RayHosts, happen: Callable[[Host], None]) -> Callable[[Progress], None]:
    """Return what happens once to a host that makes a segment, when another segment is done."""
    met: list[Host] = []

    def see(progress: Progress) -> None:
        working = [host for host in hosts.hosts if host.work()]
        if not met and progress.frames >= 25 and working:
            met.append(working[0])
            happen(working[0])

    return see


def lines_of(made: ClusterSummary) -> tuple[list[str], int]:
    """Return what went wrong, and how many segments a busy machine made too slowly, so that another made them too."""
    slow = [line for line in made.faults if "takes long" in line]
    return [line for line in made.faults if line not in slow], len(slow)


def assert_same(made: Path, one: Path) -> None:
    for kind in ("video", "audio"):
        assert packet_bytes(made, kind) == packet_bytes(one, kind)
    assert video_times(made) == video_times(one)
    assert not folder_of(made).exists()


def assert_nothing_runs(hosts: RayHosts) -> None:
    until = time.monotonic() + 20
    while left := [line for host in hosts.hosts for line in host.work_lines()]:
        assert time.monotonic() < until, left
        time.sleep(0.1)


def test_a_machine_that_can_write_no_more_is_left_out(hosts: RayHosts, job: Job, tmp_path: Path) -> None:
    full = hosts.hosts[0]

    def see(_progress: Progress) -> None:
        for process in full.work():
            with suppress(ProcessLookupError):
                resource.prlimit(process, resource.RLIMIT_FSIZE, (ROOM, ROOM))

    made = run(on(hosts, job, tmp_path / "out.mkv"), see)
    assert_same(tmp_path / "out.mkv", job.target)
    faults, slow = lines_of(made)
    assert 1 <= made.again - slow == len(faults) <= 2
    assert all("File too large" in fault for fault in faults)
    assert_nothing_runs(hosts)


def test_segments_of_lost_machines_are_made_by_one_that_came_since(hosts: RayHosts, job: Job, tmp_path: Path) -> None:
    def replaced(_host: Host) -> None:
        first, second = hosts.hosts
        first.kill()
        hosts.begin().wait()
        second.kill()

    made = run(on(hosts, job, tmp_path / "out.mkv"), once_busy(hosts, replaced))
    assert_same(tmp_path / "out.mkv", job.target)
    faults, slow = lines_of(made)
    assert len(faults) == 2 and all("is gone" in fault for fault in faults)
    assert made.again - slow <= 2
    assert len({segment.node for segment in made.segments}) >= 2
    assert_nothing_runs(hosts)


def test_a_frozen_machine_is_not_waited_for_and_ends_its_work_when_it_goes_on(
    hosts: RayHosts, job: Job, tmp_path: Path
) -> None:
    hosts.begin().wait()
    frozen: list[Host] = []

    def freeze(host: Host) -> None:
        host.freeze()
        frozen.append(host)

    made = run(on(hosts, job, tmp_path / "out.mkv"), once_busy(hosts, freeze))
    assert frozen
    assert_same(tmp_path / "out.mkv", job.target)
    faults, slow = lines_of(made)
    assert made.again - slow <= 1 and len(faults) <= 1
    frozen[0].thaw()
    assert_nothing_runs(hosts)
    frozen[0].kill()


def test_a_head_that_comes_back_finds_what_was_done(
    hosts: RayHosts, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sr4k.cluster.job._PAUSE", 1.0)

    def away(_host: Host) -> None:
        hosts.head.signal(signal.SIGKILL, "gcs_server")
        hosts.stop()
        hosts.start()

    made = run(on(hosts, job, tmp_path / "out.mkv"), once_busy(hosts, away))
    assert_same(tmp_path / "out.mkv", job.target)
    faults, slow = lines_of(made)
    assert any("it was lost" in fault for fault in faults)
    assert made.again - slow <= 2
    told = sum(segment.frames for segment in made.segments)
    assert made.frames == 125 and told <= 125  # what was put while nobody listened was found there, not made again
    assert_nothing_runs(hosts)


def test_a_machine_whose_cable_is_pulled_costs_what_it_was_making(tmp_path: Path) -> None:
    source, one = source_of(tmp_path, 6), tmp_path / "one.mkv"
    alone(source, one)
    network = Namespaces()
    with ExitStack() as stack:
        scene = Scene(RayHosts(0, network=network, environment=QUICK), source, hosts=2)
        required(lambda: stack.enter_context(scene))
        command = scene.command()
        host = scene.busy(command)
        network.cut(host.number)
        told = command.wait()
        assert scene.is_equal(one), told
        assert 1 <= command.summary["again"] <= 2
        assert 1 <= len(told) <= 2
        until = time.monotonic() + 30
        while host.work_lines():  # it ends its work when it finds that it is alone
            assert time.monotonic() < until
            time.sleep(0.2)
        assert not scene.leftovers()
