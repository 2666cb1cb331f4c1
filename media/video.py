"""Description of a video stream that the stages pass on, and the rules for reading its planes."""

from dataclasses import dataclass
from fractions import Fraction

from sr4k.media.hdr import Hdr
from sr4k.media.planes import PixelFormat
from sr4k.models.colour import ChromaLocation, Colour, Matrix
from sr4k.pipeline import Format

# Code points of ITU-T H.273 as libav numbers them; for a matrix that is not listed, the picture's size decides.
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

_CENTERED = {"mjpeg", "mpeg1video", "webp"}

HD_HEIGHT = 720
"""Untagged pictures are BT.709 from this many rows on, and BT.601 below."""

MATRIX_NAMES: dict[str, str] = {
    "bt601": "BT.601",
    "bt709": "BT.709",
    "bt2020": "BT.2020",
    "fcc": "FCC",
    "smpte240m": "SMPTE 240M",
}
"""Names of the matrices for people."""

TRANSFER_NAMES: dict[int, str] = {
    1: "BT.709",
    4: "gamma 2.2",
    5: "gamma 2.8",
    6: "BT.601",
    7: "SMPTE 240M",
    8: "linear",
    9: "logarithmic (100:1)",
    10: "logarithmic (316:1)",
    11: "xvYCC",
    12: "BT.1361",
    13: "sRGB",
    14: "BT.2020",
    15: "BT.2020",
    16: "PQ (HDR)",
    17: "SMPTE ST 428-1",
    18: "HLG (HDR)",
}
"""Names of the transfer characteristics for people."""

HDR_TRANSFERS = {16, 18}

PRIMARIES_NAMES: dict[int, str] = {
    1: "BT.709",
    4: "BT.470 M",
    5: "BT.470 B/G",
    6: "BT.601",
    7: "SMPTE 240M",
    8: "film",
    9: "BT.2020",
    10: "XYZ",
    11: "DCI-P3",
    12: "Display P3",
    22: "EBU 3213",
}
"""Names of the primaries for people."""


@dataclass(frozen=True, slots=True)
class ColourTags:
    """Colour code points as libav numbers them: matrix, range, primaries and transfer characteristics."""

    colorspace: int
    color_range: int
    color_primaries: int
    color_trc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """A video stream on its way through the graph.

    Attributes:
        width, height: size of a frame at this point of the graph, in pixels.
        time_base: seconds of one tick of a frame's pts.
        rate: nominal frame rate, in frames a second, as a hint for the encoder; the pts have the actual times.
        tags: the result's colour tags: the source's, with assumed values where it has none.
        colour: how the source's planes are read.
        sample_aspect_ratio: width of a pixel divided by its height; ``None``: unknown.
        display_matrix: libav's display matrix (rotation and mirroring), nine integers; ``None``: neither.
        pixel_format: pixel format of the result.
        hdr: static HDR metadata.
        origin: time of the source, in seconds, that is the output's 0; ``None`` unless only a part is read.
        source_tags: the source's own colour tags.
        stereo_mode: how stereoscopic pictures are packed; see `sr4k.media.stereo3d`.
        source_size: (width, height) before the network enlarged the frames; ``None``: it hasn't yet.
        quality: how compressed the source of the first frame is (`sr4k.models.source_quality`); frames have their own.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    tags: ColourTags
    colour: Colour
    sample_aspect_ratio: Fraction | None = None
    display_matrix: tuple[int, ...] | None = None
    pixel_format: PixelFormat = "yuv420p"
    hdr: Hdr | None = None
    origin: Fraction | None = None
    source_tags: ColourTags | None = None
    stereo_mode: str | None = None
    source_size: tuple[int, int] | None = None
    quality: int = 0


def ratio(value: Fraction | None) -> Fraction | None:
    """Return a ratio from PyAV as a fraction; ``None`` if it is unknown, which PyAV 19 and later reports as 0.

    PyAV 19's own type can't be rounded, prints differently, and its products may be inexact.
    """
    return Fraction(value) if value else None


def colour_of(tags: ColourTags, *, height: int, codec: str, chroma_location: ChromaLocation | None = None) -> Colour:
    """Return how planes with these tags are read.

    Args:
        tags: the colour tags. Without a matrix, the height decides (see `HD_HEIGHT`); without a range, it is limited.
        height: rows of the picture.
        codec: libav's name, which decides the usual chroma location.
        chroma_location: the known chroma location; ``None``: the codec's usual one, left or center.
    """
    matrix = _MATRICES.get(tags.colorspace) or ("bt709" if height >= HD_HEIGHT else "bt601")
    usual: ChromaLocation = "center" if codec in _CENTERED else "left"
    full = tags.color_range == FULL_RANGE
    return Colour(matrix, full_range=full, chroma_location=chroma_location or usual)


def untagged_info(size: tuple[int, int], rate: Fraction, time_base: Fraction) -> VideoInfo:
    """Return the description of a video of this (width, height) in the colours that its height stands for.

    Args:
        size: in pixels.
        rate: frames a second.
        time_base: seconds of one tick of its pts.
    """
    code = BT709 if size[1] >= HD_HEIGHT else BT601
    tags = ColourTags(code, LIMITED_RANGE, code, code)
    colour = colour_of(tags, height=size[1], codec="")
    return VideoInfo(width=size[0], height=size[1], time_base=time_base, rate=rate, tags=tags, colour=colour)


def info_of(form: Format) -> VideoInfo:
    """Return the video description in a frame format: ``form.about`` with its type."""
    assert isinstance(form.about, VideoInfo)
    return form.about
