"""Which containers carry what, asked of libav where it knows."""

from contextlib import suppress
from io import BytesIO

import av
from av.stream import Stream

# What a muxer lets pass and no player finds: those with a stream type or descriptor of their own (ISO 13818-1,
# ETSI EN 300 468).
_MPEGTS = {"aac", "ac3", "eac3", "mp2", "mp3", "dts", "opus", "dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle"}


def carries(container: str, stream: Stream) -> bool:
    """Whether a container, by its name in libav, has a place for the stream's packets as they are."""
    codec = getattr(stream.codec_context, "codec", None)
    if codec is None or (container == "mpegts" and codec.canonical_name not in _MPEGTS):
        return False
    return _takes(container, stream)


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
