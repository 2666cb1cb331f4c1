"""Descriptions of videos for tests that need some video, and name only what they are about."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

from sr4k.media.video import ColourTags, VideoInfo
from sr4k.models.colour import Colour


def video_info(**changes: Any) -> VideoInfo:
    """Return 64x48 at 25 frames a second in BT.709, but for ``changes``."""
    usual = VideoInfo(
        width=64,
        height=48,
        time_base=Fraction(1, 25),
        rate=Fraction(25),
        tags=ColourTags(1, 1, 1, 1),
        colour=Colour(),
    )
    return replace(usual, **changes)
