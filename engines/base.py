"""The contract of every backend."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sr4k.common.option_names import option
from sr4k.errors import EngineError, InternalError, OptionError
from sr4k.models.architecture import Precision
from sr4k.models.geometry import CELL, CELL_OUT, MARGIN, padded_chroma, padded_luma

if TYPE_CHECKING:
    from typing import Self  # Python 3.11: an engine's library may want an older one

    import numpy as np
    from numpy.typing import NDArray

    from sr4k.models.colour import Colour
    from sr4k.models.foreign.store import Foreign
    from sr4k.models.zoo import Model

    Plane = NDArray[Any]
else:
    Plane = Any  # whoever plans a job sees no planes, and does without NumPy

Cells = tuple[Plane, ...]
"""A result: arrays (rows, columns, channels) whose channels together are the sub-pixels of each cell. Of a network that
a user brought, the planes of the picture as one array."""

USUAL_DEVICE = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """A network to run and the frames to run it on.

    Attributes:
        model: name of a network in `sr4k.models.zoo`, or name or path of a foreign one, which the user brought.
        height: rows of the frame; even.
        width: columns of the frame; even.
        colour: format of the YUV planes, or ``None`` for RGB in and out.
        precision: ``auto`` chooses the fastest that the hardware runs well.
        threads: CPU threads; ``None``: as many as this process may use.
        weights: folder with the model's files; ``None``: the files that ship with the package.
        prompt: whether to minimise the latency of one frame, rather than to maximise throughput.
        device: of OpenVINO: ``cpu``, ``gpu``, ``gpu.1`` (the second of several), ``npu``, or ``auto``, the fastest
            that gives the CPU's picture. Other engines have none.
        rounded: whether RGB comes out rounded to 8 bits, a quarter of the memory; YUV always comes out rounded.
        quality: how compressed the source of the frames is, 0..51 (`sr4k.models.source_quality`).
        sharpness: how crisp the result is, 0..100 (`sr4k.models.zoo.load`).
        reuse: whether a foreign network's tiles that stay as they are are not computed again, on YUV planes.
    """

    model: str
    height: int
    width: int
    colour: "Colour | None"
    precision: Precision = "auto"
    threads: int | None = None
    weights: Path | None = None
    prompt: bool = False
    device: str = USUAL_DEVICE
    rounded: bool = False
    quality: int = 0
    sharpness: int = 0
    reuse: bool = False

    @property
    def foreign(self) -> "Foreign | None":
        """The network if it is one that the user brought.

        Raises:
            OptionError: see `sr4k.models.foreign.store.find`.
        """
        from sr4k.models.catalogue import foreign

        return foreign(self.model)

    def network(self) -> "Model":
        """Load the network.

        Raises:
            OptionError: see `sr4k.models.zoo.load`.
        """
        from sr4k.models.zoo import load

        return load(self.model, self.weights, self.quality, self.sharpness)

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the padded planes: luma (H + 21, W + 21), chroma (2, H/2 + 12, W/2 + 12); RGB (3, H + 21, W + 21).

        Chroma of 4:4:4 frames is (2, H + 21, W + 21).
        """
        luma = padded_luma(self.height, self.width)
        if self.colour is None:
            return ((3, *luma),)
        return (luma, (2, *padded_chroma(self.height, self.width, self.colour.sampling)))

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape (H/2 + 10, W/2 + 10, 24) of the cells, with a margin of five cells on each side. RGB: 48 channels.

        Of a foreign network of scale s: planes without a margin, (3sH/2, sW) for Y, U and V of 4:2:0 as one block, or
        RGB (3, sH, sW).
        """
        if (foreign := self.foreign) is not None:
            height, width = foreign.card.scale * self.height, foreign.card.scale * self.width
            return (3, height, width) if self.colour is None else (3 * height // 2, width)
        cells = (self.height // CELL + 2 * MARGIN, self.width // CELL + 2 * MARGIN)
        return (*cells, 48 if self.colour is None else 24)

    @property
    def result_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the arrays of a result: 16 channels of luma and 8 of chroma, or 48 of RGB.

        Of a foreign network it is one: see `output_shape`.
        """
        if self.foreign is not None:
            return (self.output_shape,)
        rows, columns = self.output_shape[:2]
        parts = (3 * CELL_OUT**2,) if self.colour is None else (CELL_OUT**2, 2 * CELL**2)
        return tuple((rows, columns, channels) for channels in parts)

    @property
    def input_dtype(self) -> "np.dtype[Any]":
        """Dtype of the input: uint8 for YUV, uint16 for more than 8 bits, float32 with values 0..255 for RGB."""
        import numpy as np

        return np.dtype(np.float32 if self.colour is None else self.colour.dtype)

    @property
    def output_dtype(self) -> "np.dtype[Any]":
        """Dtype of the output: that of the input, but uint8 for RGB that is rounded."""
        import numpy as np

        return np.dtype(np.uint8) if self.colour is None and self.rounded else self.input_dtype


class Engine(ABC):
    """A network that is ready to run: a context manager whose results are asynchronous and in order.

    Callers use `submit` and `result`, which check their arguments; backends implement ``*_impl``. Inputs must not
    change until their result is returned. A result is a view that is valid until the next `submit`.
    """

    in_flight: int = 1
    """Number of inputs that may be submitted before a result has to be fetched."""

    precisions: tuple[Precision, ...] = ("auto", "int8", "fp32")
    """Precisions that the backend supports."""

    foreign_precisions: tuple[Precision, ...] = ("auto", "int8", "fp32")
    """Those that it supports for networks that users bring."""

    follows_quality: bool = True
    """Whether it starts quickly enough to be replaced by one with other weights while a video runs."""

    most_bits: int = 16
    """Largest bit depth of the planes that it accepts."""

    takes_rgb: bool = True
    """Whether it runs networks on RGB too, not on YUV planes alone."""

    takes_foreign: bool = False
    """Whether it runs networks that users bring, whose results are planes instead of cells."""

    has_devices: bool = False
    """Whether it runs on other devices than its own one; see ``device`` of `EngineSpec`."""

    def __init__(self, spec: EngineSpec) -> None:
        if spec.height % CELL or spec.width % CELL or min(spec.height, spec.width) < CELL:
            raise InternalError(f"{spec.height = }, {spec.width = } must be even.")
        if spec.colour is not None and spec.colour.bits > self.most_bits:
            raise OptionError(
                f"The engine {_name_of(self)} works on pictures of {self.most_bits} bits, and these have "
                f"{spec.colour.bits}: use {option('engine', 'openvino')}."
            )
        if spec.colour is None and not self.takes_rgb:
            raise OptionError(
                f"The engine {_name_of(self)} works on YUV planes, not on RGB: use {option('pixels', 'yuv')}, or "
                f"another {option('engine')}."
            )
        if (foreign := spec.foreign) is not None:
            if not self.takes_foreign:
                raise for_ours_alone(_name_of(self), spec.model)
            foreign.check_precision(spec.precision)
        offered = self.precisions if foreign is None else self.foreign_precisions
        if spec.precision not in offered:
            choices = ", ".join(offered)
            raise OptionError(f"This engine has no {spec.precision}: {option('precision')} can be {choices}.")
        if spec.device != USUAL_DEVICE and not self.has_devices:
            given, engine = option("device", spec.device), option("engine", "openvino")
            raise OptionError(f"{given} is for {engine}: leave it out.")
        self.spec = spec
        self._result_shapes = spec.result_shapes  # once: of a foreign network they are read from its card
        self._active = False
        self._pending = 0

    def activate(self) -> "Self":
        """Load the network and allocate its memory. ``with engine:`` calls this, and `deactivate` at its end.

        Raises:
            EngineError: hardware, a driver or a library is missing or does not work.
        """
        self.activate_impl()
        self._active = True
        return self

    def deactivate(self) -> None:
        """Release what `activate` allocated; results become invalid."""
        self._active = False
        self.deactivate_impl()

    def __enter__(self) -> "Self":
        return self.activate()

    def __exit__(self, *exc: object) -> None:
        self.deactivate()

    @property
    def pending(self) -> int:
        """Number of inputs whose result has not been fetched."""
        return self._pending

    @property
    def computed(self) -> float | None:
        """Share of the frames so far that was computed and not reused, 0 to 1; ``None``: it reuses nothing itself."""
        return None

    def submit(self, planes: Sequence[Plane]) -> None:
        """Start computing one frame.

        Args:
            planes: padded, with the shapes of ``spec.input_shapes`` and the dtype ``spec.input_dtype``.

        Raises:
            EngineError: the backend fails, as after an earlier error of the GPU.
            InternalError: the engine is not active, `in_flight` frames are pending, or a shape or dtype is wrong.
        """
        self._require_active()
        if self._pending >= self.in_flight:
            raise InternalError(f"{self._pending} frames are in flight: fetch a result first.")
        shapes = tuple(plane.shape for plane in planes)
        if shapes != self.spec.input_shapes or any(plane.dtype != self.spec.input_dtype for plane in planes):
            raise InternalError(f"expected {self.spec.input_dtype} {self.spec.input_shapes}, got {shapes}.")
        with self._failures_named():
            self.submit_impl(planes)
        self._pending += 1

    def result(self) -> Cells:
        """Wait for the oldest frame and return its sub-pixels, or its planes, shaped ``spec.result_shapes``.

        Raises:
            EngineError: the backend fails.
            InternalError: the engine is not active, nothing was submitted, or the backend returns another shape.
        """
        self._require_active()
        if not self._pending:
            raise InternalError("nothing was submitted.")
        with self._failures_named():
            out = self.result_impl()
        self._pending -= 1
        shapes = tuple(part.shape for part in out)
        if shapes != self._result_shapes:
            raise InternalError(f"{type(self).__name__} returned {shapes}, not {self._result_shapes}.")
        return out

    def infer(self, planes: Sequence[Plane]) -> Plane:
        """Compute one frame and return all its sub-pixels, shaped ``spec.output_shape``, in memory of their own.

        Raises:
            EngineError: the backend fails.
            InternalError: see `submit` and `result`.
        """
        self.submit(planes)
        return joined(self.result())

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        """Turn an exception of the backend's library into an EngineError that names the engine and the size."""
        try:
            yield
        except (RuntimeError, MemoryError) as err:
            raise EngineError(f"{type(self).__name__} failed at {self.spec.width}x{self.spec.height}: {err}") from err

    def _require_active(self) -> None:
        if not self._active:
            raise InternalError(f"{type(self).__name__} is not active: `activate` it, or use it in `with engine:`.")

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return ``engine``, ``version``, ``device``, ``model``, ``precision``, ``threads`` and ``macs`` (a frame)."""

    @abstractmethod
    def activate_impl(self) -> None:
        """Load the network and allocate its memory; raise EngineError where that fails."""

    def deactivate_impl(self) -> None:
        """Release what `activate_impl` allocated."""

    @abstractmethod
    def submit_impl(self, planes: Sequence[Plane]) -> None:
        """Start computing one frame; its planes have been checked."""

    @abstractmethod
    def result_impl(self) -> Cells:
        """Wait for the oldest frame and return its sub-pixels; `parted` makes a result of an array of them all."""


def parted(cells: Plane) -> Cells:
    """Return sub-pixels (rows, columns, 24 or 48) as planes of a result: views of luma and chroma, or RGB itself."""
    luma = CELL_OUT**2
    return (cells,) if cells.shape[2] == 3 * luma else (cells[..., :luma], cells[..., luma:])


def joined(cells: Cells) -> Plane:
    """Return a result as one array (rows, columns, 24 or 48), or planes, in memory of its own."""
    import numpy as np

    return np.concatenate(cells, axis=2) if len(cells) > 1 else cells[0].copy()


def for_ours_alone(engine: str, model: str) -> OptionError:
    """Return the refusal of an engine that doesn't run the networks that users bring."""
    return OptionError(
        f"The engine {engine} runs only the networks that ship with the package, and {model} is one of yours: use "
        f"{option('engine', 'openvino')}."
    )


def _name_of(engine: Engine) -> str:
    """Return the name of an engine, as ``--engine`` takes it: that of its module."""
    return type(engine).__module__.rpartition(".")[2]
