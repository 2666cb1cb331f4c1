"""The prototype of one launch a picture: its arithmetic on the CPU, lane by lane, and that it compiles for GPUs."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from one_launch.packing import NAMES, TILE, pack, shared_bytes  # noqa: E402

from sr4k.models import zoo  # noqa: E402
from sr4k.models.colour import Colour  # noqa: E402
from sr4k.models.execute import IntegerExecutor  # noqa: E402
from sr4k.models.geometry import CELL_OUT, MARGIN, pad_planes  # noqa: E402

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "benchmarks" / "one_launch"
SMALL = (6, 12)
"""Rows and columns of a tile that is quickly computed."""

pytestmark = pytest.mark.slow


def built(folder: Path, tile: tuple[int, int]) -> ctypes.CDLL:
    target, support = folder / "luma.so", ROOT / "tests" / "support"
    command = ["g++", "-O2", "-std=c++17", "-fPIC", "-shared", "-Wno-unknown-pragmas", f"-DTH={tile[0]}"]
    command += [f"-DTW={tile[1]}", f"-I{support}", f"-I{SOURCE}", "-o", str(target), str(support / "luma_on_cpu.cpp")]
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(target))


def picture(height: int, width: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(3)
    few = rng.integers(0, 256, (height // 6 + 2, width // 6 + 2)).astype(np.uint8)
    smooth = cv2.resize(few, (width, height), interpolation=cv2.INTER_CUBIC).astype(int)
    return np.clip(smooth + rng.integers(-8, 9, smooth.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [0, 25])
def test_the_kernel_computes_what_exact_integers_do_in_whole_and_partial_tiles(quality: int, tmp_path: Path) -> None:
    height, width = 4 * SMALL[0] - 6, 4 * SMALL[1] - 14  # two tiles each way, the last ones partial
    library = built(tmp_path, SMALL)
    assert library.shared_bytes() == shared_bytes(SMALL)
    network = zoo.load("luma", quality=quality).quantized(Colour())
    planes = pad_planes(picture(height, width), np.full((2, height // 2, width // 2), 128, np.uint8))
    made = np.full((2 * height, 2 * width), 77, np.uint8)
    arrays = pack(network)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (planes[0], made, *(arrays[n] for n in NAMES))]
    library.run(*pointers, planes[0].shape[1], height // 2, width // 2)
    cells = IntegerExecutor(network)(torch.from_numpy(planes[0])[None, None], torch.from_numpy(planes[1])[None])
    inner = cells[0].permute(1, 2, 0).round().clamp(0, 255).numpy()[MARGIN:-MARGIN, MARGIN:-MARGIN, : CELL_OUT**2]
    exact = inner.reshape(height // 2, width // 2, CELL_OUT, CELL_OUT).swapaxes(1, 2).reshape(made.shape)
    apart = np.abs(made - exact)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.005  # 32-bit floats between the integers, as in the layered kernels


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="only networks shaped like luma"):
        pack(zoo.load("luma-large").quantized(Colour()))


def test_the_tile_is_the_one_that_the_kernel_is_built_for() -> None:
    source = (SOURCE / "luma.cu").read_text()
    assert tuple(int(re.findall(rf"#define {name} (\d+)", source)[0]) for name in ("TH", "TW")) == TILE


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_89", "sm_90"])
def test_it_compiles_without_spills_and_two_blocks_fit_a_multiprocessor(architecture: str, tmp_path: Path) -> None:
    command = ["nvcc", f"-arch={architecture}", "-cubin", "-Xptxas", "-v", "-o", str(tmp_path / "luma.cubin")]
    done = subprocess.run([*command, SOURCE / "luma.cu"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "0 bytes spill stores, 0 bytes spill loads" in done.stderr
    (registers,) = map(int, re.findall(r"Used (\d+) registers", done.stderr))
    assert registers * 128 * 2 <= 65536
    if architecture == "sm_90":
        assert 2 * shared_bytes() <= 227 * 1024
