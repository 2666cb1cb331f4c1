"""Recognises JPEG files that are cut off: libav makes a whole picture of them, without a word.

It refuses those of other formats of pictures.
"""

import re
from typing import Any

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""A marker (ITU-T T.81, B.1.1.3), except for those that restart a scan."""

_START_OF_IMAGE, _END_OF_IMAGE = 0xD8, 0xD9
_LONE = {0x01, _START_OF_IMAGE}
"""Markers without a segment."""


def holds_jpeg_files(container: InputContainer, stream: VideoStream) -> bool:
    """Whether each packet of a stream is a JPEG file. In videos the end mark may be missing though nothing is lost."""
    is_files = container.format.name == "image2" or container.format.name.endswith("_pipe")
    return is_files and stream.codec_context.codec.canonical_name == "mjpeg"


def is_cut_off(file: "Packet[Any]") -> bool:
    """Whether a JPEG file has no end mark. Pictures in its segments, such as thumbnails, are passed over."""
    data, at = bytes(file), 0
    while marker := _MARKER.search(data, at):
        kind, at = data[marker.end() - 1], marker.end()
        if kind == _END_OF_IMAGE:
            return False
        if kind not in _LONE:
            at += int.from_bytes(data[at : at + 2], "big")
    return True
