"""What can be found out about a foreign network by running it; see `sr4k.engines.foreign_trial`.

Nothing is concluded from names. The scale, the size and the range of values come from what the network makes of drawn
pictures, the receptive field from changing one pixel.
"""

import hashlib
import json
import math
import os
import resource
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sr4k.common.printable import one_line
from sr4k.engines.foreign_graph import cost_of, read_network, reason, sized
from sr4k.engines.openvino_library import ov, shared_core
from sr4k.errors import EngineError, Sr4kError
from sr4k.models.foreign.card import Card, Layout
from sr4k.models.foreign.onnx_file import parameters, read_graph
from sr4k.models.geometry import CELL
from sr4k.pipeline.spawning import received

Picture = NDArray[np.float32]
"""(channels, rows, columns), 0 to 1."""

_MOST_MEMORY = 8 << 30
"""Bytes that the test may allocate."""

_MOST_SECONDS = 600
"""CPU seconds that it may take."""

_SIDES = (64, 128, 96, 256)
"""Sizes of the first picture; the first that the network takes."""

_EXACT = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}

_ALIKE, _OTHER = 0.05, 0.1
"""Mean difference from the picture, white being 1, below which the levels are kept, and above which they are not."""

_LEAST_ALIKE, _MOST_SHIFT = 0.5, 1 / 3
"""Correlation with the picture, and distance of the mean level from its own, beyond which no picture comes back."""

_NUMBERS = {"f16", "f32", "f64", "u8", "u16", "i8", "i16", "i32", "i64"}
"""OpenVINO's names of the types that a picture can have."""

_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)

_WIDEST = 512
"""Side of the largest picture that the receptive field is looked for in."""

_WORK = 60e9
"""Multiply-accumulates that one such picture may cost."""

_FAR = 256
"""Side of a picture of which all is changed only by networks that look at the whole picture, and very deep ones."""

_USUAL, _LARGE = (0.0, 1.0), (1e3, -1e3, 1e6)
"""What the one pixel is changed to, white being 1. What a change from black to white does not reach in float32 may
still depend on it: a larger one is tried as well, and counts if it stays within the picture."""


def run(_name: str, pipe: BinaryIO) -> None:
    """Test a network in this process; `sr4k.pipeline.spawning` calls it."""
    path, made, answers = received(pipe)
    with os.fdopen(answers, "wb") as answer:
        answer.write(json.dumps(_told(Path(path), None if made is None else Path(made))).encode())


def _told(path: Path, made: Path | None) -> dict[str, str]:
    _limit(resource.RLIMIT_DATA, _MOST_MEMORY)
    _limit(resource.RLIMIT_CPU, _MOST_SECONDS)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        return {"card": _probed(path, made).to_toml()}
    except Sr4kError as err:
        text = str(err)
        return {"trouble": text if str(path) in text else f"{path} can't be used: {text}"}
    except MemoryError:
        return {"trouble": f"{path} can't be used: its test needs more than {_MOST_MEMORY >> 30} GiB of memory."}
    except Exception as err:  # libraries that meet what they do not expect raise anything
        return {"trouble": f"{path} can't be used: its test fails ({type(err).__name__}: {reason(err)})."}


def _limit(kind: int, most: int) -> None:
    with suppress(ValueError, OSError):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _probed(path: Path, made: Path | None) -> Card:
    if path.suffix.lower() != ".onnx":
        from sr4k.models.foreign.from_checkpoint import converted  # PyTorch

        if made is None:
            raise EngineError("a checkpoint has to be converted first: sr4k model add does it.")
        # The loader's networks take values from 0 to 1, whatever they make of them inside.
        return converted(path, made, lambda graph: probe(graph, 0, peaks=(1.0,)), ran)
    model = read_graph(path, beside=made is not None)
    graph = path.read_bytes()
    if made is not None:
        if b"external_data" in graph or any(True for _ in _apart(path)):
            graph = model.SerializeToString()
        made.write_bytes(graph)
    return probe(graph, parameters(model))


def _apart(path: Path) -> Iterator[Any]:
    """Yield the tensors of an ONNX file that lie in other files."""
    import onnx

    from sr4k.models.foreign.onnx_file import tensors

    for tensor in tensors(onnx.load_model(path, load_external_data=False)):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            yield tensor


def ran(graph: bytes, picture: Picture) -> Picture:
    """Return what a network with any input and output in NCHW makes of a picture (channels, rows, columns).

    Raises:
        EngineError: it takes no such picture.
    """
    try:
        request = _compiled(graph, picture.shape)
        request.infer([picture[None]])
    except RuntimeError as err:
        raise EngineError(f"it can't compute a picture: {reason(err)}") from err
    made: Picture = request.get_output_tensor(0).data[0].copy()
    return made


@lru_cache(maxsize=1)  # several pictures of one size
def _compiled(graph: bytes, shape: tuple[int, int, int]) -> "ov.InferRequest":
    core = shared_core()
    model = sized(read_network(core, graph), "NCHW", *shape)
    return core.compile_model(model, "CPU", _EXACT).create_infer_request()


def probe(graph: bytes, number: int, peaks: tuple[float, ...] = (1.0, 255.0)) -> Card:
    """Return the card of a network.

    Args:
        graph: ONNX, in one piece.
        number: of its parameters.
        peaks: values that white may have; networks on integers have 255.

    Raises:
        EngineError: it is no network that can be used; the message goes on after "can't be used:".
    """
    core = shared_core()
    trial = _Trial(core, read_network(core, graph))
    scale = trial.scale
    drawn = drawn_picture(trial.channels, *trial.base)
    first, second = (trial.run(drawn) for _ in range(2))
    if not np.isfinite(first).all():
        raise EngineError("what it makes of a picture is not finite.")
    levels = trial.levels(drawn, peaks)
    multiple = 1 if trial.fixed else trial.multiple()
    trial.amplitude = levels.peak
    cost = cost_of(sized(trial.model, trial.layout, trial.channels, *trial.base))
    pixels = math.prod(trial.base)
    return Card(
        scale=scale,
        channels=trial.channels,
        peak=levels.peak,
        layout=trial.layout,
        multiple=multiple,
        reach=trial.reach(multiple, cost.macs / pixels),
        fixed=trial.base if trial.fixed else None,
        deterministic=np.array_equal(first, second),
        parameters=number,
        macs_per_pixel=cost.macs / pixels,
        bytes_per_pixel=cost.nbytes / pixels,
        sha256=hashlib.sha256(graph).hexdigest(),
        correlation=round(levels.correlation, 3),
        shift=round(levels.shift, 3),
    )


@dataclass(frozen=True, slots=True)
class _Levels:
    """What comes back of a picture's levels, made smaller again by averaging.

    Attributes:
        peak: value that white had.
        mean: level of what the network made, white being 1.
        shift: that less the picture's own mean.
        correlation: of both; 0 where the result has one level.
        error: mean difference, white being 1.
    """

    peak: float
    mean: float
    shift: float
    correlation: float
    error: float

    @property
    def is_kept(self) -> bool:
        """Whether the picture can be recognised in the result."""
        return self.correlation >= _LEAST_ALIKE and abs(self.shift) <= _MOST_SHIFT

    def __str__(self) -> str:
        return f"with white as {self.peak:g} a mean of {self.mean:.3g} and a correlation of {self.correlation:.2f}"


class _Trial:
    """A network under test.

    Attributes:
        layout, channels: of its input and output.
        base: (rows, columns) of a picture that it takes.
        fixed: whether it takes no other size.
        scale: factor from input to output size.
        amplitude: value of white.
    """

    def __init__(self, core: "ov.Core", model: "ov.Model") -> None:
        self._core, self.model = core, model
        kinds = {each.get_element_type().get_type_name() for each in (*model.inputs, *model.outputs)}
        if others := kinds - _NUMBERS:
            raise EngineError(f"its input or output is of type {', '.join(sorted(others))}, and must be numbers.")
        shape = model.input(0).get_partial_shape()
        if shape.rank.is_dynamic or len(shape) != 4:
            raise EngineError(f"its input is {shape}, and must be pictures: batch, channels, rows and columns.")
        if shape[0].is_static and shape[0].get_length() != 1:
            raise EngineError(f"it takes {shape[0].get_length()} pictures at once, and must take one.")
        self.amplitude = 1.0
        self._compiled: dict[tuple[int, int], Any] = {}
        self._is_integer = not model.input(0).get_element_type().is_real()
        self.layout, self.channels, self.base, self.scale = self._first(shape)
        self.fixed = not any(self._takes(*size) for size in self._others())

    def _first(self, shape: Any) -> tuple[Layout, int, tuple[int, int], int]:
        """Return layout, channels, a size and the scale with which the network runs."""
        trouble = ""
        layouts: list[tuple[Layout, int]] = [("NCHW", 1), ("NHWC", 3)]
        for layout, at in layouts:
            rows, columns = (shape[k] for k in ((2, 3) if layout == "NCHW" else (1, 2)))
            sides = [(side, side) for side in _SIDES]
            if rows.is_static and columns.is_static:
                sides = [(rows.get_length(), columns.get_length())]
            if max(sides[0]) > 4096 or min(sides[0]) < 8:
                raise EngineError(f"it takes pictures of {sides[0][1]}x{sides[0][0]} only.")
            for channels in (3, 1):
                is_said = shape[at].is_static and shape[at].get_length() == channels
                if not is_said and (layout == "NHWC" or shape[at].is_static):
                    continue
                for size in sides:
                    self.layout, self.channels = layout, channels
                    try:
                        return self.layout, channels, size, self._scale_of(size)
                    except EngineError as err:
                        trouble = trouble or str(err)
        raise EngineError(trouble or f"its input is {shape}, and must have 3 channels, or 1.")

    def _scale_of(self, size: tuple[int, int]) -> int:
        made = self.run(drawn_picture(self.channels, *size)).shape
        factors = {there / here for there, here in zip(made[1:], size, strict=True)}
        if made[0] != self.channels or len(factors) != 1 or (factor := factors.pop()) not in (1, 2, 3, 4):
            given, got = f"{self.channels}x{size[0]}x{size[1]}", "x".join(map(str, made))
            raise EngineError(f"it makes {got} of {given}: it must keep the channels and enlarge 1, 2, 3 or 4 times.")
        return int(factor)

    def _others(self) -> Iterator[tuple[int, int]]:
        """Yield sizes of which a network takes one if it takes others than its base."""
        rows, columns = self.base
        for step in (64, 48, 32, 128):
            yield rows + step, columns + 2 * step

    def _takes(self, rows: int, columns: int) -> bool:
        try:
            made = self.run(drawn_picture(self.channels, rows, columns)).shape
        except EngineError:
            return False
        return made == (self.channels, self.scale * rows, self.scale * columns)

    def run(self, picture: Picture) -> Picture:
        """Return what the network makes of a picture, (channels, rows, columns), in its own range.

        Raises:
            EngineError: it takes no picture of that size, or fails.
        """
        size = picture.shape[1], picture.shape[2]
        try:
            if size not in self._compiled:
                self._compiled.clear()
                model = sized(self.model, self.layout, self.channels, *size)
                self._compiled[size] = self._core.compile_model(model, "CPU", _EXACT).create_infer_request()
            request = self._compiled[size]
            given = (picture * np.float32(self.amplitude))[None]
            given = given if self.layout == "NCHW" else given.transpose(0, 2, 3, 1)
            kind = self.model.input(0).get_element_type().to_dtype()
            given = np.rint(given).clip(0, 255) if self._is_integer else given
            with np.errstate(over="ignore"):
                request.infer([np.ascontiguousarray(given.astype(kind))])
        except (RuntimeError, TypeError) as err:
            words = str(err).strip().splitlines()
            raise EngineError(
                f"it can't compute a picture of {size[1]}x{size[0]}: {one_line(words[-1], 300) if words else err}"
            ) from err
        made: NDArray[Any] = request.get_output_tensor(0).data
        if made.ndim != 4 or made.shape[0] != 1:
            raise EngineError(f"its output is {'x'.join(map(str, made.shape))}, and must be one picture.")
        made = made[0] if self.layout == "NCHW" else made[0].transpose(2, 0, 1)
        return made.astype(np.float32)

    def levels(self, picture: Picture, peaks: tuple[float, ...]) -> _Levels:
        """Return what comes back with the value of white that suits: 255 only where that alone keeps the levels.

        Raises:
            EngineError: the picture comes back with none.
        """
        found = [self._levels_with(picture, peak) for peak in ((255.0,) if self._is_integer else peaks)]
        first, last = found[0], found[-1]
        best = last if last.error < _ALIKE < _OTHER < first.error or not first.is_kept else first
        if best.is_kept:
            return best
        words = (
            "it does not give a picture back: of one with a mean level of "
            f"{picture.mean():.2f}, white being 1, it makes {', '.join(map(str, found))}, made smaller again."
        )
        if any(each.correlation > 1 - _OTHER for each in found):
            words += " Input and output must have the same range, 0 to 1 or 0 to 255: export it so."
        raise EngineError(words)

    def _levels_with(self, picture: Picture, peak: float) -> _Levels:
        self.amplitude = peak
        made = self.run(picture).astype(np.float64) / peak
        channels, rows, columns = made.shape
        small = made.reshape(channels, rows // self.scale, self.scale, columns // self.scale, self.scale).mean((2, 4))
        apart = small - small.mean()
        own = picture - picture.mean()
        spread = math.sqrt(float((apart**2).mean() * (own**2).mean()))
        return _Levels(
            peak,
            mean=float(small.mean()),
            shift=float(small.mean() - picture.mean()),
            correlation=float((apart * own).mean()) / spread if spread > 0 else 0.0,
            error=float(np.abs(small - picture).mean()),
        )

    def multiple(self) -> int:
        """Return the smallest number of which rows and columns have to be multiples.

        Raises:
            EngineError: there is none up to 64.
        """
        rows, columns = (-(-side // 64) * 64 for side in self.base)
        for step in _MULTIPLES:
            if self._takes(rows + step, columns + 3 * step) and self._takes(rows + 5 * step, columns + 2 * step):
                return step
        raise EngineError("it takes pictures of some sizes only, which are no multiples of a number up to 64.")

    def reach(self, multiple: int, macs: float) -> int | None:
        """Return how many pixels away, in input pixels, a change of one is seen; ``None``: everywhere.

        Args:
            multiple: see `Card`.
            macs: for a pixel.
        """
        sides = [self.base]
        if not self.fixed:
            grid = math.lcm(CELL, multiple)
            sides = [(-(-side // grid) * grid,) * 2 for side in (64, 128, 256, _WIDEST) if side >= min(self.base)]
        found = None
        for rows, columns in sides:
            if macs * rows * columns > _WORK and (rows, columns) != sides[0]:
                return found
            least, is_all = self._seen(rows, columns, multiple, _USUAL)
            room = min(rows, columns) // 2 - multiple
            if least < room:
                found = least + multiple - 1
                most = least if self._is_integer else self._seen(rows, columns, multiple, _LARGE)[0]
                if most < room:
                    return max(least, most) + multiple - 1
                if rows >= _FAR:
                    return found
            elif is_all and rows >= _FAR:
                return None
        return found

    def _seen(self, rows: int, columns: int, multiple: int, changes: Sequence[float]) -> tuple[int, bool]:
        """Return how many pixels away changes of one pixel are seen in a picture, and whether they are everywhere."""
        picture = drawn_picture(self.channels, rows, columns)
        before = self.run(picture)
        farthest, is_all = 0, False
        for number, change in enumerate(changes):
            shift = number % 2 * (multiple > 1)  # another place in the network's own grid
            y, x = rows // 2 + shift, columns // 2 + shift
            other = picture.copy()
            other[:, y, x] = change
            with np.errstate(all="ignore"):
                differs = ~(self.run(other) == before)
            is_all = is_all or bool(differs.all())
            for axis, at in ((1, y), (2, x)):
                places = np.flatnonzero(differs.any(axis=tuple({0, 1, 2} - {axis}))) // self.scale
                if len(places):
                    farthest = max(farthest, int(np.abs(places - at).max()))
        return farthest, is_all


def drawn_picture(channels: int, rows: int, columns: int) -> Picture:
    """Return a picture with slopes, edges, waves and a little noise, 0 to 1."""
    draw = np.random.default_rng(rows * 8191 + columns)
    y, x = np.mgrid[:rows, :columns]
    blocks = draw.uniform(0.2, 0.8, (channels, -(-rows // 12), -(-columns // 12)))[:, y // 12, x // 12]
    waves = 0.15 * np.sin(x / 4 + y / 7) + 0.1 * (x / columns - y / rows)
    noise = draw.normal(0, 0.02, (channels, rows, columns))
    return np.asarray(np.clip(blocks + waves + noise, 0.02, 0.98), np.float32)
