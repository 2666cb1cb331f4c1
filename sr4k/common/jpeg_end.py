"""Recognises JPEG files that are cut off: libav and OpenCV make whole pictures of them, as if nothing were missing.

They refuse those of other formats of pictures.
"""

import re

START_OF_FILE = b"\xff\xd8"

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""A marker (ITU-T T.81, B.1.1.3), except for those that restart a scan."""

_START_OF_IMAGE, _END_OF_IMAGE = START_OF_FILE[1], 0xD9
_LONE = {0x01, _START_OF_IMAGE}
"""Markers without a segment."""


def jpeg_is_cut_off(data: bytes) -> bool:
    """Whether a JPEG file has no end mark. Pictures in its segments, such as thumbnails, are passed over."""
    at = 0
    while marker := _MARKER.search(data, at):
        kind, at = data[marker.end() - 1], marker.end()
        if kind == _END_OF_IMAGE:
            return False
        if kind not in _LONE:
            at += int.from_bytes(data[at : at + 2], "big")
    return True
