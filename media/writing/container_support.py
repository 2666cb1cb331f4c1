"""Which containers carry what, asked of libav where it knows."""

from collections.abc import Sequence
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
from sr4k.media.reading.open_file import open_input, packets_of
from sr4k.media.writing.containers import is_blu_ray

QUICKTIME = {"mp4", "mov"}
"""MP4 and its elder: alone in having tracks for covers and timecodes, edit lists, and codec tags that players heed."""

# What a muxer lets pass and no player finds: those with a stream type or descriptor of their own (ISO 13818-1,
# ETSI EN 300 468).
_MPEGTS = {"aac", "ac3", "eac3", "mp2", "mp3", "dts", "opus", "dvb_subtitle", "dvb_teletext"}

_ONLY_BLU_RAY = {"hdmv_pgs_subtitle"}
"""What MPEG-TS has a type for as Blu-ray has it, and not as it is broadcast."""

BLU_RAY = {"mpegts_m2ts_mode": "1"}
"""The muxer's option for it: left to itself it goes by .m2ts alone."""

# What every player of FLV knows. The muxer lets more pass, in an extension that few know, and of raw samples and some
# others it aborts the process rather than refuse them.
_FLV = {"aac", "mp3", "text"}

_MANGLED = {("matroska", "tta")}
"""By container and codec what libav writes without a word and can't decode again: it loses the table in the head."""

_FINDABLE = {"mpegts": _MPEGTS, "flv": _FLV}
"""By the container, where the muxer is not to be asked about any other."""

_LOOKED_AT = 1000
"""Packets of a file, at most, to find the first of each stream."""

_ADTS_SYNC = 0xFFF0
"""With which each packet of AAC begins that says itself what it is: 12 bits, then one of the version, two of 0."""


def carries(
    target: OutputContainer,
    stream: Stream,
    first: "Packet[Any] | None",
    speakers: Speakers | None = None,
    layout: str | None = None,
) -> bool:
    """Whether a target has a place for the stream's packets as they are.

    Args:
        first: of these packets.
        speakers: which channels they have, of sound.
        layout: of the channels, that the muxer is told where the source does not.
    """
    codec = getattr(stream.codec_context, "codec", None)
    if codec is None or not _has_type(target, codec.canonical_name):
        return False
    if isinstance(stream, AudioStream) and not _is_told(stream, first):
        return False  # of a damaged head: some muxers find out when they have begun to write a packet
    file = BytesIO()
    if not _takes(file, target.format.name, stream, first, layout):
        return False
    if speakers is None or speakers.names is None or (speakers.is_ordered and speakers.number <= 2):
        return True
    return first is None or _tells(file, speakers)


def copy_of(stream: Stream, target: OutputContainer, layout: str | None = None) -> Stream:
    """A stream for the same packets in ``target``.

    Raises:
        ValueError: the container can't have it.
    """
    copy = target.add_stream_from_template(stream, opaque=True)
    if not isinstance(copy, AudioStream):
        return copy
    if isinstance(stream, AudioStream) and stream.sample_rate and not copy.sample_rate:  # as `introduce` heard it
        copy.codec_context.sample_rate = stream.sample_rate
        layout = layout or stream.codec_context.layout.name
    if layout is not None:
        copy.codec_context.layout = layout
    return copy


def introduce(stream: AudioStream, first: "Packet[Any] | None") -> Fraction | None:
    """Tell a stream whose sound begins late what its first packet says: its rate and its channels.

    Returns:
        The seconds of sound in a packet; ``None`` if the stream knows, or the packet does not say.
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


def first_packets(source: InputContainer, streams: Sequence[Stream]) -> "dict[int, Packet[Any]]":
    """The first packet of each of these streams that has any soon, by the stream's index."""
    found: dict[int, Packet[Any]] = {}
    wanted = {stream.index for stream in streams}
    if not wanted:
        return found
    with suppress(av.error.FFmpegError, InputError), open_input(Path(source.name)) as again:
        for packet in islice(packets_of(again), _LOOKED_AT):
            if packet.size and packet.stream_index in wanted:
                found.setdefault(packet.stream_index, packet)
            if len(found) == len(wanted):
                break
    return found


def _has_type(target: OutputContainer, codec: str) -> bool:
    """Whether players find what is in this codec, where the muxer is not the one to be asked."""
    if codec in _ONLY_BLU_RAY and is_blu_ray(Path(target.name)):
        return True
    if (target.format.name, codec) in _MANGLED:
        return False
    return codec in _FINDABLE.get(target.format.name, {codec})


def _is_told(stream: AudioStream, first: "Packet[Any] | None") -> bool:
    """Whether there is what a muxer has to know, of sound with a known number of channels."""
    context = stream.codec_context
    head = context.extradata or b""
    if not context.sample_rate:
        return False
    if context.name == "aac":  # which says it in the head, else in each packet
        return bool(head) or (first is not None and int.from_bytes(bytes(first)[:2]) & 0xFFF6 == _ADTS_SYNC)
    if stream.codec_context.codec.canonical_name == "opus":  # RFC 7845: 19 bytes, and a table if the family is not 0
        return head[:8] == b"OpusHead" and len(head) >= 19 and (head[18] == 0 or len(head) >= 21 + head[9])
    return True


def _takes(file: BytesIO, container: str, stream: Stream, first: "Packet[Any] | None", layout: str | None) -> bool:
    """Whether a file that has this stream alone can be written, to its end: some muxers complain only there."""
    try:
        with av.open(file, "w", format=container) as trial:
            copy = copy_of(stream, trial, layout)
            trial.start_encoding()
            if first is not None:
                first.stream, first.pts, first.dts = copy, 0, 0
                trial.mux_one(first)
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _tells(file: BytesIO, speakers: Speakers) -> bool:
    """Whether whoever reads a file of sound knows which channel is which.

    Of raw samples Matroska and NUT tell the number alone, FLAC in MP4 too: it may do where all mean the same by it.
    """
    file.seek(0)
    with suppress(av.error.FFmpegError, IndexError), av.open(file) as written:
        found = Speakers.of(written.streams.audio[0])
        return found.names == speakers.names or (speakers.is_ordered and found.means(speakers))
    return False
