"""What is said of a picture's brightness beside its pixels: HDR10's static metadata, and what goes beyond."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.media.side_data import side_data

_CHROMATICITY, _LUMINANCE = 50_000, 10_000
"""Steps of 1, and of a candela a square metre, in which SMPTE ST 2086's values are counted."""

_MOST_LIGHT = 65_535
"""cd/m² that the headers have room for: what is more is damage."""

_DOLBY_TAGS = {"dvh1", "dvhe", "dva1", "dvav", "dav1"}
"""Codec tags of Dolby Vision in MP4."""

_UNSPECIFIED = 2
"""Transfer characteristics of a base layer that only Dolby Vision can read (profile 5)."""

_KEYS = {
    "libx264": ("mastering-display", "cll"),
    "libx265": ("master-display", "max-cll"),
    "libsvtav1": ("mastering-display", "content-light"),
}
"""Parameters for the display and for the light, of encoders that take them."""

_DYNAMIC = {"DYNAMIC_HDR_PLUS": "HDR10+", "DYNAMIC_HDR_VIVID": "HDR Vivid"}


@dataclass(frozen=True, slots=True)
class Mastering:
    """The display that it was mastered on (SMPTE ST 2086).

    ``red``, ``green``, ``blue`` and ``white`` are CIE 1931 chromaticities (x, y), ``least`` and ``most`` its
    luminance in cd/m².
    """

    red: tuple[Fraction, Fraction]
    green: tuple[Fraction, Fraction]
    blue: tuple[Fraction, Fraction]
    white: tuple[Fraction, Fraction]
    least: Fraction
    most: Fraction


@dataclass(frozen=True, slots=True)
class Hdr:
    """Static metadata. ``light``: of the brightest pixel and the brightest picture, in cd/m² (CTA-861.3)."""

    mastering: Mastering | None
    light: tuple[int, int] | None


def hdr_of(picture: VideoFrame) -> Hdr | None:
    """What its stream or its own header says, if anything that can be."""
    found = side_data(picture)
    mastering = _mastering(found.get("MASTERING_DISPLAY_METADATA"))
    data: Any = found.get("CONTENT_LIGHT_LEVEL")
    light = None if data is None else struct.unpack_from("II", bytes(data))
    if light is not None and max(light) > _MOST_LIGHT:
        light = None
    return None if mastering is None and light is None else Hdr(mastering, light)


def static_metadata(encoder: str, hdr: Hdr) -> str:
    """The parameters by which an encoder, by its name in libav, says the same; none where it can't."""
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
    """What a picture brings that no encoder here takes, in words."""
    found = side_data(picture)
    if _is_dolby_vision(picture, stream):
        if is_unreadable(picture, stream):
            yield "this Dolby Vision has no base layer that other players can show: its colours will be wrong"
        else:
            yield "of Dolby Vision the base layer is upscaled, its dynamic metadata are left out"
    for name, called in _DYNAMIC.items():
        if name in found:
            yield f"the dynamic metadata of {called} are left out"


def is_unreadable(picture: VideoFrame, stream: VideoStream) -> bool:
    """Whether its planes are no colours that anything but Dolby Vision can make something of (profile 5)."""
    return picture.color_trc == _UNSPECIFIED and _is_dolby_vision(picture, stream)


def _is_dolby_vision(picture: VideoFrame, stream: VideoStream) -> bool:
    found = side_data(picture)
    return "DOVI_RPU_BUFFER" in found or "DOVI_METADATA" in found or stream.codec_context.codec_tag in _DOLBY_TAGS


def _mastering(data: Any) -> Mastering | None:
    """From libav's structure: ten rationals, and whether colours and luminances are told."""
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
    """``G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)``: in steps as integers, or as they are."""

    def pair(values: tuple[Fraction, Fraction], steps: int) -> str:
        return ",".join(str(round(value * steps)) if whole else f"{float(value):.5f}" for value in values)

    corners = (("G", display.green), ("B", display.blue), ("R", display.red), ("WP", display.white))
    text = "".join(f"{name}({pair(values, _CHROMATICITY)})" for name, values in corners)
    return f"{text}L({pair((display.most, display.least), _LUMINANCE)})"
