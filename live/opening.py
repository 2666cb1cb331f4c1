"""Opening a live source: what libav is told for each kind, and what its errors mean."""

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from sr4k.live.address import Address, Kind
from sr4k.live.link import Ended

READ_TIMEOUT = 4.0
"""Seconds that a read may take. A publisher that stops is no end of the stream: only this tells."""

_OPEN_TIMEOUT = 5.0
"""Seconds to connect, beside those spent looking for streams."""

_MOST_STREAMS = 8

_PATIENCE: dict[Kind, tuple[float, ...]] = {"rtmp": (1.0, 3.0, 10.0), "rtsp": (2.0, 8.0), "udp": (2.0, 8.0)}
"""Seconds of the stream that are looked at for its tracks, try after try: a track that libav has not seen by then does
not exist for it."""

_LONG_ENOUGH = 3.0
"""Seconds of a stream after which one without sound has none."""

_CONTAINERS = "hls,mpegts,mov,flv,matroska,aac,mp3"
"""What may come over HTTP. HLS alone opens further addresses, and only by the protocols allowed."""


@dataclass(frozen=True, slots=True)
class _Way:
    protocols: str
    container: str | None = None  # the only one
    options: dict[str, str] = field(default_factory=dict)


_WAYS: dict[Kind, _Way] = {
    "rtmp": _Way(
        "rtmp,rtmps,rtmpt,tcp,tls",
        "flv",
        {"rtmp_live": "live", "fflags": "nobuffer", "rw_timeout": "4000000", "tcp_nodelay": "1"},
    ),
    "rtsp": _Way("rtsp,rtsps,rtp,udp,tcp,tls", "rtsp", {"rtsp_transport": "tcp", "fflags": "nobuffer"}),
    "http": _Way(
        "http,https,tcp,tls,crypto",
        None,
        {"format_whitelist": _CONTAINERS, "rw_timeout": "10000000", "max_reload": "10"},
    ),
    "udp": _Way("udp,rtp", "mpegts", {"fifo_size": "50000", "overrun_nonfatal": "1", "fflags": "nobuffer"}),
    "file": _Way("file,crypto", None, {"format_whitelist": f"{_CONTAINERS},avi,mxf,mpeg,ogg,wav"}),
}


_REFUSALS = (errno.EIO, errno.EPIPE, errno.EPERM, errno.ECONNRESET)
"""How servers say no, or go away."""


class CantOpenError(Exception):
    """Why, in the user's words."""


def open_source(address: Address) -> tuple[InputContainer, VideoStream]:
    """Open it, with patience until it has the tracks that it should have.

    Raises:
        CantOpenError: it can't be opened, or has no video.
    """
    found = None
    for container, seconds in _tries(address):
        video = next(iter(container.streams.video), None)
        if video is not None and (container.streams.audio or seconds >= _LONG_ENOUGH or address.kind != "rtmp"):
            if video.codec_context is None or not video.codec_context.width:
                raise CantOpenError("its video can't be decoded: an unknown codec, or no picture size")
            return container, video
        found = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        container.close()
    raise CantOpenError(f"there is no video, but {found}")


def ended_by(error: Exception, *, reading: bool = True) -> Ended:
    """What ended a connection, without its address: libav's own texts hold it whole."""
    if isinstance(error, av.error.ExitError | TimeoutError):
        return Ended(f"nothing came for {READ_TIMEOUT:.0f} s" if reading else "it does not answer")
    if isinstance(error, ConnectionRefusedError):
        return Ended("the connection was refused")
    if isinstance(error, av.error.InvalidDataError):
        return Ended("what comes is no stream that can be read")
    if isinstance(error, av.error.ArgumentError):
        return Ended("it is refused: a container or protocol that is not allowed here, or a damaged stream")
    if isinstance(error, MemoryError):
        return Ended("it asks for more memory than it may have")
    number = getattr(error, "errno", None)
    if number in _REFUSALS:
        return Ended(
            "the connection broke off" if reading else "nobody publishes there, or the application or key is wrong"
        )
    text = getattr(error, "strerror", None)
    return Ended(text if isinstance(text, str) and "://" not in text else type(error).__name__)


def _tries(address: Address) -> Iterator[tuple[InputContainer, float]]:
    """The source, opened with more patience each time it is asked for again."""
    way = _WAYS[address.kind]
    for seconds in _PATIENCE.get(address.kind, (5.0,)):
        options = {
            "protocol_whitelist": way.protocols,
            "max_streams": str(_MOST_STREAMS),
            "analyzeduration": str(round(seconds * 1e6)),
            "probesize": "5000000",
        }
        try:
            container: InputContainer = av.open(
                address.url,
                format=way.container,
                options=options | way.options,
                timeout=(_OPEN_TIMEOUT + seconds, READ_TIMEOUT if address.kind != "http" else 3 * READ_TIMEOUT),
                metadata_errors="replace",
            )
        except (FFmpegError, OSError, ValueError, MemoryError) as err:
            raise CantOpenError(_lost(address) or ended_by(err, reading=False).reason) from None
        yield container, seconds


def _lost(address: Address) -> str | None:
    """Whether it is the host's name: to libav that is an error of input like any other."""
    if address.kind == "file":
        return None if address.path.is_file() else "there is no such file"
    host = urlsplit(address.url).hostname
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return f"the name {host} can't be resolved"
    return None
