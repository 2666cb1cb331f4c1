"""Open a target of any kind, and write packets to it."""

import fcntl
import os
import stat
import termios
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import Any, Protocol

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from sr4k.live.address import Address
from sr4k.live.proxy import check_proxy
from sr4k.live.schemes import Kind
from sr4k.live.send.copied import PROMPT, Copied, go_ahead
from sr4k.live.send.flv import Tag
from sr4k.live.send.flv_muxer import FlvMuxer
from sr4k.live.send.hls_folder import HlsFolder
from sr4k.live.send.hls_writer import HlsWriter
from sr4k.live.send.recording import recording
from sr4k.live.settings import HlsForm
from sr4k.live.srt import SrtPipe, srt_writer
from sr4k.live.tls import is_secure, tls_options

_WRITE_TIMEOUT = 1_000_000
"""Timeout of a write to the network, in microseconds."""

_PROMPT_TS = PROMPT | {"flush_packets": "1", "pes_payload_size": "0", "omit_video_pes_length": "0"}
"""`PROMPT` for MPEG-TS: no sound waits for more to fill a packet with, and a receiver sees where a picture ends."""


class OpenTarget(Protocol):
    """A target that was opened for one try."""

    def begin(self, source: InputContainer) -> None:
        """Prepare for the streams of an FLV source, and connect where the header is what connects."""
        ...

    def write(self, packet: "Packet[Any]", at: int) -> bool:
        """Write a packet of the source, of time ``at`` ms; return whether to report at once, after a segment."""
        ...

    def arrived(self, written: int) -> int:
        """Return how many of ``written`` bytes have arrived at the other side."""
        ...

    def close(self, *, ended: bool) -> None:
        """Write what is left and close; ``ended``: no stream will follow."""
        ...


@contextmanager
def opened(target: Address, form: HlsForm) -> Iterator[OpenTarget]:
    """Open a target; ``form``: container and duration of the segments, for HLS.

    Raises:
        Sr4kError, FFmpegError, OSError: it can't be opened.
    """
    if target.kind == "srt":
        with srt_writer(target) as pipe:
            yield _Srt(pipe)
    elif target.kind == "whip":
        from sr4k.live.send.whip_target import whip_target  # imports what re-encodes sound, which only this needs

        with whip_target(target) as session:
            yield session
    elif target.kind == "hls":
        folder = HlsFolder(target.path, form)
        try:
            yield HlsWriter(folder, form)
        finally:
            folder.close()
    elif target.kind == "file":
        with recording(target.path) as file:
            yield file
    else:
        with _open(target) as container:
            yield _OF_KIND.get(target.kind, _Network)(container)


class _Network(Copied):
    """A target that libav reaches over a socket."""

    def write(self, packet: "Packet[Any]", at: int) -> bool:  # noqa: ARG002 - packets are sent as they come
        """Send a packet; always False."""
        self.mux(packet)
        return False

    def arrived(self, written: int) -> int:
        """Return ``written`` less what sockets hold: their buffers take seconds of a stream before a write blocks."""
        return max(0, written - _unsent())  # the head of the stream, and reports to the parent, are unsent at first too

    def close(self, *, ended: bool) -> None:  # noqa: ARG002 - no protocol distinguishes the two
        """Write the trailer and disconnect."""
        self.container.close()


class _Rtmp(_Network):
    """A target of RTMP, whose protocol takes FLV: no picture waits for sound, and no sound for a picture."""

    def __init__(self, container: OutputContainer) -> None:
        super().__init__(container)
        self._muxer = FlvMuxer()
        self._wire = container.add_data_stream()
        self._sent = 0  # packets so far, which count as their time

    def begin(self, source: InputContainer) -> None:
        """Connect, and send the head of the stream."""
        for stream in source.streams:
            own = self._muxer.container("video" if stream.type == "video" else "audio")
            self._streams[stream.index] = own.add_stream_from_template(stream, opaque=True)
        self.container.start_encoding()
        head = self._muxer.begin()
        self._send(self._muxer.header, head)

    def mux(self, packet: "Packet[Any]") -> None:
        """Send a packet."""
        packet.stream = self._streams[packet.stream.index]
        self._send(b"", self._muxer.mux([packet]))

    def close(self, *, ended: bool) -> None:
        """End the stream and disconnect."""
        self._send(b"", self._muxer.close())
        super().close(ended=ended)

    def _send(self, header: bytes, tags: list[Tag]) -> None:
        sent: Packet[Any] = Packet(b"".join([header, *(tag.data for tag in tags)]))
        if sent.size:
            sent.stream, sent.dts, sent.time_base = self._wire, self._sent, Fraction(1, 1000)
            sent.pts = self._sent
            self._sent += 1
            self.container.mux_one(sent)


class _Rtsp(_Network):
    """A target of RTSP, which carries RTP."""

    def mux(self, packet: "Packet[Any]") -> None:
        """Send a packet."""
        if packet.stream.type == "video":
            go_ahead(packet)
        super().mux(packet)


_OF_KIND: dict[Kind, type[_Network]] = {"rtmp": _Rtmp, "rtsp": _Rtsp}


class _Srt(_Network):
    """MPEG-TS to an ``ffmpeg`` that sends it by SRT and reports how many bytes it has sent."""

    def __init__(self, pipe: SrtPipe) -> None:
        super().__init__(av.open(pipe, "w", format="mpegts", options=_PROMPT_TS))
        self._pipe = pipe

    def arrived(self, written: int) -> int:
        """Return the bytes that ``ffmpeg`` has sent; 0 while it isn't connected."""
        return min(written, self._pipe.sent())


def _open(target: Address) -> OutputContainer:
    if target.kind == "rtmp":
        # The tee muxer passes options on to the protocol. PyAV does not: a write could block for ever.
        options = {
            "f": "data",
            "flush_packets": "1",
            "rw_timeout": str(_WRITE_TIMEOUT),
            "tcp_nodelay": "1",
        }
        check_proxy(target)
        if is_secure(target):  # for plain rtmp the muxer would refuse unused options
            options |= _nameless(tls_options(target))
        arguments = ":".join(f"{key}={value}" for key, value in options.items())
        return av.open(f"[{arguments}]{target.url}", "w", format="tee")
    if target.kind == "rtsp":
        return av.open(target.url, "w", format="rtsp", options=PROMPT | {"rtsp_transport": "tcp"})
    url = target.url if "pkt_size=" in target.url else f"{target.url}{'&' if '?' in target.url else '?'}pkt_size=1316"
    return av.open(url, "w", format="mpegts", options=_PROMPT_TS)


def _nameless(options: dict[str, str]) -> dict[str, str]:
    """Name the file of certificate authorities by its descriptor: its path may have characters special to tee."""
    if "ca_file" not in options:
        return options
    number = os.open(options["ca_file"], os.O_RDONLY)  # open as long as this process, which is one try
    return options | {"ca_file": f"/dev/fd/{number}"}


def _unsent() -> int:
    """Return the bytes in this process's sockets that the other side hasn't acknowledged (``SIOCOUTQ``)."""
    total = 0
    for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers, not paths
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                waiting = array("i", [0])
                fcntl.ioctl(number, termios.TIOCOUTQ, waiting)
                total += waiting[0]
    return total
