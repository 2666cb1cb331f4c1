"""What a picture looks like: worked out once, where it is decoded, and handed on with it."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal, NamedTuple

from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from sr4k.media.video import BT601, BT709, FULL_RANGE, HD_HEIGHT, LIMITED_RANGE, ColourTags, colour_of
from sr4k.models.colour import Colour

Chroma = Literal["400", "420", "422", "444"]
"""How many samples of colour there are: none, for each 2x2 pixels, for each two in a row, for each."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What of a pixel format is kept: 8 or 10 bits, and its chroma. ``name`` is libav's of planes that hold it."""

    bits: Literal[8, 10]
    chroma: Chroma

    @property
    def name(self) -> str:
        depth = "10le" if self.bits == 10 else ""
        return f"gray{depth}" if self.chroma == "400" else f"yuv{self.chroma}p{depth}"

    def is_of(self, pixel_format: str) -> bool:
        """Whether planes of that pixel format, by libav's name, are these, and need no conversion."""
        return pixel_format in (self.name, self.name.replace("yuv", "yuvj"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Size, pixel format, how its planes are to be read, and the shape of a pixel. Pictures are alike if these are.

    Attributes:
        width, height: in pixels.
        pixel_format: by libav's name.
        colour: how its planes are to be read. Of RGB, how they are once it is Y'CbCr. Always said as of 8 bits and
            4:2:0 (``layout`` tells these), sited as is usual for the codec.
        sample_aspect_ratio: ``None``: nothing is said.
        tags: its own colour tags, put right where the pixel format says more.
        layout: what of the pixel format is kept.
        is_colourful: whether it has a colour for every pixel: RGB, or by a palette.
        may_be_transparent: whether the pixel format has room for transparency.
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
        """That of a decoded picture.

        Args:
            codec: by libav's name, for what is usual there.
            sample_aspect_ratio: which the picture itself does not tell.
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

    def read_like(self, others: Colour) -> Colour:
        """How libswscale is to read its planes, sited like those of others, of which no picture by itself tells.

        By its own tags, and RGB in full range.
        """
        full_range = self.colour.full_range or self.is_colourful
        return replace(self.colour, bits=others.bits, chroma_location=others.chroma_location, full_range=full_range)

    def __str__(self) -> str:
        levels = "full" if self.colour.full_range else "limited"
        shape = f", pixels {self.sample_aspect_ratio}" if self.sample_aspect_ratio else ""
        return f"{self.width}x{self.height} ({self.pixel_format}, {self.colour.matrix}, {levels} range{shape})"


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture and its look. ``is_other``: it is unlike the first of its stream."""

    frame: VideoFrame
    look: Look
    is_other: bool = False

    def made_opaque(self, frame: VideoFrame) -> "Picture":
        """The same picture in another pixel format, as deep and with as many samples of colour, and opaque."""
        look = replace(self.look, pixel_format=frame.format.name, may_be_transparent=False)
        return replace(self, frame=frame, look=look)


class Planes(NamedTuple):
    """A picture in planes of a layout, at the size and in the colours of its stream."""

    frame: VideoFrame
    layout: Layout


def layout_of(form: VideoFormat) -> Layout:
    """What holds all of a pixel format, or its first 10 bits."""
    bits: Literal[8, 10] = 10 if max((component.bits for component in form.components), default=8) > 8 else 8
    if is_colourful(form):
        return Layout(bits, "444")
    if len(form.components) < 3:
        return Layout(bits, "400")
    wide, high = form.chroma_width(64) == 64, form.chroma_height(64) == 64
    return Layout(bits, "444" if wide else "422" if high else "420")


def is_colourful(form: VideoFormat) -> bool:
    """Whether it has a colour for every pixel: RGB, or by a palette."""
    return form.is_rgb or form.has_palette


def may_be_transparent(form: VideoFormat) -> bool:
    """Whether the format has room for transparency."""
    return form.has_palette or any(component.is_alpha for component in form.components)


def _tags_of(frame: VideoFrame) -> ColourTags:
    """Its tags, put right where the pixel format says more: yuvj is full range, RGB becomes Y'CbCr.

    Gray without tags is full range: so libav makes it.
    """
    tags = ColourTags(frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)
    if is_colourful(frame.format):
        matrix = BT709 if frame.height >= HD_HEIGHT else BT601
        return replace(tags, colorspace=matrix, color_range=LIMITED_RANGE)
    is_gray = 0 < len(frame.format.components) < 3  # on a GPU it has none
    if frame.format.name.startswith("yuvj") or (is_gray and not tags.color_range):
        return replace(tags, color_range=FULL_RANGE)
    return tags
