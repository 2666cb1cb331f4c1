"""What is done to the socket of a WHIP session beside libav."""

import os
import socket
import struct
from collections.abc import Iterator

import pytest

from rig.channel import eventually
from sr4k.errors import OutputError
from sr4k.live.send.whip_media import MediaSocket, answered, media_socket

CHECK = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(range(12))
NACK, REPORT = b"\x81\xcd" + bytes(30), b"\x80\xc9" + bytes(30)
ALERT, HANDSHAKE, CHANGE = (bytes([kind]) + b"\xfe\xfd" + bytes(30) for kind in (21, 22, 20))
SO_MEMINFO = 55
CONSENT = b"\x01\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The socket of libav and that of a server."""
    with socket.socket(type=socket.SOCK_DGRAM) as ours, socket.socket(type=socket.SOCK_DGRAM) as theirs:
        for one in (ours, theirs):
            one.bind(("127.0.0.1", 0))
        ours.connect(theirs.getsockname())
        theirs.connect(ours.getsockname())
        ours.setblocking(False)
        theirs.settimeout(10)
        yield ours, theirs


@pytest.fixture
def media(sockets: tuple[socket.socket, socket.socket]) -> Iterator[MediaSocket]:
    made = media_socket(address(sockets[1]), "secret")
    yield made
    made.close()


def address(of: socket.socket) -> str:
    return "{}:{}".format(*of.getsockname())


def arrive(sockets: tuple[socket.socket, socket.socket], *datagrams: bytes) -> None:
    """Send datagrams to libav's socket, and wait until the kernel has queued or dropped each of them."""
    ours, theirs = sockets
    for datagram in datagrams:
        before = queued_and_dropped(ours)
        theirs.send(datagram)
        eventually(lambda before=before: queued_and_dropped(ours) != before, 10)


def queued_and_dropped(ours: socket.socket) -> tuple[int, int]:
    """Bytes that wait in a socket, and datagrams that it dropped so far: the first and last words of ``SO_MEMINFO``."""
    words = struct.unpack("9I", ours.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))
    return words[0], words[8]


def left(ours: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(ours.recv(2000))
        except BlockingIOError:
            return found


def test_libav_gets_what_it_needs_and_no_records_of_dtls_but_alerts(
    sockets: tuple[socket.socket, socket.socket], media: MediaSocket
) -> None:
    arrive(sockets, HANDSHAKE, CONSENT, REPORT, CHANGE, NACK, b"\x17" + HANDSHAKE[1:], ALERT)
    media.answer()
    assert left(sockets[0]) == [CONSENT, NACK, ALERT]


def test_what_arrived_before_the_session_began_is_dropped(sockets: tuple[socket.socket, socket.socket]) -> None:
    arrive(sockets, HANDSHAKE, CHECK)
    media_socket(address(sockets[1]), "secret").close()
    assert left(sockets[0]) == []


@pytest.mark.slow(seconds=1)
def test_checks_of_consent_are_answered(sockets: tuple[socket.socket, socket.socket], media: MediaSocket) -> None:
    stun = pytest.importorskip("aioice.stun")
    ours, theirs = sockets
    arrive(sockets, CHECK, CHECK, NACK)
    media.answer()
    assert left(ours) == [NACK]
    for _ in range(2):
        message = stun.parse_message(theirs.recv(2000))  # which checks its fingerprint
        assert message.check_message_integrity(b"secret")
        assert message.transaction_id == CHECK[8:]
        assert (message.message_method, message.message_class) == (stun.Method.BINDING, stun.Class.RESPONSE)
        assert message.attributes["XOR-MAPPED-ADDRESS"] == theirs.getsockname()


def test_they_are_answered_by_ipv6_too() -> None:
    stun = pytest.importorskip("aioice.stun")
    message = stun.parse_message(answered(CHECK, ("fe80::2%eth0", 8189, 0, 2), b"secret"))
    assert message.attributes["XOR-MAPPED-ADDRESS"] == ("fe80::2", 8189)


def test_a_server_that_ends_the_session_is_noticed_at_once(
    sockets: tuple[socket.socket, socket.socket], media: MediaSocket
) -> None:
    arrive(sockets, CHECK, ALERT)
    with pytest.raises(ConnectionResetError):
        media.answer()


def test_a_server_that_is_gone_is_noticed(sockets: tuple[socket.socket, socket.socket], media: MediaSocket) -> None:
    ours, theirs = sockets
    theirs.close()
    ours.send(NACK)

    def is_noticed() -> bool:
        try:
            media.answer()
        except ConnectionRefusedError:
            return True
        return False

    eventually(is_noticed, 5)


def test_the_socket_waits_for_large_pictures_alone(
    sockets: tuple[socket.socket, socket.socket], media: MediaSocket
) -> None:
    ours, _ = sockets
    for size, waits in ((1000, False), (100_000, True)):
        with media.patiently(size):
            assert os.get_blocking(ours.fileno()) == waits
        assert not os.get_blocking(ours.fileno())


def test_other_sockets_of_the_process_are_left_alone() -> None:
    def other(family: int) -> socket.socket:
        return socket.socket(family, socket.SOCK_DGRAM)

    unix, unconnected, elsewhere = other(socket.AF_UNIX), other(socket.AF_INET), other(socket.AF_INET)
    with unix, unconnected, elsewhere, other(socket.AF_INET) as ours, other(socket.AF_INET) as server:
        unconnected.bind(("127.0.0.1", 0))
        elsewhere.connect(unconnected.getsockname())
        server.bind(("127.0.0.1", 0))
        ours.connect(server.getsockname())
        media_socket(address(server), "secret").close()
        timeouts = [one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16) for one in (unix, unconnected, elsewhere)]
        assert timeouts == [bytes(16)] * 3
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16) != bytes(16)


def test_a_process_without_the_socket_is_told() -> None:
    with pytest.raises(OutputError, match="encrypted connection"):
        media_socket("127.0.0.1:1", "secret")
