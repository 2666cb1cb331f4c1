"""One try to push to a target, in a process of its own, started by `sr4k.live.send.live_target`.

It reads FLV from a pipe and writes the target's format. libav may block in it without releasing the GIL: nothing else
is affected, and the process that started it kills it.
"""

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet

from sr4k.errors import Sr4kError
from sr4k.live.address import Address
from sr4k.live.causes import cause
from sr4k.live.proxy import proxy_trouble
from sr4k.live.send.disk_causes import disk_cause
from sr4k.live.send.open_target import OpenTarget, opened
from sr4k.live.settings import HlsForm
from sr4k.live.tls import certificate_trouble
from sr4k.live.wire_format import pack

_REPORT_EVERY = 0.1
"""Seconds between two reports of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushOrder:
    """What to push where.

    Attributes:
        target: where to.
        hls: segment form, for HLS.
        data: file descriptor of a pipe to read FLV from.
        reports: file descriptor of a socket to send reports to.
        start: file descriptor of a pipe to receive the start time from, and True at the end of the stream.
    """

    target: Address
    hls: HlsForm
    data: int
    reports: int
    start: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """Report: all libraries are imported, and the stream's head is waited for."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Report: connected, and waiting for the stream time to start at."""


@dataclass(frozen=True, slots=True)
class Wrote:
    """Report: everything up to ``time`` ms was written, and ``bytes`` in all have arrived at the target."""

    time: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """Report: the try has ended; ``reason`` says why, and is empty when the pipe has ended."""

    reason: str


def main(order: PushOrder) -> None:
    """Push until the pipe ends or the target fails; report why."""
    av.logging.set_level(None)  # its lines hold the address
    reports = _Reports(socket.socket(fileno=order.reports))
    reports.send(Loaded())
    try:
        _push(order, reports)
        reason = ""
    except Sr4kError as err:
        reason = str(err).rstrip(".")
    except (FFmpegError, OSError, ValueError) as err:
        reason = _reason(err, order.target)
    reports.send(Stopped(reason))


class _Reports:
    """Sends reports to the parent process, as JSON rather than pickles."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire

    def send(self, report: Loaded | Ready | Wrote | Stopped) -> None:
        self._wire.send(pack(report))


def _push(order: PushOrder, reports: _Reports) -> None:
    pipe = os.fdopen(order.data, "rb", buffering=0)
    start = Connection(order.start, writable=False)
    probe = {"analyzeduration": "0", "probesize": "32"}  # the head has it all; probing a low bit rate takes long
    source: InputContainer = av.open(pipe, format="flv", buffer_size=32768, options=probe)  # type: ignore[assignment]
    with source, opened(order.target, order.hls) as target:
        target.begin(source)
        reports.send(Ready())
        packets = _from(source, start, patient=order.target.is_local)
        at, written = _copy(packets, target, lambda time, size: reports.send(Wrote(time, size)))
        target.close(ended=_last_word(start))
        reports.send(Wrote(at, target.arrived(written)))


def _from(source: InputContainer, start: Connection, *, patient: bool) -> "Iterator[Packet[Any]]":
    """Yield packets from a start time on, beginning with a key frame of video.

    The parent sends the start time, in ms, through ``start`` before it writes the first packet of that time; the pipe
    may hold earlier ones until then, which are discarded. With ``patient`` the start time is waited for, and nothing
    in the pipe is discarded before.
    """
    first, keyed = None, False
    for packet in source.demux():
        if packet.dts is None or not packet.time_base:
            continue
        if first is None:
            if not patient and not start.poll(0):
                continue
            try:
                first = start.recv()
            except EOFError:
                return  # the parent closed the pipe before anything was to be sent
        if milliseconds(packet) >= first:
            keyed = keyed or (packet.stream.type == "video" and packet.is_keyframe)
            if keyed:
                yield packet


def _copy(packets: "Iterator[Packet[Any]]", target: OpenTarget, report: Callable[[int, int], None]) -> tuple[int, int]:
    """Write all packets; return the time of the last, in ms, and the bytes written."""
    at = written = 0
    reported = 0.0
    for packet in packets:
        at, size = milliseconds(packet), packet.size
        has_news = target.write(packet, at)
        written += size
        if (now := time.monotonic()) - reported >= _REPORT_EVERY or has_news:
            reported = now
            report(at, target.arrived(written))
    return at, written


def _last_word(start: Connection) -> bool:
    """Whether the stream has ended, rather than been stopped."""
    with suppress(EOFError, OSError):
        return start.poll(0) and bool(start.recv())
    return False


def milliseconds(packet: "Packet[Any]") -> int:
    """Return the packet's decoding time stamp in ms; it must have one."""
    assert packet.dts is not None and packet.time_base
    return packet.dts * packet.time_base.numerator * 1000 // packet.time_base.denominator


def _reason(error: Exception, target: Address) -> str:
    """Return the cause of an error in words: of targets' own kinds here, else by `disk_cause` or `cause`."""
    if (trouble := proxy_trouble(target)) is not None:
        return trouble
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if target.is_local:
        return disk_cause(error, target)
    if isinstance(error, PermissionError):
        return "it is not allowed: somebody else may be publishing under this name"
    if getattr(error, "errno", None) == errno.EIO:
        refused = "it was refused: the application or key is wrong, or the name can't be resolved"
        return certificate_trouble(target) or refused
    return cause(error)
