"""Which streams a container can hold: libav is asked by a trial, except where it is known to be wrong."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from sr4k.errors import InputError
from sr4k.media.channel_layouts import Speakers, is_owned
from sr4k.media.reading.open_file import packets_of
from sr4k.media.writing.containers import is_blu_ray
from sr4k.media.writing.pipe_writer import STANDARD_OUTPUT

QUICKTIME = {"mp4", "mov"}
"""MP4 and MOV, which alone have tracks for covers and timecodes, edit lists, and codec tags that players heed."""

# The muxer writes any codec; players find those with a stream type or descriptor (ISO 13818-1, ETSI EN 300 468).
_MPEGTS = {"aac", "ac3", "eac3", "mp2", "mp3", "dts", "opus", "dvb_subtitle", "dvb_teletext"}

_ONLY_BLU_RAY = {"hdmv_pgs_subtitle"}
"""Codecs that have a stream type in Blu-ray's MPEG-TS, and none in the broadcast one."""

BLU_RAY = {"mpegts_m2ts_mode": "1"}
"""Muxer option for Blu-ray's MPEG-TS, which libav sets by itself for .m2ts alone."""

# Codecs that every player of FLV supports. The muxer accepts more, in an extension that few players support, and
# for raw samples and some others it aborts the process rather than refuse them.
_FLV = {"aac", "mp3", "text"}

_MANGLED = {("matroska", "tta")}
"""Pairs of container and codec that libav writes without an error and can't decode again: TTA's seek table is lost."""

_FINDABLE = {"mpegts": _MPEGTS, "flv": _FLV}
"""Supported codecs by container, for those whose muxer accepts more than players do."""

_LOOKED_AT = 1000
"""Maximum number of packets read to find the first of each stream."""

_ADTS_SYNC = 0xFFF0
"""Start of AAC's ADTS header, which describes the stream in each packet: 12 bits of sync, one of version, two of 0."""


def carries(
    target: OutputContainer,
    stream: Stream,
    first: "Packet[Any] | None",
    speakers: Speakers | None = None,
    layout: str | None = None,
) -> bool:
    """Return whether a target can hold the stream's packets unchanged.

    Args:
        target: Container opened for writing.
        stream: Stream of the source.
        first: Its first packet, if known.
        speakers: Its channels, if it is sound.
        layout: Channel layout for the muxer, where the source names none.
    """
    codec = getattr(stream.codec_context, "codec", None)
    if codec is None or not _has_type(target, codec.canonical_name):
        return False
    if isinstance(stream, AudioStream) and not _has_header(stream, first):
        return False  # a damaged header: some muxers notice only after they have begun to write a packet
    file = BytesIO()
    if not _is_writable(file, target, stream, first, layout):
        return False
    if speakers is None or speakers.names is None or (speakers.is_ordered and speakers.number <= 2):
        return True
    return first is None or _keeps_layout(file, speakers)


def copy_of(
    stream: Stream, target: OutputContainer, layout: str | None = None, first: "Packet[Any] | None" = None
) -> Stream:
    """Add a stream for the same packets to ``target``; for `layout` and `first` see `carries`.

    Raises:
        ValueError: The container can't hold it.
    """
    copy = target.add_stream_from_template(stream, opaque=True)
    if not isinstance(copy, AudioStream):
        return copy
    if isinstance(stream, AudioStream) and stream.sample_rate and not copy.sample_rate:  # as `introduce` has found out
        copy.codec_context.sample_rate = stream.sample_rate
        layout = layout or stream.codec_context.layout.name
    if layout is not None:
        copy.codec_context.layout = layout
    if _is_pipe(target) and first is not None and not copy.codec_context.extradata:
        copy.codec_context.extradata = _aac_header(copy, first)
    return copy


def introduce(stream: AudioStream, first: "Packet[Any] | None") -> Fraction | None:
    """Set sample rate and channels of a stream whose sound begins too late for libav to probe it.

    Returns:
        Seconds of sound per packet; ``None`` if the stream was probed, or the packet can't be decoded.
    """
    context = stream.codec_context
    if context.sample_rate or first is None:
        return None
    decoder = AudioCodecContext.create(context.name, "r")
    assert isinstance(decoder, AudioCodecContext)
    with suppress(av.error.FFmpegError):
        for frame in decoder.decode(first):
            if not is_owned(frame):
                context.sample_rate, context.layout = frame.sample_rate, frame.layout
                return Fraction(frame.samples, frame.sample_rate)
    return None


def first_packets(opened: Callable[[], InputContainer], streams: Sequence[Stream]) -> "dict[int, Packet[Any]]":
    """Return the first packet of each of these streams, by index; streams that begin late are missing.

    Args:
        opened: Opens the source another time.
        streams: Streams of the source.
    """
    found: dict[int, Packet[Any]] = {}
    wanted = {stream.index for stream in streams}
    if not wanted:
        return found
    with suppress(av.error.FFmpegError, InputError), opened() as again:
        for packet in islice(packets_of(again), _LOOKED_AT):
            if packet.size and packet.stream_index in wanted:
                found.setdefault(packet.stream_index, packet)
            if len(found) == len(wanted):
                break
    return found


def _has_type(target: OutputContainer, codec: str) -> bool:
    """Whether players find a stream of this codec, for containers whose muxer accepts more."""
    if codec in _ONLY_BLU_RAY and is_blu_ray(Path(target.name)):
        return True
    if (target.format.name, codec) in _MANGLED:
        return False
    return codec in _FINDABLE.get(target.format.name, {codec})


def _has_header(stream: AudioStream, first: "Packet[Any] | None") -> bool:
    """Whether the stream has the sample rate and header that a muxer needs."""
    context = stream.codec_context
    head = context.extradata or b""
    if not context.sample_rate:
        return False
    if context.name == "aac":  # described in the header (ASC), or in each packet (ADTS)
        return bool(head) or (first is not None and int.from_bytes(bytes(first)[:2]) & 0xFFF6 == _ADTS_SYNC)
    if stream.codec_context.codec.canonical_name == "opus":  # RFC 7845: 19 bytes, and a table if the family is not 0
        return head[:8] == b"OpusHead" and len(head) >= 19 and (head[18] == 0 or len(head) >= 21 + head[9])
    return True


def _aac_header(stream: AudioStream, first: "Packet[Any]") -> bytes | None:
    """Return the header (ASC) of AAC whose packets describe themselves (ADTS), as a pipe needs it before them."""
    data = bytes(first)[:4]
    if stream.codec_context.name != "aac" or len(data) < 4 or int.from_bytes(data[:2]) & 0xFFF6 != _ADTS_SYNC:
        return None
    bits = int.from_bytes(data[2:])
    profile, rate, channels = bits >> 14, bits >> 10 & 15, bits >> 6 & 7
    return ((profile + 1) << 11 | rate << 7 | channels << 3).to_bytes(2) if channels else None


def _is_writable(
    file: BytesIO, target: OutputContainer, stream: Stream, first: "Packet[Any] | None", layout: str | None
) -> bool:
    """Whether a file like the target, with this stream alone, can be written; some muxers report errors at its end."""
    try:
        with av.open(_Forwards(file) if _is_pipe(target) else file, "w", format=target.format.name) as trial:
            copy = copy_of(stream, trial, layout, first)
            trial.start_encoding()
            if first is not None:
                first.stream, first.pts, first.dts = copy, 0, 0
                trial.mux_one(first)
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _keeps_layout(file: BytesIO, speakers: Speakers) -> bool:
    """Whether a reader of the written file knows which channel is which.

    Matroska and NUT store only the number of channels of raw samples, MP4 of FLAC. That suffices where the number
    implies the layout.
    """
    file.seek(0)
    with suppress(av.error.FFmpegError, IndexError), av.open(file) as written:
        found = Speakers.of(written.streams.audio[0])
        return found.names == speakers.names or (speakers.is_ordered and found.means(speakers))
    return False


def _is_pipe(target: OutputContainer) -> bool:
    """Whether a container is written to a pipe."""
    return target.name == STANDARD_OUTPUT


class _Forwards:
    """A file that libav takes for a pipe, to find out what it can write to one."""

    name = STANDARD_OUTPUT

    def __init__(self, file: BytesIO) -> None:
        self.write = file.write
