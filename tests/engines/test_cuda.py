"""Kernels of our own: on the GPU if there is one, else by Triton's interpreter; and compiled for GPUs not here."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from engine_runs import kept_full
from numpy.typing import NDArray

from sr4k.engines import EngineSpec, create_engine
from sr4k.engines.nvidia import driver
from sr4k.errors import EngineError, OptionError
from sr4k.models import zoo
from sr4k.models.colour import Colour, Sampling
from sr4k.models.folded_network import FoldedNetwork
from sr4k.models.geometry import CELL, CELL_OUT, MARGIN, pad_planes
from sr4k.models.quantize import QuantizedNetwork

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
triton = pytest.importorskip("triton")

import gpu_networks  # noqa: E402
from triton.runtime.errors import OutOfResources  # noqa: E402

from rig.exact_maps import Recording, from_exact_maps  # noqa: E402
from sr4k.engines.cuda import CudaOnGpu, captured  # noqa: E402
from sr4k.engines.cuda_kernels import fused_convolution  # noqa: E402
from sr4k.engines.cuda_network import FusedNetwork, Tuning, usual_tuning  # noqa: E402
from sr4k.engines.cuda_output import Layout  # noqa: E402
from sr4k.models.execute import FoldedExecutor, IntegerExecutor  # noqa: E402

COLOUR = Colour()
HEIGHT, WIDTH = 16, 24
DEVICE = torch.device("cuda" if driver().gpus else "cpu")
INNER = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))


def picture(
    seed: int = 0, size: tuple[int, int] = (HEIGHT, WIDTH), sampling: Sampling = "420"
) -> list[NDArray[np.uint8]]:
    """Padded planes of something smooth."""
    height, width = size
    rng = np.random.default_rng(seed)

    def plane(rows: int, columns: int) -> NDArray[np.uint8]:
        few = rng.integers(20, 230, (rows // 4, columns // 4)).astype(np.uint8)
        return np.asarray(cv2.resize(few, (columns, rows), interpolation=cv2.INTER_CUBIC), np.uint8)

    step = 2 if sampling == "420" else 1
    return pad_planes(plane(height, width), np.stack([plane(height // step, width // step) for _ in range(2)]))


def deep_picture(sampling: Sampling = "420") -> list[NDArray[np.uint16]]:
    """Padded planes of 10 bits."""
    rng = np.random.default_rng(5)
    return [
        np.asarray(4 * plane.astype(np.uint16) + rng.integers(0, 4, plane.shape), np.uint16)
        for plane in picture(5, sampling=sampling)
    ]


def expected(
    network: FoldedNetwork | QuantizedNetwork, planes: Sequence[NDArray[Any]], peak: int = 255
) -> NDArray[np.float64]:
    luma, chroma = (torch.from_numpy(plane) for plane in planes)
    if isinstance(network, QuantizedNetwork):
        cells = IntegerExecutor(network)(luma[None, None], chroma[None])
    else:
        cells = FoldedExecutor(network, dtype=torch.float64)(luma[None, None], chroma[None])
    return np.asarray(cells[0].permute(1, 2, 0).round().clamp(0, peak).numpy()[INNER])


def fused(
    network: FoldedNetwork | QuantizedNetwork,
    planes: Sequence[NDArray[Any]],
    layout: Layout = "cells",
    block: int = 128,
) -> NDArray[Any]:
    run = FusedNetwork(network, HEIGHT, WIDTH, DEVICE, layout=layout, tuning=Tuning(block))
    out = torch.full(run.output_shape, 77, dtype=run.dtype, device=DEVICE)
    luma, chroma = (torch.from_numpy(plane).to(DEVICE) for plane in planes)
    run.run(luma, chroma, out, run.maps())
    return np.asarray(out.cpu().numpy())


def shuffled_nv12(cells: NDArray[Any]) -> NDArray[Any]:
    """One frame of cells without a margin, by the order of their sub-pixels."""

    def shuffled(values: NDArray[Any], side: int) -> NDArray[Any]:
        rows, columns = values.shape[:2]
        return values.reshape(rows, columns, side, side).swapaxes(1, 2).reshape(rows * side, columns * side)

    out = np.empty((3 * HEIGHT, 2 * WIDTH), cells.dtype)
    out[: 2 * HEIGHT] = shuffled(cells[..., : CELL_OUT**2], CELL_OUT)
    for k in range(2):
        first = CELL_OUT**2 + k * CELL**2
        out[2 * HEIGHT :, k::2] = shuffled(cells[..., first : first + CELL**2], CELL)
    return out


@pytest.mark.parametrize(
    ("model", "sharpness", "sampling"),
    [
        ("luma", 0, "420"),
        ("luma", 0, "444"),
        ("luma", 100, "420"),
        ("luma-large", 0, "420"),
        ("luma-fast", 70, "420"),
        ("rcan2", 0, "420"),
        ("rcan2", 0, "444"),
    ],
)
def test_in_int8_the_result_is_that_of_exact_integers(model: str, sharpness: int, sampling: Sampling) -> None:
    network = zoo.load(model, sharpness=sharpness).quantized(Colour(sampling=sampling))
    planes = picture(int(sampling == "444"), sampling=sampling)  # where no value lies on the edge of two integers
    difference = np.abs(fused(network, planes)[INNER] - expected(network, planes))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.005  # 32-bit floats between the integers: as often as OpenVINO
    if model != "rcan2":
        assert difference[..., CELL_OUT**2 :].max() == 0, "chroma is computed in integers"


@pytest.mark.parametrize("model", ["luma-fast", "rcan2"])
def test_from_exact_maps_each_launch_makes_the_exact_map_but_for_ties(model: str) -> None:
    network = zoo.load(model).quantized(COLOUR)
    planes = [torch.from_numpy(plane).to(DEVICE) for plane in picture(3)]
    fused_network = FusedNetwork(network, HEIGHT, WIDTH, DEVICE)
    found = from_exact_maps(fused_network, gpu_networks.referring(Recording(network)), *planes)
    assert found.values > 1000
    assert found.farthest_from_a_tie < 1e-5


@pytest.mark.parametrize(
    ("model", "sharpness", "sampling"),
    [("luma", 0, "420"), ("luma", 0, "444"), ("luma", 100, "420"), ("rcan2", 0, "420")],
)
def test_pictures_of_10_bits_are_those_of_floats_but_for_two_levels_of_1023_as_cells_and_as_p010(
    model: str, sharpness: int, sampling: Sampling
) -> None:
    network = zoo.load(model, sharpness=sharpness).folded(Colour(bits=10, sampling=sampling))
    planes = deep_picture(sampling)
    cells = fused(network, planes)
    exact = expected(network, planes, 1023)
    difference = np.abs(cells[INNER].astype(int) - exact)
    assert difference.max() <= 2
    assert difference.mean() < 0.1
    if model != "rcan2":
        assert difference[..., CELL_OUT**2 :].max() == 0, "chroma is computed in integers"
    np.testing.assert_array_equal(fused(network, planes, layout="nv12"), shuffled_nv12(cells[INNER]) << 6)


@pytest.mark.parametrize("model", ["luma", "luma-large", "rcan2"])
def test_in_16_bits_it_is_that_of_floats_but_for_a_level(model: str) -> None:
    network, planes = zoo.load(model).folded(COLOUR), picture()
    difference = np.abs(fused(network, planes)[INNER] - expected(network, planes))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02


def test_the_result_does_not_depend_on_the_size_of_a_program() -> None:
    network, planes = zoo.load("luma-fast").quantized(COLOUR), picture(1)
    np.testing.assert_array_equal(fused(network, planes, block=64)[INNER], fused(network, planes, block=256)[INNER])


@pytest.mark.parametrize("model", ["luma-fast", "rcan2"])
def test_nv12_is_the_pixel_shuffle_of_the_cells(model: str) -> None:
    network, planes = zoo.load(model).quantized(COLOUR), picture(2)
    cells, nv12 = fused(network, planes)[INNER], fused(network, planes, layout="nv12")
    np.testing.assert_array_equal(nv12, shuffled_nv12(cells))


def test_maps_that_are_not_needed_at_once_share_memory() -> None:
    luma = FusedNetwork(zoo.load("luma").quantized(COLOUR), HEIGHT, WIDTH, DEVICE)
    assert len({tensor.data_ptr() for tensor in luma.maps()}) == 2


def test_several_pictures_in_flight_come_out_in_order() -> None:
    spec = EngineSpec(model="luma", height=HEIGHT, width=WIDTH, colour=COLOUR)
    pictures = [picture(seed) for seed in range(4)]
    with create_engine("cuda", spec) as engine:
        results = kept_full(engine, pictures)
        assert engine.describe()["precision"] == "int8"
    network = zoo.load("luma").quantized(COLOUR)
    for planes, result in zip(pictures, results, strict=True):
        np.testing.assert_allclose(result[INNER], expected(network, planes), atol=1)


def test_pictures_of_10_bits_are_those_of_the_cpus_engine() -> None:
    spec = EngineSpec(model="luma", height=HEIGHT, width=WIDTH, colour=Colour(matrix="bt2020", bits=10))
    results = []
    for name in ("cuda", "openvino"):
        with create_engine(name, spec) as engine:
            results.append(engine.infer(deep_picture())[INNER].astype(int))
            if name == "cuda":
                assert engine.describe()["precision"] == "fp16"
    assert results[0].max() > 255
    assert np.abs(results[0] - results[1]).max() <= 2


@pytest.mark.parametrize("call", ["start", "wait"])
def test_an_error_of_the_gpu_is_one_of_ours_and_stays_the_one_that_is_told(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sr4k.engines import cuda

    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    spec = EngineSpec(model="luma-fast", height=2, width=2, colour=COLOUR)
    planes = [np.zeros(shape, np.uint8) for shape in spec.input_shapes]
    engine = create_engine("cuda", spec)
    with pytest.raises(EngineError, match="CudaEngine failed at 2x2: CUDA error: an illegal memory access"), engine:
        engine.submit(planes)
        for each in ("wait", call):  # once it has failed, every call does
            monkeypatch.setattr(cuda._Slot, each, fail)
        engine.submit(planes)
        engine.result()
    monkeypatch.setattr(cuda._Slot, "__init__", fail)
    with pytest.raises(EngineError, match="The GPU failed: CUDA error"):
        engine.activate()


def test_rgb_and_32_bits_are_refused_by_name() -> None:
    with pytest.raises(OptionError, match="YUV planes"):
        create_engine("cuda", EngineSpec(model="luma", height=HEIGHT, width=WIDTH, colour=None))
    with pytest.raises(OptionError, match="int8, fp16"):
        create_engine("cuda", EngineSpec(model="luma", height=HEIGHT, width=WIDTH, colour=COLOUR, precision="fp32"))


@pytest.mark.gpu("sr4k.engines.cuda")
@pytest.mark.parametrize("model", ["luma", "luma-large", "rcan2"])
def test_on_a_gpu_whole_pictures_in_flight_are_those_of_exact_integers(model: str) -> None:
    size = (1080, 1920)
    pictures = [picture(seed, size) for seed in range(3)]
    with create_engine(
        "cuda", EngineSpec(model=model, height=size[0], width=size[1], colour=COLOUR, precision="int8")
    ) as engine:
        results = kept_full(engine, pictures)
    network = zoo.load(model).quantized(COLOUR)
    for planes, result in zip(pictures, results, strict=True):
        difference = np.abs(result[INNER] - expected(network, planes))
        most, share = (2, 0.05) if model == "rcan2" else (1, 0.005)  # a tie grows in the layers of rcan2
        assert difference.max() <= most
        assert (difference > 0).mean() < share


@pytest.fixture(scope="module")
def kernels() -> dict[str, list[dict[str, Any]]]:
    """Compiled by another process, as this one may interpret: for three GPUs, with one stage, and of 10 bits."""
    script = Path(__file__).parents[2] / "benchmarks" / "rig" / "compiled_kernels.py"
    command = [sys.executable, script, "luma", "80:::100", "89:::100", "90:::100", "90:1", "90::10:100"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return found


def without_range(kernels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the network, after the two launches that find the range of luma around each cell."""
    assert [kernel["convs"] for kernel in kernels[:2]] == [["range"]] * 2
    along_rows, along_columns = (kernel["ptx"].count("ld.global") for kernel in kernels[:2])
    assert along_rows % 14 == 0 and along_columns == 2 * along_rows
    return kernels[2:]


def body_of(kernels: list[dict[str, Any]]) -> str:
    return next(str(kernel["ptx"]) for kernel in kernels if kernel["features"] == 32 and kernel["to_map"])


@pytest.mark.parametrize("capability", ["80", "89", "90"])
def test_it_compiles_for_tensor_cores(capability: str, kernels: dict[str, list[dict[str, Any]]]) -> None:
    *products, chroma = without_range(kernels[f"{capability}:::100"])
    assert all("mma" in kernel["ptx"] for kernel in products)
    assert chroma["convs"] == ["bicubic.chroma"] and "mma" not in chroma["ptx"]
    tail = products[-1]["ptx"]
    assert ".s32.s8.s8" in tail and "f16" not in tail, "the bicubic is in int8"
    body = body_of(products)
    assert ".s32.s8.s8" in body
    if not past_l1():
        assert "cp.async.ca.shared.global" in body, "loads run ahead of the products, through the L1 cache"


def test_kernels_of_10_bits_compile_for_tensor_cores_in_float16(kernels: dict[str, list[dict[str, Any]]]) -> None:
    *products, chroma = without_range(kernels["90::10:100"])
    assert len(products) == 6
    assert all("mma" in kernel["ptx"] and "f32.f16.f16" in kernel["ptx"] for kernel in products)
    assert "mma" not in chroma["ptx"]


def past_l1() -> bool:
    return tuple(map(int, triton.__version__.split(".")[:2])) < (3, 9)


def test_with_one_stage_the_taps_are_loaded_through_the_l1_cache(kernels: dict[str, list[dict[str, Any]]]) -> None:
    body = body_of(kernels["90:1"])
    assert "cp.async" not in body
    assert "ld.global.ca" in body


@pytest.mark.parametrize(
    ("model", "precision", "tuning"),
    [
        ("luma", "int8", Tuning(256)),
        ("luma-large", "int8", Tuning(256)),
        ("luma", "fp16", Tuning(128, stages=1)),
        ("rcan2", "int8", Tuning(128, stages=1)),
    ],
)
def test_a_program_computes_256_positions_where_these_fit_its_registers(
    model: str, precision: str, tuning: Tuning
) -> None:
    loaded = zoo.load(model)
    assert usual_tuning(loaded.quantized(COLOUR) if precision == "int8" else loaded.folded(COLOUR)) == tuning


def test_the_result_does_not_depend_on_the_stages_of_a_launch() -> None:
    stages, quantized = 4, zoo.load("luma-fast").quantized(COLOUR)
    network = FusedNetwork(quantized, HEIGHT, WIDTH, DEVICE, tuning=Tuning(stages=stages))
    luma, chroma = (torch.from_numpy(plane).to(DEVICE) for plane in picture(1))
    out = torch.zeros(network.output_shape, dtype=torch.uint8, device=DEVICE)
    assert all(
        arguments["num_stages"] == stages
        for kernel, _, arguments in network.launches(luma, chroma, out, network.maps())
        if kernel is fused_convolution
    )
    network.run(luma, chroma, out, network.maps())
    np.testing.assert_array_equal(out.cpu().numpy()[INNER], fused(quantized, picture(1))[INNER])


class Capturing:
    """torch.cuda's part in capturing a graph, on a machine that has no GPU."""

    def __init__(self, error: str | None = None) -> None:
        self.modes: list[str] = []
        self.replays = 0
        self._error = error

    def synchronize(self) -> None:
        """Stand in for the synchronization of a stream."""

    def replay(self) -> None:
        """Stand in for the replay of a graph."""
        self.replays += 1

    @contextmanager
    def graph(self, graph: object, *, stream: object, capture_error_mode: str) -> Iterator[None]:
        assert graph is self and stream is self
        self.modes.append(capture_error_mode)
        yield
        if self._error:
            raise RuntimeError(self._error)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: self)
        monkeypatch.setattr(torch.cuda, "graph", self.graph)


def test_a_capture_minds_this_thread_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    capturing = Capturing()
    capturing.install(monkeypatch)
    done: list[int] = []
    replay = captured(lambda: done.append(1), capturing)  # type: ignore[arg-type]
    assert capturing.modes == ["thread_local"]
    assert len(done) == 2  # once to compile, once to capture
    replay()
    assert capturing.replays == 1


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (OutOfResources(300_000, 232_448, "shared memory"), "Triton can't compile .* Required: 300000"),
        (subprocess.CalledProcessError(1, ["gcc", "main.c"]), "install a C compiler and Python's headers"),
    ],
)
def test_kernels_that_cannot_be_compiled_are_an_error_of_ours(
    raised: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    capturing = Capturing()
    capturing.install(monkeypatch)

    def work() -> None:
        raise raised

    with pytest.raises(EngineError, match=told):
        captured(work, capturing)  # type: ignore[arg-type]


def test_what_cannot_be_captured_is_run_launch_by_launch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    capturing = Capturing("an operation is not permitted")
    capturing.install(monkeypatch)

    def work() -> None: ...

    with caplog.at_level(logging.INFO):
        assert captured(work, capturing) is work  # type: ignore[arg-type]
    assert "Without a CUDA graph: an operation is not permitted" in caplog.text


def test_frames_on_the_gpu_are_computed_by_one_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    from sr4k.engines import cuda

    done: list[str] = []

    class Side:
        def __init__(self, _: object) -> None: ...

        def wait_stream(self, other: str) -> None:
            done.append(f"after {other}")

    def capture(_: object, stream: object) -> Any:
        assert isinstance(stream, Side)
        done.append("captured")
        return lambda: done.append("replayed")

    zeros, network = (
        torch.zeros,
        SimpleNamespace(device=SimpleNamespace(type="cuda"), maps=list, output_shape=(48, 48), dtype=torch.uint8),
    )
    monkeypatch.setattr(torch, "zeros", lambda shape, dtype, device: zeros(shape, dtype=dtype))  # noqa: ARG005
    monkeypatch.setattr(torch.cuda, "Stream", Side)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: "the zeros")
    monkeypatch.setattr(cuda, "_fused", lambda *_: network)
    monkeypatch.setattr(cuda, "captured", capture)
    on_gpu = CudaOnGpu(EngineSpec(model="luma", height=HEIGHT, width=WIDTH, colour=COLOUR))
    on_gpu.run(*map(torch.from_numpy, picture()))
    assert done == ["after the zeros", "captured", "replayed"]


def test_after_a_capture_that_failed_the_stream_of_before_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    current = ["FFmpeg's"]

    class On:
        def __init__(self, stream: str) -> None:
            self.stream = stream

        def __enter__(self) -> None:
            self.before, current[0] = current[0], self.stream

        def __exit__(self, *_: object) -> None:
            current[0] = self.before

    class Graph:
        def capture_begin(self, **_: object) -> None:
            assert current == ["a side stream"]

        def capture_end(self) -> None:
            raise RuntimeError("operation failed due to a previous error during capture")

    class Side(str):
        def synchronize(self) -> None: ...

    for name, stand_in in {"stream": On, "CUDAGraph": Graph, "synchronize": int, "empty_cache": int}.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)  # torch.cuda.graph is PyTorch's own
    monkeypatch.setattr(torch._C, "_host_emptyCache", int, raising=False)
    done: list[str] = []
    captured(lambda: done.append(current[0]), Side("a side stream"))()  # type: ignore[arg-type]
    assert done == ["a side stream", "a side stream", "FFmpeg's"]
    assert current == ["FFmpeg's"]


def test_frames_on_the_gpu_are_those_of_exact_integers_and_each_has_memory_of_its_own() -> None:
    network = CudaOnGpu(EngineSpec(model="luma", height=HEIGHT, width=WIDTH, colour=COLOUR))
    made = []
    for seed in (0, 1):
        luma, chroma = (torch.from_numpy(plane).to(DEVICE) for plane in picture(seed))
        made.append(network.run(luma, chroma))
    for seed, nv12 in enumerate(made):
        np.testing.assert_array_equal(
            nv12.cpu().numpy(), fused(zoo.load("luma").quantized(COLOUR), picture(seed), layout="nv12")
        )
