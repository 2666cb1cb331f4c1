"""Protocols of live streams.

PyAV does not list them, so each opens an address of this machine at which nobody answers: FFmpeg tells a protocol that
it does not have from a peer that is not there.
"""

from collections.abc import Iterator
from typing import Literal

import av

from sr4k.doctor import Finding

_NOBODY = "127.0.0.1:9"
_SECONDS = 2.0

_PROTOCOLS = ("rtmp", "rtmps", "rtsp", "srt", "http", "https")


def _protocols() -> Iterator[Finding]:
    for name in _PROTOCOLS:
        yield _opened(name, "r")
    yield _opened("udp", "w")  # nothing to wait for: nothing is sent either


def _hls() -> Iterator[Finding]:
    if "hls" in av.formats_available:
        yield Finding("hls", "ok", "there")
    else:
        yield _without("hls")


def _opened(protocol: str, mode: Literal["r", "w"]) -> Finding:
    try:
        av.open(f"{protocol}://{_NOBODY}", mode, "mpegts" if mode == "w" else None, timeout=_SECONDS).close()
    except av.error.ProtocolNotFoundError:
        return _without(protocol)
    except (av.FFmpegError, OSError):
        pass  # nobody is there
    return Finding(protocol, "ok", "there")


def _without(name: str) -> Finding:
    mend = "pip install --no-binary av av  # beside the development files of an FFmpeg that has it"
    return Finding(name, "optional", "PyAV's FFmpeg is built without it", mend)


PROBES = (_protocols, _hls)
