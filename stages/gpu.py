"""Frames that stay on an NVIDIA GPU between the stages of one process.

All work but copies to and from host memory is enqueued on the default stream, the one on which FFmpeg emits NVDEC's
frames and reads NVENC's, so that reads and writes run in the order in which they are enqueued. Planes are PyTorch
tensors.
"""

import logging
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from av.codec.hwaccel import HWAccel
from av.video.frame import VideoFrame

from sr4k.common.option_names import option
from sr4k.engines import EngineSpec
from sr4k.engines.nvidia import driver
from sr4k.errors import EngineError, InputError, Sr4kError
from sr4k.media.decoded_picture import copy_inside, padded_format
from sr4k.media.libav_errors import cause_of, libav_errors
from sr4k.media.look import DecodedPicture
from sr4k.media.planes import PixelFormat, inside
from sr4k.media.reading.reader import VideoReader
from sr4k.media.reports import INFER, DecodeReport, EngineReport, GpuSourceReport
from sr4k.media.video import info_of
from sr4k.models.geometry import P010_SHIFT, SCALE
from sr4k.pipeline import Buffers, Format, Frame, PlaneSpec, Transform
from sr4k.stages.decode import FileSource
from sr4k.stages.preprocess import fill_margins
from sr4k.stages.settings import InferSettings

try:
    import torch
    from torch import Tensor

    from sr4k.engines.cuda import cuda_device
    from sr4k.engines.on_gpu import gpu_errors, open_on_gpu
    from sr4k.stages.gpu_copies import Upload
except ImportError as err:
    raise EngineError("Frames on the GPU need PyTorch: pip install 'sr4k-stream[cuda]'.") from err

if TYPE_CHECKING:
    from sr4k.engines.padding import Padding

log = logging.getLogger(__name__)

_CURRENT_CONTEXT: dict[str, object] = {"primary_ctx": "0", "current_ctx": "1"}
"""Options of FFmpeg's CUDA device: use the current context. By default FFmpeg would create the primary context with
flags of its own, and it refuses the one that PyTorch has created with others."""


def make_context_current(device: torch.device) -> None:
    """Create PyTorch's CUDA context and make it current in this thread, so that FFmpeg uses the same one."""
    torch.zeros(1, device=device)


class GpuDecode(FileSource):
    """Source of padded planes on the GPU: from NVDEC where it can decode the video, else from the CPU and copied."""

    def open(self) -> Format:
        self._device = cuda_device()
        reader = self._begin(self._open_nvdec() or VideoReader(self._settings, pipe=self._pipe))
        info = reader.info
        self._dtype = torch.uint8 if info.colour.bits == 8 else torch.uint16
        self._form = padded_format(info)
        self._height, self._width = info.height, info.width
        with gpu_errors():
            self._upload = None if reader.on_gpu else Upload(self._form.planes, self._device)
            self._padding = self._open_padding() if reader.on_gpu else None
        return self._form

    def frames(self, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002 - on the GPU
        assert self._reader is not None
        for picture, info in self._pictures(self._reader):
            with gpu_errors():
                planes = self._padded(self._reader, picture)
            yield Frame(planes, info)

    def report(self) -> DecodeReport | None:
        told = super().report()
        if told is None or self._reader is None:
            return None
        common = {each.name: getattr(told.source, each.name) for each in fields(told.source)}
        source = GpuSourceReport(**common, decoder="nvdec" if self._reader.on_gpu else "cpu")
        return replace(told, source=source)

    def _open_nvdec(self) -> VideoReader | None:
        if not driver().gpus or self._pipe is not None:  # a pipe can't be read again where NVDEC fails
            return None
        with gpu_errors():
            make_context_current(self._device)
        accelerator = HWAccel(
            "cuda", device="0", allow_software_fallback=False, is_hw_owned=True, options=_CURRENT_CONTEXT
        )
        reader: VideoReader | None = None
        with libav_errors() as lines:
            try:
                reader = VideoReader(self._settings, accelerator)
                trouble = _unfit(reader)
            except (Sr4kError, RuntimeError) as err:
                trouble = cause_of(err, lines)
        if trouble is None:
            return reader
        if reader is not None:
            reader.close()
        log.warning("%s is decoded on the CPU: not by NVDEC (%s).", self._settings.path.name, trouble)
        return None

    def _open_padding(self) -> "Padding | None":
        try:
            from sr4k.engines.padding import Padding  # here, as it needs a library that frames on the GPU do without

            return Padding(self._height, self._width, self._dtype, self._device)
        except EngineError as err:
            log.info("Decoded pictures are padded by PyTorch, not in one launch: %s", err)
            return None

    def _padded(self, reader: VideoReader, picture: DecodedPicture) -> tuple[Any, ...]:
        odd = self._height % 2, self._width % 2
        if self._upload is not None:
            luma, chroma = host = self._upload.planes()
            copy_inside(reader.fit(picture), host, reader.info.colour)
            fill_margins(luma, chroma, odd)
            return self._upload.copied()
        decoded = self._planes(picture.frame)
        if self._padding is not None:
            return self._padding(*decoded)
        shapes = [spec.shape for spec in self._form.planes]
        luma, chroma = (torch.empty(shape, dtype=self._dtype, device=self._device) for shape in shapes)
        targets = inside(luma, chroma, (self._width, self._height))
        for target, plane in zip(targets, code_values(*decoded), strict=True):
            target.copy_(plane[: target.shape[0], : target.shape[1]])
        fill_margins(luma, chroma, odd)
        return luma, chroma

    def _planes(self, picture: VideoFrame) -> tuple[Tensor, ...]:
        """Return the planes of a frame of NVDEC's, of NV12 or P010: Y (H, W), and U and V in turn (H/2, W).

        Raises:
            InputError: the frame has another size than the first.
        """
        if (picture.width, picture.height) != (self._width, self._height):
            change = f"the picture changes from {self._width}x{self._height} to {picture.width}x{picture.height}"
            raise InputError(
                f"{self._settings.path}: {change}, and frames of NVDEC's can't be scaled: "
                f"omit {option('preset', 'gpu')}."
            )
        # The capsule itself: PyAV accepts no stream, and PyTorch would pass one.
        return tuple(torch.utils.dlpack.from_dlpack(plane.__dlpack__()) for plane in picture.planes)


def code_values(luma: Tensor, chroma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return Y, U and V of decoded planes: of NV12 themselves, of P010 without the bits by which they are shifted."""
    if luma.dtype == torch.uint16:
        luma, chroma = (_shifted(plane) for plane in (luma, chroma))
    pairs = chroma.view(chroma.shape[0], -1, 2)
    return luma, pairs[..., 0], pairs[..., 1]


def _shifted(plane: Tensor) -> Tensor:
    signed = plane.view(torch.int16) >> P010_SHIFT  # PyTorch shifts no unsigned integers of 16 bits
    return (signed & 0x3FF).view(torch.uint16)


def _unfit(reader: VideoReader) -> str | None:
    """Return why the decoder's frames can't stay on the GPU, or ``None``."""
    if not reader.on_gpu:
        return "the pictures are not 4:2:0 of 8 or 10 bits"
    if reader.interlaced:
        return "they are interlaced"
    if reader.is_cut:
        return "they are to be cropped"
    if reader.info.width % 2 or reader.info.height % 2:
        return "an odd width or height"  # of whose chroma PyAV hands out one row or column too few
    return None


class GpuUpscale(Transform):
    """Runs the network on padded planes and emits NV12, or P010 of 10 bits, all on the GPU."""

    name = INFER

    def __init__(self, settings: InferSettings) -> None:
        self._settings = settings
        self._about: EngineReport | None = None

    def open(self, source: Format) -> Format:
        s, info = self._settings, info_of(source)
        height, width = info.height + info.height % 2, info.width + info.width % 2
        spec = EngineSpec(
            model=s.model,
            height=height,
            width=width,
            colour=info.colour,
            precision=s.precision,
            weights=s.weights,
            sharpness=s.sharpness,
        )
        with gpu_errors():
            self._network = open_on_gpu((s.engine, *s.fallbacks), spec)
        self._about = EngineReport(**self._network.describe(), sharpness=s.sharpness or None)
        self._size = (SCALE * info.height, SCALE * info.width)
        rows, columns = self._size
        before = info.width, info.height
        form: PixelFormat = "nv12" if info.colour.bits == 8 else "p010le"
        about = replace(info, height=rows, width=columns, pixel_format=form, source_size=before)
        return Format((PlaneSpec((rows * 3 // 2, columns), info.colour.dtype),), about=about)

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002 - on the GPU
        luma, chroma = frame.planes
        with gpu_errors():
            out = self._cut(self._network.run(luma, chroma))  # type: ignore[arg-type]
        frame.release()
        yield Frame((out,), frame.info)  # type: ignore[arg-type]

    def report(self) -> EngineReport | None:
        return self._about

    def _cut(self, out: Tensor) -> Tensor:
        """Cut a frame to its size, where the source has an odd width or height."""
        rows, columns = self._size
        whole = out.shape[0] * 2 // 3
        if (whole, out.shape[1]) == self._size:
            return out
        return torch.cat([out[:rows, :columns], out[whole : whole + rows // 2, :columns]])
