"""Batches of pictures as tensors, of PyTorch's and of others'."""

import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernels_on_cpu import run_on_the_cpu

from sr4k import EngineError, OptionError, Upscaler, load_preset
from sr4k.engines import EngineSpec
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


CUDA = load_preset("file").updated("engine", name="cuda").engine


@pytest.mark.slow(seconds=2)
@pytest.mark.skipif(bool(driver().gpus), reason="there is a GPU")
def test_on_a_gpu_a_picture_comes_out_close_to_that_of_host_memory(
    luma: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Triton's interpreter and the kernels thread by thread, on the CPU."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("triton")
    pytest.importorskip("cuda.bindings.driver")
    from rgb_by_torch import planes_of, rgb_of

    from sr4k.engines import on_gpu
    from sr4k.memory import tensors_on_gpu

    runs: list[tuple[Any, ...]] = []

    class Network:
        def __init__(self, *wanted: Any) -> None:
            self._network = on_gpu.open_on_gpu(*wanted)

        def run(self, luma: Any, chroma: Any) -> Any:
            runs.append((luma.clone(), chroma.clone(), self._network.run(luma, chroma)))
            return runs[-1][-1]

    run_on_the_cpu(monkeypatch)
    monkeypatch.setattr(tensors_on_gpu, "open_on_gpu", Network)
    height, width = 11, 15
    y, x = np.mgrid[:height, :width]
    batch = np.stack([np.stack([8 * x, 120 + 6 * y, 100 + 4 * x]), np.stack([99 + 0 * x, 10 * y, 200 - 5 * x])])
    batch = batch.astype(np.uint8)
    made = tensors_on_gpu.TensorsOnGpu(CUDA, kept=1)(torch.from_numpy(batch))
    assert made.shape == (2, 3, 2 * height, 2 * width) and made.dtype == torch.uint8 and made.is_contiguous()
    assert np.abs(made.numpy().astype(int) - luma.tensor(batch)).max() <= 4
    for picture, large, (*planes, nv12) in zip(torch.from_numpy(batch), made, runs, strict=True):
        assert all(map(torch.equal, planes, planes_of(picture)))
        assert torch.equal(large, rgb_of(nv12, height, width))


class PlainNetwork:
    """Repeats each sample of luma, without colour, and tells of its work and sizes."""

    def __init__(self, told: list[object], spec: EngineSpec) -> None:
        self._told, self._size = told, (spec.height, spec.width)
        self._array = np.full((3 * spec.height, 2 * spec.width), 128, np.uint8)
        self._made = sys.modules["torch"].from_numpy(self._array)
        told.append(self._size)

    def run(self, luma: Any, chroma: Any) -> Any:
        (height, width), before = self._size, len(self._told)
        assert luma.shape == chroma.shape[1:] == (height + 21, width + 21)
        self._array[: 2 * height] = luma.numpy()[11:-10, 11:-10].repeat(2, 0).repeat(2, 1)
        self._told[before:] = ["network"]  # without the operations in here
        return self._made


@pytest.mark.slow(seconds=1)
def test_a_picture_on_a_gpu_takes_a_launch_each_way_beside_the_networks_and_results_are_the_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("cuda.bindings.driver")
    from torch.utils._python_dispatch import TorchDispatchMode

    from sr4k.engines import nvrtc
    from sr4k.memory import tensors_on_gpu

    done: list[object] = []

    class Launch(nvrtc.Launch):
        def __call__(self, pointers: Any, stream: int) -> None:
            done.append(tuple(pointers[-3:]))
            super().__call__(pointers, stream)

    class Operations(TorchDispatchMode):
        def __torch_dispatch__(self, called: Any, types: Any, given: Any = (), more: Any = None) -> Any:
            done.append(str(called))
            return called(*given, **(more or {}))

    run_on_the_cpu(monkeypatch)
    monkeypatch.setattr(nvrtc, "Launch", Launch)
    monkeypatch.setattr(tensors_on_gpu, "open_on_gpu", lambda _, spec: PlainNetwork(done, spec))
    gpu, batch = tensors_on_gpu.TensorsOnGpu(CUDA, kept=2), torch.from_numpy(BATCH)
    gpu(255 - batch)
    done.clear()
    with Operations():
        made = gpu(batch)
    before = made.clone()
    assert done[0] == "aten.empty.memory_format"
    reads = [tuple(plane.data_ptr() for plane in picture) for picture in batch]
    assert done[1::3] == reads and done[2::3] == ["network"] * 3
    assert [write[-1] for write in done[3::3]] == [large.data_ptr() for large in made]  # type: ignore[index]
    done.clear()
    for other in (255 - batch, batch[..., :7], batch, batch[..., :8, :], batch):
        gpu(other)
    assert torch.equal(made, before), "no later call writes to a result"
    assert [each for each in done if each in ((16, 22), (16, 8), (8, 22))] == [(16, 8), (8, 22)]


def test_work_that_shares_memory_waits_for_the_work_before_whatever_stream_it_is_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch = pytest.importorskip("torch")
    from sr4k.engines.torch_stream import InTurn

    done: list[str] = []
    event = SimpleNamespace(
        record=lambda stream: done.append(f"recorded on {stream.name}"), synchronize=lambda: done.append("waited for")
    )
    streams = [
        SimpleNamespace(name=name, cuda_stream=number, wait_event=lambda _, name=name: done.append(f"{name} waits"))
        for number, name in enumerate("ab")
    ]
    monkeypatch.setattr(torch.cuda, "Event", lambda: event)
    in_turn = InTurn(torch.device("cuda", 0))
    for stream in streams:
        monkeypatch.setattr(torch.cuda, "current_stream", lambda _, stream=stream: stream)
        with in_turn as handle:
            done.append(f"work on {handle}")
    in_turn.wait()
    assert done == [
        "a waits", "work on 0", "recorded on a", "b waits", "work on 1", "recorded on b", "waited for",
    ]  # fmt: skip


def test_an_error_of_the_gpu_is_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("cuda.bindings.driver")
    from sr4k.memory import tensors_on_gpu

    class Failing:
        def run(self, *_: object) -> None:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    run_on_the_cpu(monkeypatch)
    monkeypatch.setattr(tensors_on_gpu, "open_on_gpu", lambda *_: Failing())
    with pytest.raises(EngineError, match="The GPU failed: CUDA error"):
        tensors_on_gpu.TensorsOnGpu(CUDA, kept=1)(torch.from_numpy(BATCH))


def test_what_is_on_no_gpu_or_not_of_its_kind_goes_through_host_memory() -> None:
    torch = pytest.importorskip("torch")
    from sr4k.memory.tensors_on_gpu import is_fit, takes

    batch = torch.from_numpy(BATCH)
    assert is_fit(batch)
    assert not any(map(is_fit, (batch[0], batch[:, :1], batch.to(torch.uint16), batch[:0])))
    assert not takes(batch, load_preset("file").engine)


@pytest.mark.gpu("torch", "triton", "cuda.bindings.nvrtc")
def test_a_tensor_on_a_card_stays_there_and_other_threads_and_streams_make_the_same(luma: Upscaler) -> None:
    import torch

    batch = torch.from_numpy(BATCH).cuda()

    def on_another_stream() -> torch.Tensor:
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            made = up.tensor(batch)
        stream.synchronize()
        return made

    with Upscaler(engine="cuda") as up, ThreadPoolExecutor(1) as others:
        made = up.tensor(batch)
        turned = up.tensor(batch.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2))
        there = others.submit(on_another_stream).result()
    assert made.device == batch.device
    assert np.abs(made.cpu().numpy().astype(int) - luma.tensor(BATCH)).mean() < 2
    assert torch.equal(made, turned) and torch.equal(made, there)
