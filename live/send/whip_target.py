"""WHIP: H.264 and Opus over WebRTC, by libav's muxer. Its HTTP is done by `sr4k.live.send.whip_relay`."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from secrets import token_urlsafe
from typing import Any, BinaryIO

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from sr4k.errors import OutputError
from sr4k.live.address import Address
from sr4k.live.causes import cause
from sr4k.live.child import start_child
from sr4k.live.send.check_target import lacks_certificates
from sr4k.live.send.copied import AHEAD, PROMPT, go_ahead
from sr4k.live.send.whip_http import forget
from sr4k.live.send.whip_media import MediaSocket, media_socket
from sr4k.live.send.whip_relay import Agreed, Refused, RelayOrder
from sr4k.live.wire_format import cleaned, unpack
from sr4k.media.channel_layouts import Speakers
from sr4k.media.writing.audio_encoder import Reencoded

_OPTIONS = PROMPT | {
    "handshake_timeout": "3000",  # of ICE and DTLS together, in ms
    "ts_buffer_size": str(4 << 20),  # of the socket, in bytes, as far as the kernel allows: a key frame is sent at once
    "rtp_history": "2048",  # packets that can be sent again: as many as it allows, and a key frame of 4K may have
    "strict": "experimental",  # which the muxer is in FFmpeg
}

_LOOPBACK = "127.0.0.1"
_REPORTS: dict[str, type] = {kind.__name__: kind for kind in (Agreed, Refused)}

_NO_B_FRAMES = "WHIP can't carry B-frames, and this stream has some."


def require_whip() -> None:
    """Check that PyAV's libav has what WHIP needs; the muxer is there only if DTLS is.

    Raises:
        OutputError: it lacks the muxer, or the encoder of Opus.
    """
    for name, known in (("whip", av.formats_available), ("libopus", av.codecs_available)):
        if name not in known:
            raise OutputError(f"WHIP needs {name}, which PyAV's FFmpeg is built without: install PyAV's wheel.")


@contextmanager
def whip_target(target: Address) -> Iterator["WhipTarget"]:
    """Return a target that connects in `WhipTarget.begin`; at the end, its session is deleted.

    Raises:
        OutputError: PyAV's libav can't do it.
        OSError: no process can be started.
    """
    require_whip()
    relay, made = _Relay(target), None
    try:
        made = WhipTarget(relay)
        yield made
    finally:
        if made is not None:
            made.release()
        session = relay.outcome()
        if isinstance(session, Agreed):
            forget(target, session.resource)


class _Relay:
    """The process that exchanges offer and answer for libav, which asks it at ``url``.

    Raises:
        OSError: it can't be started.
    """

    def __init__(self, target: Address) -> None:
        told, tells = os.pipe()
        self._told: BinaryIO = os.fdopen(told, "rb")
        try:
            with socket.create_server((_LOOPBACK, 0)) as listener:
                path = f"/{token_urlsafe()}"
                self.url = f"http://{_LOOPBACK}:{listener.getsockname()[1]}{path}"
                order = RelayOrder(target=target, listener=listener.fileno(), path=path, report=tells)
                self._process: subprocess.Popen[bytes] = start_child(
                    "sr4k.live.send.whip_relay", order, fds=(listener.fileno(), tells)
                )
        finally:
            os.close(tells)
        self._outcome: object = None

    def outcome(self) -> object:
        """End the process, and return what it has reported, `Agreed` or `Refused`; ``None`` if nothing."""
        if not self._told.closed:
            self._process.kill()
            self._process.wait()
            with self._told:
                packed = self._told.read()
            self._outcome = unpack(packed, _REPORTS) if packed else None
        return self._outcome


class WhipTarget:
    """A session with a WHIP server: pictures are sent as they come, and sound is converted to Opus."""

    def __init__(self, relay: _Relay) -> None:
        self._relay = relay
        _reach_directly(_LOOPBACK)
        options = _OPTIONS | _certificate()
        self._container: OutputContainer = av.open(relay.url, "w", format="whip", options=options)
        self._media: MediaSocket | None = None
        self._video: Stream | None = None
        self._sound: Reencoded | None = None
        self._start: int | None = None  # time of the first packet, in ms

    def begin(self, source: InputContainer) -> None:
        """Offer the streams to the server, and connect.

        Raises:
            OutputError: WHIP can't carry the streams, or there is no connection; the message says why.
        """
        video = source.streams.video[0]
        _refuse(video)
        self._video = self._container.add_stream_from_template(video, opaque=True)
        for stream in source.streams.audio[:1]:
            self._sound = Reencoded(stream, Speakers.of(stream), self._container)
        try:
            self._container.start_encoding()
        except (FFmpegError, OSError, ValueError) as err:
            raise OutputError(f"{self._why(err)}.") from None
        session = self._relay.outcome()
        assert isinstance(session, Agreed)
        self._media = media_socket(session.media, session.password)

    def write(self, packet: "Packet[Any]", at: int) -> bool:
        """Send a packet; always False.

        Raises:
            OutputError: it has B-frames.
            OSError: the connection broke off.
        """
        assert self._media is not None, "begun"
        if self._start is None:
            self._start = at
        _move(packet, AHEAD - self._start)  # the time stamps of RTP begin about when the session does
        try:
            for sent in self._converted(packet):
                self._media.answer()
                with self._media.patiently(sent.size):
                    self._container.mux_one(sent)
        except TimeoutError:
            raise
        except (FFmpegError, ConnectionError):
            raise ConnectionResetError from None
        return False

    def arrived(self, written: int) -> int:
        """Return ``written``: nobody acknowledges what is sent."""
        return written

    def close(self, *, ended: bool) -> None:  # noqa: ARG002 - WHIP does not distinguish the two
        """Send what is left and disconnect."""
        self._container.close()

    def release(self) -> None:
        """Let go of the socket."""
        if self._media is not None:
            self._media.close()

    def _converted(self, packet: "Packet[Any]") -> "Iterator[Packet[Any]]":
        if packet.stream.type == "audio":
            if self._sound is not None:
                yield from self._sound.packets(packet)
        elif self._video is not None:
            if packet.pts != packet.dts:
                raise OutputError(_NO_B_FRAMES)
            packet.stream = self._video
            go_ahead(packet)
            yield packet

    def _why(self, error: Exception) -> str:
        """Return why there is no connection, in words."""
        match self._relay.outcome():
            case Refused(reason):
                return cleaned(reason)
            case Agreed(media) if isinstance(error, TimeoutError):
                return f"its UDP address {media} does not answer: a firewall may be in the way"
            case Agreed():
                return "the encrypted connection to it failed"
        return cause(error)


def _certificate() -> dict[str, str]:
    """Return options for a certificate, where libav's own is of no use.

    Raises:
        OutputError: the package that makes one is missing.
    """
    if not lacks_certificates():
        return {}
    from sr4k.live.send.whip_certificate import certificate_options  # imports a package that may be missing

    return certificate_options()


def _refuse(video: VideoStream) -> None:
    """Raise an error if WHIP can't carry the pictures.

    Raises:
        OutputError: they aren't H.264, or have B-frames.
    """
    codec = video.codec_context.name
    if codec != "h264":
        raise OutputError(f"WHIP carries H.264 alone, and this stream is {codec}.")
    if video.codec_context.has_b_frames:
        raise OutputError(_NO_B_FRAMES)


def _move(packet: "Packet[Any]", milliseconds: int) -> None:
    """Move a packet in time."""
    assert packet.time_base and packet.pts is not None and packet.dts is not None
    ticks = round(Fraction(milliseconds, 1000) / packet.time_base)
    packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks


def _reach_directly(host: str) -> None:
    """Have libav use no proxy for a host: WHIP's own HTTP goes through `sr4k.live.send.whip_http`."""
    os.environ["no_proxy"] = ",".join(filter(None, (os.environ.get("no_proxy"), host)))
