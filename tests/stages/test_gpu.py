"""Pictures that stay on the GPU: on a GPU if there is one, else by Triton's interpreter and codecs on the CPU."""

import json
import logging
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from clips import MakeClip, video_times
from numpy.typing import NDArray

from sr4k import Job, Summary, load_preset
from sr4k.engines.nvidia import driver
from sr4k.errors import EngineError
from sr4k.media.options import Box

pytestmark = pytest.mark.slow

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch")


def upscale(source: Path, target: Path, config: str, engine: str = "cuda", **encode: Any) -> Summary:
    """Run a job by a GPU's engine and the smallest network: how its pictures come and go is what is looked at."""
    preset = load_preset(config).updated("graph", mode="threads").updated("encode", **encode)
    return Job(source, target, preset=preset.updated("engine", name=engine, model="luma-fast", reuse=False)).run()


def pictures(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as result:
        return np.stack([frame.to_ndarray(format="yuv420p") for frame in result.decode(video=0)])


@needs_torch
@pytest.mark.parametrize("size", [(24, 16), (21, 17)], ids=["even", "odd"])
def test_nothing_differs_from_pictures_in_host_memory(
    size: tuple[int, int], make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip("small.mkv", size=size, frames=3, codec="ffv1", options={}, audio=False)
    there = upscale(source, tmp_path / "gpu.mkv", "gpu", crf=0)
    upscale(source, tmp_path / "host.mkv", "file", crf=0)
    assert set(there.stages) == {"decode", "infer", "download", "encode"}
    assert np.array_equal(pictures(tmp_path / "gpu.mkv"), pictures(tmp_path / "host.mkv"))
    assert video_times(tmp_path / "gpu.mkv") == video_times(source)


@needs_torch
def test_an_encoder_that_takes_no_nv12_gets_what_it_takes(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("small.mkv", size=(26, 16), frames=2, audio=False)
    upscale(
        source, tmp_path / "gpu.mkv", "gpu", codec="hevc", preset="ultrafast", options={"x265-params": "lossless=1"}
    )
    upscale(source, tmp_path / "host.mkv", "gpu", crf=0)
    assert np.array_equal(pictures(tmp_path / "gpu.mkv"), pictures(tmp_path / "host.mkv"))


@needs_torch
@pytest.mark.skipif(bool(driver().gpus), reason="there is a GPU")
def test_without_nvenc_the_cpu_encodes_and_that_is_said(
    make_clip: MakeClip, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip("small.mkv", size=(24, 16), frames=2, audio=False)
    with caplog.at_level(logging.WARNING):
        summary = upscale(source, tmp_path / "out.mp4", "nvenc")
    assert "h264_nvenc can't be used (there is no GPU)" in caplog.text
    assert summary.video.codec == "libx264"
    assert len(pictures(tmp_path / "out.mp4")) == 2


def test_without_pytorch_the_extra_is_named(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "sr4k.stages.gpu", raising=False)
    with pytest.raises(EngineError, match=r"pip install 'sr4k-stream\[cuda\]'"):
        upscale(make_clip("small.mkv", size=(24, 16), frames=2, audio=False), tmp_path / "out.mkv", "gpu")


@pytest.mark.gpu("sr4k.stages.gpu")
def test_nvdec_gives_the_pictures_that_the_cpu_decodes(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("real.mp4", size=(640, 360), frames=30)
    there = upscale(source, tmp_path / "gpu.mkv", "gpu", crf=0)
    assert there.source.decoder == "nvdec"
    upscale(source, tmp_path / "host.mkv", "file", crf=0)
    assert np.array_equal(pictures(tmp_path / "gpu.mkv"), pictures(tmp_path / "host.mkv"))


@pytest.mark.gpu("sr4k.stages.gpu", "sr4k.engines.tensorrt_on_gpu")
def test_tensorrt_makes_the_same_of_pictures_on_the_gpu_and_in_host_memory(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SR4K_CACHE", str(tmp_path))  # both run the engine that the first builds
    source = make_clip("real.mp4", size=(640, 360), frames=30)
    there = upscale(source, tmp_path / "gpu.mkv", "gpu", "tensorrt", crf=0)
    assert there.engine.engine == "tensorrt" and "download" in there.stages
    upscale(source, tmp_path / "host.mkv", "file", "tensorrt", crf=0)
    assert np.array_equal(pictures(tmp_path / "gpu.mkv"), pictures(tmp_path / "host.mkv"))


@needs_torch
@pytest.mark.parametrize("size", [(36, 24), (72, 48), (12, 8)])
def test_a_size_is_made_in_host_memory_of_what_the_gpu_made(
    size: tuple[int, int], make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip("small.mkv", size=(24, 16), frames=2, codec="ffv1", options={}, audio=False)
    results = []
    for config in ("gpu", "file"):
        preset = load_preset(config).updated("graph", mode="threads").updated("encode", crf=0)
        preset = preset.updated("engine", name="cuda", model="luma-fast", reuse=False)
        results.append(Job(source, tmp_path / f"{config}.mkv", preset=preset, size=Box(*size)).run())
    twice = {"second pass"} if size == (72, 48) else set()
    assert set(results[0].stages) == {"decode", "infer", "download", "convert", "encode"} | twice
    assert np.array_equal(pictures(tmp_path / "gpu.mkv"), pictures(tmp_path / "file.mkv"))


@pytest.fixture(scope="module")
def driver_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a driver that shows one GPU and can do nothing with it."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("driver")
    source = Path(__file__).parents[1] / "support" / "stand_in_driver.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "libcuda.so.1", source], check=True)
    return folder


@needs_torch
@pytest.mark.skipif(bool(driver().gpus), reason="there is a GPU")
def test_ffmpeg_shares_a_context_that_is_there_already_and_gives_up_soon_with_the_true_reason(
    driver_folder: Path, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip("long.mp4", size=(64, 48), frames=120, audio=False)
    script = Path(__file__).parents[1] / "support" / "gpu_stages_told.py"
    told = subprocess.run(
        [sys.executable, script, clip, tmp_path / "out.mp4"],
        env={**os.environ, "LD_LIBRARY_PATH": str(driver_folder), "ACTIVE_CONTEXT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["gpus"] == ["Stand-in"]
    decoding, encoding = found["log"]
    assert decoding == "long.mp4 is decoded on the CPU: not by NVDEC (Cannot load libnvcuvid.so.1)."
    assert encoding.startswith("Encoding is on the CPU: h264_nvenc can't be used (")
    assert "not supported" not in encoding
    assert found["order"] == ["PyTorch's context", "FFmpeg's decoder", "PyTorch's context", "FFmpeg's encoder"]
    assert found["context"] == {"device_id": 0, "primary_ctx": False, "current_ctx": True}
    assert found["packets"] < 40, "NVDEC is given up after a few of 120 packets, and the CPU begins anew"
    assert found["threads"] == 1, "each thread of FFmpeg takes a surface of NVDEC"
    assert found["decoder"] == "cpu" and found["is_a_picture"]
    assert found["level"] is None, "FFmpeg's log is as quiet as before"


@needs_torch
@pytest.mark.parametrize(
    ("trouble", "reader"),
    [
        (None, {}),
        ("an odd width or height", {"info": SimpleNamespace(width=21, height=16)}),
        ("an odd width or height", {"info": SimpleNamespace(width=24, height=17)}),
        ("they are interlaced", {"interlaced": True}),
        ("they are to be cropped", {"is_cut": True}),
        ("the pictures are not 4:2:0 of 8 or 10 bits", {"on_gpu": False}),
    ],
)
def test_what_nvdec_hands_out_otherwise_is_decoded_on_the_cpu(trouble: str | None, reader: dict[str, Any]) -> None:
    from sr4k.stages.gpu import _unfit

    whole = {"on_gpu": True, "interlaced": False, "is_cut": False, "info": SimpleNamespace(width=24, height=16)}
    assert _unfit(SimpleNamespace(**whole | reader)) == trouble  # type: ignore[arg-type]


@needs_torch
def test_pictures_of_10_bits_leave_the_gpu_as_p010_and_nothing_differs_from_host_memory(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip(
        "deep.mkv", size=(27, 17), frames=1, codec="ffv1", options={}, audio=False, pix_fmt="yuv420p10le"
    )
    for config in ("gpu", "file"):
        upscale(source, tmp_path / f"{config}.mkv", config, codec="hevc", options={"x265-params": "lossless=1"})
    made = [deep_pictures(tmp_path / f"{config}.mkv") for config in ("gpu", "file")]
    assert made[0].max() > 255
    np.testing.assert_array_equal(*made)


def deep_pictures(path: Path) -> NDArray[np.uint16]:
    with av.open(str(path)) as result:
        return np.stack([frame.to_ndarray(format="yuv420p10le") for frame in result.decode(video=0)])


@needs_torch
def test_an_error_of_the_gpu_that_shows_where_frames_are_encoded_is_one_of_ours() -> None:
    from sr4k.stages.gpu_encode import GpuEncode

    def fail() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    frame = SimpleNamespace(planes=(SimpleNamespace(cpu=fail),))
    with pytest.raises(EngineError, match="The GPU failed: CUDA error"):
        GpuEncode._picture(SimpleNamespace(_cuda=None, _form="nv12", _wrapped=None), frame)  # type: ignore[arg-type]


@needs_torch
def test_an_error_of_the_gpu_before_the_encoder_is_opened_is_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    from sr4k.stages import gpu_encode

    def fail(_: object) -> None:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(gpu_encode, "cuda_device", lambda: None)
    monkeypatch.setattr(gpu_encode, "make_context_current", fail)
    with pytest.raises(EngineError, match="The GPU failed: CUDA error: out of memory"):
        gpu_encode.GpuEncode._trouble(SimpleNamespace(), 16, 24)  # type: ignore[arg-type]


@needs_torch
def test_p010_goes_to_libavs_frames_and_back_to_code_values_without_copies() -> None:
    import torch

    from sr4k.stages.gpu import GpuDecode, code_values
    from sr4k.stages.gpu_encode import GpuEncode

    height, width = 4, 8
    values = np.arange(0, 1023, 1023 // (height * 3 // 2 * width), dtype=np.uint16)[: height * 3 // 2 * width]
    block = torch.from_numpy((values << 6).reshape(height * 3 // 2, width))
    frame = GpuEncode._on_gpu(SimpleNamespace(_form="p010le", _cuda=None), block)  # type: ignore[arg-type]
    assert frame.format.name == "p010le" and frame.planes[0].buffer_ptr == block.data_ptr()
    y, u, v = code_values(*GpuDecode._planes(SimpleNamespace(_height=height, _width=width), frame))  # type: ignore[arg-type]
    assert np.array_equal(y.numpy().ravel(), values[: height * width])
    assert np.array_equal(torch.stack([u, v], 2).numpy().ravel(), values[height * width :])
