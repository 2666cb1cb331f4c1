"""A cluster that an operator has started, with a token, makes the files that one machine makes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir

import pytest
from clips import packet_bytes, video_times, write_clip

from rig.fair_time import Stopwatch
from rig.ray_hosts import RayHosts
from rig.servers import free_port
from sr4k import Job, Preset, load_preset
from sr4k.cluster.cluster_summary import ClusterSummary
from sr4k.cluster.job import ClusterJob, reached
from sr4k.cluster.settings import ClusterSettings
from sr4k.errors import MachineError, NoMachineError
from sr4k.jobs.file_progress import Progress

pytestmark = pytest.mark.slow(seconds=15)

FRAMES = {"a": 50, "b": 30}


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayHosts]:
    with RayHosts(2) as there:
        yield there


@pytest.fixture
def _reachable(cluster: RayHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def preset() -> Preset:
    loaded = load_preset("file").updated("engine", name="nearest").updated("graph", mode="threads")
    return loaded.updated("encode", segment_seconds=1, crf=30)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, preset: Preset) -> Path:
    """Return a folder with videos, and what one machine makes of them below ``alone``."""
    folder = tmp_path_factory.mktemp("films")
    for name, frames in FRAMES.items():
        write_clip(folder / f"{name}.mkv", frames=frames, size=(96, 64))
        Job(folder / f"{name}.mkv", folder / "alone" / f"{name}.mkv", preset=preset).run()
    return folder


def assert_same(made: Path, alone: Path) -> None:
    for kind in ("video", "audio"):
        assert packet_bytes(made, kind) == packet_bytes(alone, kind)
    assert video_times(made) == video_times(alone)


@pytest.mark.usefixtures("_reachable")
@pytest.mark.parametrize(
    ("way", "name"), [("address", "a"), pytest.param("client_address", "b", marks=pytest.mark.long)]
)
def test_an_address_is_that_of_the_head_or_of_its_ray_client(
    way: str, name: str, cluster: RayHosts, films: Path, preset: Preset, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    with reached(ClusterSettings(address=getattr(cluster, way))) as there:
        job = ClusterJob(films / f"{name}.mkv", tmp_path / "out.mkv", preset=preset, cluster=there)
        made = job.run(on_progress=seen.append)
    assert_same(tmp_path / "out.mkv", films / "alone" / f"{name}.mkv")
    assert isinstance(made, ClusterSummary)
    assert len(made.nodes) == 2 and len(made.segments) == 2 and made.again == 0
    assert {progress.frames_total for progress in seen if progress.frames} == {FRAMES[name]}
    assert seen[-1].share == 1.0 and seen[-1].eta == 0.0


@pytest.mark.usefixtures("_reachable")
def test_a_folder_of_videos_is_made_by_the_cluster_of_this_machine_and_each_segment_told(
    films: Path, preset: Preset, tmp_path: Path
) -> None:
    settings = tmp_path / "preset.yaml"
    settings.write_text(json.dumps(preset.model_dump(mode="json")))
    command = [str(Path(sys.executable).with_name("sr4k-stream")), "-c", str(settings), "--cluster", "auto", "--json"]
    sources = [str(films / f"{name}.mkv") for name in FRAMES]
    done = subprocess.run(
        [*command, "--progress", "json", *sources, f"{tmp_path}/out/"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    for (name, frames), told in zip(FRAMES.items(), json.loads(done.stdout), strict=True):
        assert_same(tmp_path / "out" / f"{name}.mkv", films / "alone" / f"{name}.mkv")
        assert sum(segment["frames"] for segment in told["segments"]) == frames
        assert {segment["tries"] for segment in told["segments"]} == {1}
        assert all(segment["seconds"] > 0 for segment in told["segments"])
        assert {segment["node"] for segment in told["segments"]} <= {node["node"] for node in told["nodes"]}
        assert sum(node["segments"] for node in told["nodes"]) == len(told["segments"])
        assert sum(node["share"] for node in told["nodes"]) == pytest.approx(1.0)
        assert all(node["fps"] > 0 for node in told["nodes"] if node["segments"])
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    ends = [line for line in lines if line["event"] == "end"]
    assert {(line["state"], line["frames"]) for line in ends} == {("done", frames) for frames in FRAMES.values()}
    assert any(len(line.get("machines", ())) == 2 for line in lines)


@pytest.mark.usefixtures("_reachable")
def test_folders_that_no_machine_has_end_the_job_at_once_and_leave_no_empty_log(
    cluster: RayHosts, films: Path, preset: Preset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ClusterSettings(address=cluster.address, path_map=((tmp_path, Path("/nowhere")),))
    logs = {*Path(gettempdir()).glob("sr4k-ray-*.log")}
    with reached(settings) as there, pytest.raises(NoMachineError, match="/nowhere can't be read and written there"):
        ClusterJob(films / "a.mkv", tmp_path / "out.mkv", preset=preset, cluster=there).run()
    assert sum("is left out" in record.getMessage() for record in caplog.records) == 2
    assert not any("it was lost" in record.getMessage() for record in caplog.records)
    assert all(log.stat().st_size for log in {*Path(gettempdir()).glob("sr4k-ray-*.log")} - logs)


@pytest.mark.long
@pytest.mark.usefixtures("_reachable")
def test_an_address_at_which_nothing_listens_and_a_wrong_token_are_refused_at_once(
    cluster: RayHosts, films: Path, preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = f"127.0.0.1:{free_port()}"
    watch = Stopwatch()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    refusals = {
        nothing: f"{nothing} can't be reached: Connection refused",
        cluster.address: "RAY_AUTH_TOKEN_PATH names its token",
    }
    for address, words in refusals.items():
        with reached(ClusterSettings(address=address)) as there, pytest.raises(MachineError, match=words):
            ClusterJob(films / "a.mkv", tmp_path / "a.mkv", preset=preset, cluster=there).run()
    assert watch.fair < 60
    assert not [*tmp_path.iterdir()]
