"""What the stages tell each other about the video, and the rules by which its planes are read."""

from dataclasses import dataclass
from fractions import Fraction

from sr4k.media.hdr import Hdr
from sr4k.media.planes import PixelFormat
from sr4k.models.colour import ChromaLocation, Colour, Matrix
from sr4k.pipeline import Format

# Code points of ITU-T H.273 as libav numbers them; matrices not listed are read by the size of the picture.
BT709, BT601 = 1, 6
LIMITED_RANGE, FULL_RANGE = 1, 2
_MATRICES: dict[int, Matrix] = {
    BT709: "bt709",
    4: "fcc",
    5: "bt601",
    BT601: "bt601",
    7: "smpte240m",
    9: "bt2020",
    10: "bt2020",
}

_CENTERED = {"mjpeg", "mpeg1video"}

HD_HEIGHT = 720
"""An untagged picture of at least this many rows is BT.709, a lower one BT.601."""


@dataclass(frozen=True, slots=True)
class ColourTags:
    """Code points as libav has them."""

    colorspace: int
    color_range: int
    color_primaries: int
    color_trc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """A video stream on its way through the graph.

    ``width`` and ``height`` are the picture's at this point of the graph; ``rate`` is nominal, for the encoder's
    benefit: time itself is each frame's pts. ``colour`` is how the source's planes are read, ``pixel_format`` what is
    made of them. ``tags`` are what the result says of itself: the source's, and what was guessed where it says nothing;
    ``told`` are the source's alone. ``origin``: seconds of the source that are the output's 0, if only a part of it is
    wanted. ``stereo_mode``: how pictures for two eyes are packed.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    sample_aspect_ratio: Fraction | None
    tags: ColourTags
    colour: Colour
    display_matrix: tuple[int, ...] | None
    pixel_format: PixelFormat = "yuv420p"
    hdr: Hdr | None = None
    origin: Fraction | None = None
    told: ColourTags | None = None
    stereo_mode: str | None = None


def ratio(value: Fraction | None) -> Fraction | None:
    """What PyAV tells, as a fraction; ``None`` where nothing is told, which is 0 from PyAV 19 on.

    PyAV 19's own ratios don't round, print otherwise, and their products may be inexact.
    """
    return Fraction(value) if value else None


def colour_of(tags: ColourTags, *, height: int, codec: str, chroma_location: ChromaLocation | None = None) -> Colour:
    """How planes with these tags are to be read: tags first, else by size (``HD_HEIGHT``), limited, sited left."""
    matrix = _MATRICES.get(tags.colorspace) or ("bt709" if height >= HD_HEIGHT else "bt601")
    usual: ChromaLocation = "center" if codec in _CENTERED else "left"
    full = tags.color_range == FULL_RANGE
    return Colour(matrix, full_range=full, chroma_location=chroma_location or usual)


def info_of(form: Format) -> VideoInfo:
    """Return what a stage of the graph told the next one about the video: ``form.about``, with its type."""
    assert isinstance(form.about, VideoInfo)
    return form.about
