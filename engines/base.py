"""The contract of every backend."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sr4k.errors import EngineError, InternalError, OptionError
from sr4k.models.architecture import Precision
from sr4k.models.colour import Colour
from sr4k.models.geometry import CELL, MARGIN, padded_chroma, padded_luma

if TYPE_CHECKING:
    from typing import Self  # Python 3.11: an engine's library may want an older one

Plane = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """What to run, at which size.

    Attributes:
        model: name of a network in `sr4k.models.zoo`.
        height: rows of the picture; even.
        width: columns of the picture; even.
        colour: how the YUV planes are to be read, or ``None`` for RGB in and out.
        precision: ``auto`` takes the best that the hardware runs well.
        threads: CPU threads; ``None`` takes as many as the machine grants.
        weights: folder of the model's files; ``None``: those that ship with the package.
        prompt: whether one picture is to be done as soon as can be, rather than many in little time.
    """

    model: str
    height: int
    width: int
    colour: Colour | None
    precision: Precision = "auto"
    threads: int | None = None
    weights: Path | None = None
    prompt: bool = False

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the padded planes: luma (H + 21, W + 21), chroma (2, H/2 + 12, W/2 + 12); or RGB (3, H + 21, W + 21).

        Chroma of 4:4:4 pictures: (2, H + 21, W + 21).
        """
        luma = padded_luma(self.height, self.width)
        if self.colour is None:
            return ((3, *luma),)
        return (luma, (2, *padded_chroma(self.height, self.width, self.colour.sampling)))

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """(H/2 + 10, W/2 + 10, 24), or 48 channels for RGB: cells with a margin of five around."""
        cells = (self.height // CELL + 2 * MARGIN, self.width // CELL + 2 * MARGIN)
        return (*cells, 48 if self.colour is None else 24)

    @property
    def input_dtype(self) -> np.dtype[Any]:
        """uint8 for YUV, uint16 for more than 8 bits, float32 for RGB 0..255; the output's is the same."""
        return np.dtype(np.float32 if self.colour is None else self.colour.dtype)


class Engine(ABC):
    """A network ready to run: a context manager with asynchronous, in-order results.

    `submit` and `result` are for callers and check; ``*_impl`` is for backends. Inputs must stay untouched until their
    result is out. A result is a view that is valid until the next `submit`.
    """

    in_flight: int = 1
    """How many inputs may be submitted before a result must be taken."""

    precisions: tuple[Precision, ...] = ("auto", "int8", "fp32")
    """What it can run."""

    most_bits: int = 16
    """Of a sample of the planes that it takes."""

    def __init__(self, spec: EngineSpec) -> None:
        if spec.height % CELL or spec.width % CELL or min(spec.height, spec.width) < CELL:
            raise InternalError(f"{spec.height = }, {spec.width = } must be even.")
        if spec.precision not in self.precisions:
            choices = ", ".join(self.precisions)
            raise OptionError(f"This engine has no {spec.precision}: --precision can be {choices}.")
        if spec.colour is not None and spec.colour.bits > self.most_bits:
            raise OptionError(
                f"{type(self).__name__} works on pictures of {self.most_bits} bits, and these have {spec.colour.bits}: "
                "use --engine openvino."
            )
        self.spec = spec
        self._active = False
        self._pending = 0

    def activate(self) -> "Self":
        """Get ready: load the network and take memory for it. ``with engine:`` does this, and `deactivate` at its end.

        Raises:
            EngineError: what it needs is not there, or does not work.
        """
        self.activate_impl()
        self._active = True
        return self

    def deactivate(self) -> None:
        """Give back what `activate` took; results are no longer valid."""
        self._active = False
        self.deactivate_impl()

    def __enter__(self) -> "Self":
        return self.activate()

    def __exit__(self, *exc: object) -> None:
        self.deactivate()

    @property
    def pending(self) -> int:
        """Inputs whose result has not been taken."""
        return self._pending

    def submit(self, planes: Sequence[Plane]) -> None:
        """Start on one picture.

        Args:
            planes: padded, with the shapes of ``spec.input_shapes`` and the dtype ``spec.input_dtype``.

        Raises:
            EngineError: the backend fails, as after an earlier error of the GPU.
            InternalError: the engine is not active, `in_flight` pictures are at work, or a shape or dtype is wrong.
        """
        self._require_active()
        if self._pending >= self.in_flight:
            raise InternalError(f"{self._pending} pictures are in flight: take a result first.")
        shapes = tuple(plane.shape for plane in planes)
        if shapes != self.spec.input_shapes or any(plane.dtype != self.spec.input_dtype for plane in planes):
            raise InternalError(f"expected {self.spec.input_dtype} {self.spec.input_shapes}, got {shapes}.")
        with self._failures_named():
            self.submit_impl(planes)
        self._pending += 1

    def result(self) -> Plane:
        """Wait for the oldest picture and return its sub-pixels, shaped ``spec.output_shape``.

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
        if out.shape != self.spec.output_shape:
            raise InternalError(f"{type(self).__name__} returned {out.shape}, not {self.spec.output_shape}.")
        return out

    def infer(self, planes: Sequence[Plane]) -> Plane:
        """One picture, start to end."""
        self.submit(planes)
        return self.result()

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        """Turn what a backend's library raises into an EngineError that names the engine and the size."""
        try:
            yield
        except (RuntimeError, MemoryError) as err:
            raise EngineError(f"{type(self).__name__} failed at {self.spec.width}x{self.spec.height}: {err}") from err

    def _require_active(self) -> None:
        if not self._active:
            raise InternalError(f"{type(self).__name__} is not active: `activate` it, or use it in `with engine:`.")

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Backend, version, device, model, precision, threads and multiply-accumulates a picture."""

    @abstractmethod
    def activate_impl(self) -> None: ...

    def deactivate_impl(self) -> None:
        """Give back what `activate_impl` took."""

    @abstractmethod
    def submit_impl(self, planes: Sequence[Plane]) -> None: ...

    @abstractmethod
    def result_impl(self) -> Plane: ...
