"""What goes to a WHIP server, packet by packet, and what can't."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from needed import required

from rig.channel import eventually
from rig.fair_time import Stopwatch
from rig.whip_server import WhipServer
from sr4k.errors import OutputError
from sr4k.live.address import parse_target
from sr4k.live.send.check_target import lacks_certificates
from sr4k.live.send.push_process import milliseconds
from sr4k.live.send.whip_target import WhipTarget, whip_target

if lacks_certificates():
    pytest.importorskip("cryptography")

RATE = 25
LIVE = {"tune": "zerolatency", "preset": "ultrafast", "g": "25"}
BEGINS = 7200
"""Time of the first picture in seconds: a session begins in the middle of a channel's stream."""


def flv(seconds: float = 0.2, codec: str = "libx264", *, sound: bool = True, **options: str) -> io.BytesIO:
    """A stream as the playout makes it: with ``sound``, of a tone, in AAC."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="flv") as container:
        video: Any = container.add_stream(codec, rate=RATE, options=options or LIVE)
        video.width, video.height, video.pix_fmt = 160, 90, "yuv420p"
        audio: Any = container.add_stream("aac", rate=48_000, layout="stereo") if sound else None
        spoken = 0
        for number in range(round(seconds * RATE)):
            picture = av.VideoFrame.from_ndarray(np.full((135, 160), 60 + number % 100, np.uint8), format="yuv420p")
            picture.pts = BEGINS * RATE + number
            container.mux(video.encode(picture))
            while sound and spoken * 1024 < (number + 1) * 48_000 // RATE:
                wave = np.sin((spoken * 1024 + np.arange(1024)) / 8).astype("f4") / 4
                block = AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
                block.sample_rate, block.pts = 48_000, BEGINS * 48_000 + spoken * 1024
                container.mux(audio.encode(block))
                spoken += 1
        container.mux(video.encode(None))
    stream.seek(0)
    return stream


@pytest.fixture(autouse=True)
def _proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what a target's process changes for itself."""
    monkeypatch.setenv("no_proxy", "")


class NoRelay:
    """Stands in for the process that talks to a server, where nothing is to be said."""

    url = "http://127.0.0.1:9/"


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        (lambda: flv(codec="libx265", preset="ultrafast", **{"x265-params": "log-level=none"}), "is hevc"),
        (lambda: flv(1, preset="ultrafast", bf="2"), "B-frames"),
    ],
)
def test_what_whip_cant_carry_is_never_offered(stream: Callable[[], io.BytesIO], told: str) -> None:
    with av.open(stream()) as source, pytest.raises(OutputError, match=told):
        WhipTarget(NoRelay()).begin(source)  # type: ignore[arg-type]


@pytest.fixture
def server() -> Iterator[WhipServer]:
    with required(WhipServer) as started:
        eventually(lambda: started.lines(), 20)
        yield started


def push(target: WhipTarget, source: Any, *, until: Callable[[], bool] = lambda: False) -> None:
    """Write the packets at their own pace."""
    began, first = time.monotonic(), None
    for packet in source.demux():
        if packet.dts is None or until():
            return
        at = milliseconds(packet)
        first = at if first is None else first
        time.sleep(max(0.0, began + (at - first) / 1000 - time.monotonic()))
        target.write(packet, at)


@pytest.mark.slow
def test_sound_keeps_its_time_to_the_sample_though_flv_rounds_it(server: WhipServer) -> None:
    with av.open(flv(4)) as source, whip_target(parse_target(server.url)) as target:
        target.begin(source)
        push(target, source)
        target.close(ended=True)
        eventually(lambda: sum("sound" in line for line in server.lines()) > 150, 10)
    times = [line["sound"] for line in server.lines() if "sound" in line]
    assert np.diff(times) == pytest.approx(0.02, abs=1e-6)
    pictures = [line["pts"] for line in server.lines() if "picture" in line]
    assert np.diff(pictures) == pytest.approx(1 / RATE, abs=1e-3)
    assert abs(times[0] - pictures[0]) < 0.04
    assert server.asked("DELETE") == 1


@pytest.mark.slow
def test_without_sound_pictures_go_alone_and_b_frames_that_no_header_announces_are_refused(server: WhipServer) -> None:
    with av.open(flv(2, sound=False)) as source, whip_target(parse_target(server.url)) as target:
        target.begin(source)
        push(target, source)
        eventually(lambda: sum("picture" in line for line in server.lines()) > 40, 10)
        late = next(packet for packet in av.open(flv(sound=False)).demux() if packet.dts is not None)
        assert late.pts is not None
        late.pts += 40
        with pytest.raises(OutputError, match="B-frames"):
            target.write(late, milliseconds(late))


@pytest.mark.slow(seconds=40)
def test_a_server_that_freezes_is_given_up(server: WhipServer) -> None:
    with av.open(flv(60, sound=False)) as source, whip_target(parse_target(server.url)) as target:
        target.begin(source)
        eventually(lambda: server.asked("POST"), 5)
        server.freeze()
        watch = Stopwatch()
        with pytest.raises(TimeoutError):
            push(target, source)
        assert 20 < watch.wall < 45 * watch.slowdown
        server.thaw()


@pytest.mark.slow
def test_pictures_larger_than_the_sockets_buffer_wait_for_a_narrow_network(server: WhipServer) -> None:
    del server  # which is there, or the test is skipped; another runs in the network of its own
    narrow = "ip link set lo up && tc qdisc add dev lo root tbf rate 20mbit burst 32kb limit 4mb"
    if subprocess.run(["unshare", "-n", "sh", "-c", narrow], capture_output=True, check=False).returncode:
        pytest.skip("a network of its own needs root, unshare, ip and tc")
    script = Path(__file__).parents[2] / "support" / "narrow_whip.py"
    command = f"{narrow} && exec {sys.executable} {script}"
    path = os.pathsep.join(str(Path(__file__).parents[3] / name) for name in ("benchmarks", "tests/support"))
    ran = subprocess.run(
        ["unshare", "-n", "sh", "-c", command],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.stdout, ran.returncode) == ("True 20 True\n", 0), ran.stderr
