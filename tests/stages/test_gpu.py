"""Pictures that stay on the GPU: on a GPU if there is one, else by Triton's interpreter and codecs on the CPU."""

import logging
import sys
from importlib.util import find_spec
from pathlib import Path
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
    preset = load_preset(config).updated("graph", mode="threads").updated("encode", **encode)
    return Job(source, target, preset.updated("engine", name=engine, reuse=False)).run()


def pictures(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as result:
        return np.stack([frame.to_ndarray(format="yuv420p") for frame in result.decode(video=0)])


@needs_torch
@pytest.mark.parametrize("size", [(24, 16), (21, 17)], ids=["even", "odd"])
def test_nothing_differs_from_pictures_in_host_memory(
    size: tuple[int, int], make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip("small.mkv", size=size, frames=4, codec="ffv1", options={}, audio=False)
    there = upscale(source, tmp_path / "gpu.mkv", "gpu", crf=0)
    upscale(source, tmp_path / "host.mkv", "file", crf=0)
    assert set(there.stages) == {"decode", "infer", "download", "encode"}
    assert np.array_equal(pictures(tmp_path / "gpu.mkv"), pictures(tmp_path / "host.mkv"))
    assert video_times(tmp_path / "gpu.mkv") == video_times(source)


@needs_torch
def test_an_encoder_that_takes_no_nv12_gets_what_it_takes(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("small.mkv", size=(24, 16), frames=3, audio=False)
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
    source = make_clip("small.mkv", size=(24, 16), frames=3, codec="ffv1", options={}, audio=False)
    results = []
    for config in ("gpu", "file"):
        preset = load_preset(config).updated("graph", mode="threads").updated("encode", crf=0)
        preset = preset.updated("engine", name="cuda", reuse=False)
        results.append(Job(source, tmp_path / f"{config}.mkv", preset, size=Box(*size)).run())
    assert set(results[0].stages) == {"decode", "infer", "download", "convert", "encode"}
    assert np.array_equal(pictures(tmp_path / "gpu.mkv"), pictures(tmp_path / "file.mkv"))
