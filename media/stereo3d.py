"""Stereoscopic (3D) pictures: how both eyes' views are packed, by the names of Matroska's StereoMode."""

import struct
from typing import Any

from av.video.frame import VideoFrame

from sr4k.common.side_data import side_data

_MODES = {
    1: ("left_right", "right_left"),
    2: ("top_bottom", "bottom_top"),
    3: ("block_lr", "block_rl"),
    4: ("checkerboard_lr", "checkerboard_rl"),
    6: ("row_interleaved_lr", "row_interleaved_rl"),
    7: ("col_interleaved_lr", "col_interleaved_rl"),
}
"""Names by libav's ``AVStereo3DType``: with the left eye's view first, and with the right eye's."""

_FLAT, _OTHER = 0, "other"

MODES = frozenset([*(mode for modes in _MODES.values() for mode in modes), _OTHER])
"""All names that `stereo_mode` returns."""

_NO_WEBM = {"block_lr", "block_rl", "anaglyph_green_magenta"}

_SEI = {"left_right": 3, "top_bottom": 4}
"""Frame packing types of ITU-T H.264 (D.2.26) that libx264 can signal, which implies that the left eye comes first."""


def stereo_mode(picture: VideoFrame) -> str | None:
    """Return how a stereoscopic picture is packed; ``other`` if there is no name for it, ``None`` if it is 2D."""
    data: Any = side_data(picture).get("STEREO3D")
    if data is None:
        return None
    kind, flags = struct.unpack_from("2i", bytes(data))
    if kind == _FLAT:
        return None
    return _MODES[kind][flags & 1] if kind in _MODES else _OTHER


def says_by_tag(container: str, mode: str) -> bool:
    """Whether a container, by libav's name, stores a stereo mode in a tag of the stream."""
    return mode != _OTHER and (container == "matroska" or (container == "webm" and mode not in _NO_WEBM))


def packing(encoder: str, mode: str | None) -> str:
    """Return the parameter that makes an encoder, by libav's name, signal a stereo mode; empty if it can't."""
    return f"frame-packing={_SEI[mode]}" if encoder == "libx264" and mode in _SEI else ""
