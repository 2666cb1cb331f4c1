"""The upscaler for frames in memory. It is light to import: codecs and networks are loaded by the first `Upscaler`."""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar, overload

from numpy.typing import NDArray

from sr4k.common.given_path import name_or_path
from sr4k.configs import Preset
from sr4k.engines import check_engine
from sr4k.errors import OptionError
from sr4k.jobs.fields import GivenPreset, preset_of_engine
from sr4k.jobs.keywords import weights_given
from sr4k.jobs.model_choice import scale_of, with_model
from sr4k.jobs.result_size import GivenSize, Scaling, result_size
from sr4k.jobs.setting_errors import errors_by_option, keywords_of
from sr4k.media.options import ResultSize
from sr4k.models.architecture import Precision
from sr4k.models.colour import ChromaLocation, Matrix

if TYPE_CHECKING:
    from torch import Tensor

    from sr4k.memory.given import Given

T = TypeVar("T")


class HasDlpack(Protocol):
    """A tensor of any library."""

    def __dlpack__(self, *, stream: Any = None) -> Any: ...
    def __dlpack_device__(self) -> tuple[Any, int]: ...


Array = NDArray[Any]
Range = Literal["limited", "full"]


class Upscaler:
    """Upscales frames in memory: NumPy arrays in, NumPy arrays out.

    The result of an RGB or gray frame of 8 or 16 bits is, byte for byte, what ``sr4k-stream`` makes of a PNG of it with
    the same options. There are no temporary files and no processes, and nothing is printed. A network is loaded when
    the first frame of its size and kind comes, and kept for the last few sizes and kinds.

    All methods may be called from several threads. Single frames are upscaled one at a time, each by all CPUs; each
    iterator of `frames` is for one thread at a time, and has an engine of its own.

    Use it in a ``with`` statement, or `close` it to free the networks' memory; it may be used again afterwards. In a
    process that was forked it begins anew, and pickled it arrives as a new one.

    Args:
        model: name of the network, or the path of an ONNX file; see ``docs/models.md``. ``None``: the preset's, as for
            the other arguments. A file that was not added is tested first, in a process of its own.
        preset: a preset, its name, or the path of its file.
        engine: name of the engine, or ``auto``.
        device: of OpenVINO: ``cpu``, ``gpu``, ``gpu.1``, ``npu`` or ``auto``.
        precision: ``auto``, ``int8``, ``fp16``, ``bf16`` (networks of yours) or ``fp32``.
        weights: folder or file with other weights of the network.
        threads: CPU threads of the engine; ``None``: all CPUs that are granted, if the preset doesn't say.
        size: size of the results, as (width, height) in pixels, or text such as ``4k`` or ``1280x720``: frames of
            another shape keep it, and are as large as fits, unless `Box.fit` says otherwise. ``None``: twice the
            frame's. Planes of 4:2:0 have even sides.
        scale: the same as a factor, such as 3, or as text.
        source_quality: how compressed the video was that frames are of: the QP at which H.264 would lose as much, 0 to
            51; 0: not at all, as for a preset's ``auto``, since nothing can be measured of frames in memory.
        sharpness: how crisp the result is, 0 (most faithful) to 100.

    Raises:
        OptionError: an argument is invalid, or the preset is.
    """

    def __init__(
        self,
        model: str | PathLike[str] | None = None,
        *,
        preset: GivenPreset = "file",
        engine: str | None = None,
        device: str | None = None,
        precision: Precision | None = None,
        weights: str | PathLike[str] | None = None,
        threads: int | None = None,
        size: GivenSize = None,
        scale: Scaling = None,
        source_quality: int | None = None,
        sharpness: int | None = None,
    ) -> None:
        given = preset_of_engine(preset)
        changes = {
            "model": name_or_path(model),
            "name": engine,
            "device": device,
            "precision": precision,
            "weights": weights_given(weights),
            "threads": threads,
            "source_quality": source_quality,
            "sharpness": sharpness,
        }
        with errors_by_option(keywords_of("engine", changes)):
            chosen = given.updated("engine", **changes)
        check_engine(chosen.engine.name)
        chosen = with_model(chosen)
        wanted = result_size(size, scale, usual=scale_of(chosen.engine))
        if chosen.engine.pixels == "yuv":
            raise OptionError("Frames of RGB are upscaled in RGB: leave engine.pixels out of the preset.")
        from sr4k.memory.passages import Passages  # not before: it loads codecs

        self._passages = Passages(chosen, wanted)
        self._made_of = chosen, wanted

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled, for other processes: it arrives without networks, and with what a subclass has added."""
        added = {name: value for name, value in vars(self).items() if name not in ("_passages", "_made_of")}
        return _like, (type(self), *self._made_of), added or None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the networks and their memory; what still runs in other threads is finished first."""
        self._passages.close()

    def __call__(self, frame: Array, *, order: Literal["rgb", "bgr"] = "rgb", bits: int | None = None) -> Array:
        """Upscale one frame.

        Args:
            frame: (H, W, 3) of colours, or (H, W) of gray, of any size and strides: uint8 from 0 to 255, or uint16 for
                more than 8 bits. It is not changed.
            order: of the colours, in the frame and in the result.
            bits: depth of uint16, 9 to 16, whose largest value is white; ``None``: 16.

        Returns:
            A new array of the same kind and depth, (2H, 2W, 3) or (2H, 2W), or of the size that was asked for.

        Raises:
            OptionError: the frame is of another kind, such as float or RGBA, or the engine can't do what is asked.
            EngineError: the network can't be run.
            MachineError: there is too little memory.
        """
        from sr4k.memory.given import packed

        large: Array = self._one(packed(frame, order=order, bits=bits))
        return large

    def frames(
        self, frames: Iterable[Array], *, order: Literal["rgb", "bgr"] = "rgb", bits: int | None = None
    ) -> Generator[Array, None, None]:
        """Upscale many frames, and yield each result, in order: faster than one by one, as several are in flight.

        A frame is copied as soon as it is taken, so that its memory may be used again. Three or so are in flight at
        most, however slow either side is. Frames of another size or kind may follow. If the iterable raises an
        exception, the results of the frames before it come first, and then the exception. Closed early, the iterator
        drops the frames in flight, and nothing goes on.

        Args:
            frames: as for a call.
            order: of the colours, in the frames and in the results.
            bits: depth of uint16, as for a call.

        Raises:
            OptionError: a frame is of another kind, or the engine can't do what is asked.
            EngineError: the network can't be run.
            MachineError: there is too little memory.
        """
        from sr4k.memory.given import check_several, packed

        check_several(frames)
        return self._many(frames, lambda frame: packed(frame, order=order, bits=bits))

    @overload
    def yuv420(
        self,
        y: Array,
        u: Array,
        v: Array,
        *,
        matrix: Matrix | None = None,
        range: Range = "limited",
        bits: int = 8,
        chroma_location: ChromaLocation = "left",
    ) -> tuple[Array, Array, Array]: ...
    @overload
    def yuv420(
        self,
        y: Array,
        u: Array,
        v: None = None,
        *,
        matrix: Matrix | None = None,
        range: Range = "limited",
        bits: int = 8,
        chroma_location: ChromaLocation = "left",
    ) -> tuple[Array, Array]: ...
    def yuv420(
        self,
        y: Array,
        u: Array,
        v: Array | None = None,
        *,
        matrix: Matrix | None = None,
        range: Range = "limited",
        bits: int = 8,
        chroma_location: ChromaLocation = "left",
    ) -> tuple[Array, ...]:
        """Upscale the planes of one 4:2:0 frame, as decoders make them: little more than half the work of RGB.

        Args:
            y: luma (H, W), uint8, or uint16 for 10 bits.
            u: Cb (H/2, W/2), sides rounded up; or, without ``v``, Cb and Cr interleaved as in NV12: (H/2, W/2, 2), or
                (H/2, W).
            v: Cr, as Cb.
            matrix: ``bt709``, ``bt601``, ``bt2020``, ``fcc`` or ``smpte240m``; ``None``: BT.709 from 720 lines on, else
                BT.601.
            range: ``limited`` (16 to 235) or ``full``.
            bits: 8, or 10 in the low bits of uint16, as in yuv420p10le; P010 has them in the high ones.
            chroma_location: of a chroma sample among its four pixels: ``left``, ``center`` or ``topleft``.

        Returns:
            Y (2H, 2W), U and V (H, W); or Y and interleaved UV (H, W, 2), if there was no ``v``.

        Raises:
            OptionError: they are no such planes, or the engine can't do what is asked.
            EngineError: the network can't be run.
            MachineError: there is too little memory.
        """
        from sr4k.memory.given import Planes, planar

        reading = Planes(matrix=matrix, levels=range, bits=bits, chroma_location=chroma_location)
        large: tuple[Array, ...] = self._one(planar((y, u) if v is None else (y, u, v), reading))
        return large

    def yuv420_frames(
        self,
        planes: Iterable[tuple[Array, ...]],
        *,
        matrix: Matrix | None = None,
        range: Range = "limited",
        bits: int = 8,
        chroma_location: ChromaLocation = "left",
    ) -> Generator[tuple[Array, ...], None, None]:
        """Upscale the planes of many frames: `yuv420` as `frames` does it.

        Parts of a frame that are those of the frame before are not computed again, unless the preset says so.

        Args:
            planes: (Y, U, V), or (Y, UV), of each frame.
            matrix: as for `yuv420`, as the other arguments.

        Raises:
            OptionError: planes are of another kind, or the engine can't do what is asked.
            EngineError: the network can't be run.
            MachineError: there is too little memory.
        """
        from sr4k.memory.given import Planes, check_iterable, planar

        check_iterable(planes)
        reading = Planes(matrix=matrix, levels=range, bits=bits, chroma_location=chroma_location)
        return self._many(planes, lambda each: planar(each, reading))

    @overload
    def tensor(self, batch: "Tensor", *, bits: int | None = None) -> "Tensor": ...
    @overload
    def tensor(self, batch: HasDlpack, *, bits: int | None = None) -> Array: ...
    def tensor(self, batch: Any, *, bits: int | None = None) -> Any:
        """Upscale a batch of RGB or gray pictures: a tensor of PyTorch's, or of any library that has DLPack.

        Args:
            batch: (N, 3, H, W) or (N, 1, H, W): uint8 from 0 to 255, or uint16 for more than 8 bits.
            bits: depth of uint16, 9 to 16, whose largest value is white; ``None``: 16.

        Returns:
            A new tensor (N, 3, 2H, 2W) or (N, 1, 2H, 2W), or of the size that was asked for: for a tensor of PyTorch's
            one on the same device, and for any other a NumPy array, which has DLPack as well. If the engine runs on an
            NVIDIA GPU, PyTorch's tensors there stay there (RGB of 8 bits, at twice its size).

        Raises:
            OptionError: the tensor is of another kind, such as float, or the engine can't do what is asked.
            EngineError: the network can't be run, or a tensor on a GPU needs CUDA's bindings, which are not installed.
            MachineError: there is too little memory.
        """
        from sr4k.memory.tensors import Batch, is_torch

        if bits in (None, 8) and is_torch(batch) and (large := self._passages.on_gpu(batch)) is not None:
            return large
        pictures = Batch(batch, bits)
        for index, result in enumerate(self._many(pictures.pictures(), lambda given: given)):
            pictures.keep(index, result)
        return pictures.finished()

    def _one(self, given: "Given") -> Any:
        with self._passages.call(given.kind) as line:
            (result,) = line.run(iter([given]))
        return result

    def _many(self, frames: Iterable[T], checked: Callable[[T], "Given"]) -> Generator[Any, None, None]:
        from sr4k.memory.feed import Feed

        feed = Feed(frames, checked)
        while (kind := feed.kind) is not None:
            with self._passages.lent(kind, prompt=False) as line, closing(line.run(feed.of(kind))) as results:
                yield from results
        if feed.error is not None:
            raise feed.error


def _like(kind: type[Upscaler], preset: Preset, size: ResultSize) -> Upscaler:
    """Return an upscaler of the same kind, without calling what a subclass has in place of ``__init__``."""
    up = kind.__new__(kind)
    Upscaler.__init__(up, preset=preset, size=size)
    return up
