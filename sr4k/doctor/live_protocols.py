"""Probes of the protocols of live streams.

PyAV can't list protocols, so each probe connects to a local port on which nothing listens: FFmpeg raises one error for
a protocol that it lacks and another for a peer that doesn't answer.
"""

from collections.abc import Iterator
from typing import Literal

import av

from sr4k.doctor import Finding
from sr4k.errors import OptionError, OutputError
from sr4k.live.send.check_target import lacks_cryptography
from sr4k.live.send.whip_target import require_whip
from sr4k.live.srt import require_srt

_NOBODY = "127.0.0.1:9"
_SECONDS = 2.0

_PROTOCOLS = ("rtmp", "rtmps", "rtsp", "http", "https")


def _protocols() -> Iterator[Finding]:
    for name in _PROTOCOLS:
        yield _opened(name, "r")
    yield _opened("udp", "w")  # opening it to write needs no peer, and sends nothing


def _srt() -> Iterator[Finding]:
    """SRT goes through a program."""
    try:
        yield Finding("srt", "ok", f"by {require_srt()}")
    except OptionError as err:
        yield Finding("srt", "optional", str(err).rstrip("."), "apt-get install ffmpeg")


def _hls() -> Iterator[Finding]:
    if "hls" in av.formats_available:
        yield Finding("hls", "ok", "available")
    else:
        yield _without("hls")


def _whip() -> Iterator[Finding]:
    """WHIP is a muxer, not a protocol."""
    try:
        require_whip()
    except OutputError:
        yield _without("whip")
        return
    if lacks_cryptography():
        yield Finding("whip", "optional", "cryptography is not installed", "pip install 'sr4k-stream[whip]'")
    else:
        yield Finding("whip", "ok", "available")


def _opened(protocol: str, mode: Literal["r", "w"]) -> Finding:
    try:
        av.open(f"{protocol}://{_NOBODY}", mode, "mpegts" if mode == "w" else None, timeout=_SECONDS).close()
    except av.error.ProtocolNotFoundError:
        return _without(protocol)
    except (av.FFmpegError, OSError):
        pass  # nothing listens there
    return Finding(protocol, "ok", "available")


def _without(name: str) -> Finding:
    mend = "pip install --no-binary av av  # needs the development files of an FFmpeg that has it"
    return Finding(name, "optional", "PyAV's FFmpeg is built without it", mend)


PROBES = (_protocols, _srt, _hls, _whip)
