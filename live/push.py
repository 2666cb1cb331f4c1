"""One try to push to a target, in a process of its own, started by `sr4k.live.outlet`.

It reads FLV from a pipe and writes what the target wants. libav may block in here for as long as it likes, and hold
Python's lock while it does: nobody else is hurt, and whoever started it ends it.
"""

import errno
import fcntl
import os
import stat
import subprocess
import termios
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from sr4k.errors import Sr4kError
from sr4k.live.address import Address
from sr4k.live.bridge import srt_writer
from sr4k.live.settings import Segments
from sr4k.live.tls import is_secure, tls_options
from sr4k.stages.paths import for_libav, free_name

_REPORT_EVERY = 0.1
"""Seconds."""

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


@dataclass(frozen=True, slots=True)
class Order:
    """What to push where, and over which pipes: FLV comes in, reports go out, the start comes in."""

    target: Address
    segments: Segments
    data: int
    reports: int
    start: int


@dataclass(frozen=True, slots=True)
class Ready:
    """Connected: it waits for the time, in ms, from which on it is to send."""


@dataclass(frozen=True, slots=True)
class Wrote:
    """Everything up to ``time`` ms was written, and ``bytes`` in all have arrived."""

    time: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """There is nothing more to expect: why."""

    reason: str


def main(order: Order) -> None:
    """Push until the pipe ends."""
    av.logging.set_level(None)  # its lines hold the address
    reports = Connection(order.reports, readable=False)
    try:
        _push(order, reports)
        reason = ""
    except Sr4kError as err:
        reason = str(err).rstrip(".")
    except (FFmpegError, OSError, ValueError) as err:
        reason = _reason(err)
    reports.send(Stopped(reason))


def _push(order: Order, reports: Connection) -> None:
    pipe = os.fdopen(order.data, "rb", buffering=0)
    probe = {"analyzeduration": "0", "probesize": "4096"}
    source: InputContainer = av.open(pipe, format="flv", buffer_size=32768, options=probe)  # type: ignore[assignment]
    with source, _opened(order.target, order.segments) as target:
        streams = {s.index: target.add_stream_from_template(s, opaque=True) for s in source.streams}
        target.start_encoding()
        reports.send(Ready())
        start = Connection(order.start, writable=False)
        _copy(_from(source, start), target, streams, lambda time, size: reports.send(Wrote(time, size)))


def _from(source: InputContainer, start: Connection) -> "Iterator[Packet[Any]]":
    """Packets from the time on, in ms, that ``start`` tells, the first of video a key frame.

    It tells that before the first of them goes into the pipe, which may be full until then of what came earlier.
    """
    first, keyed = None, False
    for packet in source.demux():
        if packet.dts is None or not packet.time_base:
            continue
        if first is None:
            if not start.poll(0):
                continue
            try:
                first = start.recv()
            except EOFError:
                return  # it was to end before it began
        if _milliseconds(packet) >= first:
            keyed = keyed or (packet.stream.type == "video" and packet.is_keyframe)
            if keyed:
                yield packet


def _copy(
    packets: "Iterator[Packet[Any]]",
    target: OutputContainer,
    streams: dict[int, Any],
    report: Callable[[int, int], None],
) -> None:
    written, reported = 0, 0.0
    for packet in packets:
        at, size = _milliseconds(packet), packet.size
        packet.stream = streams[packet.stream.index]
        target.mux_one(packet)
        written += size
        if (now := time.monotonic()) - reported >= _REPORT_EVERY:
            reported = now
            report(at, written - _unsent())


def _unsent() -> int:
    """Bytes that the other side has not taken yet: sockets hold seconds of a stream before a write waits."""
    total = 0
    for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers, not paths
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                waiting = array("i", [0])
                fcntl.ioctl(number, termios.TIOCOUTQ, waiting)
                total += waiting[0]
    return total


@contextmanager
def _opened(target: Address, segments: Segments) -> Iterator[OutputContainer]:
    if target.kind == "srt":
        with srt_writer(target) as pipe, av.open(pipe, "w", format="mpegts") as container:
            yield container
        return
    with _open(target, segments) as container:
        yield container


def _open(target: Address, segments: Segments) -> OutputContainer:
    if target.kind == "rtmp":
        # Opened by the tee muxer, the protocol gets options; opened by PyAV itself, a write could last for ever.
        options = {
            "f": "flv",
            "flvflags": "no_duration_filesize",
            "rw_timeout": str(_WRITE_TIMEOUT),
            "tcp_nodelay": "1",
        }
        if is_secure(target):  # the muxer refuses what it has no use for
            options |= tls_options(target)
        told = ":".join(f"{key}={value}" for key, value in options.items())
        return av.open(f"[{told}]{target.url}", "w", format="tee")
    if target.kind == "rtsp":
        return av.open(target.url, "w", format="rtsp", options={"rtsp_transport": "tcp"})
    if target.kind == "udp":
        url = (
            target.url if "pkt_size=" in target.url else f"{target.url}{'&' if '?' in target.url else '?'}pkt_size=1316"
        )
        return av.open(url, "w", format="mpegts", options={"flush_packets": "1"})
    if target.kind == "hls":
        return av.open(for_libav(target.path), "w", format="hls", options=_hls_options(target.path, segments))
    path = free_name(target.path)  # a recording never replaces another
    return av.open(for_libav(path), "w", options={"flush_packets": "1"} | _RECORDINGS[path.suffix.lower()])


def _hls_options(playlist: Path, segments: Segments) -> dict[str, str]:
    """Segments end at key frames, which come by time; a file has its name only when it is whole."""
    suffix = "ts" if segments == "ts" else "m4s"
    options = {
        "hls_time": "1.5",
        "hls_list_size": "6",
        "hls_delete_threshold": "2",
        "hls_flags": "delete_segments+independent_segments+program_date_time+temp_file+append_list+discont_start",
        "hls_segment_filename": for_libav(playlist.with_name(f"{playlist.stem}-%06d.{suffix}")),
        "hls_start_number_source": "epoch",
    }
    if segments == "fmp4":
        options |= {"hls_segment_type": "fmp4", "hls_fmp4_init_filename": f"{playlist.stem}-init.mp4"}
    return options


def _milliseconds(packet: "Packet[Any]") -> int:
    assert packet.dts is not None and packet.time_base
    return packet.dts * packet.time_base.numerator * 1000 // packet.time_base.denominator


def _reason(error: Exception) -> str:
    """What went wrong, without the address: libav's own texts hold it whole."""
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, BrokenPipeError | ConnectionResetError):
        return "the connection broke off"
    if isinstance(error, subprocess.SubprocessError):
        return "ffmpeg failed"
    if isinstance(error, PermissionError):
        return "it is not allowed: somebody else may publish under this name"
    number = getattr(error, "errno", None)
    if number == errno.ENOSPC:
        return "the disk is full"
    if number == errno.EIO:
        return (
            "it was refused: the application or key is wrong, the name can't be resolved, or the certificate is not "
            "trusted"
        )
    text = getattr(error, "strerror", None)
    return text if isinstance(text, str) and "://" not in text else type(error).__name__
