"""``sr4k engine`` as a user meets it; what needs no GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sr4k.engines.cache import About, EngineCache

SR4K = Path(sys.executable).parent / "sr4k"


def run(*args: str, cache: Path, python_path: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "SR4K_CACHE": str(cache), **({} if python_path is None else {"PYTHONPATH": str(python_path)})}
    return subprocess.run([SR4K, "engine", *args], capture_output=True, text=True, timeout=240, check=False, env=env)


@pytest.mark.slow
def test_what_was_built_is_listed_and_cleared(tmp_path: Path) -> None:
    about = About("luma", "1920x1080", "int8", "NVIDIA H100", "TensorRT 10.16")
    EngineCache(tmp_path).get("key", about, bytes, lambda: b"0" * 2_500_000)
    listed = run("list", cache=tmp_path)
    header, _, row = ([cell.strip() for cell in line.split("|")[1:-1]] for line in listed.stdout.splitlines())
    assert {"model": "luma", "size": "1920x1080", "GPU": "NVIDIA H100", "MB": "2.5"}.items() <= dict(
        zip(header, row, strict=True)
    ).items()
    assert run("clear", cache=tmp_path).stdout == f"Deleted 1 engine (2.5 MB) from {tmp_path}.\n"
    assert run("list", cache=tmp_path).stdout.startswith("No engine has been built")


@pytest.mark.slow(seconds=1)
def test_without_tensorrt_a_build_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "tensorrt").mkdir()
    (tmp_path / "tensorrt" / "__init__.py").touch()
    ended = run("build", "--size", "1080p", cache=tmp_path, python_path=tmp_path)
    assert ended.returncode == 5
    assert ended.stderr == "error: TensorRT is not installed: pip install 'sr4k-stream[gpu]'.\n"


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("size", ["1081p", "33x40", "x"])
def test_a_size_that_can_not_be_is_refused(tmp_path: Path, size: str) -> None:
    ended = run("build", "--size", size, cache=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: '{size}'")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.gpu("sr4k.engines.tensorrt")
def test_a_build_is_there_the_next_time(tmp_path: Path) -> None:
    first, second = (run("build", "--size", "128x96", "--precision", "int8", cache=tmp_path) for _ in range(2))
    assert first.stdout.startswith("luma 128x96 int8 for ")
    assert "built in" in first.stdout
    assert second.stdout.endswith(": built earlier\n")
