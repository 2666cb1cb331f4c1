"""Steps of a first run on a GPU: what they time, what they call wrong, and what they say where a tool fails."""

import os
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

import gpu_check
import gpu_facts
import gpu_machine
import gpu_networks
import gpu_timing
import gpu_video
from gpu_plan import Setting, steps_of

pytestmark = pytest.mark.slow


def test_a_result_that_differs_from_its_reference_is_called_wrong() -> None:
    levels = np.zeros((100, 100))
    levels[0, :40] = 1
    assert gpu_networks._apart(levels) == {"right": True, "most_levels_apart": 1, "share_apart": 0.004}
    levels[0, 0] = 2
    assert not gpu_networks._apart(levels)["right"]
    levels[:2] = 1
    assert not gpu_networks._apart(levels)["right"]


def test_no_row_is_killed_while_it_waits_for_kernels_to_compile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_check, "_PATIENCE", 1)
    steps = list(steps_of("warm", Setting((1920, 1080), tmp_path, tmp_path, 0.0)))
    assert steps
    assert all(gpu_check.limit_of(step.seconds) > gpu_machine._COMPILE_SECONDS for step in steps)


def test_kernels_that_take_long_to_compile_are_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_machine, "_COMPILE_SECONDS", 0.2)
    monkeypatch.setattr(gpu_machine, "_RUN_NETWORK", "import time; time.sleep(1.5); print('compiled')")
    steps = list(steps_of("warm", Setting((8, 4), tmp_path, tmp_path, 0.0)))
    row = steps[0].measure()
    assert gpu_facts.is_measured(row) and row["said"].startswith("it is still compiling")
    monkeypatch.setattr(gpu_machine, "_COMPILE_SECONDS", 60.0)
    assert [step.measure() for step in steps] == [{"said": "compiled"}] * len(steps)
    monkeypatch.setattr(gpu_machine, "_RUN_NETWORK", "raise SystemExit('a kernel does not compile')")
    for step in steps_of("warm", Setting((8, 4), tmp_path, tmp_path, 0.0)):
        with pytest.raises(RuntimeError, match="a kernel does not compile"):
            step.measure()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo '==ERROR== LibraryNotLoaded' > $log; exit 9", "exit code 9: .*LibraryNotLoaded"),
        ("echo '==WARNING== No kernels were profiled.' > $log", "no counters; .*No kernels were profiled"),
        ('printf \'%s\' \'"dram__bytes.sum","Mbyte","38.4"\' > $log', None),
    ],
    ids=["refused", "nothing", "counters"],
)
def test_a_profile_without_counters_tells_why(
    script: str, told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ncu = tmp_path / "ncu"
    ncu.write_text(f'#!/bin/sh\nwhile [ "$1" != --log-file ]; do shift; done\nlog=$2\n{script}\n')
    ncu.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (step,) = steps_of("profile", Setting((8, 4), tmp_path, tmp_path, 0.0))
    if told is None:
        assert step.measure() == {"counters": 1, "bytes": ["dram__bytes.sum 38.4 Mbyte"]}
    else:
        with pytest.raises(RuntimeError, match=told):
            step.measure()


def test_ffmpeg_finds_the_driver_s_video_libraries_where_only_their_versions_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lib64/libnvcuvid.so.580.1", "lib64/libnvidia-encode.so.580.1", "stubs/libnvcuvid.so"):
        (tmp_path / "driver" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "driver" / name).touch()
    monkeypatch.setattr(gpu_machine, "_DRIVERS", [str(tmp_path / "driver")])
    monkeypatch.setattr(gpu_machine, "mkdtemp", lambda prefix: str(tmp_path))  # noqa: ARG005
    folder = gpu_machine.linked_video_libraries.__wrapped__()
    assert folder is not None
    links = {path.name: path.resolve().name for path in folder.iterdir() if path.is_symlink()}
    assert links == {"libnvcuvid.so.1": "libnvcuvid.so.580.1", "libnvidia-encode.so.1": "libnvidia-encode.so.580.1"}


def test_the_rate_of_a_whole_run_counts_neither_its_start_up_nor_its_end() -> None:
    seen = [(0.0, 0), (20.0, 0), (20.5, 12), (21.0, 25), (22.0, 125), (23.0, 225), (29.0, 300)]
    assert gpu_video.ms_while_running(seen, 300) == {"ms": pytest.approx(10.0)}
    assert gpu_video.ms_while_running(seen[:4], 300) == {}, "one moment is no rate"


class SimulatedGpu:
    """CUDA's events, graphs and launches in simulated time: a launch takes the CPU 10 us, and the GPU waits for it."""

    LAUNCH = 0.010

    def __init__(self) -> None:
        self.now = 0.0
        self.captured: list[float] | None = None

    def call(self, ms: float) -> None:
        if self.captured is not None:
            self.captured.append(ms)
        else:
            self.now += max(ms, self.LAUNCH)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        gpu = self

        class Event:
            def __init__(self, enable_timing: bool) -> None:
                assert enable_timing

            def record(self) -> None:
                self.at = gpu.now

            def synchronize(self) -> None: ...

            def elapsed_time(self, end: "Event") -> float:
                return end.at - self.at

        class Graph:
            nodes: list[float]

            def replay(self) -> None:
                gpu.now += gpu.LAUNCH + sum(self.nodes)

        class Capture:
            def __init__(self, graph: Graph, stream: str) -> None:
                assert stream == "a side stream"
                self.graph = graph

            def __enter__(self) -> None:
                gpu.captured = []

            def __exit__(self, *_: object) -> None:
                self.graph.nodes, gpu.captured = gpu.captured or [], None

        cuda = gpu_timing.torch.cuda
        for name, value in {"Event": Event, "CUDAGraph": Graph, "graph": Capture, "synchronize": lambda: None}.items():
            monkeypatch.setattr(cuda, name, value)
        monkeypatch.setattr(cuda, "Stream", lambda: "a side stream")
        monkeypatch.setattr(cuda, "stream", lambda _: nullcontext())
        monkeypatch.setattr(gpu_timing, "REHEARSAL", False)


@pytest.mark.parametrize("ms", [0.004, 0.025, 0.2, 5.0])
def test_the_time_of_a_kernel_is_not_that_of_launching_it(ms: float, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = SimulatedGpu()
    gpu.install(monkeypatch)
    row = gpu_timing.timed([lambda: gpu.call(ms)] * 3, macs=10**9)
    assert row["ms"] == pytest.approx(ms, rel=0.01)
    assert row["how"] == "graph"
    assert row["tmac_a_second"] == pytest.approx(1 / row["ms"])


def test_peers_have_cudnn_choose_its_fastest_kernels() -> None:
    assert gpu_networks.torch.backends.cudnn.benchmark is True
