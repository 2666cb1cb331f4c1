"""The rig that measures live streams: counters, servers, publisher and viewer, faults."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import av
import cv2
import numpy as np
import pytest

from rig import counter, fair_time
from rig.channel import eventually
from rig.fair_time import Stopwatch, crowding
from rig.faults import Proxy
from rig.publish import Publisher
from rig.recording import events, inspect, offsets
from rig.servers import NginxRtmp, NodeMediaServer, SilentServer, free_port
from rig.view import Viewer, measure

NUMBERS = (0, 1, 0xAAAA, 0x5555, 40_503, 65_535)

GREETING = b"\x03" + bytes(1536)
"""C0 and C1 of the RTMP handshake; the answer of a server, S0, is the same version byte, 3."""


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("size", [(160, 90), (320, 180), (270, 480), (854, 480)])
@pytest.mark.parametrize("enlarged", [1, 2])
def test_a_number_survives_x264_and_enlarging(size: tuple[int, int], enlarged: int) -> None:
    for picture, number in zip(coded(size), NUMBERS, strict=True):
        whole = (size[0] * enlarged, size[1] * enlarged)
        assert counter.read(cv2.resize(picture, whole, interpolation=cv2.INTER_CUBIC)) == number


def test_a_picture_without_a_number_has_none() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (180, 320), np.uint8)
    assert counter.read(noise) is None
    assert counter.read(np.full((180, 320), 128, np.uint8)) is None


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_free_port_is_not_taken_by_a_connection_before_its_server_begins(kind: socket.SocketKind) -> None:
    lent = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port(kind) < max(20_000, lent) for _ in range(50))


@pytest.mark.slow
def test_what_is_published_is_seen_whole_at_once_and_in_step(server: Callable[[type], Any]) -> None:
    url = server(NginxRtmp).url("a")
    with Viewer(url) as viewer, Publisher(url, size=(160, 90)) as publisher:
        eventually(lambda: pictures(viewer) > 150, 20, "150 pictures")
        seen = measure(publisher.lines(), viewer.lines())
    assert seen.pictures >= 150
    assert seen.unreadable <= 0.05 * seen.pictures
    assert seen.lost <= 0.05 * seen.pictures
    assert (seen.repeated, seen.reordered, seen.backwards) == (0, 0, 0)
    assert seen.latency < 0.3
    assert seen.offset_worst < 0.04
    assert seen.sizes == ((160, 90),)


def test_loss_repetition_disorder_and_delay_are_seen() -> None:
    sent = [{"n": n, "at": n / 25} for n in range(100)]
    order = [*range(60), 62, 63, 63, 65, 64, *range(66, 100)]  # 60 and 61 are lost
    seen = [
        {"picture": n, "pts": k / 25, "at": n / 25 + 0.5, "size": [160, 90], "flash": n % 25 == 0}
        for k, n in enumerate(order)
    ]
    seen += [{"sound": k * 0.02} for k in (0, 1, 3, 2, 4)] + [{"beep": 1.03}, {"beep": 1.97}]
    found = measure(sent, seen)
    assert (found.lost, found.repeated, found.reordered, found.backwards) == (2, 1, 1, 1)
    assert found.latency == pytest.approx(0.5)
    assert found.offset_worst == pytest.approx(0.03)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [NginxRtmp, NodeMediaServer])
def test_a_server_answers_but_when_it_is_frozen_or_dead(server: Callable[[type], Any], kind: type) -> None:
    running = server(kind)
    assert answers(running.port)
    running.freeze()
    assert not answers(running.port)
    running.thaw()
    assert answers(running.port)
    running.kill()
    with pytest.raises(ConnectionRefusedError):
        answers(running.port)
    running.start()
    assert answers(running.port)


@pytest.mark.slow
def test_a_silent_server_accepts_and_says_nothing() -> None:
    with SilentServer() as silent:
        assert not answers(silent.port)


@pytest.mark.slow
def test_a_publisher_that_is_frozen_stops_and_goes_on(server: Callable[[type], Any]) -> None:
    with Publisher(server(NginxRtmp).url("b"), size=(160, 90)) as publisher:
        eventually(lambda: len(publisher.lines()) > 5, 10, "published")
        publisher.freeze()
        time.sleep(0.1)
        before = len(publisher.lines())
        time.sleep(0.5)
        assert len(publisher.lines()) == before
        publisher.thaw()
        eventually(lambda: len(publisher.lines()) > before + 5, 5, "published on")


class Echo:
    """A connection, by way of a proxy, to somebody who sends everything back."""

    def __init__(self, proxy: Proxy) -> None:
        self._socket = socket.create_connection(("127.0.0.1", proxy.port), 5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def __call__(self, data: bytes, *, patience: float = 5.0) -> bytes:
        self._socket.sendall(data)
        return self.receive(len(data), patience=patience)

    def receive(self, count: int, *, patience: float = 5.0) -> bytes:
        self._socket.settimeout(patience)
        back = b""
        while len(back) < count:
            more = self._socket.recv(count - len(back))
            if not more:
                break
            back += more
        return back


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    def echo(end: socket.socket) -> None:
        while data := end.recv(4096):
            end.sendall(data)

    def accept() -> None:
        while True:
            try:
                end = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=_quietly, args=(echo, end), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        with Proxy(listener.getsockname()[1]) as made:
            yield made
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def echo(proxy: Proxy) -> Iterator[Echo]:
    with Echo(proxy) as connected:
        yield connected


def test_a_proxy_passes_everything_on(echo: Echo) -> None:
    data = bytes(range(256)) * 200
    assert echo(data) == data


@pytest.mark.slow(seconds=1)
def test_a_proxy_delays_without_holding_up_what_follows(proxy: Proxy, echo: Echo) -> None:
    proxy.delay = 0.2
    watch = Stopwatch()
    assert echo(bytes(400_000)) == bytes(400_000)
    assert watch.wall >= 0.4
    assert watch.fair < 2


def test_a_connection_that_is_held_is_open_and_dead(proxy: Proxy, echo: Echo) -> None:
    proxy.hold = True
    with pytest.raises(TimeoutError):
        echo(b"anybody?", patience=0.3)
    proxy.hold = False
    assert echo.receive(8) == b"anybody?"


@pytest.mark.parametrize("hold", [False, True])
def test_a_connection_that_is_cut_is_reset(proxy: Proxy, echo: Echo, hold: bool) -> None:
    assert echo(b"there") == b"there"
    proxy.hold = hold
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        echo.receive(1)
    proxy.hold = False
    with Echo(proxy) as another:
        assert another(b"a new one") == b"a new one"


def test_bytes_are_corrupted_now_and_then(proxy: Proxy, echo: Echo) -> None:
    proxy.corrupt = 0.1
    back = [echo(bytes(100)) for _ in range(100)]
    assert all(len(data) == 100 for data in back)
    assert 5 < sum(data != bytes(100) for data in back) < 40


def test_a_stopwatch_takes_off_what_others_have_of_the_cpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load = tmp_path / "loadavg"
    load.write_text(f"9.0 9.0 9.0 {4 * (os.cpu_count() or 1) + 1}/99 1\n")
    monkeypatch.setattr(fair_time, "_LOAD", load)
    watch = Stopwatch()
    time.sleep(0.2)
    assert watch.fair == pytest.approx(watch.wall / 4, rel=0.1)
    assert watch.slowdown == pytest.approx(4, rel=0.1)


def test_a_stopwatch_takes_off_what_the_machine_pauses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load = tmp_path / "loadavg"
    load.write_text("0.0 0.0 0.0 1/99 1\n")
    monkeypatch.setattr(fair_time, "_LOAD", load)
    clock = fair_time._Clock()
    monkeypatch.setattr(fair_time, "_clock", clock)
    watch = Stopwatch()
    with clock._lock:  # its thread can't look, as while nothing runs
        time.sleep(0.8)
    assert watch.fair == pytest.approx(watch.wall - 0.7, abs=0.1)
    assert watch.stretched(2.0) == pytest.approx(2.0 * watch.slowdown + 0.7, abs=0.1)
    assert Stopwatch().stretched(2.0) == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize(("runnable", "crowded"), [(1, 1.0), (3, 1.0), (5, 2.0), (9, 4.0)])
def test_a_machine_with_cpus_to_spare_slows_nothing_down(runnable: int, crowded: float) -> None:
    assert crowding(f"0.1 0.2 0.3 {runnable}/314 999\n", cpus=2) == crowded


def test_a_damaged_picture_is_not_the_flash_of_a_beep_that_has_one() -> None:
    assert offsets([1.7, 2.0, 3.1], [2.0, 3.0]) == pytest.approx([0.0, -0.1])


def test_a_flash_is_one_picture_that_may_be_shown_again_and_not_a_row_of_damaged_ones(tmp_path: Path) -> None:
    shown = [(0, 120), (1, 235), (1, 235), (2, 120), (3, 235), (4, 235), (5, 120)]  # numbers and levels
    with av.open(str(tmp_path / "out.mkv"), "w") as target:
        video: Any = target.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 160, 90, "yuv420p"
        sound: Any = target.add_stream("pcm_s16le", rate=48_000, layout="mono")
        for at, (number, level) in enumerate(shown):
            planes = np.full((135, 160), 128, np.uint8)
            planes[:90] = level
            counter.draw(planes[:90], number)
            picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            picture.pts = at
            target.mux(video.encode(picture))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
        silence.sample_rate, silence.pts = 48_000, 0
        target.mux([*sound.encode(silence), *sound.encode(None), *video.encode(None)])
    flashes, beeps, sizes = events(tmp_path / "out.mkv")
    assert (flashes, beeps, sizes) == ([pytest.approx(0.04)], [], {(160, 90)})


def test_a_recording_without_a_packet_has_no_length(tmp_path: Path) -> None:
    path = tmp_path / "header.mkv"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        target.start_encoding()
    assert inspect(path).seconds == 0


def test_a_proxy_may_refuse(proxy: Proxy) -> None:
    proxy.refuse = True
    assert_refused(proxy)


def test_a_proxy_to_nobody_refuses() -> None:
    with Proxy(free_port()) as proxy:
        assert_refused(proxy)


def assert_refused(proxy: Proxy) -> None:
    with pytest.raises(ConnectionResetError), Echo(proxy) as echo:  # while it connects, or a moment later
        echo.receive(1)


def coded(size: tuple[int, int]) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Luma of one picture for each of `NUMBERS` on noise, through x264."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
    encoder.framerate, encoder.options = 25, {"crf": "30", "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    generator = np.random.default_rng(0)
    packets = []
    for number in NUMBERS:
        planes = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
        planes[: size[1]] = generator.integers(60, 180, (size[1], size[0]), np.uint8)
        counter.draw(planes[: size[1]], number)
        packets += encoder.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p"))
    packets += encoder.encode(None)
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return [frame.to_ndarray()[: size[1]] for frame in frames]


def pictures(viewer: Viewer) -> int:
    return sum("picture" in line for line in viewer.lines())


def answers(port: int) -> bool:
    """Whether an RTMP server answers on the port."""
    with socket.create_connection(("127.0.0.1", port), 5) as end:
        end.sendall(GREETING)
        end.settimeout(1.5)
        try:
            return end.recv(1) == b"\x03"
        except TimeoutError:
            return False


def _quietly(run: Callable[[socket.socket], None], end: socket.socket) -> None:
    with end:
        try:
            run(end)
        except OSError:
            return
