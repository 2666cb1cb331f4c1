"""Decoded pictures in GPU memory become padded planes by one launch: on the CPU, thread by thread."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from kernels_on_cpu import run_on_the_cpu

torch = pytest.importorskip("torch")
pytest.importorskip("cuda.bindings.driver")

from sr4k.engines import nvrtc  # noqa: E402
from sr4k.engines.padding import Padding, options, source  # noqa: E402
from sr4k.models.geometry import pad_planes  # noqa: E402

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [(2, 2), (36, 150), (64, 96)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"], ids=["NV12", "P010"])
@pytest.mark.parametrize("beyond", [(0, 0), (3, 26)], ids=["tight", "pitched"])
def test_planes_are_padded_by_replication_and_hold_code_values(
    size: tuple[int, int], dtype: str, beyond: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_on_the_cpu(monkeypatch)
    height, width = size
    rng = np.random.default_rng(2)
    most, shift = (256, 0) if dtype == "uint8" else (1024, 6)
    luma = rng.integers(0, most, (height + beyond[0], width + beyond[1])).astype(dtype)
    both = rng.integers(0, most, (height // 2 + beyond[0], width + beyond[1])).astype(dtype)
    padding = Padding(height, width, getattr(torch, dtype), CPU)
    made = padding(*(torch.from_numpy(plane << shift) for plane in (luma, both)))
    pairs = both[: height // 2, :width].reshape(height // 2, width // 2, 2)
    expected = pad_planes(luma[:height, :width], np.ascontiguousarray(pairs.transpose(2, 0, 1)))
    for plane, exact in zip(made, expected, strict=True):
        np.testing.assert_array_equal(plane.numpy(), exact)


def test_it_is_one_launch_of_arguments_that_are_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run_on_the_cpu(monkeypatch)
    padding = Padding(16, 32, torch.uint8, CPU)
    packed: list[object] = []
    launched: list[list[int]] = []

    class Launch(nvrtc.Launch):
        def __init__(self, *arguments: object) -> None:
            packed.append(arguments)

        def __call__(self, pointers: object, stream: int) -> None:
            assert stream == 0
            launched.append(list(pointers))  # type: ignore[call-overload]

    monkeypatch.setattr(nvrtc, "Launch", Launch)
    luma, chroma = torch.zeros(16, 32, dtype=torch.uint8), torch.zeros(8, 32, dtype=torch.uint8)
    for _ in range(3):
        made = padding(luma, chroma)
        assert launched[-1] == [each.data_ptr() for each in (luma, chroma, *made)]
    assert (len(packed), len(launched)) == (1, 3)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_89", "sm_90"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_it_compiles_for_gpus_that_are_not_here(architecture: str, dtype: torch.dtype, tmp_path: Path) -> None:
    (tmp_path / "kernel.cu").write_text(source())
    command = ["nvcc", f"-arch={architecture}", "-cubin", "-o", "kernel.cubin", *options(dtype), "kernel.cu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu("cuda.bindings.nvrtc")
def test_on_a_gpu_it_pads_as_on_the_cpu() -> None:
    rng = np.random.default_rng(0)
    luma, both = (rng.integers(0, 256, (rows, 2048)).astype(np.uint8) for rows in (1080, 540))
    padding = Padding(1080, 1920, torch.uint8, torch.device("cuda", 0))
    made = padding(*(torch.from_numpy(plane).cuda() for plane in (luma, both)))
    pairs = both[:, :1920].reshape(540, 960, 2).transpose(2, 0, 1)
    for plane, exact in zip(made, pad_planes(luma[:, :1920], np.ascontiguousarray(pairs)), strict=True):
        np.testing.assert_array_equal(plane.cpu().numpy(), exact)
