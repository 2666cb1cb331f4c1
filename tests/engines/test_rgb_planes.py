"""RGB in GPU memory becomes planes, and NV12 RGB, by a launch each: on the CPU, thread by thread."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from kernels_on_cpu import run_on_the_cpu

torch = pytest.importorskip("torch")
pytest.importorskip("cuda.bindings.driver")

from rgb_by_torch import planes_of, rgb_of  # noqa: E402

from sr4k.engines.rgb_planes import RgbPlanes, source  # noqa: E402
from sr4k.models.geometry import SCALE  # noqa: E402

CPU = torch.device("cpu")

LAYOUTS: dict[str, Callable[[int, int], torch.Tensor]] = {
    "planes": lambda height, width: noise(2, 3, height, width),
    "pixels": lambda height, width: noise(2, height, width, 3).permute(0, 3, 1, 2),
    "a part, BGR, turned": lambda height, width: noise(2, width + 3, height + 2, 4)[:, 3:, 1:-1, 1:].permute(
        0, 3, 2, 1
    ),
    "one picture, repeated": lambda height, width: noise(1, 3, height, width).expand(2, -1, -1, -1),
}


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("size", [(1, 1), (37, 150), (256, 192)])
def test_planes_and_rgb_are_those_of_pytorchs_operations_to_the_sample(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_on_the_cpu(monkeypatch)
    height, width = size
    convert = RgbPlanes(*size, CPU)
    for layout, make in LAYOUTS.items():
        batch = make(*size)
        for index, picture in enumerate(batch):
            for plane, exact in zip(convert.planes(batch, index, 0), planes_of(picture), strict=True):
                assert torch.equal(plane, exact), layout
    nv12 = noise(3 * (height + height % 2), SCALE * (width + width % 2))
    made = torch.full((3, 3, SCALE * height, SCALE * width), 7, dtype=torch.uint8)
    convert.rgb(nv12, made, 1, 0)
    assert torch.equal(made[1], rgb_of(nv12, height, width))
    assert (made[::2] == 7).all(), "pictures beside it are left alone"


@pytest.mark.slow(seconds=1)
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_89", "sm_90"])
def test_they_compile_for_gpus_that_are_not_here_and_nothing_spills(architecture: str, tmp_path: Path) -> None:
    (tmp_path / "kernel.cu").write_text(source())
    command = ["nvcc", f"-arch={architecture}", "-cubin", "-Xptxas", "-v", "-o", "kernel.cubin", "kernel.cu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads") == 2


@pytest.mark.gpu("cuda.bindings.nvrtc")
def test_on_a_gpu_they_are_those_of_the_cpu() -> None:
    size, device = (1080, 1919), torch.device("cuda", 0)
    convert, batch = RgbPlanes(*size, device), noise(2, 1080, 1919, 3).permute(0, 3, 1, 2)
    planes = convert.planes(batch.to(device), 1, 0)
    for plane, exact in zip(planes, planes_of(batch[1]), strict=True):
        assert torch.equal(plane.cpu(), exact)
    nv12, made = (
        noise(3 * 1080, SCALE * 1920),
        torch.zeros((1, 3, 2160, SCALE * 1919), dtype=torch.uint8, device=device),
    )
    convert.rgb(nv12.to(device), made, 0, 0)
    assert torch.equal(made[0].cpu(), rgb_of(nv12, *size))
