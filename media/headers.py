"""Fields of codec headers and containers that PyAV, at least before 19, does not expose.

libav writes the header of a Matroska file for the stream, and the fields are read from that. Reading libav's log
instead can deadlock: a decoder thread that logs through Python waits for the GIL, and whoever frees that decoder holds
the GIL and waits for the thread.
"""

from collections.abc import Iterator
from io import BytesIO

import av
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream

from sr4k.media.crop import Margins
from sr4k.models.colour import ChromaLocation

_H26X: dict[int, ChromaLocation | None] = {0: "left", 1: "center", 2: "topleft", 3: None, 4: None, 5: None}
"""Chroma sample location types of H.264 and HEVC (ITU-T H.264, Figure E-1)."""

_AV1: dict[int, ChromaLocation | None] = {1: "left", 2: "topleft"}
"""Values of AV1's ``chroma_sample_position`` (AV1 specification, 6.4.2)."""

_LIBAV: dict[int, ChromaLocation] = {1: "left", 2: "center", 3: "topleft"}
"""Values of libav's ``AVChromaLocation``."""

_SETTERS: dict[str, tuple[str, dict[int, ChromaLocation | None]]] = {
    "h264": ("h264_metadata=chroma_sample_loc_type", _H26X),
    "hevc": ("hevc_metadata=chroma_sample_loc_type", _H26X),
    "av1": ("av1_metadata=chroma_sample_position", _AV1),
}
"""libav's bitstream filters that set the location in a codec's headers, and the meaning of their values."""

_SITED: dict[tuple[int, int], ChromaLocation] = {(1, 2): "left", (2, 2): "center", (1, 1): "topleft"}
"""``ChromaSitingHorz`` and ``ChromaSitingVert`` of Matroska (RFC 9559, 5.1.4.1.28.22)."""

_MASTERS = {0x18538067, 0x1654AE6B, 0xAE, 0xE0, 0x55B0}
"""Matroska's elements that contain the wanted ones: Segment, Tracks, TrackEntry, Video, Colour."""

_CODEC_PRIVATE, _ACROSS, _DOWN = 0x63A2, 0x55B7, 0x55B8
_CROPS = (0x54CC, 0x54DD, 0x54BB, 0x54AA)
"""``PixelCropLeft``, ``Right``, ``Top`` and ``Bottom``."""


def animation_frames(stream: VideoStream) -> int:
    """Return the number of pictures that an animated PNG announces; 0 for other streams."""
    head = bytes(stream.codec_context.extradata or b"") if stream.codec_context.name == "apng" else b""
    at = head.find(b"acTL") + 4
    return int.from_bytes(head[at : at + 4], "big") if at >= 4 else 0


def chroma_location(stream: VideoStream) -> ChromaLocation | None:
    """Return the chroma location from the codec's headers, or else from the container; ``None`` if neither has it.

    Call it after the first picture is decoded. PyAV 19 and later exposes a value, which for H.264, HEVC and AV1 may be
    the container's even where the codec's headers have another.
    """
    setter, meanings = _SETTERS.get(stream.codec_context.codec.canonical_name, ("", {}))
    if setter and stream.codec_context.extradata:
        own = _head(stream, setter.partition("=")[0]).get(_CODEC_PRIVATE)
        for value, meaning in meanings.items():  # setting the value that is there already changes nothing
            if own is not None and _head(stream, f"{setter}={value}").get(_CODEC_PRIVATE) == own:
                return meaning
    known: int | None = getattr(stream.codec_context, "chroma_sample_location", None)
    if known is not None:
        return _LIBAV.get(known)
    head = _head(stream)
    return _SITED.get((_number(head, _ACROSS), _number(head, _DOWN)))


def margins(stream: VideoStream) -> Margins | None:
    """Return the margins that the container marks as hidden; ``None`` if there are none or they leave nothing."""
    head = _head(stream)
    cut = Margins(*(_number(head, each) for each in _CROPS))
    context = stream.codec_context
    if not any(cut):
        return None
    return cut if cut.left + cut.right < context.width and cut.top + cut.bottom < context.height else None


def _head(stream: VideoStream, changed: str = "null") -> dict[int, bytes]:
    """Return the elements of the Matroska header that libav writes for a stream; empty if it can't write one.

    ``changed``: a bitstream filter to apply.
    """
    written, options = BytesIO(), {"allow_raw_vfw": "1"}
    try:
        with (
            av.open("", "w", format="null") as nowhere,
            av.open(written, "w", format="matroska", options=options) as target,
        ):
            untagged = nowhere.add_stream_from_template(stream, opaque=True)  # codec tags are specific to a container
            track = target.add_mux_stream("h264")  # a placeholder: the filter sets the stream's own codec
            BitStreamFilterContext(changed, untagged, track)
            target.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return {}
    return dict(_elements(memoryview(written.getvalue())))


def _elements(data: memoryview) -> Iterator[tuple[int, bytes]]:
    """Parse EBML (RFC 8794): yield the ID, with its marker, and the data of each element within `_MASTERS`."""
    while data:
        width = 9 - data[0].bit_length()
        identifier, data = int.from_bytes(data[:width], "big"), data[width:]
        width = 9 - data[0].bit_length()
        length, data = int.from_bytes(data[:width], "big") & ((1 << 7 * width) - 1), data[width:]
        if identifier in _MASTERS:
            yield from _elements(data[:length])
        else:
            yield identifier, bytes(data[:length])
        data = data[length:]


def _number(head: dict[int, bytes], identifier: int) -> int:
    return int.from_bytes(head.get(identifier, b""), "big")
