"""A private cluster makes the file that one machine makes, whatever happens to its machines meanwhile."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import av
import psutil
import pytest
from bait import ran, set_out
from clips import packet_bytes, video_times, write_clip
from foreign_networks import convolutions, with_card
from gates import slow_while

from rig.channel import eventually
from rig.fair_time import Stopwatch
from rig.processes import children_of, command_of, environment_of
from sr4k import Job, Preset, load_preset
from sr4k.cluster.cluster_summary import ClusterSummary
from sr4k.cluster.job import ClusterJob, Reached, reached
from sr4k.cluster.settings import ClusterSettings
from sr4k.common.option_names import named_for_command
from sr4k.errors import InputError, MachineError, WorkerError
from sr4k.jobs.file_progress import Progress
from sr4k.media.resume.job_folder import folder_of
from sr4k.models.foreign.store import FOLDER

pytestmark = pytest.mark.slow(seconds=8)

MAKER = "ray::made_by"
"""Beginning of the title of a process that makes a segment."""


class Told(Exception):
    """Ends a job."""


@pytest.fixture(scope="module")
def networks_there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the machines' own folder for networks of the user's."""
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def flag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file that makes the machines slow while it is there."""
    return tmp_path_factory.mktemp("flags") / "slow"


@pytest.fixture(scope="module")
def cluster(networks_there: Path, flag: Path) -> Iterator[Reached]:
    """Return a private cluster of two machines, which have no networks of the user's; its processes end with it."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (slow_while(flag) | {FOLDER: str(networks_there)}).items():
                patch.setenv(name, value)
            there = stack.enter_context(reached(ClusterSettings(address="local:2")))
        session = there.environment["RAY_TMPDIR"]
        yield there
    eventually(lambda: not with_text(session), 60, "its processes have left")


@pytest.fixture(scope="module")
def preset() -> Preset:
    loaded = load_preset("file").updated("engine", name="nearest").updated("graph", mode="threads")
    return loaded.updated("encode", segment_seconds=1, crf=30)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clip of five seconds, with sound, chapters and subtitles."""
    folder = tmp_path_factory.mktemp("clips")
    clip = write_clip(folder / "clip.mkv", frames=125, size=(160, 90), chapters=True)
    return with_subtitles(clip, folder / "a.mkv")


@pytest.fixture(scope="module")
def one(source: Path, preset: Preset) -> Path:
    """Return what one machine makes of it."""
    target = source.with_name("one.mkv")
    Job(source, target, preset=preset).run()
    return target


def with_subtitles(clip: Path, target: Path) -> Path:
    """Write the clip with two subtitles beside it; return the path."""
    words = target.with_suffix(".srt")
    words.write_text("1\n00:00:00,500 --> 00:00:01,200\nHello\n\n2\n00:00:02,900 --> 00:00:03,100\nagain\n")
    with av.open(str(clip)) as given, av.open(str(words)) as text, av.open(str(target), "w") as made:
        streams = [*given.streams, *text.streams]
        copies = [made.add_stream_from_template(stream) for stream in streams]
        made.set_chapters(given.chapters())
        for packet in (*given.demux(), *text.demux()):
            if packet.dts is not None:
                packet.stream = copies[streams.index(packet.stream)]
                made.mux(packet)
    return target


def with_text(session: str, begin: str = "") -> list[tuple[int, str]]:
    """Return the processes of a cluster, by its folder, whose titles begin like this."""
    found = [(process, command_of(process)) for process in psutil.pids() if process != os.getpid()]
    return [
        (process, command)
        for process, command in found
        if command.startswith(begin) and session in f"{command} {environment_of(process)}"
    ]


def hashes(path: Path) -> list[str]:
    with av.open(str(path)) as opened:
        return [sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in opened.decode(video=0)]


def assert_same(made: Path, one: Path) -> None:
    for kind in ("video", "audio", "subtitle"):
        assert packet_bytes(made, kind) == packet_bytes(one, kind)
    assert video_times(made) == video_times(one)
    assert hashes(made) == hashes(one)
    with av.open(str(made)) as ours, av.open(str(one)) as theirs:
        assert ours.chapters() == theirs.chapters()
    assert not folder_of(made).exists()


def kill(session: str, begin: str) -> int:
    """Kill the processes of a cluster whose titles begin like this, and return how many there were."""
    found = with_text(session, begin)
    for process, _ in found:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return len(found)


def run(job: ClusterJob, on_progress: Callable[[Progress], None] | None = None) -> ClusterSummary:
    summary = job.run(on_progress=on_progress)
    assert isinstance(summary, ClusterSummary)
    return summary


def test_the_file_is_that_of_one_machine(
    source: Path, one: Path, preset: Preset, cluster: Reached, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bait = set_out(tmp_path / "bait")
    monkeypatch.chdir(bait)
    seen: list[Progress] = []
    made = run(ClusterJob(source, tmp_path / "out.mkv", preset=preset, cluster=cluster), seen.append)
    assert_same(tmp_path / "out.mkv", one)
    assert not ran(bait)
    assert made.frames == 125 and made.resumed == made.source.resumed == 0 and not made.damaged
    assert sum(segment.frames for segment in made.segments) == 125 and len(made.segments) == 5
    assert {segment.tries for segment in made.segments} == {1} and made.again == 0
    assert sum(node.segments for node in made.nodes) == 5
    assert seen and max(progress.frames for progress in seen) == 125


def test_a_network_that_the_machines_lack_is_brought_to_them(
    preset: Preset, cluster: Reached, networks_there: Path, tmp_path: Path
) -> None:
    path = convolutions(tmp_path / "net.onnx")
    card = with_card(path)
    clip = write_clip(tmp_path / "a.mp4", frames=40, size=(96, 64))
    own = preset.updated("engine", name="openvino", model=str(path))
    Job(clip, tmp_path / "one.mp4", preset=own).run()
    run(ClusterJob(clip, tmp_path / "out.mp4", preset=own, cluster=cluster))
    assert packet_bytes(tmp_path / "out.mp4", "video") == packet_bytes(tmp_path / "one.mp4", "video")
    assert [path.name for path in networks_there.rglob("*.onnx")] == [f"{card.sha256}.onnx"]


def test_the_usual_network_and_another_codec_make_the_same_too(cluster: Reached, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=40, size=(96, 64))
    usual = load_preset("file").updated("encode", segment_seconds=1, codec="hevc")
    Job(clip, tmp_path / "one.mp4", preset=usual).run()
    run(ClusterJob(clip, tmp_path / "out.mp4", preset=usual, cluster=cluster))
    assert packet_bytes(tmp_path / "out.mp4", "video") == packet_bytes(tmp_path / "one.mp4", "video")


def test_what_a_damaged_stretch_loses_is_lost_and_told_as_on_one_machine(
    preset: Preset, cluster: Reached, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "a.ts", frames=100, size=(160, 90), options={"crf": "10", "g": "25"})
    data = bytearray(clip.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    clip.write_bytes(data)
    alone = Job(clip, tmp_path / "one.mkv", preset=preset).run()
    made = run(ClusterJob(clip, tmp_path / "out.mkv", preset=preset, cluster=cluster))
    assert alone.damaged and made.damaged and made.again == 0
    assert packet_bytes(tmp_path / "out.mkv", "video") == packet_bytes(tmp_path / "one.mkv", "video")
    assert made.losses.first_at == alone.losses.first_at
    assert made.video.until == pytest.approx(alone.video.until)
    assert (made.losses.packets, made.losses.concealed) == (alone.losses.packets, alone.losses.concealed)


def test_strict_ends_at_the_earliest_damage_as_on_one_machine(
    preset: Preset, cluster: Reached, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = write_clip(tmp_path / "a.mkv", frames=75, size=(160, 90), options={"g": "25", "bf": "0"})
    damaged = with_rubbish(with_rubbish(clip, tmp_path / "b.mkv", 40, 41), tmp_path / "c.mkv", 53, 54)
    told = []
    for kind, settings in ((Job, {}), (ClusterJob, {"cluster": cluster})):
        with named_for_command(), pytest.raises(InputError, match=r"damaged at 1\.60 s.* --strict stops at the") as err:
            kind(damaged, tmp_path / "out.mkv", preset=preset, strict=True, **settings).run()
        told.append(str(err.value))
        assert not (tmp_path / "out.mkv").exists()
    assert told[0] == told[1]
    assert not any("is made again" in record.getMessage() for record in caplog.records)


def with_rubbish(clip: Path, target: Path, first: int, last: int) -> Path:
    """Write a clip's video, whose packets from ``first`` to ``last`` are rubbish; return the path."""
    with av.open(str(clip)) as given, av.open(str(target), "w") as made:
        copied = made.add_stream_from_template(given.streams.video[0])
        for number, packet in enumerate(given.demux(video=0)):
            if packet.dts is None:
                continue
            if first <= number <= last:
                rubbish = av.Packet(b"\xff" * packet.size)
                rubbish.pts, rubbish.dts, rubbish.duration = packet.pts, packet.dts, packet.duration
                rubbish.time_base, rubbish.is_keyframe = packet.time_base, packet.is_keyframe
                packet = rubbish
            packet.stream = copied
            made.mux(packet)
    return target


def test_a_segment_of_which_nothing_can_be_decoded_is_tried_twice_and_told_with_its_times(
    preset: Preset, cluster: Reached, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = write_clip(tmp_path / "a.mkv", frames=75, size=(160, 90), options={"g": "25", "bf": "0"})
    damaged = with_rubbish(clip, tmp_path / "b.mkv", 25, 49)
    with pytest.raises(InputError, match=r"b.mkv: no picture could be decoded from 1\.00 s to 1\.96 s"):
        ClusterJob(damaged, tmp_path / "out.mkv", preset=preset, cluster=cluster).run()
    assert not (tmp_path / "out.mkv").exists()
    assert sum("is made again" in record.getMessage() for record in caplog.records) == 1
    alone = Job(damaged, tmp_path / "out.mkv", preset=preset, resume=True).run()
    assert (alone.frames, alone.losses.packets) == (50, 25)


def killed_once(session: str, begin: str) -> Callable[[Progress], None]:
    """Return what kills such processes once, when some of the job is done."""
    killed: list[int] = []

    def see(progress: Progress) -> None:
        if not killed and progress.frames and (number := kill(session, begin)):
            killed.append(number)

    return see


@pytest.fixture
def slow(flag: Path) -> Iterator[None]:
    """Have segments take long enough to be interrupted."""
    flag.touch()
    yield
    flag.unlink()


@pytest.mark.usefixtures("slow")
def test_a_killed_worker_costs_a_segment(
    source: Path, one: Path, preset: Preset, cluster: Reached, tmp_path: Path
) -> None:
    session = cluster.environment["RAY_TMPDIR"]
    job = ClusterJob(source, tmp_path / "out.mkv", preset=preset, cluster=cluster)
    made = run(job, killed_once(session, MAKER))
    assert_same(tmp_path / "out.mkv", one)
    assert 1 <= made.again <= 2 and len(made.faults) == made.again
    assert max(segment.tries for segment in made.segments) == 2


@pytest.mark.usefixtures("slow")
def test_a_killed_driver_costs_what_was_under_way(
    source: Path, one: Path, preset: Preset, cluster: Reached, tmp_path: Path
) -> None:
    killed: list[int] = []

    def see(progress: Progress) -> None:
        drivers = [process for process in children_of(os.getpid()) if "sr4k.cluster.driver" in command_of(process)]
        if not killed and progress.frames >= 25:
            killed.extend(drivers)
            for process in drivers:
                os.kill(process, signal.SIGKILL)

    job = ClusterJob(source, tmp_path / "out.mkv", preset=preset, cluster=cluster)
    made = run(job, see)
    assert killed
    assert_same(tmp_path / "out.mkv", one)
    assert len(made.segments) <= 5 + 2
    assert any("drives it has ended" in fault for fault in made.faults)


@pytest.mark.usefixtures("slow")
def test_a_job_that_was_stopped_leaves_what_is_finished_and_resume_makes_the_rest(
    source: Path, one: Path, preset: Preset, cluster: Reached, tmp_path: Path
) -> None:
    first, seen = folder_of(tmp_path / "out.mkv") / "000000.packets", list[Progress]()
    job = ClusterJob(source, tmp_path / "out.mkv", preset=preset, cluster=cluster)
    stopped = job.run(on_progress=seen.append, stop_requests=lambda: int(first.exists()))
    assert stopped.stopped and stopped.goes_on and stopped.frames in (25, 50, 75)
    assert packet_bytes(Path(stopped.output), "video") == packet_bytes(one, "video")[: stopped.frames]
    counted = [progress.frames for progress in seen if progress.frames]
    assert 0 not in [progress.frames for progress in seen[len(seen) - len(counted) :]], "it never falls back to nothing"
    assert counted[-1] == stopped.frames and min(progress.fps for progress in seen) >= 0
    made = run(replace(job, resume=True))
    assert_same(tmp_path / "out.mkv", one)
    assert not Path(stopped.output).exists()
    assert len(made.segments) <= 5 - stopped.frames // 25


@pytest.mark.usefixtures("slow")
def test_a_job_that_one_machine_began_is_finished_by_many(
    source: Path,
    one: Path,
    preset: Preset,
    cluster: Reached,
    tmp_path: Path,
    flag: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def end(progress: Progress) -> None:
        if progress.frames >= 30:
            raise Told

    for name, value in slow_while(flag).items():
        monkeypatch.setenv(name, value)
    alone = Job(source, tmp_path / "out.mkv", preset=preset, workers="processes")
    with pytest.raises(Told):
        alone.run(on_progress=end)
    job = ClusterJob(source, tmp_path / "out.mkv", preset=preset, cluster=cluster, resume=True)
    made = run(job)
    assert_same(tmp_path / "out.mkv", one)
    assert made.frames == 125 and made.resumed >= 25 and made.resumed % 25 == 0
    assert sum(segment.frames for segment in made.segments) == 125 - made.resumed > 0


@pytest.mark.usefixtures("slow")
def test_a_segment_that_ends_its_process_each_time_is_given_up_with_its_times(
    source: Path, preset: Preset, cluster: Reached, tmp_path: Path
) -> None:
    session = cluster.environment["RAY_TMPDIR"]

    def see(_progress: Progress) -> None:
        kill(session, MAKER)

    job = ClusterJob(source, tmp_path / "out.mkv", preset=preset, cluster=cluster)
    with pytest.raises(WorkerError, match=r"\d\.\d\d s to \d\.\d\d s has ended the process that makes it 3 times"):
        job.run(on_progress=see)
    assert not (tmp_path / "out.mkv").exists()


def refused(source: Path, preset: Preset, cluster: Reached, target: Path, **settings: Any) -> str:
    """Return why a cluster can't be used with these settings, which it says within seconds."""
    other = replace(cluster, settings=replace(cluster.settings, **settings))
    watch = Stopwatch()
    with pytest.raises(MachineError) as told:
        ClusterJob(source, target, preset=preset, cluster=other).run()
    assert watch.fair < 60
    assert not target.exists() and not folder_of(target).exists()
    return str(told.value)


def test_what_does_not_fit_is_refused_in_words(source: Path, preset: Preset, cluster: Reached, tmp_path: Path) -> None:
    too_many = refused(source, preset, cluster, tmp_path / "out.mkv", cpus=512)
    assert "No machine of the cluster is large enough for a segment (512 CPUs" in too_many
    nowhere = ((tmp_path, Path("/nowhere")),)
    elsewhere = refused(source, preset, cluster, tmp_path / "out.mkv", path_map=nowhere)
    assert "/nowhere can't be read and written there" in elsewhere


def test_folders_may_have_other_paths_there(
    source: Path, one: Path, preset: Preset, cluster: Reached, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").symlink_to(tmp_path / "here")
    (tmp_path / "clips").symlink_to(source.parent)
    path_map = ((tmp_path / "here", tmp_path / "there"), (source.parent, tmp_path / "clips"))
    other = replace(cluster, settings=replace(cluster.settings, path_map=path_map))
    run(ClusterJob(source, tmp_path / "here" / "out.mkv", preset=preset, cluster=other))
    assert_same(tmp_path / "here" / "out.mkv", one)


def test_it_listens_on_the_loopback_alone(cluster: Reached) -> None:
    processes = {process for process, _ in with_text(cluster.environment["RAY_TMPDIR"])}
    listening = [
        each.laddr.ip.removeprefix("::ffff:")
        for each in psutil.net_connections("tcp")
        if each.pid in processes and each.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}
