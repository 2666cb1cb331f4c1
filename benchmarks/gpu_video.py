"""Steps about videos on an NVIDIA GPU: decoded, upscaled and encoded, each in a process of its own, as for a user."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from gpu_machine import linked_video_libraries, told
from gpu_plan import MODELS, REHEARSAL, Setting, Step

Row = dict[str, Any]

_WARM_UP = 20
"""Frames that are not timed: kernels are compiled and clocks rise meanwhile."""

_FRAMES_COMPARED = 30

_MOST_SECONDS = 600 if REHEARSAL else 60
"""Time limit of a process."""


def video(setting: Setting) -> Iterator[Step]:
    """Measure whole videos, and what NVDEC and NVENC take."""
    yield Step("NVDEC, network, frames left on the GPU", 40, partial(apart, left_on_gpu, setting), "1.1-1.7")
    yield Step("NVDEC's frames of 8 and 10 bits are the CPU's", 40, partial(apart, same_as_cpu, setting))
    yield Step("-c gpu, file to file", 60, partial(apart, file_to_file, setting, "gpu"), "10-17")
    for codec in ("h264_nvenc", "hevc_nvenc", "av1_nvenc"):
        yield Step(f"{codec} opens", 10, partial(apart, encoder_opens, setting, codec))
    if not REHEARSAL:  # there it would only repeat what -c gpu does
        yield Step("-c nvenc, file to file", 60, partial(apart, file_to_file, setting, "nvenc"))


def apart(work: Callable[..., Row], setting: Setting, *options: str) -> Row:
    """Do work in a process of its own, which finds the driver's video libraries.

    Raises:
        FileNotFoundError: no clip was carried.
        RuntimeError: the work fails; the message is the last line that it writes.
    """
    if not setting.clip.exists():
        raise FileNotFoundError(f"{setting.clip} is not there: benchmarks/gpu_pack.sh makes it")
    command = [sys.executable, __file__, work.__name__, setting.clip, *options]
    libraries = ":".join(filter(None, (str(linked_video_libraries() or ""), os.environ.get("LD_LIBRARY_PATH"))))
    said = told(command, _MOST_SECONDS, **({"LD_LIBRARY_PATH": libraries} if libraries else {}))["said"]
    row: Row = json.loads(said)
    return row


class _NoBuffers:
    """Stands for a channel's buffers: frames on the GPU lie in memory of their own."""

    def take(self, info: Any) -> Any:
        raise NotImplementedError(info)


def left_on_gpu(clip: str) -> Row:
    """Decode and upscale a clip; the frames stay on the GPU."""
    import torch

    from sr4k.stages.gpu import GpuDecode, GpuUpscale
    from sr4k.stages.settings import DecodeSettings, InferSettings

    def done() -> float:
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        return time.perf_counter()

    nowhere = _NoBuffers()
    decode, network = (
        GpuDecode(DecodeSettings(path=Path(clip))),
        GpuUpscale(InferSettings(engine="cuda", model=MODELS[0])),
    )
    network.open(decode.open())
    moments = []
    for frame in decode.frames(nowhere):
        for _ in network.process(frame, nowhere):
            moments.append(done() if len(moments) in (0, _WARM_UP) else 0.0)
    end, count = done(), len(moments)
    first = _WARM_UP if count > _WARM_UP else 0
    report = decode.report()
    return {
        "ms": 1e3 * (end - moments[first]) / max(1, count - first - 1),
        "frames": count,
        "decoder": getattr(report and report.source, "decoder", None),
    }


def same_as_cpu(clip: str) -> Row:
    """Compare the first frames of `GpuDecode`, of 8 and then of 10 bits, with those that the CPU decodes.

    Raises:
        RuntimeError: one differs in a bit.
    """
    with tempfile.TemporaryDirectory() as folder:
        both = _compared(Path(clip)), _compared(deepened(Path(clip), Path(folder) / "deep.mkv"))
    return {key: [row[key] for row in both] for key in both[0]}


def deepened(clip: Path, target: Path) -> Path:
    """Encode the first frames of a clip in HEVC of 10 bits, and return the target."""
    import av

    with av.open(str(clip)) as source, av.open(str(target), "w") as sink:
        frames = list(islice(source.decode(video=0), _FRAMES_COMPARED))
        stream = sink.add_stream(
            "libx265", rate=25, options={"preset": "ultrafast", "x265-params": "log-level=error:bframes=0"}
        )
        stream.width, stream.height, stream.pix_fmt = max(64, frames[0].width), max(64, frames[0].height), "yuv420p10le"
        for k, frame in enumerate(frames):
            picture = frame.reformat(stream.width, stream.height, "yuv420p10le")
            picture.pts, picture.time_base = k, Fraction(1, 25)
            sink.mux(stream.encode(picture))
        sink.mux(stream.encode(None))
    return target


def _compared(clip: Path) -> Row:
    import numpy as np

    from sr4k.media.decoded_picture import copy_inside, padded_format
    from sr4k.media.planes import inside
    from sr4k.media.reading.reader import VideoReader
    from sr4k.stages.gpu import GpuDecode
    from sr4k.stages.settings import DecodeSettings

    settings = DecodeSettings(path=clip)
    decode, compared = GpuDecode(settings), 0
    with VideoReader(settings) as reader:
        size = (reader.info.width, reader.info.height)
        planes = [np.zeros(spec.shape, spec.dtype) for spec in padded_format(reader.info).planes]
        decode.open()
        pairs = zip(decode.frames(_NoBuffers()), reader.pictures(), strict=True)
        for frame, (picture, _) in islice(pairs, _FRAMES_COMPARED):
            copy_inside(reader.fit(picture), planes, reader.info.colour)
            on_gpu = [plane.cpu().numpy() for plane in frame.planes]  # type: ignore[attr-defined]
            for made, exact in zip(inside(*on_gpu, size), inside(*planes, size), strict=True):
                if not np.array_equal(made, exact):
                    raise RuntimeError(f"frame {compared} is not the CPU's")
            compared += 1
    report = decode.report()
    decode.close()
    bits = reader.info.colour.bits
    return {"frames": compared, "bits": bits, "decoder": getattr(report and report.source, "decoder", None)}


def file_to_file(clip: str, config: str) -> Row:
    """Run a whole job on a clip. Its rate counts from the first frames on, without the start-up."""
    from sr4k import Job, WorkerStatus, load_preset

    moments: list[tuple[float, int]] = []

    def on_status(statuses: dict[str, WorkerStatus]) -> None:
        encoded = [clock.frames for status in statuses.values() for clock in status.stages if clock.name == "encode"]
        moments.append((time.perf_counter(), max(encoded, default=0)))

    with tempfile.TemporaryDirectory() as folder:
        preset = load_preset(config).updated("engine", name="cuda", model=MODELS[0])
        preset = preset.updated("graph", mode="threads") if REHEARSAL else preset  # processes take seconds to start
        done = Job(Path(clip), Path(folder) / "upscaled.mp4", preset=preset).run(on_status=on_status)
    row = {"frames": done.frames, "fps_with_start_up": done.fps, "encoder": done.video.codec}
    row["decoder"] = getattr(done.source, "decoder", None)
    return row | ms_while_running(moments, done.frames)


def ms_while_running(moments: Sequence[tuple[float, int]], frames: int) -> Row:
    """Return ``ms`` a frame by what was seen of a run: seconds and frames done. Start-up and end don't count."""
    running = [(at, done) for at, done in moments if _WARM_UP <= done < frames]
    if len(running) < 2:
        return {}
    (began, first), (ended, last) = running[0], running[-1]
    return {"ms": 1e3 * (ended - began) / max(1, last - first)}


def encoder_opens(_: str, codec: str) -> Row:
    """Open an encoder of the GPU.

    Raises:
        RuntimeError: it does not open; the message is what FFmpeg logged first.
    """
    import av.logging

    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = 640, 360, "nv12"  # type: ignore[attr-defined]
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)  # type: ignore[attr-defined]
    av.logging.set_level(av.logging.ERROR)
    with av.logging.Capture() as lines:
        try:
            context.open()
        except (av.error.FFmpegError, OSError) as err:
            raise RuntimeError(next((text.strip() for _, _, text in lines), str(err))) from None
    return {"opens": True}


if __name__ == "__main__":
    work = {each.__name__: each for each in (left_on_gpu, same_as_cpu, file_to_file, encoder_opens)}[sys.argv[1]]
    print(json.dumps(work(*sys.argv[2:])))
