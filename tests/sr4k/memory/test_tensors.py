"""Batches of pictures as tensors, of PyTorch's and of others'."""

from typing import Any

import numpy as np
import pytest

from sr4k import EngineError, OptionError, Upscaler, load_preset
from sr4k.engines.nvidia import driver


@pytest.fixture(scope="module")
def luma() -> Upscaler:
    return Upscaler()


class Foreign:
    """A tensor of some library that has DLPack and nothing else."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __dlpack__(self, **asked: Any) -> Any:
        return self._array.__dlpack__(**asked)

    def __dlpack_device__(self) -> tuple[Any, int]:
        place: tuple[Any, int] = self._array.__dlpack_device__()
        return place


BATCH = np.random.default_rng(0).integers(0, 256, (3, 3, 15, 22), np.uint8)


@pytest.mark.parametrize("size", [None, "60x60"])
def test_a_tensor_of_pytorch_becomes_one(size: str | None) -> None:
    torch = pytest.importorskip("torch")
    with Upscaler(size=size) as up:
        made = up.tensor(torch.from_numpy(BATCH))
        assert isinstance(made, torch.Tensor) and made.dtype == torch.uint8 and made.is_contiguous()
        for picture, large in zip(BATCH, made, strict=True):
            np.testing.assert_array_equal(large.numpy(), np.moveaxis(up(np.moveaxis(picture, 0, 2)), 2, 0))


def test_what_has_dlpack_becomes_an_array(luma: Upscaler) -> None:
    made = luma.tensor(Foreign(BATCH))
    assert isinstance(made, np.ndarray) and made.shape == (3, 3, 30, 44)
    np.testing.assert_array_equal(made, luma.tensor(BATCH))
    gray = luma.tensor(BATCH[:, 1:2])
    np.testing.assert_array_equal(gray[2, 0], luma(BATCH[2, 1]))
    assert luma.tensor(BATCH.astype(np.uint16)).dtype == np.uint16


def test_depths_between_are_those_of_single_frames(luma: Upscaler) -> None:
    batch = BATCH.astype(np.uint16) * 4
    made = luma.tensor(batch, bits=10)
    np.testing.assert_array_equal(made[1], np.moveaxis(luma(np.moveaxis(batch[1], 0, 2), bits=10), 2, 0))
    with pytest.raises(OptionError, match="uint8 has 8 bits, not 10: leave bits out"):
        luma.tensor(BATCH, bits=10)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (BATCH / 255, "reach to 1"),
        (BATCH[0], "no batch of RGB pictures"),
        (np.zeros((1, 4, 8, 8), np.uint8), "leave alpha out"),
        (BATCH[:0], "is empty"),
        (BATCH.tolist(), "list has no DLPack"),
        (BATCH.astype(object), "can't be read by DLPack"),
    ],
)
def test_what_is_no_batch_is_refused_in_a_sentence(given: Any, said: str, luma: Upscaler) -> None:
    with pytest.raises(OptionError, match=said) as refused:
        luma.tensor(given)
    assert "\n" not in str(refused.value) and str(refused.value).endswith(".")


def test_half_floats_of_pytorch_are_refused_too(luma: Upscaler) -> None:
    torch = pytest.importorskip("torch")
    for kind in (torch.bfloat16, torch.float32, torch.bool):
        with pytest.raises(OptionError):
            luma.tensor(torch.zeros((1, 3, 4, 4), dtype=kind))


def test_a_tensor_without_values_is_refused_too(luma: Upscaler) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(OptionError, match="no data"):
        luma.tensor(torch.empty((1, 3, 4, 4), dtype=torch.uint8, device="meta"))


@pytest.mark.slow(seconds=1)
@pytest.mark.skipif(bool(driver().gpus), reason="there is a GPU")
def test_on_a_gpu_a_picture_comes_out_close_to_that_of_host_memory(luma: Upscaler) -> None:
    """By Triton's interpreter, which runs on the CPU."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("triton")
    from sr4k.memory.tensors_on_gpu import TensorsOnGpu

    height, width = 11, 15
    y, x = np.mgrid[:height, :width]
    batch = np.stack([np.stack([8 * x, 120 + 6 * y, 100 + 4 * x]), np.stack([99 + 0 * x, 10 * y, 200 - 5 * x])])
    gpu = TensorsOnGpu(load_preset("file").updated("engine", name="cuda").engine, kept=1)
    made = gpu(torch.from_numpy(batch.astype(np.uint8)))
    expected = luma.tensor(batch.astype(np.uint8))
    assert made.shape == (2, 3, 2 * height, 2 * width) and made.dtype == torch.uint8
    assert np.abs(made.numpy().astype(int) - expected).max() <= 4
    gpu.close()


def test_an_error_of_the_gpu_is_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("triton")
    from sr4k.memory import tensors_on_gpu

    class Failing:
        def run(self, *_: object) -> None:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(tensors_on_gpu, "open_on_gpu", lambda *_: Failing())
    gpu = tensors_on_gpu.TensorsOnGpu(load_preset("file").updated("engine", name="cuda").engine, kept=1)
    with pytest.raises(EngineError, match="The GPU failed: CUDA error"):
        gpu(torch.from_numpy(BATCH))


def test_what_is_on_no_gpu_or_not_of_its_kind_goes_through_host_memory() -> None:
    torch = pytest.importorskip("torch")
    from sr4k.memory.tensors_on_gpu import is_fit, takes

    batch = torch.from_numpy(BATCH)
    assert is_fit(batch)
    assert not any(map(is_fit, (batch[0], batch[:, :1], batch.to(torch.uint16), batch[:0])))
    assert not takes(batch, load_preset("file").engine)


@pytest.mark.gpu("torch", "triton")
def test_a_tensor_on_a_card_stays_there(luma: Upscaler) -> None:
    import torch

    batch = torch.from_numpy(BATCH).cuda()
    with Upscaler(engine="cuda") as up:
        made = up.tensor(batch)
    assert made.device == batch.device
    assert np.abs(made.cpu().numpy().astype(int) - luma.tensor(BATCH)).mean() < 2
