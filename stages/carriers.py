"""Which containers carry what, asked of libav where it knows."""

from contextlib import suppress
from io import BytesIO

import av
from av.audio.stream import AudioStream
from av.stream import Stream

QUICKTIME = {"mp4", "mov"}
"""MP4 and its elder: alone in having tracks for covers and timecodes, edit lists, and codec tags that players heed."""

# What a muxer lets pass and no player finds: those with a stream type or descriptor of their own (ISO 13818-1,
# ETSI EN 300 468).
_MPEGTS = {"aac", "ac3", "eac3", "mp2", "mp3", "dts", "opus", "dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle"}

_ADTS = {"mpegts", "aac"}


def carries(container: str, stream: Stream) -> bool:
    """Whether a container, by its name in libav, has a place for the stream's packets as they are."""
    codec = getattr(stream.codec_context, "codec", None)
    if codec is None or (container == "mpegts" and codec.canonical_name not in _MPEGTS):
        return False
    if isinstance(stream, AudioStream) and not _is_told(stream):
        return False  # of a damaged head: some muxers find out when they have begun to write a packet
    return _takes(container, stream)


def _is_told(stream: AudioStream) -> bool:
    """Whether there is what a muxer has to know. AAC says it in its packets in transport streams, else in the head."""
    context = stream.codec_context
    head = context.extradata or b""
    if not (context.sample_rate and context.channels):
        return False
    if context.name == "aac":
        return bool(head) or stream.container.format.name in _ADTS
    if stream.codec_context.codec.canonical_name == "opus":  # RFC 7845: 19 bytes, and a table if the family is not 0
        return head[:8] == b"OpusHead" and len(head) >= 19 and (head[18] == 0 or len(head) >= 21 + head[9])
    return True


def _takes(container: str, stream: Stream) -> bool:
    """Whether a file of it that has this stream alone can be begun: the muxer has the last word, and only then."""
    try:
        trial = av.open(BytesIO(), "w", format=container)
        trial.add_stream_from_template(stream, opaque=True)
        trial.start_encoding()
    except (ValueError, av.error.FFmpegError):
        return False
    with suppress(ValueError, av.error.FFmpegError):
        trial.close()
    return True
