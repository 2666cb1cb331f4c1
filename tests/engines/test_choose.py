"""The engine that ``auto`` chooses on simulated machines, and the fallback if it fails to start."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from clips import MakeClip, video_times

from sr4k import Job, load_preset
from sr4k.engines import ENGINES, choose
from sr4k.engines.base import EngineSpec
from sr4k.engines.choose import AUTO, candidates, engines_for, start_first
from sr4k.engines.nvidia import Driver, Gpu
from sr4k.errors import EngineError
from sr4k.models.colour import Colour

SPEC = EngineSpec(model="luma", height=16, width=16, colour=Colour())
FAILING = "toy_engines:FailingEngine"

Install = Callable[..., Path]


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both engines for GPUs are known, whether or not they can run."""
    for name in ("tensorrt", "cuda"):
        monkeypatch.setitem(ENGINES, name, FAILING)
    choose._usable.cache_clear()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """``install("name", "1.0", "file", ...)``: a package of a name, a version and empty files, before all others."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def put(name: str, version: str, *files: str) -> Path:
        about = tmp_path / "site" / f"{name.replace('-', '_')}-{version}.dist-info" / "METADATA"
        about.parent.mkdir(parents=True)
        about.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        for file in files:
            path = tmp_path / "site" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return about

    return put


def on(monkeypatch: pytest.MonkeyPatch, *capability: int, trouble: str | None = None) -> None:
    """Make this a machine with a GPU of that capability, or with none."""
    gpus = (Gpu(0, "Test Card", (capability[0], capability[1]), 2**34),) if capability else ()
    monkeypatch.setattr(choose, "driver", lambda: Driver((13, 0), gpus, trouble))


def reason(name: str) -> str:
    return next(candidate.reason for candidate in candidates() if candidate.name == name)


class TestCandidates:
    def test_without_a_gpu_it_is_openvino_and_nothing_is_said(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        on(monkeypatch)
        assert engines_for(AUTO) == ("openvino",)
        assert "no NVIDIA GPU" in reason("tensorrt") and "no NVIDIA GPU" in reason("cuda")
        assert not caplog.records

    def test_a_driver_without_a_gpu_is_no_gpu(self, monkeypatch: pytest.MonkeyPatch) -> None:
        on(monkeypatch, trouble="CUDA_ERROR_NO_DEVICE")
        assert engines_for(AUTO) == ("openvino",)
        assert "CUDA_ERROR_NO_DEVICE" in reason("tensorrt")

    def test_the_best_comes_first(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        on(monkeypatch, 9, 0)
        install("tensorrt-cu13", "10.16.1")
        install("cuda-bindings", "13.0.1")
        install("torch", "9.9", "torch/lib/libtorch_cuda.so")
        install("triton", "9.9")
        assert engines_for(AUTO) == ("tensorrt", "cuda", "openvino")
        assert engines_for(AUTO, foreign=True) == ("tensorrt", "openvino")
        assert engines_for(AUTO, foreign=True) == ("tensorrt", "openvino")
        assert candidates()[0].version == "10.16.1"

    def test_what_a_gpu_could_run_and_does_not_is_said_once(
        self, install: Install, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        on(monkeypatch, 9, 0)
        install("torch", "9.9+cpu")
        install("triton", "9.9")
        with ThreadPoolExecutor(4) as planning:
            assert set(planning.map(engines_for, [AUTO] * 8)) == {("openvino",)}
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert "engine is openvino" in record.message
        assert "TensorRT is not installed (pip install 'sr4k-stream[gpu]')" in record.message
        assert "PyTorch 9.9+cpu is built without CUDA" in record.message

    def test_the_stubs_of_tensorrt_are_not_tensorrt(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        on(monkeypatch, 9, 0)
        install("tensorrt-stubs", "10.13", "tensorrt/__init__.pyi")
        assert reason("tensorrt") == "TensorRT is not installed"

    def test_an_old_gpu_is_told_with_what_is_needed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        on(monkeypatch, 7, 0)
        assert reason("tensorrt") == "the Test Card has compute capability 7.0, and 7.5 is the least"
        assert "8.0 is the least" in reason("cuda")

    def test_engines_that_are_not_there_are_passed_over(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        on(monkeypatch, 9, 0)
        monkeypatch.delitem(ENGINES, "tensorrt")
        monkeypatch.delitem(ENGINES, "cuda")
        assert engines_for(AUTO) == ("openvino",)
        assert not caplog.records

    def test_none_at_all_is_an_engine_error_that_tells_the_reasons(self, monkeypatch: pytest.MonkeyPatch) -> None:
        on(monkeypatch)
        monkeypatch.delitem(ENGINES, "openvino")
        with pytest.raises(EngineError, match="No engine can be used: tensorrt, but there is no NVIDIA GPU; cuda"):
            engines_for(AUTO)

    def test_an_engine_asked_for_by_name_stands_alone(self) -> None:
        assert engines_for("tensorrt") == ("tensorrt",)

    def test_choosing_imports_nothing_heavy(self) -> None:
        heavy = "av", "openvino", "onnx", "torch", "triton", "tensorrt", "cuda", "cv2"
        code = (
            "import sys; from sr4k.engines.choose import engines_for; engines_for('auto');"
            f"print([m for m in {heavy!r} if m in sys.modules])"
        )
        ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
        assert ran.stdout.strip() == "[]"


class TestStart:
    def test_the_next_one_is_taken_and_that_is_said_in_a_line(self, caplog: pytest.LogCaptureFixture) -> None:
        name, engine = start_first(("tensorrt", "cuda", "nearest"), SPEC)
        with engine:
            assert name == "nearest" and engine.describe()["engine"] == "nearest"
        assert [record.message for record in caplog.records] == [
            "The engine tensorrt does not start, cuda is tried: the GPU is full.",
            "The engine cuda does not start, nearest is tried: the GPU is full.",
        ]

    def test_one_that_is_asked_for_does_not_fall_back(self) -> None:
        with pytest.raises(EngineError, match="is full"):
            start_first(("tensorrt",), SPEC)

    def test_it_starts_with_the_weights_for_the_first_frame_if_it_can_change_them(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(ENGINES, "steady", "toy_engines:SteadyEngine")
        for spec in (SPEC, replace(SPEC, height=4320, width=7680)):
            started = {name: start_first((name,), spec, 40)[1] for name in ("nearest", "steady")}
            assert {name: engine.spec.quality for name, engine in started.items()} == {"nearest": 40, "steady": 0}
            for engine in started.values():
                engine.deactivate()
        _, engine = start_first(("steady",), replace(SPEC, quality=25))
        with engine:
            assert engine.spec.quality == 25


class TestJob:
    @staticmethod
    def job(clip: Path, target: Path, engine: str) -> Job:
        preset = load_preset("file").updated("graph", mode="threads").updated("engine", name=engine)
        return Job(clip, target, preset=preset.updated("encode", preset="ultrafast"))

    def test_the_summary_tells_the_engine_that_ran(
        self,
        install: Install,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        make_clip: MakeClip,
        tmp_path: Path,
    ) -> None:
        on(monkeypatch, 9, 0)
        install("tensorrt", "10.16.1")
        install("cuda-bindings", "13.0.1")
        monkeypatch.delitem(ENGINES, "cuda")
        clip = make_clip()
        summary = self.job(clip, tmp_path / "out.mp4", AUTO).run()
        assert summary.engine.engine == "openvino"
        assert video_times(tmp_path / "out.mp4") == video_times(clip)
        assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
            "The engine tensorrt does not start, openvino is tried: the GPU is full."
        ]

    def test_one_asked_for_by_name_ends_the_job(self, make_clip: MakeClip, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match="is full"):
            self.job(make_clip(), tmp_path / "out.mp4", "tensorrt").run()
