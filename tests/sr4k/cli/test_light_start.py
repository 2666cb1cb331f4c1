"""A command imports no more than it needs, and neither do the processes that it starts: imports make it wait."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from clips import write_clip

SUPPORT = Path(__file__).parents[2] / "support"

MODELS = {"onnx", "openvino", "torch", "safetensors", "tensorrt"}
CODECS = {"av", "cv2"}
SERVERS = {"asyncio", "ssl", "http.server", "prometheus_client"}
SETTINGS = {"yaml", "sr4k.configs", "sr4k.common.yaml_file"}
JOBS = {"sr4k.jobs.file_job", "sr4k.jobs.live_job", "sr4k.pipeline", "multiprocessing"}


def loaded(command: str, folder: Path) -> dict[str, set[str]]:
    """Run a command in a folder, and return what each of its processes has imported, by the name of the process."""
    told = folder / "loaded"
    told.mkdir()
    program, *arguments = command.split()
    subprocess.run(
        [Path(sys.executable).parent / program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SUPPORT / "loaded"), "LOADED": str(told)},
        capture_output=True,
        timeout=240,
        check=False,
    )
    return {each.name: {*each.read_text().splitlines()} for each in told.iterdir()}


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("command", ["sr4k-stream --help", "sr4k --help", "sr4k serve --help"])
def test_help_needs_no_more_than_options(command: str, tmp_path: Path) -> None:
    found = loaded(command, tmp_path)["command"]
    assert found & (MODELS | CODECS | SERVERS | SETTINGS | JOBS | {"numpy"}) == set()


@pytest.mark.slow(seconds=1)
def test_a_wrong_name_is_refused_without_looking_at_videos(tmp_path: Path) -> None:
    processes = loaded("sr4k-stream none.mp4 out.mp4", tmp_path)
    assert processes.keys() == {"command"}
    assert (
        processes["command"] & (MODELS | CODECS | SERVERS | {"numpy", "rich.progress", "sr4k.jobs.live_job"}) == set()
    )


@pytest.mark.slow(seconds=1)
def test_probe_needs_no_network_and_no_job(tmp_path: Path) -> None:
    write_clip(tmp_path / "in.mp4", frames=2)
    found = loaded("sr4k probe in.mp4", tmp_path)["command"]
    assert "av" in found
    assert found & (MODELS | SERVERS | SETTINGS | {"cv2", "sr4k.jobs.file_job"}) == set()


@pytest.mark.slow(seconds=1)
def test_each_process_of_a_job_has_only_its_own_libraries(tmp_path: Path) -> None:
    write_clip(tmp_path / "in.mp4", frames=2)
    processes = loaded("sr4k-stream in.mp4 out.mp4 --engine nearest", tmp_path)
    assert (tmp_path / "out.mp4").exists()
    command = processes.pop("command")
    assert command & (MODELS | CODECS | SERVERS | {"numpy", "sr4k.jobs.live_job"}) == set()
    assert processes.keys() == {"sr4k-workers", "sr4k-decode", "sr4k-upscale", "sr4k-encode"}
    for found in processes.values():
        assert found & (SERVERS | SETTINGS | {"typer", "pydantic", "sr4k.jobs.graph"}) == set()
    for name in ("sr4k-workers", "sr4k-decode", "sr4k-encode"):
        assert processes[name] & (MODELS | {"cv2"}) == set()
