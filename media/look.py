"""A picture's look (size, pixel format, colour, pixel shape): determined once, on decoding, and passed on with it."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal, NamedTuple

from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from sr4k.media.video import BT601, BT709, FULL_RANGE, HD_HEIGHT, LIMITED_RANGE, MATRIX_NAMES, ColourTags, colour_of
from sr4k.models.colour import Colour

Chroma = Literal["400", "420", "422", "444"]
"""Chroma sampling: gray, 4:2:0, 4:2:2 or 4:4:4."""

ColourModel = Literal["rgb", "gray", "yuv"]
"""What the samples of a pixel are: red, green and blue (or an entry of a palette of those), gray, or Y'CbCr."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The part of a pixel format that is kept: a depth of 8 or 10 bits, and the chroma sampling."""

    bits: Literal[8, 10]
    chroma: Chroma

    @property
    def name(self) -> str:
        """Planar pixel format with this depth and sampling, by libav's name."""
        depth = "10le" if self.bits == 10 else ""
        return f"gray{depth}" if self.chroma == "400" else f"yuv{self.chroma}p{depth}"

    def is_of(self, pixel_format: str) -> bool:
        """Whether planes of a pixel format, by libav's name, have this layout and need no conversion."""
        return pixel_format in (self.name, self.name.replace("yuv", "yuvj"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Size, pixel format, colour and pixel shape of a picture. Pictures with equal looks are processed alike.

    Attributes:
        width, height: in pixels.
        pixel_format: libav's name.
        colour: how to read its planes; for RGB, how to read the Y'CbCr made from it. Always with 8 bits and 4:2:0
            (``layout`` has the real ones) and the codec's usual chroma location.
        sample_aspect_ratio: ``None``: not specified.
        tags: the picture's colour tags, corrected where the pixel format is more specific.
        layout: the part of the pixel format that is kept.
        is_colourful: whether it has a colour for every pixel: RGB or a palette.
        may_be_transparent: whether the pixel format has an alpha channel or a palette.
    """

    width: int
    height: int
    pixel_format: str
    colour: Colour
    sample_aspect_ratio: Fraction | None = None
    tags: ColourTags = field(compare=False)
    layout: Layout = field(compare=False)
    is_colourful: bool = field(compare=False)
    may_be_transparent: bool = field(compare=False)

    @classmethod
    def of(cls, frame: VideoFrame, *, codec: str = "", sample_aspect_ratio: Fraction | None = None) -> "Look":
        """Determine the look of a decoded picture.

        Args:
            frame: the picture.
            codec: libav's name, which decides the usual chroma location.
            sample_aspect_ratio: the stream's; PyAV does not expose the picture's own.
        """
        tags = _tags_of(frame)
        return cls(
            width=frame.width,
            height=frame.height,
            pixel_format=frame.format.name,
            colour=colour_of(tags, height=frame.height, codec=codec),
            sample_aspect_ratio=sample_aspect_ratio,
            tags=tags,
            layout=layout_of(frame.sw_format or frame.format),
            is_colourful=is_colourful(frame.format),
            may_be_transparent=may_be_transparent(frame.format),
        )

    @property
    def model(self) -> ColourModel:
        """What the samples are. Of the three, only Y'CbCr has a matrix."""
        return "rgb" if self.is_colourful else "gray" if self.layout.chroma == "400" else "yuv"

    @property
    def full_range(self) -> bool:
        """Whether the samples are full range, as RGB always is."""
        return self.colour.full_range or self.is_colourful

    def read_like(self, others: Colour) -> Colour:
        """Return how libswscale is to read the planes: by the picture's own tags, RGB as full range.

        Depth and chroma location, which the picture alone doesn't have, come from ``others``.
        """
        return replace(
            self.colour, bits=others.bits, chroma_location=others.chroma_location, full_range=self.full_range
        )

    def __str__(self) -> str:
        reading = reading_in_words(self.model, self.colour.matrix, full_range=self.full_range)
        shape = f", pixels {self.sample_aspect_ratio}" if self.sample_aspect_ratio else ""
        return f"{self.width}x{self.height} ({self.pixel_format}, {reading}{shape})"


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A decoded picture and its look. ``is_other``: whether its look differs from that of its stream's first one."""

    frame: VideoFrame
    look: Look
    is_other: bool = False

    def made_opaque(self, frame: VideoFrame) -> "DecodedPicture":
        """Return the picture with a frame without alpha, of the same depth and chroma sampling."""
        look = replace(self.look, pixel_format=frame.format.name, may_be_transparent=False)
        return replace(self, frame=frame, look=look)


class Planes(NamedTuple):
    """A picture in planes of a layout, at the size and in the colours of its stream."""

    frame: VideoFrame
    layout: Layout


def reading_in_words(model: ColourModel, matrix: str | None, *, full_range: bool) -> str:
    """Return how samples are read, for people; ``matrix``: of Y'CbCr."""
    colours = {"rgb": "RGB", "gray": "gray"}.get(model) or MATRIX_NAMES[matrix or ""]
    return f"{colours}, {'full' if full_range else 'limited'} range"


def layout_of(form: VideoFormat) -> Layout:
    """Return the layout that holds a pixel format completely, or its 10 most significant bits."""
    bits: Literal[8, 10] = 10 if max((component.bits for component in form.components), default=8) > 8 else 8
    if is_colourful(form):
        return Layout(bits, "444")
    if len(form.components) < 3:
        return Layout(bits, "400")
    wide, high = form.chroma_width(64) == 64, form.chroma_height(64) == 64
    return Layout(bits, "444" if wide else "422" if high else "420")


def is_colourful(form: VideoFormat) -> bool:
    """Whether the pixel format has a colour for every pixel: RGB or a palette."""
    return form.is_rgb or form.has_palette


def may_be_transparent(form: VideoFormat) -> bool:
    """Whether the pixel format has an alpha channel or a palette, which may have transparent entries."""
    return form.has_palette or any(component.is_alpha for component in form.components)


def _tags_of(frame: VideoFrame) -> ColourTags:
    """Return the frame's tags, corrected where its format is more specific: yuvj is full range, RGB becomes Y'CbCr.

    Untagged gray is full range, as libav writes it.
    """
    tags = ColourTags(frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)
    if is_colourful(frame.format):
        matrix = BT709 if frame.height >= HD_HEIGHT else BT601
        return replace(tags, colorspace=matrix, color_range=LIMITED_RANGE)
    is_gray = 0 < len(frame.format.components) < 3  # a format on the GPU has no components
    if frame.format.name.startswith("yuvj") or (is_gray and not tags.color_range):
        return replace(tags, color_range=FULL_RANGE)
    return tags
