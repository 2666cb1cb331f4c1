"""Encoding by NVENC from GPU memory."""

import logging
from dataclasses import replace
from fractions import Fraction

import av
import torch
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import CudaContext, VideoFrame
from torch import Tensor

from sr4k.common.option_names import option
from sr4k.engines.cuda import cuda_device
from sr4k.engines.nvidia import driver
from sr4k.engines.on_gpu import gpu_errors
from sr4k.errors import EngineError, OptionError
from sr4k.media.libav_errors import cause_of, libav_errors
from sr4k.media.options import WriteSettings
from sr4k.media.planes import PixelFormat
from sr4k.media.video import info_of
from sr4k.media.writing.codec_choice import in_software, settled
from sr4k.media.writing.encoder import row_of
from sr4k.pipeline import Format, Frame
from sr4k.stages.encode import Encode
from sr4k.stages.gpu import make_context_current

log = logging.getLogger(__name__)


class GpuEncode(Encode):
    """Encodes frames in GPU memory by NVENC.

    Where NVENC doesn't take such a frame, the same codec is encoded on the CPU, and the log says why, unless NVENC was
    asked for by name.
    """

    def __init__(self, settings: WriteSettings) -> None:
        super().__init__(settings)
        self._cuda: CudaContext | None = None

    def open(self, source: Format) -> None:
        (rows, width), bits = source.planes[0].shape, info_of(source).colour.bits
        self._form: PixelFormat = "nv12" if bits == 8 else "p010le"
        asked = self._settings
        self._settings = settled(replace(asked, encoder="nvenc"), bits=bits)
        self._row = row_of(self._settings)
        trouble = "there is no GPU" if not driver().gpus else self._trouble(rows * 2 // 3, width)
        if trouble is not None:
            if asked.encoder == "nvenc":
                raise OptionError(f"{self._row.name} can't be used ({trouble}): use {option('encoder', 'software')}.")
            log.warning("Encoding is on the CPU: %s can't be used (%s).", self._row.name, trouble)
            self._settings = settled(in_software(asked), bits=bits)
            self._cuda = None
        self._opens_late = self._cuda is not None
        self._pixel_format = None if self._cuda is None else "cuda"
        super().open(source)

    def _trouble(self, height: int, width: int) -> str | None:
        """Return why this encoder does not take a frame of that size from the GPU, or ``None``."""
        try:
            device = cuda_device()
        except EngineError as err:
            return str(err)
        with gpu_errors():
            make_context_current(device)
        self._cuda = CudaContext(device_id=0, primary_ctx=False, current_ctx=True)  # and its default stream
        probe = CodecContext.create(self._row.name, "w")
        assert isinstance(probe, VideoCodecContext)
        probe.width, probe.height, probe.pix_fmt = width, height, "cuda"
        probe.time_base, probe.framerate = Fraction(1, 25), Fraction(25)
        with libav_errors() as lines:
            try:
                kind = torch.uint8 if self._form == "nv12" else torch.uint16
                probe.encode(self._on_gpu(torch.zeros((height * 3 // 2, width), dtype=kind, device=device)))
                probe.encode(None)
            except (av.error.FFmpegError, OSError, RuntimeError, ValueError) as err:
                return cause_of(err, lines)
        return None

    def _picture(self, frame: Frame) -> VideoFrame:
        block: Tensor = frame.planes[0]  # type: ignore[assignment]
        with gpu_errors():
            return self._wrapped(block.cpu().numpy(), self._form) if self._cuda is None else self._on_gpu(block)

    def _on_gpu(self, block: Tensor) -> VideoFrame:
        """Wrap Y and UV of one allocation as a frame. NVENC gets the address of Y alone, so UV must follow it."""
        height = block.shape[0] * 2 // 3
        return VideoFrame.from_dlpack((block[:height], block[height:]), format=self._form, cuda_context=self._cuda)
