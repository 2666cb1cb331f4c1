"""Pictures that stay on an NVIDIA GPU between the stages of one process.

All work is put on the default stream: it is the one on which FFmpeg hands out NVDEC's pictures and takes NVENC's, so
that the order of reading and writing is the order in which it is asked for. Planes are PyTorch's tensors.
"""

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
from av.codec.hwaccel import HWAccel
from av.video.frame import VideoFrame

from sr4k.engines import EngineSpec
from sr4k.engines.nvidia import driver
from sr4k.errors import EngineError, InputError, OptionError, Sr4kError
from sr4k.media.decoded_picture import copy_inside, padded_format
from sr4k.media.look import Picture
from sr4k.media.planes import inside
from sr4k.media.reading.reader import VideoReader
from sr4k.media.reports import DECODE, INFER, DecodeReport, EngineReport, GpuSourceReport
from sr4k.media.video import info_of
from sr4k.models.geometry import SCALE
from sr4k.pipeline import Buffers, Format, Frame, PlaneSpec, Source, Transform
from sr4k.stages.preprocess import fill_margins
from sr4k.stages.settings import DecodeSettings, InferSettings

try:
    import torch
    from torch import Tensor

    from sr4k.engines.cuda import CudaEngine, cuda_device
    from sr4k.engines.on_gpu import open_on_gpu
except ImportError as err:
    raise EngineError("Pictures stay on the GPU as PyTorch's: pip install 'sr4k-stream[cuda]'.") from err

log = logging.getLogger(__name__)

_BEHIND = 2
"""Pictures that are on their way to host memory while the next is computed."""


class GpuDecode(Source):
    """Padded planes on the GPU: from NVDEC where it takes the video, else decoded on the CPU and copied."""

    name = DECODE

    def __init__(self, settings: DecodeSettings) -> None:
        self._settings = settings
        self._reader: VideoReader | None = None

    def open(self) -> Format:
        reader = self._reader = self._open_nvdec() or VideoReader(self._settings)
        if self._settings.done_until is not None:
            reader.resume_after(self._settings.done_until)
        self._device = cuda_device()  # after NVDEC, which is to make the context: it wants flags of its own
        info = reader.info
        if info.colour.bits > CudaEngine.most_bits:
            raise OptionError(
                f"{self._settings.path.name} has {info.colour.bits} bits, of which the GPU would keep 8: "
                "use another preset, without -c gpu or nvenc."
            )
        self._form = padded_format(info)
        self._height, self._width = info.height, info.width
        return self._form

    def frames(self, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002 - on the GPU
        assert self._reader is not None
        for picture, info in self._reader.pictures():
            yield Frame(self._padded(self._reader, picture), info)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def report(self) -> DecodeReport | None:
        if self._reader is None:
            return None
        told = self._reader.report()
        common = {each.name: getattr(told.source, each.name) for each in fields(told.source)}
        common["resumed"] = self._settings.done_frames
        source = GpuSourceReport(**common, decoder="nvdec" if self._reader.on_gpu else "cpu")
        return replace(told, source=source)

    def _open_nvdec(self) -> VideoReader | None:
        if not driver().gpus:
            return None
        accelerator = HWAccel("cuda", device="0", allow_software_fallback=False, is_hw_owned=True)
        reader: VideoReader | None = None
        try:
            reader = VideoReader(self._settings, accelerator)
            trouble = None if reader.on_gpu else "the pictures are not 8-bit 4:2:0"
            trouble = "they are interlaced" if reader.interlaced else trouble
            trouble = "they are to be cropped" if reader.is_cut else trouble
        except (Sr4kError, RuntimeError) as err:
            trouble = str(err)
        if trouble is None:
            return reader
        if reader is not None:
            reader.close()
        log.warning("%s is decoded on the CPU: not by NVDEC (%s).", self._settings.path.name, trouble)
        return None

    def _padded(self, reader: VideoReader, picture: Picture) -> tuple[Any, ...]:
        shapes = [spec.shape for spec in self._form.planes]
        if reader.on_gpu:
            luma, chroma = (torch.empty(shape, dtype=torch.uint8, device=self._device) for shape in shapes)
            targets = inside(luma, chroma, (self._width, self._height))
            for target, plane in zip(targets, self._planes(picture.frame), strict=True):
                target.copy_(plane[: target.shape[0], : target.shape[1]])
        else:
            host = [np.empty(shape, np.uint8) for shape in shapes]
            copy_inside(reader.fit(picture), host, reader.info.colour)
            luma, chroma = (torch.from_numpy(plane).to(self._device) for plane in host)
        fill_margins(luma, chroma, (self._height % 2, self._width % 2))
        return luma, chroma

    def _planes(self, picture: VideoFrame) -> tuple[Tensor, ...]:
        """Y, U and V of NVDEC's."""
        if (picture.width, picture.height) != (self._width, self._height):
            change = f"the picture changes from {self._width}x{self._height} to {picture.width}x{picture.height}"
            raise InputError(f"{self._settings.path}: {change}, and NVDEC's can't be fitted: leave -c gpu out.")
        # The capsule itself: PyAV takes no stream, and PyTorch would hand it one.
        luma, both = (torch.utils.dlpack.from_dlpack(plane.__dlpack__()) for plane in picture.planes)
        both = both.view(both.shape[0], -1, 2)
        return luma, both[..., 0], both[..., 1]


class GpuUpscale(Transform):
    """The network, to NV12 on the GPU."""

    name = INFER

    def __init__(self, settings: InferSettings) -> None:
        self._settings = settings
        self._about: EngineReport | None = None

    def open(self, source: Format) -> Format:
        s, info = self._settings, info_of(source)
        height, width = info.height + info.height % 2, info.width + info.width % 2
        spec = EngineSpec(
            model=s.model, height=height, width=width, colour=info.colour, precision=s.precision, weights=s.weights
        )
        self._network = open_on_gpu((s.engine, *s.fallbacks), spec)
        self._about = EngineReport(**self._network.describe())
        self._size = (SCALE * info.height, SCALE * info.width)
        rows, columns = self._size
        about = replace(info, height=rows, width=columns, pixel_format="nv12")
        return Format((PlaneSpec((rows * 3 // 2, columns)),), about=about)

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002 - on the GPU
        luma, chroma = frame.planes
        out = self._network.run(luma, chroma)  # type: ignore[arg-type]
        frame.release()
        yield Frame((self._cut(out),), frame.info)  # type: ignore[arg-type]

    def report(self) -> EngineReport | None:
        return self._about

    def _cut(self, out: Tensor) -> Tensor:
        """To the size of the picture, where a side of the source is odd."""
        rows, columns = self._size
        whole = out.shape[0] * 2 // 3
        if (whole, out.shape[1]) == self._size:
            return out
        return torch.cat([out[:rows, :columns], out[whole : whole + rows // 2, :columns]])


class Download(Transform):
    """From the GPU to host memory, for encoders there: while a picture is copied, the next are computed."""

    name = "download"

    def open(self, source: Format) -> Format:
        self._device = cuda_device()
        shape = source.planes[0].shape
        on_gpu = self._device.type == "cuda"
        self._idle = deque(torch.empty(shape, dtype=torch.uint8, pin_memory=on_gpu) for _ in range(_BEHIND + 1))
        self._waiting: deque[tuple[Frame, Tensor, torch.cuda.Event | None]] = deque()
        return source

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        host = self._idle.popleft()
        host.copy_(frame.planes[0], non_blocking=True)  # type: ignore[arg-type]
        arrived = None
        if self._device.type == "cuda":
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record()
        self._waiting.append((frame, host, arrived))
        if len(self._waiting) > _BEHIND:
            yield self._finished(buffers)

    def drain(self, buffers: Buffers) -> Iterator[Frame]:
        while self._waiting:
            yield self._finished(buffers)

    def _finished(self, buffers: Buffers) -> Frame:
        frame, host, arrived = self._waiting.popleft()
        if arrived is not None:
            arrived.synchronize()
        out = buffers.take(frame.info)
        np.copyto(out.planes[0], host.numpy())
        self._idle.append(host)
        frame.release()
        return out
