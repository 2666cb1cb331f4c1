"""What the stages for frames on a GPU say and do where the driver is the stand-in: JSON on stdout.

A program of its own, because the driver is asked once in the life of a process. Its argument is a video of many frames.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["TRITON_INTERPRET"] = "1"

import av
import numpy as np
from av.codec.hwaccel import HWAccel
from av.video.frame import CudaContext

from sr4k.engines.nvidia import driver
from sr4k.media.options import ReadSettings, WriteSettings
from sr4k.media.reading.discontinuities import OneClock
from sr4k.media.reading.losses import Losses
from sr4k.media.reading.video_file import VideoFile
from sr4k.pipeline import Format, PlaneSpec
from sr4k.stages import gpu, gpu_encode
from sr4k.stages.gpu import GpuDecode
from sr4k.stages.gpu_encode import GpuEncode
from sr4k.stages.settings import DecodeSettings


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.getMessage())


def main(clip: Path, target: Path) -> None:
    order: list[str] = []
    accelerator_of = gpu.HWAccel

    def accelerator_told(*args: Any, **options: Any) -> HWAccel:
        order.append("FFmpeg's decoder")
        return accelerator_of(*args, **options)

    gpu.HWAccel = accelerator_told  # type: ignore[assignment,misc]
    for stages in (gpu, gpu_encode):
        stages.make_context_current = lambda _: order.append("PyTorch's context")
    lines = Lines()
    logging.getLogger().addHandler(lines)
    packets = [0]
    read = OneClock.packets

    def counted(clock: OneClock) -> Iterator[Any]:
        for packet in read(clock):
            packets[0] += 1
            yield packet

    OneClock.packets = counted  # type: ignore[method-assign]
    decode = GpuDecode(DecodeSettings(path=clip))
    form = decode.open()
    first = next(decode.frames(None))  # type: ignore[arg-type]
    shared: list[dict[str, object]] = []

    def context(**options: object) -> CudaContext:
        shared.append(options)
        order.append("FFmpeg's encoder")
        return CudaContext(**options)  # type: ignore[arg-type]

    gpu_encode.CudaContext = context  # type: ignore[assignment,misc]
    parts = target.with_suffix(".parts")
    parts.mkdir()
    nvenc = GpuEncode(WriteSettings(codec="h264", encoder="auto", source=clip, path=target, parts=parts))
    rows, columns = form.about.height, form.about.width
    nvenc.open(Format((PlaneSpec((rows * 3 // 2, columns)),), about=form.about))
    accelerator = HWAccel("cuda", device="0", is_hw_owned=True, options={"primary_ctx": "0", "current_ctx": "1"})
    opened = VideoFile(ReadSettings(path=clip), Losses(clip.name), print, accelerator=accelerator)
    report = decode.report()
    assert report is not None
    json.dump(
        {
            "gpus": [gpu.name for gpu in driver().gpus],
            "log": lines.found,
            "packets": packets[0],
            "threads": opened.stream.codec_context.thread_count,
            "decoder": report.source.decoder,  # type: ignore[attr-defined]
            "is_a_picture": bool(np.ptp(np.asarray(first.planes[0])) > 0),
            "level": av.logging.get_level(),
            "context": shared[0],
            "order": order,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
