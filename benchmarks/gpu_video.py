"""What goes in and out of an NVIDIA GPU: rates of memory, of PCIe and of the codecs on it, and whole videos."""

import io
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

import numpy as np
from extras import required
from gpu_timing import DEVICE, SETS, Row, median_ms

torch = required("torch")


def rates(size: tuple[int, int]) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Memory, PCIe and the codecs on the GPU."""
    yield "memory, device to device, read and written", partial(copies, "cuda", "cuda", 2)
    yield "PCIe, pinned host to device", partial(copies, "pinned", "cuda", 1)
    yield "PCIe, device to pinned host", partial(copies, "cuda", "pinned", 1)
    yield "fp16 matrix product", products
    yield "NVDEC, H.264, frames left on the GPU", partial(decoding, size, hardware=True)
    yield "FFmpeg, H.264, on the CPU", partial(decoding, size, hardware=False)
    for codec in ("h264_nvenc", "hevc_nvenc", "av1_nvenc"):
        yield f"{codec}, from host memory", partial(encoding, codec, (2 * size[0], 2 * size[1]))


def copies(source: str, target: str, counted: int) -> Row:
    """Gigabytes a second, of blocks of 256 MiB."""
    count = 256 * 2**20

    def memory(kind: str) -> torch.Tensor:
        if kind == "cuda":
            return torch.zeros(count, dtype=torch.uint8, device=DEVICE)
        return torch.zeros(count, dtype=torch.uint8, pin_memory=True)

    pairs = [(memory(target), memory(source)) for _ in range(SETS)]
    ms = median_ms([partial(to.copy_, of, non_blocking=True) for to, of in pairs])
    return {"gigabytes_a_second": counted * count / ms / 1e6}


def products() -> Row:
    """TFLOP/s, 8192 a side."""
    a, b = (torch.randn(8192, 8192, device=DEVICE, dtype=torch.float16) for _ in range(2))
    return {"tflops": 2 * 8192**3 / median_ms([partial(torch.matmul, a, b)]) / 1e9}


def decoding(size: tuple[int, int], *, hardware: bool) -> Row:
    """Frames a second; NVDEC's pictures must be the CPU's, bit for bit."""
    import av
    from av.codec.hwaccel import HWAccel

    clip = sample_clip(size)

    def frames(on_gpu: bool) -> Iterator[av.VideoFrame]:
        accel = HWAccel("cuda", device="0", allow_software_fallback=False, is_hw_owned=True) if on_gpu else None
        with av.open(io.BytesIO(clip), hwaccel=accel) as container:
            yield from container.decode(container.streams.video[0])

    if hardware:
        first = next(frames(True))
        luma = torch.utils.dlpack.from_dlpack(first.planes[0].__dlpack__())
        torch.cuda.synchronize()
        expected = next(frames(False)).to_ndarray()[: size[1]]
        if not np.array_equal(luma.cpu().numpy()[:, : size[0]], expected):
            raise RuntimeError("NVDEC's picture is not the CPU's")
    began, count = time.perf_counter(), 0
    for _ in frames(hardware):
        count += 1
    torch.cuda.synchronize()
    return {"frames_a_second": count / (time.perf_counter() - began)}


def encoding(codec: str, size: tuple[int, int]) -> Row:
    """Frames a second of NV12 pictures that lie ready."""
    import av

    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = *size, "nv12"
    context.time_base, context.framerate = Fraction(1, 50), Fraction(50)
    rng = np.random.default_rng(0)
    pictures = [
        av.VideoFrame.from_ndarray(rng.integers(0, 256, (size[1] * 3 // 2, size[0]), np.uint8), format="nv12")
        for _ in range(4)
    ]
    context.encode(pictures[0])
    began = time.perf_counter()
    for picture in itertools.islice(itertools.cycle(pictures), 100):
        context.encode(picture)
    context.encode(None)
    return {"frames_a_second": 100 / (time.perf_counter() - began)}


def videos(size: tuple[int, int]) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Whole jobs."""
    for config in ("gpu", "nvenc"):
        for engine in ("cuda", "tensorrt"):
            yield f"sr4k-stream -c {config} --engine {engine}", partial(video, config, engine, size)


def video(config: str, engine: str, size: tuple[int, int]) -> Row:
    """Frames a second, start-up included, and what decoded and encoded."""
    from sr4k import Job, load_preset

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "clip.mp4", Path(folder) / "upscaled.mp4"
        source.write_bytes(sample_clip(size))
        done = Job(source, target, preset=load_preset(config).updated("engine", name=engine)).run()
    return {"frames_a_second": done.fps, "decoder": done.source.decoder, "encoder": done.video.codec}


@cache
def sample_clip(size: tuple[int, int]) -> bytes:
    """Four seconds of the sample, as an MP4 file."""
    from sr4k.sample import write_sample

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_sample(path, seconds=4, size=size)
        return path.read_bytes()
