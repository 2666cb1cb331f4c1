"""How each kind of target is opened, and what it is given."""

import fcntl
import os
import stat
import termios
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import av
from av.container import OutputContainer
from av.packet import Packet

from sr4k.live.address import Address
from sr4k.live.proxy import check_proxy
from sr4k.live.send.hls_folder import HlsFolder
from sr4k.live.send.hls_writer import HlsWriter
from sr4k.live.settings import HlsForm
from sr4k.live.srt import SrtPipe, srt_writer
from sr4k.live.tls import is_secure, tls_options
from sr4k.media.paths import for_libav, free_name

_WRITE_TIMEOUT = 1_000_000
"""Microseconds that a write to the network may take."""

_FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
_RECORDINGS: dict[str, dict[str, str]] = {
    ".mp4": _FRAGMENTED,
    ".mov": _FRAGMENTED,
    ".mkv": {"cluster_time_limit": "2000"},
    ".ts": {},
    ".flv": {"flvflags": "no_duration_filesize"},
}
"""What keeps a recording playable up to where it was broken off, by suffix."""


class OpenTarget(Protocol):
    """Takes the packets of one try. ``container``: for its streams to be added to, and its header to be written."""

    container: OutputContainer

    def write(self, packet: "Packet[Any]", at: int) -> bool:
        """Take one, of ``at`` ms in the stream; gives whether more has arrived by it than what goes on all the time."""
        ...

    def arrived(self, written: int) -> int:
        """How many of ``written`` bytes the other side has."""
        ...

    def close(self, *, ended: bool) -> None:
        """Nothing follows; ``ended``: the stream is over for good."""
        ...


@contextmanager
def opened(target: Address, form: HlsForm) -> Iterator[OpenTarget]:
    """The opened target; ``form``: of HLS.

    Raises:
        Sr4kError, FFmpegError, OSError: it can't be.
    """
    if target.kind == "srt":
        with srt_writer(target) as pipe:
            yield _Srt(pipe)
    elif target.kind == "hls":
        folder = HlsFolder(target.path, form)
        try:
            yield HlsWriter(folder, form)
        finally:
            folder.close()
    elif target.kind == "file":
        with _recording(target.path) as recording:
            yield recording
    else:
        with _open(target) as container:
            yield _Network(container)


class _Network:
    """A protocol of libav's over a socket."""

    def __init__(self, container: OutputContainer) -> None:
        self.container = container

    def write(self, packet: "Packet[Any]", at: int) -> bool:  # noqa: ARG002 - all packets go on at once
        """Send it."""
        self.container.mux_one(packet)
        return False

    def arrived(self, written: int) -> int:
        """Sockets hold seconds of a stream before a write waits."""
        return written - _unsent()

    def close(self, *, ended: bool) -> None:  # noqa: ARG002 - no protocol tells
        """Say good-bye."""
        self.container.close()


class _Srt(_Network):
    """MPEG-TS to an ffmpeg, which tells what it has sent."""

    def __init__(self, pipe: SrtPipe) -> None:
        super().__init__(av.open(pipe, "w", format="mpegts", options={"flush_packets": "1"}))
        self._pipe = pipe

    def arrived(self, written: int) -> int:
        """Nothing while it is not connected."""
        return min(written, self._pipe.sent())


class _Recording(_Network):
    """A file."""

    def __init__(self, container: OutputContainer) -> None:
        super().__init__(container)
        self.is_empty = True

    def write(self, packet: "Packet[Any]", at: int) -> bool:
        """Write it."""
        super().write(packet, at)
        self.is_empty = False
        return False

    def arrived(self, written: int) -> int:
        """What libav was given, which flushes each packet."""
        return written


@contextmanager
def _recording(path: Path) -> Iterator[_Recording]:
    """A file of a name that nobody has; gone again if nothing could be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    taken = free_name(path, taken=_is_taken)  # a recording never replaces another
    recording = None
    try:
        options = {"flush_packets": "1"} | _RECORDINGS[path.suffix.lower()]
        with av.open(for_libav(taken), "w", format=_format(path), options=options) as container:
            recording = _Recording(container)
            yield recording
    finally:
        if recording is None or recording.is_empty:
            taken.unlink(missing_ok=True)


def _format(path: Path) -> str:
    return {".mkv": "matroska", ".ts": "mpegts"}.get(path.suffix.lower(), path.suffix.lower()[1:])


def _is_taken(path: Path) -> bool:
    """Whether there is such a file; from now on there is."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return True
    return False


def _open(target: Address) -> OutputContainer:
    if target.kind == "rtmp":
        # Opened by the tee muxer, the protocol gets options; opened by PyAV itself, a write could last for ever.
        options = {
            "f": "flv",
            "flvflags": "no_duration_filesize",
            "rw_timeout": str(_WRITE_TIMEOUT),
            "tcp_nodelay": "1",
        }
        check_proxy(target)
        if is_secure(target):  # the muxer refuses what it has no use for
            options |= _nameless(tls_options(target))
        told = ":".join(f"{key}={value}" for key, value in options.items())
        return av.open(f"[{told}]{target.url}", "w", format="tee")
    if target.kind == "rtsp":
        return av.open(target.url, "w", format="rtsp", options={"rtsp_transport": "tcp"})
    url = target.url if "pkt_size=" in target.url else f"{target.url}{'&' if '?' in target.url else '?'}pkt_size=1316"
    return av.open(url, "w", format="mpegts", options={"flush_packets": "1"})


def _nameless(options: dict[str, str]) -> dict[str, str]:
    """The file of authorities by number: a path may have characters that mean something to the tee muxer."""
    if "ca_file" not in options:
        return options
    number = os.open(options["ca_file"], os.O_RDONLY)  # open as long as this process, which is one try
    return options | {"ca_file": f"/dev/fd/{number}"}


def _unsent() -> int:
    """Bytes that the other side has not taken yet."""
    total = 0
    for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers, not paths
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                waiting = array("i", [0])
                fcntl.ioctl(number, termios.TIOCOUTQ, waiting)
                total += waiting[0]
    return total
