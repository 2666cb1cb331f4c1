"""Pictures as a program gives them: what they are, checked, and the form in which the stages take and return them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.errors import OptionError
from sr4k.media.decoded_picture import padded_format
from sr4k.media.planes import inside, split_420
from sr4k.media.rgb import rgb_format, without_colour
from sr4k.media.video import BT709, FULL_RANGE, HD_HEIGHT, ColourTags, VideoInfo
from sr4k.models.architecture import Pixels
from sr4k.models.colour import LUMA, ChromaLocation, Colour, Matrix
from sr4k.pipeline import Buffers, Format, Frame, FrameInfo, PlaneSpec

Array = NDArray[Any]
Order = Literal["rgb", "bgr"]

_DEEPEST = 16
_BAND = 32
"""Rows that are rescaled at once: a whole frame as float64 would be four times its size."""

_TAGS = ColourTags(BT709, FULL_RANGE, BT709, 13)
_UNTIMED = FrameInfo(pts=0, time_base=Fraction(1))


@dataclass(frozen=True, slots=True)
class Kind:
    """What pictures have in common that pass through the same open stages.

    Attributes:
        width, height: in pixels.
        layout: ``rgb`` (H, W, 3), ``gray`` (H, W, 1), or ``yuv``: planes of 4:2:0.
        colour: how planes are read; of RGB and gray only the depth counts, 8 or 16 bits.
    """

    width: int
    height: int
    layout: Literal["rgb", "gray", "yuv"]
    colour: Colour

    @property
    def pixels(self) -> Pixels:
        """What the network works on."""
        return "yuv" if self.layout == "yuv" else "bgr"

    @property
    def rgb_bits(self) -> Literal[8, 16]:
        """Depth of a result in RGB."""
        return 8 if self.colour.bits == 8 else 16

    @property
    def form(self) -> Format:
        """The format of the frames that the stages take."""
        info = VideoInfo(
            width=self.width,
            height=self.height,
            time_base=_UNTIMED.time_base,
            rate=Fraction(1),
            tags=_TAGS,
            colour=self.colour,
            pixel_format="yuv420p" if self.colour.bits == 8 else "yuv420p10le",
        )
        if self.layout == "yuv":
            return padded_format(info)
        if self.layout == "gray":
            return Format((PlaneSpec((self.height, self.width, 1), self.colour.dtype),), about=info)
        return rgb_format(info)


@dataclass(frozen=True, slots=True)
class Given:
    """A picture.

    Attributes:
        kind: of the picture.
        planes: RGB (H, W, 3) in this order or gray (H, W, 1), of any strides; or Y (H, W), U and V.
        memory: makes the array that the stages write the result to, of a shape and dtype.
        finished: makes what the caller gets of that array.
    """

    kind: Kind
    planes: tuple[Array, ...]
    memory: Callable[[PlaneSpec], Array]
    finished: Callable[[Array], Any]

    def frame(self, buffers: Buffers) -> Frame:
        """Return the picture as a frame for the stages: a view of RGB, or planes copied into padded ones."""
        if self.kind.layout != "yuv":
            return Frame(self.planes, _UNTIMED)
        out = buffers.take(_UNTIMED)
        luma, chroma = out.planes
        targets = inside(luma, chroma, (self.kind.width, self.kind.height))
        for target, plane in zip(targets, self.planes, strict=True):
            np.copyto(target, plane)
        return out


def packed(frame: object, *, order: Order = "rgb", bits: int | None = None) -> Given:
    """Return a gray picture (H, W) or one of colours (H, W, 3).

    Args:
        frame: a NumPy array of uint8, or of uint16 for more than 8 bits.
        order: of the colours.
        bits: depth of uint16, 9 to 16.

    Raises:
        OptionError: it is no such picture.
    """
    if order not in ("rgb", "bgr"):
        raise OptionError(f"order can't be {order!r}: use 'rgb' or 'bgr'.")
    array = _array(frame)
    _check_packed(array)
    bits = _bits_of(array, bits)
    is_gray, is_backwards = array.ndim == 2, array.ndim == 3 and order == "bgr"
    views = array[..., None] if is_gray else array[..., ::-1] if is_backwards else array
    if bits not in (8, _DEEPEST):
        views = _rescaled(views, bits, _DEEPEST)
    height, width = array.shape[:2]
    kind = Kind(width, height, "gray" if is_gray else "rgb", Colour(full_range=True, bits=8 if bits == 8 else _DEEPEST))

    def memory(spec: PlaneSpec) -> Array:
        return _new(spec)[..., ::-1] if is_backwards else _new(spec)

    def finished(rgb: Array) -> Array:
        made = rgb if bits in (8, _DEEPEST) else _rescaled(rgb, _DEEPEST, bits, out=rgb)
        if is_gray:
            return without_colour(made)
        return made[..., ::-1] if is_backwards else made

    return Given(kind, (views,), memory, finished)


def check_several(frames: object) -> None:
    """Refuse one picture where several are asked for: its rows would be read as gray pictures.

    Raises:
        OptionError: it is one picture, or nothing to iterate over.
    """
    check_iterable(frames)
    if isinstance(frames, np.ndarray) and frames.ndim == 3 and frames.shape[2] in (3, 4):
        raise OptionError(
            f"An array of the shape {frames.shape} is one picture, and frames() takes several: pass [frame], or "
            "list(frames) of gray ones."
        )


def check_iterable(frames: object) -> None:
    """Refuse what is no iterable, before an iterator is made of it.

    Raises:
        OptionError: it is none.
    """
    if not isinstance(frames, Iterable):
        raise OptionError(
            f"Frames come from an iterable, and this is a {_kind_of(frames)}: pass a list, or a generator."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """How planes of 4:2:0 are read; see `sr4k.memory.upscaler.Upscaler.yuv420`.

    Raises:
        OptionError: a value is not supported.
    """

    matrix: str | None
    levels: str
    bits: int
    chroma_location: str

    def __post_init__(self) -> None:
        for name, value, known in (
            ("matrix", self.matrix, (None, *LUMA)),
            ("range", self.levels, ("limited", "full")),
            ("bits", self.bits, (8, 10)),
            ("chroma_location", self.chroma_location, get_args(ChromaLocation)),
        ):
            if value not in known:
                choices = ", ".join(str(each) for each in known)
                raise OptionError(f"{name} of 4:2:0 planes can't be {value!r}: use {choices}.")

    def colour(self, height: int) -> Colour:
        """Return it for pictures of so many rows, which decide the matrix where none is named."""
        usual: Matrix = "bt709" if height >= HD_HEIGHT else "bt601"
        return Colour(
            cast("Matrix | None", self.matrix) or usual,
            full_range=self.levels == "full",
            chroma_location=cast("ChromaLocation", self.chroma_location),
            bits=self.bits,
        )


def planar(planes: object, reading: Planes) -> Given:
    """Return a picture of 4:2:0 planes.

    Args:
        planes: luma (H, W), then U and V, or U and V interleaved (rows, columns, 2), of H/2 rows and W/2 columns,
            rounded up.
        reading: how they are read.

    Raises:
        OptionError: they are no such planes.
    """
    if not isinstance(planes, Sequence):
        raise OptionError(f"A frame of 4:2:0 is (y, u, v), or (y, uv), and this is a {_kind_of(planes)}.")
    if len(planes) not in (2, 3):
        raise OptionError(f"A frame of {len(planes)} planes is not 4:2:0: pass (y, u, v), or (y, uv).")
    luma, *chroma = (_array(plane) for plane in planes)
    if luma.ndim != 2 or not luma.size:
        raise OptionError(f"y has the shape {luma.shape}: pass luma as (H, W).")
    colour, is_split = reading.colour(luma.shape[0]), len(chroma) == 2
    half = -(-luma.shape[0] // 2), -(-luma.shape[1] // 2)
    if not is_split and chroma[0].shape == (half[0], 2 * half[1]):
        chroma = [chroma[0].reshape(*half, 2)]
    wanted = half if is_split else (*half, 2)
    if any(plane.shape != wanted for plane in chroma):
        shapes = " and ".join(str(plane.shape) for plane in chroma)
        raise OptionError(f"Chroma has the shape {shapes}: beside luma of {luma.shape}, 4:2:0 has {wanted}.")
    if any(plane.dtype != colour.dtype for plane in (luma, *chroma)):
        kinds = ", ".join(sorted({str(plane.dtype) for plane in (luma, *chroma)}))
        raise OptionError(f"Planes of {colour.bits} bits are {colour.dtype}, not {kinds}: set bits.")
    for plane in (luma, *chroma):
        _check_depth(plane, colour.bits)
    views = (luma, *chroma) if is_split else (luma, chroma[0][..., 0], chroma[0][..., 1])

    def finished(block: Array) -> tuple[Array, ...]:
        large = split_420(block)
        return large if is_split else (large[0], np.asarray(cv2.merge(large[1:])))

    return Given(Kind(luma.shape[1], luma.shape[0], "yuv", colour), views, _new, finished)


def _new(spec: PlaneSpec) -> Array:
    return np.empty(spec.shape, spec.dtype)


def _array(frame: object) -> Array:
    if isinstance(frame, np.ma.MaskedArray):
        raise OptionError("A masked array has pixels without a value: pass frame.filled(0), or another value.")
    if isinstance(frame, np.ndarray):
        return np.asarray(frame, frame.dtype.newbyteorder("="))
    instead = "use tensor() for what has DLPack" if hasattr(frame, "__dlpack__") else "convert it by np.asarray"
    raise OptionError(f"A frame is a NumPy array, and this is a {_kind_of(frame)}: {instead}.")


def _kind_of(value: object) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def _check_packed(array: Array) -> None:
    shape = array.shape
    if array.ndim not in (2, 3):
        raise OptionError(f"A frame of the shape {shape} is no picture: pass (H, W, 3), or gray as (H, W).")
    if not array.size:
        raise OptionError(f"A frame of the shape {shape} is empty.")
    if array.ndim == 3 and shape[2] == 4:
        raise OptionError(
            f"A frame of the shape {shape} has alpha: pass the colours, frame[..., :3], and enlarge alpha, "
            "frame[..., 3], as a gray frame."
        )
    if array.ndim == 3 and shape[2] != 3:
        hint = "it is planar, which tensor(frame[None]) takes" if shape[0] == 3 else "gray is (H, W)"
        raise OptionError(f"A frame of the shape {shape} is not (H, W, 3): {hint}.")


def _bits_of(array: Array, bits: int | None) -> int:
    """Return the depth of a picture, which must have a dtype of its own for it."""
    if array.dtype.kind == "f":
        raise OptionError(
            f"A frame of {array.dtype} may reach to 1 or to 255, which nothing says: pass uint8, as by "
            "(frame * 255).round().astype(np.uint8), or uint16."
        )
    if array.dtype not in (np.uint8, np.uint16):
        raise OptionError(f"A frame of {array.dtype} is not supported: pass uint8, or uint16 for more than 8 bits.")
    if array.dtype == np.uint8:
        if bits not in (None, 8):
            raise OptionError(f"A frame of uint8 has 8 bits, not {bits}: leave bits out.")
        return 8
    bits = _DEEPEST if bits is None else bits
    if bits not in range(9, _DEEPEST + 1):
        raise OptionError(f"A frame of uint16 can't have {bits!r} bits: use 9 to 16.")
    _check_depth(array, int(bits))
    return int(bits)


def _check_depth(array: Array, bits: int) -> None:
    """Refuse values of uint16 beyond the depth, which would be read wrongly."""
    if array.dtype == np.uint16 and bits < _DEEPEST and (highest := int(array.max())) >= 1 << bits:
        raise OptionError(
            f"{highest} has more than {bits} bits: pass the right bits, or shift P010's samples right by 6."
        )


def _rescaled(values: Array, bits: int, target: int, out: Array | None = None) -> Array:
    """Return full-range values of ``bits`` on the scale of ``target`` bits, rounded; ``out`` may be the values."""
    ratio = np.float64((1 << target) - 1) / ((1 << bits) - 1)
    made = np.empty(values.shape, np.uint16) if out is None else out
    for top in range(0, len(values), _BAND):
        rows = slice(top, top + _BAND)
        np.rint(values[rows] * ratio, out=made[rows], casting="unsafe")
    return made
