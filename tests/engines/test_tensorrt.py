"""Differences between versions of TensorRT, errors without a GPU and, where there is one, the engine."""

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engine_runs import kept_full
from foreign_networks import convolutions, with_card
from skimage import data as pictures

from sr4k.engines import EngineSpec, create_engine
from sr4k.engines.base import Plane
from sr4k.engines.choose import engine_for
from sr4k.engines.nvidia import Driver, Gpu, first_gpu
from sr4k.engines.tensorrt_versions import builder_flags, is_typed, network_flags
from sr4k.errors import EngineError
from sr4k.models import zoo
from sr4k.models.architecture import Precision
from sr4k.models.colour import Colour
from sr4k.models.geometry import MARGIN, pad_planes

# `NetworkDefinitionCreationFlag.__members__` of each version.
V8 = {"EXPLICIT_BATCH": 0, "EXPLICIT_PRECISION": 1}
V10 = {"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1, "PREFER_JIT_PYTHON_PLUGINS": 2, "PREFER_AOT_PYTHON_PLUGINS": 3}
V11 = {"STRONGLY_TYPED": 0, "PREFER_JIT_PYTHON_PLUGINS": 1, "PREFER_AOT_PYTHON_PLUGINS": 2}

SPEC = EngineSpec(model="luma", height=96, width=128, colour=Colour(), precision="int8")


class TestVersions:
    @pytest.mark.parametrize(("known", "flags"), [(V8, 0b1), (V10, 0b11), (V11, 0b1)])
    def test_networks_have_an_explicit_batch_and_types_that_count(self, known: dict[str, int], flags: int) -> None:
        assert network_flags(known) == flags

    @pytest.mark.parametrize(("known", "typed"), [(V8, False), (V10, True), (V11, True)])
    def test_precision_is_a_matter_of_flags_where_types_do_not_count(self, known: dict[str, int], typed: bool) -> None:
        assert is_typed(known) is typed
        assert ("INT8" in builder_flags(known, "int8")) is not typed
        assert ("FP16" in builder_flags(known, "fp16")) is not typed

    @pytest.mark.parametrize("known", [V8, V10, V11])
    def test_what_is_not_int8_stays_float32(self, known: dict[str, int]) -> None:
        assert "FP16" not in builder_flags(known, "int8")
        assert builder_flags(known, "fp32") == ()


def made_with(folder: Path, tensorrt: str | None, extra: str = "") -> str:
    """Return the outcome of `create_engine` where ``tensorrt`` is a module with that source, or missing."""
    code = f"""
import sys
{"sys.modules['tensorrt'] = None" if tensorrt is None else ""}
{extra}
from sr4k.engines import EngineSpec, create_engine
from sr4k.errors import EngineError
from sr4k.models.colour import Colour
try:
    with create_engine("tensorrt", EngineSpec(model="luma", height=96, width=128, colour=Colour())):
        print("made")
except EngineError as err:
    print(err)
"""
    if tensorrt is not None:
        (folder / "tensorrt").mkdir()
        (folder / "tensorrt" / "__init__.py").write_text(tensorrt)
    path = {"PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **path}
    )
    return ran.stdout.strip()


class TestMissing:
    @pytest.mark.slow(seconds=1)
    def test_without_tensorrt_the_extra_is_named(self, tmp_path: Path) -> None:
        assert made_with(tmp_path, None) == "TensorRT is not installed: pip install 'sr4k-stream[gpu]'."

    def test_its_stubs_alone_are_not_it(self, tmp_path: Path) -> None:
        assert made_with(tmp_path, "") == "TensorRT is not installed: pip install 'sr4k-stream[gpu]'."

    def test_one_that_lacks_a_library_is_told_from_none(self, tmp_path: Path) -> None:
        said = made_with(tmp_path, "raise OSError('libcudnn.so.8: cannot open shared object file')")
        assert "can't be loaded (libcudnn.so.8: cannot open" in said

    @pytest.mark.parametrize("module", ["cuda.bindings", "filelock"])
    def test_so_are_the_packages_beside_it(self, tmp_path: Path, module: str) -> None:
        said = made_with(tmp_path, None, f"sys.modules[{module!r}] = None")
        assert said.endswith("pip install 'sr4k-stream[gpu]'.")
        assert "TensorRT" not in said

    @pytest.mark.parametrize(
        ("found", "told"),
        [
            (Driver(), "no NVIDIA driver here"),
            (Driver((12, 4), trouble="CUDA_ERROR_NO_DEVICE"), "shows no GPU .CUDA_ERROR_NO_DEVICE"),
            (Driver((12, 4)), "shows no GPU .none there"),
        ],
    )
    def test_without_a_gpu_it_is_said_what_is_missing(self, found: Driver, told: str) -> None:
        with pytest.raises(EngineError, match=told):
            first_gpu(found)

    def test_of_several_gpus_the_first_is_taken(self) -> None:
        gpus = tuple(Gpu(k, f"GPU {k}", (9, 0), 80 << 30) for k in range(2))
        assert first_gpu(Driver((13, 0), gpus)) is gpus[0]


def planes_of(spec: EngineSpec, offset: int = 0) -> list[Plane]:
    """Padded planes of a real picture."""
    height, width = spec.height, spec.width
    colours = pictures.astronaut()[offset:, 100:].astype(np.uint8)
    if spec.colour is None:
        rows, columns = spec.input_shapes[0][1:]
        return [np.ascontiguousarray(colours[:rows, :columns].transpose(2, 0, 1), np.float32)]
    chroma = colours[: height // 2, : width // 2, 1:].transpose(2, 0, 1)
    return list(pad_planes(colours[:height, :width, 0], chroma))


def exact(spec: EngineSpec, planes: list[Plane]) -> Plane:
    """Return the exact result of the network, in integers or in float: (H/2, W/2, channels)."""
    torch = pytest.importorskip("torch")
    from sr4k.models.execute import FoldedExecutor, IntegerExecutor

    model = zoo.load(spec.model)
    int8 = spec.precision == "int8"
    run = IntegerExecutor(model.quantized(spec.colour)) if int8 else FoldedExecutor(model.folded(spec.colour))
    tensors = (torch.from_numpy(p.reshape(1, *([1] * (3 - p.ndim)), *p.shape)) for p in planes)
    out = run(*tensors)[0, :, MARGIN:-MARGIN, MARGIN:-MARGIN].permute(1, 2, 0).numpy()
    return np.asarray(out if spec.colour is None else out.round().clip(0, 255))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache for all tests of this module: each engine is built once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("SR4K_CACHE", str(folder))
        yield folder


@pytest.mark.gpu("sr4k.engines.tensorrt")
@pytest.mark.usefixtures("folder")
class TestOnTheGpu:
    @pytest.mark.parametrize("precision", ["int8", "fp16", "fp32"])
    @pytest.mark.parametrize("model", ["luma", "rcan2"])
    @pytest.mark.parametrize("size", [(96, 128), (270, 402)])
    def test_it_is_within_a_level_of_the_reference(
        self, model: str, precision: Precision, size: tuple[int, int]
    ) -> None:
        spec = replace(SPEC, model=model, precision=precision, height=size[0], width=size[1])
        planes = planes_of(spec)
        with create_engine("tensorrt", spec) as engine:
            cells = engine.infer(planes)[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(int)
            assert engine.describe()["precision"] == precision
        difference = np.abs(cells - exact(spec, planes))
        assert (difference <= 1).mean() >= 0.999
        assert difference.mean() < 0.05

    def test_on_rgb_it_is_near_the_reference_without_rounding(self) -> None:
        spec = replace(SPEC, colour=None)
        planes = planes_of(spec)
        with create_engine("tensorrt", spec) as engine:
            cells = engine.infer(planes)[MARGIN:-MARGIN, MARGIN:-MARGIN]
        assert (np.abs(cells - exact(spec, planes)) < 1).mean() >= 0.999

    def test_results_come_in_order_and_each_is_of_its_own_picture(self) -> None:
        inputs = [planes_of(SPEC, 7 * offset) for offset in range(9)]
        with create_engine("tensorrt", SPEC) as engine:
            assert engine.in_flight >= 2
            alone = [engine.infer(planes).copy() for planes in inputs]
            together = kept_full(engine, inputs)
        assert not np.array_equal(alone[0], alone[1])
        assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))

    def test_auto_is_int8_where_there_is_a_calibration(self) -> None:
        with create_engine("tensorrt", replace(SPEC, precision="auto")) as engine:
            assert engine.describe()["precision"] == "int8"

    def test_the_second_start_takes_the_engine_that_the_first_built(self) -> None:
        spec, results = replace(SPEC, height=64), []
        for kept in (False, True):
            with create_engine("tensorrt", spec) as engine:
                assert engine.describe()["kept"] is kept
                results.append(engine.infer(planes_of(spec)).copy())
        assert np.array_equal(*results)

    @pytest.mark.parametrize("precision", ["auto", "fp16", "fp32"])
    @pytest.mark.parametrize("colour", [Colour(), None], ids=["yuv", "rgb"])
    def test_a_network_of_the_users_makes_openvinos_picture(
        self, precision: Precision, colour: Colour | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "models"))
        path = convolutions(tmp_path / "net.onnx", scale=3)
        with_card(path)
        spec = replace(SPEC, model=str(path), colour=colour, precision=precision, rounded=True)
        planes = planes_of(spec)
        with engine_for("openvino", replace(spec, precision="fp32")) as reference:
            wanted = reference.infer(planes).astype(int)
        with engine_for("tensorrt", spec) as engine:
            assert engine.describe()["precision"] == ("fp32" if precision == "fp32" else "fp16")
            apart = np.abs(engine.infer(planes).astype(int) - wanted)
        assert apart.max() <= 3 and apart.mean() < 0.25

    def test_a_plan_that_tensorrt_refuses_is_built_again(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        spec = replace(SPEC, height=48)
        before = {*folder.glob("*.plan")}
        with create_engine("tensorrt", spec):
            pass
        (plan,) = {*folder.glob("*.plan")} - before
        plan.write_bytes(b"no plan at all" * 100)
        about = plan.with_suffix(".json")
        digest = hashlib.sha256(plan.read_bytes()).hexdigest()
        about.write_text(json.dumps({**json.loads(about.read_text()), "digest": digest}))
        with caplog.at_level(logging.WARNING), create_engine("tensorrt", spec) as engine:
            assert engine.describe()["kept"] is False
        assert "in the cache can't be used: TensorRT" in caplog.text

    def test_a_result_outlives_the_engine(self) -> None:
        with create_engine("tensorrt", SPEC) as engine:
            cells = engine.infer(planes_of(SPEC))
            copy = cells.copy()
        assert np.array_equal(cells, copy)
