"""What a codec's own headers and its container say, and PyAV, at least before 19, does not.

libav is asked to write the head of a Matroska file for the stream, and that is read. So nothing of what libav has to
say goes through Python: threads of a decoder that do would wait for the interpreter's lock, and whoever frees that
decoder waits for them with the lock in hand, for ever.
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
"""``chroma_sample_position`` of AV1."""

_LIBAV: dict[int, ChromaLocation] = {1: "left", 2: "center", 3: "topleft"}
"""``AVChromaLocation``."""

_SETTERS: dict[str, tuple[str, dict[int, ChromaLocation | None]]] = {
    "h264": ("h264_metadata=chroma_sample_loc_type", _H26X),
    "hevc": ("hevc_metadata=chroma_sample_loc_type", _H26X),
    "av1": ("av1_metadata=chroma_sample_position", _AV1),
}
"""libav's filters that write the location into a codec's headers, and what their values mean."""

_SITED: dict[tuple[int, int], ChromaLocation] = {(1, 2): "left", (2, 2): "center", (1, 1): "topleft"}
"""``ChromaSitingHorz`` and ``ChromaSitingVert`` of Matroska (RFC 9559, 5.1.4.1.28.22)."""

_MASTERS = {0x18538067, 0x1654AE6B, 0xAE, 0xE0, 0x55B0}
"""Elements of Matroska on the way to what is wanted: Segment, Tracks, TrackEntry, Video, Colour."""

_CODEC_PRIVATE, _ACROSS, _DOWN = 0x63A2, 0x55B7, 0x55B8
_CROPS = (0x54CC, 0x54DD, 0x54BB, 0x54AA)
"""``PixelCropLeft``, ``Right``, ``Top`` and ``Bottom``."""


def chroma_location(stream: VideoStream) -> ChromaLocation | None:
    """Where the headers at the beginning of a stream say that chroma is sited, or its container, if they do.

    To be asked when the first picture is decoded. PyAV from 19 on knows what the decoder found, or the container says.
    """
    known: int | None = getattr(stream.codec_context, "chroma_sample_location", None)
    if known is not None:
        return _LIBAV.get(known)
    setter, meanings = _SETTERS.get(stream.codec_context.codec.canonical_name, ("", {}))
    if setter and stream.codec_context.extradata:
        own = _head(stream, setter.partition("=")[0]).get(_CODEC_PRIVATE)
        for value, meaning in meanings.items():  # what it says already, no filter changes
            if own is not None and _head(stream, f"{setter}={value}").get(_CODEC_PRIVATE) == own:
                return meaning
    head = _head(stream)
    return _SITED.get((_number(head, _ACROSS), _number(head, _DOWN)))


def margins(stream: VideoStream) -> Margins | None:
    """What the container says is not to be seen of its pictures."""
    head = _head(stream)
    cut = Margins(*(_number(head, each) for each in _CROPS))
    context = stream.codec_context
    if not any(cut):
        return None
    return cut if cut.left + cut.right < context.width and cut.top + cut.bottom < context.height else None


def _head(stream: VideoStream, changed: str = "null") -> dict[int, bytes]:
    """The elements of the head that libav writes for a stream, with a filter of its headers; none if it can't."""
    written, options = BytesIO(), {"allow_raw_vfw": "1"}
    try:
        with (
            av.open("", "w", format="null") as nowhere,
            av.open(written, "w", format="matroska", options=options) as target,
        ):
            untagged = nowhere.add_stream_from_template(stream, opaque=True)  # tags are a container's own
            track = target.add_mux_stream("h264")  # in name: the filter makes it what the stream is
            BitStreamFilterContext(changed, untagged, track)
            target.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return {}
    return dict(_elements(memoryview(written.getvalue())))


def _elements(data: memoryview) -> Iterator[tuple[int, bytes]]:
    """EBML (RFC 8794): identifiers with their marker, and data, of all that lies within `_MASTERS`."""
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
