"""Opening a live source: libav's options for each kind of address, and the meaning of its errors."""

import errno
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import responses as HTTP_WORDS
from urllib.error import HTTPError
from urllib.parse import urlsplit

import av
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from sr4k.live.address import Address
from sr4k.live.causes import cause
from sr4k.live.proxy import check_proxy, proxy_trouble
from sr4k.live.receive.hls_fetcher import Fetcher
from sr4k.live.receive.http_client import Web
from sr4k.live.schemes import Kind
from sr4k.live.srt import srt_reader
from sr4k.live.tls import certificate_trouble, tls_options
from sr4k.media.channel_layouts import Speakers
from sr4k.media.reading.open_file import READ_TAGS

MOST_ACCEPTED = 4096 * 2304
"""Maximum number of pixels in a picture of a live source; larger ones are refused."""

_OPEN_TIMEOUT = 5.0
"""Timeout of connecting, in seconds, in addition to the time spent probing."""

_SAID_YES = 3.0
"""Seconds within which an RTMP server that refuses or closes the connection does so."""

_KEY_FRAMES_APART = 24.0
"""Seconds to wait for a key frame: by default many encoders send one in 250 pictures."""

_PROBE, _LONG_PROBE = 5_000_000, 100_000_000
"""``probesize`` in bytes, for a normal try and for one that waits for a key frame."""

_LONG_ENOUGH = 3.0
"""Probed seconds after which a stream counts as one without sound."""

_CONTAINERS = "mpegts,mov,flv,matroska,aac,mp3"
_VIDEO = {"h264", "hevc", "av1", "vp8", "vp9", "mpeg2video", "mpeg4", "mjpeg"}
_AUDIO = {
    "aac",
    "aac_latm",
    "ac3",
    "eac3",
    "mp2",
    "mp3",
    "opus",
    "vorbis",
    "flac",
    "pcm_alaw",
    "pcm_mulaw",
    "pcm_s16be",
}
"""Audio codecs accepted from networks, as `_VIDEO` for video: libav's hundreds of others are rarely used or tested."""


@dataclass(frozen=True, slots=True)
class _Way:
    """How one kind of address is opened.

    Attributes:
        protocols: libav's protocols that may be used, also by playlists and redirections.
        container: the only container allowed; ``None``: those of the option ``format_whitelist``.
        options: further options of protocol and demuxer.
        patience: ``analyzeduration`` of each try, in seconds: libav ignores tracks that it has not found by then.
        read_timeout: timeout of a read, in seconds. It alone detects a publisher that stops without closing.
        streams: number of streams from which on the source is refused.
    """

    protocols: str
    container: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    patience: tuple[float, ...] = (5.0,)
    read_timeout: float = 4.0
    streams: int = 8


_WAYS: dict[Kind, _Way] = {
    "rtmp": _Way(
        "rtmp,rtmps,rtmpt,tcp,tls,httpproxy",
        "flv",
        {"rtmp_live": "live", "rw_timeout": "4000000", "tcp_nodelay": "1"},
        (1.0, 3.0, _KEY_FRAMES_APART),
    ),
    "rtsp": _Way("rtsp,rtsps,rtp,udp,tcp,tls,httpproxy", "rtsp", {"rtsp_transport": "tcp"}, patience=(2.0, 8.0)),
    "http": _Way(
        "http,https,tcp,tls,crypto,httpproxy",
        None,
        # HLS, which opens further addresses, is handled by `_open_playlist`. A playlist may list many streams.
        {"format_whitelist": _CONTAINERS, "rw_timeout": "10000000"},
        read_timeout=12.0,
        streams=64,
    ),
    "udp": _Way(
        "udp,rtp",
        "mpegts",
        {"fifo_size": "50000", "overrun_nonfatal": "1"},
        patience=(2.0, _KEY_FRAMES_APART),
        streams=64,
    ),
    "srt": _Way("pipe", "mpegts", patience=(2.0, _KEY_FRAMES_APART), streams=64),
    "file": _Way("file,crypto", None, {"format_whitelist": f"{_CONTAINERS},avi,mxf,mpeg,ogg"}, streams=64),
}


_OF_HLS = {
    "format_whitelist": f"hls,{_CONTAINERS}",
    "max_reload": "10",
    "http_persistent": "0",  # persistent connections would bypass `Fetcher`
    "http_multiple": "0",
}

LIVE: tuple[Kind, ...] = ("rtmp", "rtsp", "udp", "srt")
"""Kinds of sources that go on whether they are read or not. Those of HTTP may be recordings."""

_OR_NOT_YET: dict[Kind, str] = dict.fromkeys(LIVE, f", or no key frame for {_KEY_FRAMES_APART:.0f} s")

_REFUSALS = (errno.EIO, errno.EPIPE, errno.EPERM, errno.ECONNRESET)
"""Error numbers of a server that refuses a connection or closes it."""


class CantOpenError(Exception):
    """The source can't be opened; the message says why in plain words, without the address."""


@dataclass(frozen=True, slots=True)
class Opening:
    """An open source and the tracks that are read from it.

    Attributes:
        container: libav's demuxer.
        video: video track to read.
        audio: audio track to read, if any.
        speakers: channel layout of the audio track.
        fetcher: opens segments, for HLS.
    """

    container: InputContainer
    video: VideoStream
    audio: AudioStream | None
    speakers: Speakers | None
    fetcher: Fetcher | None = None

    @property
    def wanted(self) -> list[Stream]:
        """Streams to demux."""
        return [self.video] if self.audio is None else [self.video, self.audio]


def open_source(address: Address) -> Opening:
    """Open a source, with longer and longer probing until its tracks are found.

    Raises:
        CantOpenError: the source can't be opened, or has no video that may be decoded.
        OptionError: this machine lacks a program that is needed, or the proxy or certificate authorities named in the
            environment are invalid.
    """
    found = "nothing"
    for container, seconds, fetcher in _tries(address):
        if fetcher is not None and fetcher.refused is not None:
            raise CantOpenError(fetcher.refused)
        if len(container.streams) >= _WAYS[address.kind].streams:
            raise CantOpenError(f"it has too many tracks ({len(container.streams)} or more)")
        video = _video(container, address.kind)
        if video is not None and (container.streams.audio or seconds >= _LONG_ENOUGH or address.kind != "rtmp"):
            width, height = video.codec_context.width, video.codec_context.height
            if not width and seconds < _WAYS[address.kind].patience[-1]:
                container.close()
                continue
            if not width:
                raise CantOpenError("its video can't be decoded: no key frame came, or none with the picture size")
            if width * height > MOST_ACCEPTED:
                raise CantOpenError(too_large(width, height))
            audio = _audio(container, video, address.kind)
            speakers = None if audio is None else Speakers.of(audio)
            opening = Opening(container, video, audio, speakers, fetcher)
            for stream in container.streams:
                if stream not in opening.wanted:
                    stream.discard = Discard.all
            return opening
        found = ", ".join(sorted({_named(stream) for stream in container.streams})) or found
        container.close()
    raise CantOpenError(f"there is no video that can be decoded{_OR_NOT_YET.get(address.kind, '')}, but {found}")


def read_timeout(kind: Kind) -> float:
    """Return the timeout of a read, in seconds."""
    return _WAYS[kind].read_timeout


def too_large(width: int, height: int) -> str:
    """Return the error message for pictures of this size."""
    return f"its pictures are too large ({width}x{height})"


def why(error: Exception, address: Address, *, opening: bool) -> str:
    """Return the cause of an error in plain words: those specific to sources, else `sr4k.live.causes.cause`.

    Args:
        error: raised by libav or Python.
        address: the source.
        opening: whether it was raised while opening: then certificate, proxy and name may be checked over the network.
    """
    if opening and (trouble := proxy_trouble(address)) is not None:
        return trouble
    number = getattr(error, "errno", None)
    if isinstance(error, av.error.ExitError | TimeoutError):
        return "it does not answer" if opening else f"nothing came for {read_timeout(address.kind):.0f} s"
    if isinstance(error, HTTPError):
        return f"the server answered {error.code} {HTTP_WORDS.get(error.code, '')}".rstrip()
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        return "it exceeds the limits on memory or streams"
    if isinstance(error, av.error.EOFError):
        return "nothing came"
    if isinstance(error, av.error.InvalidDataError):
        return "the data is not a readable stream"
    if isinstance(error, av.error.ArgumentError):
        return "its container or protocol is not allowed here, or the stream is damaged"
    if number == errno.EPROTONOSUPPORT and address.kind == "rtsp":
        return "it offers no RTSP over TCP, which is the only way here: allow TCP at the server or camera"
    if number in _REFUSALS:
        return _at_opening(address) if opening else "the connection broke off"
    return cause(error)


def _tries(address: Address) -> Iterator[tuple[InputContainer, float, Fetcher | None]]:
    """Yield the open source, probed for longer each time, with the seconds probed and for HLS the fetcher."""
    check_proxy(address)
    way, is_quiet = _WAYS[address.kind], False
    for seconds in way.patience:
        options = {
            "protocol_whitelist": way.protocols,
            "max_streams": str(way.streams),
            "analyzeduration": str(round(seconds * 1e6)),
            "probesize": str(_LONG_PROBE if seconds == _KEY_FRAMES_APART else _PROBE),
        }
        options |= way.options | (tls_options(address) if "tls" in way.protocols else {})
        if is_quiet:
            options["rw_timeout"] = str(round(1e6 * _KEY_FRAMES_APART))
        opening = seconds + (_KEY_FRAMES_APART if is_quiet else _OPEN_TIMEOUT)
        timeout, url, began = (opening, way.read_timeout), _for_libav(address), time.monotonic()
        try:
            container: InputContainer = av.open(
                url, format=way.container, options=options, timeout=timeout, **READ_TAGS
            )
        except av.error.ArgumentError as err:  # no allowed container matches
            if address.kind != "http":
                raise CantOpenError(why(err, address, opening=True)) from None
            container, fetcher = _open_playlist(address, options, timeout, err)
            yield container, seconds, fetcher
        except (FFmpegError, OSError, ValueError, MemoryError) as err:
            # A server that has nothing to send yet, perhaps for want of a key frame, has accepted the connection.
            may_send = address.kind == "rtmp" and err.errno == errno.EIO if isinstance(err, OSError) else False
            if is_quiet or not may_send or time.monotonic() - began < _SAID_YES:
                raise CantOpenError(why(err, address, opening=True)) from None
            is_quiet = True
        else:
            yield container, seconds, None


def _open_playlist(
    address: Address, options: dict[str, str], timeout: tuple[float, float], refusal: Exception
) -> tuple[InputContainer, Fetcher]:
    """Open an address as HLS. ``refusal`` is the error to report if it isn't a playlist.

    Raises:
        CantOpenError: it can't be opened as HLS.
    """
    of_all = ("protocol_whitelist", "rw_timeout", "tls_verify", "ca_file")
    fetcher = Fetcher(address.url, {key: options[key] for key in of_all if key in options}, timeout)
    try:
        container: InputContainer = av.open(
            address.url, format="hls", options=options | _OF_HLS, timeout=timeout, io_open=fetcher, **READ_TAGS
        )
    except (FFmpegError, OSError, ValueError, MemoryError) as err:
        cause = fetcher.error or (err if fetcher.is_playlist else refusal)
        raise CantOpenError(fetcher.refused or why(cause, address, opening=True)) from None
    fetcher.is_open = True
    return container, fetcher


def _for_libav(address: Address) -> str:
    if address.kind == "file":
        return f"file:{address.url}"  # keeps libav from reading a protocol's name in the path
    return f"pipe:{srt_reader(address)}" if address.kind == "srt" else address.url


def _video(container: InputContainer, kind: Kind) -> VideoStream | None:
    """Return the largest allowed video track, other than cover pictures: a playlist may offer several."""
    fit = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic and _is_allowed(stream, _VIDEO, kind)
    ]
    return max(fit, key=_rank, default=None)


def _rank(stream: VideoStream) -> int:
    pixels = stream.codec_context.width * stream.codec_context.height
    return pixels if pixels <= MOST_ACCEPTED else -pixels


def _audio(container: InputContainer, video: VideoStream, kind: Kind) -> AudioStream | None:
    """Return the allowed audio track that belongs to the video, else the first allowed one."""
    fit = [stream for stream in container.streams.audio if _is_allowed(stream, _AUDIO, kind)]
    best = container.streams.best("audio", related=video)
    return next((stream for stream in fit if stream is best), next(iter(fit), None))


def _is_allowed(stream: Stream, codecs: set[str], kind: Kind) -> bool:
    codec = _codec(stream)
    return codec is not None and (kind == "file" or codec in codecs)


def _named(stream: Stream) -> str:
    return f"{stream.type} ({_codec(stream) or 'unknown'})"


def _codec(stream: Stream) -> str | None:
    """Return the name of a stream's codec, or ``None`` if libav has no decoder for it."""
    context: CodecContext | None = stream.codec_context
    return None if context is None or context.codec is None else str(context.codec.canonical_name)


def _at_opening(address: Address) -> str:
    """Return the cause of a failed connection: libav reports all of them as the same I/O error."""
    if address.kind in ("rtmp", "rtsp", "http"):
        host = urlsplit(address.url).hostname
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            return f"the name {host} can't be resolved"
    trouble = Web().distrust(address.url) if address.kind == "http" else certificate_trouble(address)
    if trouble is not None:
        return trouble
    if address.kind == "rtmp":
        return "nobody publishes there, or the application or key is wrong"
    return "nothing came" if address.kind in ("udp", "srt") else "the connection broke off"
