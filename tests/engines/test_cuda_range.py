"""The range of luma around each cell, by kernels of our own: on the GPU if there is one, else by the interpreter."""

import numpy as np
import pytest

from sr4k.engines.nvidia import driver
from sr4k.models.geometry import MARGIN, pad_planes
from sr4k.models.source_range import write_range

torch = pytest.importorskip("torch")
triton = pytest.importorskip("triton")

from sr4k.engines.cuda_kernels import extremes_in_line  # noqa: E402
from sr4k.engines.cuda_range import CellRange  # noqa: E402
from sr4k.models.execute import range_around  # noqa: E402

DEVICE = torch.device("cuda" if driver().gpus else "cpu")
INNER = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))


@pytest.mark.parametrize("size", [(2, 2), (16, 24), (30, 70)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_it_is_that_of_the_reference_and_of_the_cpu_up_to_the_pictures_borders(
    size: tuple[int, int], dtype: str
) -> None:
    height, width = size
    picture = np.random.default_rng(4).integers(0, 256 if dtype == "uint8" else 1024, size).astype(dtype)
    luma, _ = pad_planes(picture, np.zeros((2, height // 2, width // 2), dtype))
    plane = torch.from_numpy(luma.view("uint8" if dtype == "uint8" else "int16")).to(DEVICE)
    found = CellRange(height, width)
    memory = found.memory(plane.dtype, DEVICE)
    for bounds in memory[2:]:
        bounds.fill_(-1)
    for given in found.launches(plane, memory):
        extremes_in_line[(triton.cdiv(given["count"], 128),)](**given, block=128)
    ours = [bounds.cpu().numpy() for bounds in memory[2:]]
    reference = range_around(torch.from_numpy(luma.astype(np.float32))[None, None])
    on_cpu = [np.empty(ours[0].shape, dtype) for _ in range(2)]
    write_range(luma, *on_cpu)
    for bounds, exact, same in zip(ours, reference, on_cpu, strict=True):
        np.testing.assert_array_equal(bounds[INNER], exact[0, 0].numpy()[INNER])
        np.testing.assert_array_equal(bounds[INNER], same[INNER])
        assert (bounds >= 0).sum() == height * width // 4, "the margin is not written"
