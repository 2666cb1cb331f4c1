"""Networks on pictures that lie on a GPU: the pixel shuffle there, and which engine is taken."""

import logging

import numpy as np
import pytest

from sr4k.engines import EngineSpec
from sr4k.errors import EngineError, OptionError
from sr4k.models.colour import Colour
from sr4k.models.geometry import CELL, CELL_OUT
from sr4k.stages.reconstruct import shuffle

torch = pytest.importorskip("torch")

from sr4k.engines import on_gpu  # noqa: E402
from sr4k.engines.on_gpu import gpu_errors, nv12_of, open_on_gpu  # noqa: E402

SPEC = EngineSpec(model="luma", height=16, width=24, colour=Colour())


def test_nv12_is_the_pixel_shuffle_of_the_cells() -> None:
    cells = np.random.default_rng(0).integers(0, 256, SPEC.output_shape, np.uint8)
    made = nv12_of(torch.from_numpy(cells)).numpy()
    height, width = 2 * SPEC.height, 2 * SPEC.width
    assert made.shape == (height * 3 // 2, width)
    y, u, v = (np.empty(shape, np.uint8) for shape in ((height, width), *[(height // 2, width // 2)] * 2))
    shuffle(cells[..., : CELL_OUT**2], CELL_OUT, y)
    for k, plane in enumerate((u, v)):
        first = CELL_OUT**2 + k * CELL**2
        shuffle(cells[..., first : first + CELL**2], CELL, plane)
    np.testing.assert_array_equal(made[:height], y)
    np.testing.assert_array_equal(made[height:, 0::2], u)
    np.testing.assert_array_equal(made[height:, 1::2], v)


def test_engines_without_a_place_for_such_pictures_are_passed_over() -> None:
    assert open_on_gpu(("openvino", "cuda", "torch"), SPEC).describe()["engine"] == "cuda"
    with pytest.raises(OptionError, match="engine cuda or tensorrt alone"):
        open_on_gpu(("openvino",), SPEC)


def test_where_one_does_not_start_the_next_is_taken_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(on_gpu._NETWORKS, "tensorrt", "toy_engines:FailingOnGpu")
    with caplog.at_level(logging.WARNING):
        assert open_on_gpu(("tensorrt", "cuda"), SPEC).describe()["engine"] == "cuda"
    assert "The engine tensorrt does not start, cuda is tried: the GPU is full." in caplog.text
    with pytest.raises(EngineError, match="full"):
        open_on_gpu(("openvino", "tensorrt"), SPEC)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (RuntimeError("CUDA error: an illegal memory access\nCompile with TORCH_USE_CUDA_DSA"),
         r"^The GPU failed: CUDA error: an illegal memory access$"),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate"), r"^The GPU has too little memory left"),
        (EngineError("of ours"), r"^of ours$"),
    ],
)  # fmt: skip
def test_errors_of_cuda_are_one_line_of_ours(raised: Exception, told: str) -> None:
    with pytest.raises(EngineError, match=told), gpu_errors():
        raise raised
