"""The UDP socket that libav's WHIP muxer sends through, and three faults of FFmpeg 8.1's that are mended there.

- The muxer doesn't answer checks of consent (RFC 7675): servers end the session after 30 s. They are answered here.
- It ends the session where the socket is too full for a picture. Large pictures wait instead.
- A record of DTLS that arrives when the handshake is over makes all later calls wait for something to arrive. The
  kernel drops such records, except alerts, which end the session here. It also drops what the muxer ignores, so that
  checks wait behind nothing.
"""

import ctypes
import hmac
import os
import socket
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sr4k.errors import OutputError

_LARGE = 1 << 15
"""Size of a picture, in bytes, from which on the socket may be too full for all of it."""

_FULL = 1
"""Seconds for which the socket may take nothing before the session counts as broken."""

_SHORTEST_CHECK, _LARGEST_CHECK = 20, 1500
"""Lengths of a check of consent, in bytes."""

_ALERT = b"\x15"
_REQUEST, _RESPONSE, _COOKIE = b"\x00\x01", b"\x01\x01", b"\x21\x12\xa4\x42"
_XOR_MAPPED_ADDRESS, _MESSAGE_INTEGRITY, _FINGERPRINT = 0x0020, 0x0008, 0x8028
_FINGERPRINT_MASK = 0x5354554E

_TIMEVAL = struct.Struct("ll")

_SO_ATTACH_FILTER = 26

_PASS = 0xFFFFFFFF
_WANTED = (  # of classic BPF: code, jump if true, jump if false, operand. The header of UDP has 8 bytes.
    (0x30, 0, 0, 8),  # load the first byte, which tells protocols apart (RFC 7983)
    (0x15, 5, 0, 21),  # an alert of DTLS passes
    (0x35, 0, 4, 20),  # so does STUN, which is below DTLS
    (0x35, 0, 2, 128),
    (0x30, 0, 0, 9),  # of RTCP, load the kind of packet
    (0x15, 1, 0, 205),  # requests to send packets again pass
    (0x06, 0, 0, 0),
    (0x06, 0, 0, _PASS),
)


class MediaSocket:
    """A socket that libav owns too.

    Args:
        shared: the socket, of a descriptor of its own.
        password: ICE's password of this side, from the offer.
    """

    def __init__(self, shared: socket.socket, password: str) -> None:
        self._shared, self._key = shared, password.encode()

    def answer(self) -> None:
        """Answer the checks of consent that have arrived. What else has arrived is left to libav.

        Raises:
            OSError: the server has ended the session, or is gone.
        """
        with suppress(BlockingIOError):
            while _is_check(arrived := self._shared.recv(_LARGEST_CHECK, socket.MSG_PEEK | socket.MSG_DONTWAIT)):
                self._shared.recv(_LARGEST_CHECK, socket.MSG_DONTWAIT)
                self._shared.send(answered(arrived, self._shared.getpeername(), self._key))
            if arrived[:1] == _ALERT:
                raise ConnectionResetError

    @contextmanager
    def patiently(self, size: int) -> Iterator[None]:
        """Have the socket wait while it is full, if the bytes to be sent, ``size``, are many.

        libav also looks for what has arrived, before each picture. That then waits too, as briefly as the kernel can.
        """
        is_large = size >= _LARGE
        if is_large:
            os.set_blocking(self._shared.fileno(), True)
        yield
        if is_large:
            os.set_blocking(self._shared.fileno(), False)

    def close(self) -> None:
        """Leave the socket to libav."""
        self._shared.close()


def answered(request: bytes, address: Any, key: bytes) -> bytes:
    """Return the success response to a binding request of STUN (RFC 8489).

    Args:
        request: the request, of 20 bytes at least.
        address: where it came from, as Python's sockets name it.
        key: password of this side.
    """
    transaction, is_v6 = request[4:20], ":" in address[0]
    host = socket.inet_pton(socket.AF_INET6 if is_v6 else socket.AF_INET, address[0].partition("%")[0])
    mapped = bytes(a ^ b for a, b in zip(address[1].to_bytes(2, "big") + host, _COOKIE[:2] + transaction, strict=False))
    body = _attribute(_XOR_MAPPED_ADDRESS, bytes([0, 2 if is_v6 else 1]) + mapped)

    def message(more: int = 0) -> bytes:
        return _RESPONSE + (len(body) + more).to_bytes(2, "big") + transaction + body

    body += _attribute(_MESSAGE_INTEGRITY, hmac.digest(key, message(24), "sha1"))
    body += _attribute(_FINGERPRINT, (zlib.crc32(message(8)) ^ _FINGERPRINT_MASK).to_bytes(4, "big"))
    return message()


def _is_check(start: bytes) -> bool:
    return start[:2] == _REQUEST and start[4:8] == _COOKIE and len(start) >= _SHORTEST_CHECK


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value


def media_socket(media: str, password: str) -> MediaSocket:
    """Return the socket that libav sends through, when its handshake is over.

    Args:
        media: host and port that it is connected to.
        password: ICE's password of this side, from the offer.

    Raises:
        OutputError: there is none.
    """
    port = int(media.rpartition(":")[2])
    for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers, not paths
        with suppress(OSError):  # it isn't a socket, or isn't connected
            found = socket.socket(fileno=number)
            try:
                if _sends_to(found, port):
                    _adjust(found)
                    shared = socket.socket(fileno=os.dup(number))  # `dup` of a socket would have both wait
                    return MediaSocket(shared, password)
            finally:
                found.detach()
    raise OutputError("The encrypted connection to it failed.")


def _sends_to(found: socket.socket, port: int) -> bool:
    """Return whether a socket is one of UDP that is connected to a port.

    Raises:
        OSError: it isn't connected.
    """
    is_udp = found.type == socket.SOCK_DGRAM and found.family in (socket.AF_INET, socket.AF_INET6)
    return is_udp and found.getpeername()[1] == port


def _adjust(media: socket.socket) -> None:
    media.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(_FULL, 0))
    media.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(0, 1))
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _WANTED))
    media.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_WANTED), ctypes.addressof(program)))
    with suppress(BlockingIOError):  # what arrived before, which may be such a record; the rest is sent again
        while True:
            media.recv(1, socket.MSG_DONTWAIT)
