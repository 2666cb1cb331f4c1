"""Luma networks in one launch a picture: on the CPU, lane by lane, and compiled for GPUs that are not here."""

import logging
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from kernels_on_cpu import run_on_the_cpu, stand_in
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
pytest.importorskip("cuda.bindings.driver")

from sr4k.engines import EngineSpec, cuda, nvrtc, one_launch  # noqa: E402
from sr4k.engines.cuda_network import FusedNetwork  # noqa: E402
from sr4k.engines.cuda_output import Layout  # noqa: E402
from sr4k.engines.one_launch import OneLaunch, Plan, best_network, plan_for  # noqa: E402
from sr4k.engines.one_launch_weights import pack  # noqa: E402
from sr4k.errors import EngineError  # noqa: E402
from sr4k.models import zoo  # noqa: E402
from sr4k.models.colour import Colour, Sampling  # noqa: E402
from sr4k.models.execute import IntegerExecutor  # noqa: E402
from sr4k.models.geometry import CELL, CELL_OUT, MARGIN, pad_planes  # noqa: E402
from sr4k.models.quantize import QuantizedNetwork  # noqa: E402

SMALL = Plan(rows=6, columns=12)
"""Of tiles that are quickly computed."""

WIDE = Plan(rows=6, columns=40)
"""Of tiles in which a thread finds the range around several cells below each other."""

SIZE = (4 * SMALL.rows - 6, 4 * SMALL.columns - 14)
"""Height and width of two tiles each way, of which the last ones are partial."""

CPU = torch.device("cpu")
INNER = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))

pytestmark = pytest.mark.slow


@pytest.fixture
def _on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    run_on_the_cpu(monkeypatch)


def picture(sampling: Sampling) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(3)

    def plane(height: int, width: int) -> NDArray[np.uint8]:
        few = rng.integers(0, 256, (height // 6 + 2, width // 6 + 2)).astype(np.uint8)
        smooth = cv2.resize(few, (width, height), interpolation=cv2.INTER_CUBIC).astype(int)
        return np.clip(smooth + rng.integers(-8, 9, smooth.shape), 0, 255).astype(np.uint8)

    height, width = SIZE
    step = 1 if sampling == "444" else 2
    return pad_planes(plane(height, width), np.stack([plane(height // step, width // step) for _ in range(2)]))


def exact_cells(network: QuantizedNetwork, planes: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
    luma, chroma = map(torch.from_numpy, planes)
    cells = IntegerExecutor(network)(luma[None, None], chroma[None])
    return np.asarray(cells[0].permute(1, 2, 0).round().clamp(0, 255).numpy()[INNER])


def nv12_of(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = cells.shape[:2]
    luma, chroma = cells[..., : CELL_OUT**2], cells[..., CELL_OUT**2 :]
    y = luma.reshape(rows, columns, CELL_OUT, CELL_OUT).swapaxes(1, 2).reshape(rows * CELL_OUT, -1)
    uv = chroma.reshape(rows, columns, 2, CELL, CELL).transpose(0, 3, 1, 4, 2).reshape(rows * CELL, -1)
    return np.concatenate([y, uv])


@pytest.mark.usefixtures("_on_the_cpu")
@pytest.mark.parametrize(
    ("model", "quality", "sharpness", "sampling", "layout", "plan"),
    [
        ("luma", 0, 0, "420", "nv12", SMALL),
        ("luma", 30, 0, "444", "cells", SMALL),
        ("luma-fast", 0, 0, "420", "cells", SMALL),
        ("luma", 20, 100, "420", "nv12", SMALL),
        ("luma-fast", 0, 60, "444", "cells", WIDE),
    ],
)
def test_it_computes_what_exact_integers_do_in_whole_and_partial_tiles(
    model: str, quality: int, sharpness: int, sampling: Sampling, layout: Layout, plan: Plan
) -> None:
    network = zoo.load(model, quality=quality, sharpness=sharpness).quantized(Colour(sampling=sampling))
    planes = picture(sampling)
    engine = OneLaunch(network, *SIZE, CPU, layout=layout, plan=plan)
    out = torch.full(engine.output_shape, 77, dtype=torch.uint8)
    engine.run(*map(torch.from_numpy, planes), out)
    exact, made = exact_cells(network, planes), out.numpy()
    if layout == "cells":
        made = made[INNER]
    else:
        exact = nv12_of(exact)
    np.testing.assert_array_equal(made, exact)


@pytest.mark.usefixtures("_on_the_cpu")
def test_frames_on_the_gpu_are_read_and_written_where_they_are_by_one_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    network = OneLaunch(zoo.load("luma-fast").quantized(Colour()), *SIZE, CPU, layout="nv12", plan=SMALL)
    monkeypatch.setattr(cuda, "_fused", lambda *_: network)
    on_gpu = cuda.CudaOnGpu(EngineSpec(model="luma-fast", height=SIZE[0], width=SIZE[1], colour=Colour()))
    launched: list[list[int]] = []
    monkeypatch.setattr(network, "_launch", lambda pointers, _: launched.append(list(pointers)))
    luma, chroma = map(torch.from_numpy, picture("420"))
    made = [on_gpu.run(luma, chroma) for _ in range(2)]
    assert launched == [[luma.data_ptr(), chroma.data_ptr(), out.data_ptr()] for out in made]
    assert made[0].shape == (3 * SIZE[0], 2 * SIZE[1])


def test_other_networks_are_refused_by_what_it_is_for() -> None:
    for model in ("luma-large", "rcan2"):
        with pytest.raises(ValueError, match="of 32 features on cells"):
            pack(zoo.load(model).quantized(Colour()))
    with pytest.raises(ValueError, match="for YUV planes"):
        pack(zoo.load("luma").quantized(None))


@pytest.mark.parametrize("sharpness", [0, 100])
@pytest.mark.parametrize("location", ["left", "center", "topleft"])
def test_all_sitings_and_qualities_fit_into_the_kernels_integers(location: Any, sharpness: int) -> None:
    for quality in (0, 20, 40):
        model = zoo.load("luma", quality=quality, sharpness=sharpness)
        pack(model.quantized(Colour(chroma_location=location, full_range=sharpness > 0)))


@pytest.mark.parametrize(
    ("block", "multiprocessor", "warps", "blocks"),
    [(163 << 10, 164 << 10, 8, 1), (99 << 10, 100 << 10, 8, 1), (227 << 10, 228 << 10, 4, 2)],
)
def test_as_many_blocks_share_a_multiprocessor_as_its_memory_has_room_for(
    block: int, multiprocessor: int, warps: int, blocks: int
) -> None:
    for convs in (1, 4):
        plan = plan_for(convs, block, multiprocessor)
        assert (plan.warps, plan.blocks) == (warps, blocks)
        assert plan.blocks * (plan.shared_bytes(convs) + 1024) <= multiprocessor


def test_a_gpu_with_too_little_shared_memory_is_told() -> None:
    with pytest.raises(ValueError, match=r"needs 100992 bytes of shared memory, and a block has 65536"):
        plan_for(4, 64 << 10, 64 << 10)


@pytest.mark.parametrize("trouble", [EngineError("CUDA's bindings are not installed"), ValueError("it does not fit")])
def test_where_it_cannot_be_one_launch_it_is_one_a_layer_and_the_log_says_why(
    trouble: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise trouble

    monkeypatch.setattr(one_launch, "OneLaunch", fail)
    monkeypatch.setattr(one_launch, "FusedNetwork", lambda *_, **__: "layers")
    gpu = SimpleNamespace(type="cuda")
    with caplog.at_level(logging.INFO):
        assert best_network(zoo.load("luma").quantized(Colour()), *SIZE, gpu, "nv12") == "layers"  # type: ignore[arg-type]
    assert f"A launch for each layer, not one a picture: {trouble}" in caplog.text


def test_in_float16_and_without_a_gpu_it_is_one_launch_a_layer() -> None:
    for network in (zoo.load("luma").quantized(Colour()), zoo.load("luma").folded(Colour())):
        assert isinstance(best_network(network, *SIZE, CPU, "nv12"), FusedNetwork)


@pytest.mark.usefixtures("_on_the_cpu")
def test_what_nvrtc_and_the_driver_refuse_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match=r"NVRTC: .*nonsense"):
        nvrtc.compiled("nonsense", (9, 0))
    driver = stand_in("driver")
    launch = nvrtc.Launch(SimpleNamespace(function=None, threads=128, shared=0), (1, 1), 0, [], [])  # type: ignore[arg-type]
    monkeypatch.setattr(driver, "cuLaunchKernel", lambda *_: (driver.CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,))
    with pytest.raises(EngineError, match=r"CUDA: CUDA_ERROR_ILLEGAL_ADDRESS"):
        launch([], 0)


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
@pytest.mark.parametrize("beyond", [None, 4.0])
@pytest.mark.parametrize("architecture", ["sm_80", "sm_89", "sm_90"])
def test_it_compiles_without_spills_and_its_blocks_fit_a_multiprocessor(
    architecture: str, beyond: float | None, tmp_path: Path
) -> None:
    memory = {"sm_80": (163 << 10, 164 << 10), "sm_89": (99 << 10, 100 << 10), "sm_90": (227 << 10, 228 << 10)}
    plan = plan_for(4, *memory[architecture])
    (tmp_path / "kernel.cu").write_text(one_launch.source())
    command = ["nvcc", f"-arch={architecture}", "-cubin", "-Xptxas", "-v", "-o", str(tmp_path / "kernel.cubin")]
    command += [*one_launch.options(plan, 4, "nv12", "420", beyond), str(tmp_path / "kernel.cu")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "0 bytes spill stores, 0 bytes spill loads" in done.stderr
    (registers,) = map(int, re.findall(r"Used (\d+) registers", done.stderr))
    assert registers * 32 * plan.warps * plan.blocks <= 65536


@pytest.mark.gpu("cuda.bindings.nvrtc")
@pytest.mark.parametrize("sharpness", [0, 100])
def test_on_a_gpu_a_whole_picture_is_that_of_a_launch_a_layer(sharpness: int) -> None:
    network = zoo.load("luma", sharpness=sharpness).quantized(Colour())
    size, device = (1080, 1920), torch.device("cuda", 0)
    rng = np.random.default_rng(0)
    luma = np.asarray(cv2.resize(rng.integers(0, 256, (68, 120)).astype(np.uint8), size[::-1]), np.uint8)
    chroma = np.stack([luma[::2, ::2]] * 2)
    planes = [torch.from_numpy(plane).to(device) for plane in pad_planes(luma, chroma)]
    made = []
    for kind in (OneLaunch, FusedNetwork):
        engine = kind(network, *size, device, layout="nv12")
        out = torch.zeros(engine.output_shape, dtype=torch.uint8, device=device)
        engine.run(*planes, out, engine.maps())
        made.append(out.cpu().numpy().astype(int))
    apart = np.abs(made[0] - made[1])
    assert apart.max() <= 1
    assert (apart > 0).mean() <= 0.002
