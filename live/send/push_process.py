"""One try to push to a target, in a process of its own, started by `sr4k.live.send.live_target`.

It reads FLV from a pipe and writes what the target wants. libav may block in here for as long as it likes, and hold
Python's lock while it does: nobody else is hurt, and whoever started it ends it.
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
from sr4k.live.send.open_target import OpenTarget, opened
from sr4k.live.settings import HlsForm
from sr4k.live.tls import certificate_trouble
from sr4k.live.wire_format import pack

_REPORT_EVERY = 0.1
"""Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushOrder:
    """What to push where, and over which pipes: FLV comes in, reports go out, the start comes in."""

    target: Address
    hls: HlsForm
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


def main(order: PushOrder) -> None:
    """Push until the pipe ends."""
    av.logging.set_level(None)  # its lines hold the address
    reports = _Reports(socket.socket(fileno=order.reports))
    try:
        _push(order, reports)
        reason = ""
    except Sr4kError as err:
        reason = str(err).rstrip(".")
    except (FFmpegError, OSError, ValueError) as err:
        reason = _reason(err, order.target)
    reports.send(Stopped(reason))


class _Reports:
    """To whoever started this: messages that are read without a pickle."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire

    def send(self, report: Ready | Wrote | Stopped) -> None:
        self._wire.send(pack(report))


def _push(order: PushOrder, reports: _Reports) -> None:
    pipe = os.fdopen(order.data, "rb", buffering=0)
    start = Connection(order.start, writable=False)
    probe = {"analyzeduration": "0", "probesize": "32"}  # all is in the head: of a thin stream more would take long
    source: InputContainer = av.open(pipe, format="flv", buffer_size=32768, options=probe)  # type: ignore[assignment]
    with source, opened(order.target, order.hls) as target:
        streams = {s.index: target.container.add_stream_from_template(s, opaque=True) for s in source.streams}
        target.container.start_encoding()
        reports.send(Ready())
        packets = _from(source, start, patient=order.target.is_local)
        at, written = _copy(packets, target, streams, lambda time, size: reports.send(Wrote(time, size)))
        target.close(ended=_last_word(start))
        reports.send(Wrote(at, target.arrived(written)))


def _from(source: InputContainer, start: Connection, *, patient: bool) -> "Iterator[Packet[Any]]":
    """Packets from the time on, in ms, that ``start`` tells, the first of video a key frame.

    It tells that before the first of them goes into the pipe, which may be full until then of what came earlier; to the
    ``patient``, who want all that is in the pipe, as soon as they are ready.
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
                return  # it was to end before it began
        if milliseconds(packet) >= first:
            keyed = keyed or (packet.stream.type == "video" and packet.is_keyframe)
            if keyed:
                yield packet


def _copy(
    packets: "Iterator[Packet[Any]]",
    target: OpenTarget,
    streams: dict[int, Any],
    report: Callable[[int, int], None],
) -> tuple[int, int]:
    """All packets, up to what time and how many bytes."""
    at = written = 0
    reported = 0.0
    for packet in packets:
        at, size = milliseconds(packet), packet.size
        packet.stream = streams[packet.stream.index]
        has_news = target.write(packet, at)
        written += size
        if (now := time.monotonic()) - reported >= _REPORT_EVERY or has_news:
            reported = now
            report(at, target.arrived(written))
    return at, written


def _last_word(start: Connection) -> bool:
    """Whether the stream is over for good; else it was only stopped."""
    with suppress(EOFError, OSError):
        return start.poll(0) and bool(start.recv())
    return False


def milliseconds(packet: "Packet[Any]") -> int:
    """Its time of decoding."""
    assert packet.dts is not None and packet.time_base
    return packet.dts * packet.time_base.numerator * 1000 // packet.time_base.denominator


def _reason(error: Exception, target: Address) -> str:
    """What went wrong: what is particular to targets, and else `sr4k.live.causes.cause`."""
    if (trouble := proxy_trouble(target)) is not None:
        return trouble
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, PermissionError):
        return "it is not allowed: somebody else may publish under this name"
    if getattr(error, "errno", None) == errno.EIO:
        refused = "it was refused: the application or key is wrong, or the name can't be resolved"
        return certificate_trouble(target) or refused
    return cause(error)
