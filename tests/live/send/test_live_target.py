"""Packets that one target receives, and its view of the process that sends them."""

import errno
import os
import pickle
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import write_clip

from rig.channel import eventually
from sr4k.live.address import parse_target
from sr4k.live.child import start_child
from sr4k.live.retries import Retries
from sr4k.live.send import live_target
from sr4k.live.send.flv import FlvSplitter
from sr4k.live.send.live_target import LiveTarget, _read
from sr4k.live.send.push_process import Loaded, PushOrder, Ready, Stopped, Wrote
from sr4k.live.send.tag_queue import TagQueue
from sr4k.live.settings import HlsForm
from sr4k.live.wire_format import pack

pytestmark = pytest.mark.slow


def test_a_target_that_opens_slower_than_the_pipe_to_it_fills_gets_the_stream(tmp_path: Path) -> None:
    target = tmp_path / "a.mkv"
    sending = LiveTarget(parse_target(str(target)), hls=HlsForm(), wants_key=lambda: None)
    splitter = FlvSplitter()

    class Tap:
        def write(self, data: bytes) -> int:
            sending.offer(splitter.header, list(splitter.feed(bytes(data))))
            return len(data)

    sending.start()
    noise = np.random.default_rng(0).integers(0, 256, (270, 320), np.uint8)
    with av.open(Tap(), "w", format="flv", options={"flush_packets": "1"}) as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "0", "tune": "zerolatency", "g": "5"})
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        number = live_since = 0
        while not live_since or number < live_since + 50:
            assert number < 3000
            live_since = live_since or (number if sending.report().state == "live" else 0)
            frame = av.VideoFrame.from_ndarray(np.roll(noise, number, axis=1), format="yuv420p")
            container.mux(video.encode(frame))
            number += 1
            time.sleep(0.04)
    report = sending.report()
    sending.close(5)
    assert (report.state, report.connects, report.reason) == ("live", 1, None)
    with av.open(str(target)) as recording:
        assert sum(1 for _ in recording.decode(video=0)) > 25


def test_a_recording_keeps_its_beginning_if_its_process_takes_long_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    passed, present = [0.0], time.monotonic

    def frozen(module: str, order: PushOrder, **wishes: Any) -> Any:
        started.append(start_child(module, order, **wishes))
        started[-1].send_signal(signal.SIGSTOP)
        return started[-1]

    monkeypatch.setattr(live_target, "start_child", frozen)
    monkeypatch.setattr(time, "monotonic", lambda: present() + passed[0])
    splitter = FlvSplitter()
    tags = list(splitter.feed(write_clip(tmp_path / "clip.flv", frames=10, audio=False).read_bytes()))
    path = tmp_path / "a.ts"  # written packet by packet, so it is live after the first
    target = LiveTarget(parse_target(str(path)), hls=HlsForm(), wants_key=lambda: None)
    target.start()
    eventually(lambda: started, 60)
    assert not target.is_loaded
    target.offer(splitter.header, tags)
    passed[0] = 20.0
    time.sleep(3 * live_target._GLANCE)  # in which a process that had taken too long would be killed
    started[0].send_signal(signal.SIGCONT)
    eventually(lambda: target.report().state == "live", 60)
    assert target.is_loaded
    target.close(60, ended=True)
    assert (target.report().connects, target.report().dropped, len(started)) == (1, 0, 1)
    with av.open(str(path)) as recording:
        assert sum(1 for _ in recording.decode(video=0)) == 10


class Call:
    """A pickle that runs a command in the process that loads it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.putenv, ("SR4K_CALLED", "1")


@pytest.mark.parametrize("report", [Loaded(), Ready(), Wrote(40, 1000), Stopped("the disk is full")])
def test_what_a_target_process_reports_is_read_as_it_was_sent(report: Any) -> None:
    assert _read(pack(report)) == report


@pytest.mark.parametrize(
    "told",
    [
        pickle.dumps(Call()),
        pickle.dumps(Stopped("over")),
        pack(Wrote(10**30, 0)),
        pack(Wrote(0, -1)),
        pack(Wrote(True, 0)),
        pack(Wrote("now", 0)),  # type: ignore[arg-type]
        pack(Stopped(7)),  # type: ignore[arg-type]
        b'{"is":"Ready","more":1}\n',
        b'{"is":"LiveTarget"}\n',
        b"[" * 60_000,
        b"\xff",
    ],
)
def test_nothing_else_is_read_and_no_pickle(told: bytes) -> None:
    assert _read(told) is None
    assert "SR4K_CALLED" not in os.environ


def test_a_target_process_that_reports_nonsense_is_killed_and_another_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nonsense(module: str, order: PushOrder, **wishes: Any) -> Any:
        with socket.socket(fileno=os.dup(order.reports)) as wire:
            wire.send(pickle.dumps(Call()))
        return start_child(module, order, **wishes)

    monkeypatch.setattr(live_target, "start_child", nonsense)
    target = LiveTarget(parse_target(str(tmp_path / "a.mkv")), hls=HlsForm(), wants_key=lambda: None)
    target.start()
    eventually(lambda: target.report().state == "waiting", 10)
    target.close(0)
    assert target.report().reason == "its process sent an invalid report"
    assert target.is_loaded, "no source waits for a process that fails"
    assert "SR4K_CALLED" not in os.environ
    assert "trying again" in caplog.text


def test_a_target_process_that_says_no_more_and_lives_on_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def mute(*_args: Any, **_wishes: Any) -> "subprocess.Popen[bytes]":
        started.append(subprocess.Popen(["sleep", "60"]))
        return started[-1]

    monkeypatch.setattr(live_target, "start_child", mute)
    monkeypatch.setattr(live_target, "_LAST_WORD", 0.05)
    target = LiveTarget(parse_target(str(tmp_path / "a.mkv")), hls=HlsForm(), wants_key=lambda: None)
    target.start()
    eventually(lambda: target.report().state == "waiting", 30)
    target.close(0)
    assert target.report().reason == "its process hangs"
    assert [process.poll() for process in started] == [-signal.SIGKILL]


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("again", [True, False])
def test_only_a_target_that_is_turned_on_again_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, again: bool
) -> None:
    target = LiveTarget(parse_target(str(tmp_path / "a.mkv")), hls=HlsForm(), wants_key=lambda: None)
    target.switch(on=False)
    target.start()
    eventually(lambda: target.report().state == "off", 60)
    if again:
        target.switch(on=True)
        eventually(lambda: target.report().state != "off", 60)
    target.close(0)
    assert "turned off by an operator" in caplog.text
    assert ("turned on again" in caplog.text) == again


def test_the_end_of_a_stream_is_not_taken_for_an_operators_wish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Late(threading.Event):
        """An event whose thread is held up as it sets it, unless the other finds the end first."""

        def set(self) -> None:
            target._thread.join(0.15)
            super().set()

    def refused(*_args: Any, **_wishes: Any) -> Any:
        raise OSError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(live_target, "start_child", refused)
    target = LiveTarget(parse_target(str(tmp_path / "a.mkv")), hls=HlsForm(), wants_key=lambda: None)
    target._ending = Late()
    target.start()
    eventually(lambda: target.report().state == "waiting", 60)
    target.close(0)
    assert "by an operator" not in caplog.text
    assert target.report().reason == "no process could be started (no more processes)"


def test_a_connection_that_ends_while_it_is_reported_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, ended = threading.Event(), threading.Event()

    class Try:
        """A try that has sent 100 bytes, and that ends while it is looked at."""

        seconds, bytes = 1.0, 100

        def __init__(self, *_args: object) -> None: ...

        def run(self, _is_last: object) -> str:
            may_end.wait(60)
            return "over"

        @property
        def is_live(self) -> bool:
            if threading.current_thread() is not target._thread:
                may_end.set()
                ended.wait(60)
            return True

    monkeypatch.setattr(live_target, "_Try", Try)
    target = LiveTarget(parse_target(str(tmp_path / "a.mkv")), hls=HlsForm(), wants_key=lambda: None)
    monkeypatch.setattr(target, "_wait_for_another", lambda _reason: ended.set())
    target.start()
    assert target._begun.wait(60)
    report = target.report()
    target.close(0)
    assert (report.connects, report.bytes) == (1, 100)


def test_a_process_that_can_not_be_started_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: Any, **_wishes: Any) -> Any:
        raise OSError(errno.EAGAIN, "no more processes")

    def tried() -> int:
        """Try in vain, and return how many files are open then."""
        with pytest.raises(OSError, match="no more processes"):
            queue, retries = TagQueue(1.0, lambda: None), Retries(live_target.log)
            live_target._Try(target, HlsForm(), queue, -1, lambda: None, retries, threading.Event())
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers, not paths

    target = parse_target(str(tmp_path / "a.mkv"))
    monkeypatch.setattr(live_target, "start_child", refused)
    before = tried()
    assert tried() == before
    monkeypatch.setattr(live_target, "Pipe", refused)  # as where no more files may be open
    assert tried() == before
