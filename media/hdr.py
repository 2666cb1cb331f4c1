"""HDR metadata: HDR10's static metadata, which is kept, and dynamic metadata and Dolby Vision, which are reported."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.common.side_data import side_data

_CHROMATICITY, _LUMINANCE = 50_000, 10_000
"""Units per 1 (chromaticity) and per cd/m² (luminance) in SMPTE ST 2086."""

_MOST_LIGHT = 65_535
"""Largest value in cd/m² that the headers can hold; larger ones are damage."""

_DOLBY_TAGS = {"dvh1", "dvhe", "dva1", "dvav", "dav1"}
"""Codec tags of Dolby Vision in MP4."""

_UNSPECIFIED = 2
"""Transfer characteristics of a base layer that only Dolby Vision can interpret (profile 5)."""

_KEYS = {
    "libx264": ("mastering-display", "cll"),
    "libx265": ("master-display", "max-cll"),
    "libsvtav1": ("mastering-display", "content-light"),
}
"""The parameters for mastering display and content light level, by encoder."""

_DYNAMIC = {"DYNAMIC_HDR_PLUS": "HDR10+", "DYNAMIC_HDR_VIVID": "HDR Vivid"}


@dataclass(frozen=True, slots=True)
class Mastering:
    """The mastering display (SMPTE ST 2086).

    Attributes:
        red, green, blue, white: CIE 1931 chromaticities (x, y), 0 to 1.
        least, most: luminance in cd/m².
    """

    red: tuple[Fraction, Fraction]
    green: tuple[Fraction, Fraction]
    blue: tuple[Fraction, Fraction]
    white: tuple[Fraction, Fraction]
    least: Fraction
    most: Fraction


@dataclass(frozen=True, slots=True)
class Hdr:
    """HDR10's static metadata.

    Attributes:
        mastering: the mastering display.
        light: MaxCLL and MaxFALL, in cd/m² (CTA-861.3).
    """

    mastering: Mastering | None
    light: tuple[int, int] | None


def hdr_of(picture: VideoFrame) -> Hdr | None:
    """Return the static metadata of a picture, ``None`` if it has none; values out of range are ignored."""
    found = side_data(picture)
    mastering = _mastering(found.get("MASTERING_DISPLAY_METADATA"))
    data: Any = found.get("CONTENT_LIGHT_LEVEL")
    light = None if data is None else struct.unpack_from("II", bytes(data))
    if light is not None and max(light) > _MOST_LIGHT:
        light = None
    return None if mastering is None and light is None else Hdr(mastering, light)


def static_metadata(encoder: str, hdr: Hdr) -> str:
    """Return the parameters that make an encoder write the metadata.

    Args:
        encoder: libav's name.
        hdr: the metadata to write.

    Returns:
        ``name=value`` pairs joined by colons; empty if the encoder can't write it.
    """
    if encoder not in _KEYS:
        return ""
    display, light = _KEYS[encoder]
    pairs = []
    if hdr.mastering is not None:
        pairs.append(f"{display}={_as_text(hdr.mastering, whole=encoder != 'libsvtav1')}")
    if hdr.light is not None:
        pairs.append(f"{light}={hdr.light[0]},{hdr.light[1]}")
    return ":".join(pairs)


def lost_metadata(picture: VideoFrame, stream: VideoStream) -> Iterator[str]:
    """Yield a message for each kind of HDR metadata of a picture that can't be kept."""
    found = side_data(picture)
    if _is_dolby_vision(picture, stream):
        if is_unreadable(picture, stream):
            yield "this Dolby Vision profile has no base layer that other players can show: its colours will be wrong"
        else:
            yield "the base layer of Dolby Vision is upscaled, its dynamic metadata are left out"
    for name, called in _DYNAMIC.items():
        if name in found:
            yield f"the dynamic metadata of {called} are left out"


def is_unreadable(picture: VideoFrame, stream: VideoStream) -> bool:
    """Whether only Dolby Vision can interpret the picture's planes (profile 5)."""
    return picture.color_trc == _UNSPECIFIED and _is_dolby_vision(picture, stream)


def _is_dolby_vision(picture: VideoFrame, stream: VideoStream) -> bool:
    found = side_data(picture)
    return "DOVI_RPU_BUFFER" in found or "DOVI_METADATA" in found or stream.codec_context.codec_tag in _DOLBY_TAGS


def _mastering(data: Any) -> Mastering | None:
    """Parse libav's ``AVMasteringDisplayMetadata``: ten rationals, and whether primaries and luminance are set."""
    if data is None:
        return None
    *numbers, colours, luminances = struct.unpack_from("22i", bytes(data))
    if not (colours and luminances):
        return None
    red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y, least, most = (
        Fraction(numbers[k], numbers[k + 1] or 1) for k in range(0, 20, 2)
    )
    corners = (red_x, red_y), (green_x, green_y), (blue_x, blue_y), (white_x, white_y)
    if not all(0 <= value <= 1 for corner in corners for value in corner) or not 0 <= least < most <= _MOST_LIGHT:
        return None
    return Mastering(*corners, least, most)


def _as_text(display: Mastering, *, whole: bool) -> str:
    """Format as ``G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)``: in ST 2086's integer units, or as decimals."""

    def pair(values: tuple[Fraction, Fraction], steps: int) -> str:
        return ",".join(str(round(value * steps)) if whole else f"{float(value):.5f}" for value in values)

    corners = (("G", display.green), ("B", display.blue), ("R", display.red), ("WP", display.white))
    text = "".join(f"{name}({pair(values, _CHROMATICITY)})" for name, values in corners)
    return f"{text}L({pair((display.most, display.least), _LUMINANCE)})"
