"""``sr4k serve`` as a user meets it: real processes, real signals."""

import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import av
import pytest
from clips import video_times

from rig.channel import eventually
from rig.fair_time import Stopwatch
from rig.processes import below, children_of, command_of, environment_of, is_alive
from rig.servers import free_port
from sr4k.jobs import running
from sr4k.jobs.running import Impatient

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
KEYS = {"IN_KEY": "sourcekey77", "OUT_KEY": "targetkey88"}


class Service:
    """A channel that plays into a recording, and to a server that is not there; and one without a source."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, nobody = folder, free_port(), free_port()
        (folder / "channels.yaml").write_text(f"""
metrics: "127.0.0.1:{self.port}"
log_format: json
channels:
  plays:
    source: pattern://160x90@25
    targets: [{folder}/out.mkv, "rtmp://127.0.0.1:{nobody}/live/${{OUT_KEY}}"]
    options: {{engine: {{name: nearest}}}}
  waits:
    source: rtmp://127.0.0.1:{nobody}/live/${{IN_KEY}}
    targets: [{folder}/none.mkv]
    options: {{engine: {{name: nearest}}}}
""")
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [BIN / "sr4k", "serve", folder / "channels.yaml", "--verbose"],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, **KEYS},
                start_new_session=True,
            )

    def get(self, path: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=240)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def states(self) -> dict[str, Any]:
        text = self.get("/ready")[1]
        return json.loads(text)["channels"] if text else {}

    def until(self, true: Callable[[], bool]) -> None:
        watch = Stopwatch()
        while not true():
            assert self.process.poll() is None, self.log
            assert watch.fair < 60, self.log
            time.sleep(0.1)

    def family(self) -> set[int]:
        """Return its processes, itself included."""
        return {self.process.pid, *below(self.process.pid)}

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path)
    yield running
    for pid in running.family() if running.process.poll() is None else ():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    running.process.wait()


def plays(service: Service) -> bool:
    states = service.states().get("plays", {})
    return "out" in states and [out["state"] for out in states["out"]] == ["live", "waiting"]


def pictures_out(service: Service) -> float:
    found = re.search(r'^sr4k_out_frames_total{channel="plays"} (.+)$', service.get("/metrics")[1], re.M)
    return float(found[1]) if found else 0.0


def test_a_service_tells_how_it_is_drains_on_sigterm_and_shows_no_key_anywhere(service: Service) -> None:
    service.until(lambda: plays(service) and pictures_out(service) > 50)
    told = service.get("/metrics")[1] + service.get("/ready")[1]
    family = service.family()
    assert len(family) >= 6  # the supervisor, and of each channel two workers; of one a puller
    for pid in family:
        told += command_of(pid)
        if pid != service.process.pid:  # its own is what it was started with
            told += environment_of(pid)
    assert service.get("/health")[0] == 200
    assert service.get("/ready")[0] == 503
    assert 'sr4k_resident_memory_bytes{channel="plays"}' in told

    watch = Stopwatch()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(60) == 0
    assert watch.fair < 5
    eventually(lambda: not [pid for pid in family if is_alive(pid)], 5, "its processes have ended")
    assert len(video_times(service.folder / "out.mkv")) > 20

    told += service.log
    assert '"channel": "waits"' in told
    assert not [key for key in KEYS.values() if key in told]
    for line in service.log.splitlines():
        json.loads(line)


def test_a_channel_whose_worker_dies_comes_back_alone(service: Service) -> None:
    service.until(lambda: plays(service))
    os.kill(playout_of(service), signal.SIGKILL)
    service.until(lambda: service.states()["plays"]["restarts"] == 1 and plays(service))
    assert service.states()["waits"]["restarts"] == 0

    # One that is frozen is alive: the first to be seen is that nothing is live, then it is replaced as well.
    os.kill(playout_of(service), signal.SIGSTOP)
    frozen = Stopwatch()
    service.until(lambda: service.states()["plays"].get("error", "").startswith("the playout process hangs"))
    assert frozen.fair < 7
    assert "live" not in [out["state"] for out in service.states()["plays"].get("out", [])]
    service.until(lambda: service.states()["plays"]["restarts"] == 2 and plays(service))
    told = re.search(r"the playout process hangs: nothing was heard of it for (\d+) s; starting again in", service.log)
    assert told, service.log
    assert int(told[1]) >= 8


def test_sighup_reads_the_file_again_and_leaves_alone_what_it_does_not_change(service: Service) -> None:
    service.until(lambda: plays(service))
    file, before = service.folder / "channels.yaml", service.family()
    text, untouched = file.read_text(), playout_of(service)

    file.write_text(text + "  plays: {source: a.mp4, targets: [b.mkv]}\n")
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: "the key plays occurs twice" in service.log)
    assert "has an error and changes nothing" in service.log
    assert set(service.states()) == {"plays", "waits"}

    file.write_text(text.replace("  waits:", "  comes:"))
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: set(service.states()) == {"plays", "comes"})
    assert "was read again. added: comes; removed: waits." in service.log
    assert playout_of(service) == untouched
    assert untouched in before
    assert service.states()["plays"]["restarts"] == 0
    assert 'sr4k_up{channel="comes"}' in service.get("/metrics")[1]
    assert 'channel="waits"' not in service.get("/metrics")[1]

    file.write_text(text.replace("pattern://160x90@25", "pattern://96x64@25").replace("  waits:", "  comes:"))
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: "changed: plays" in service.log and not is_alive(untouched) and plays(service))
    assert len(video_times(service.folder / "out.mkv")) > 5  # what there was is whole
    assert not [key for key in KEYS.values() if key in service.log]
    for line in service.log.splitlines():
        assert json.loads(line)["time"]


@pytest.mark.parametrize("command", ["serve", "stream"])
def test_a_terminal_that_closes_ends_in_order(command: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "channels: {a: {source: 'pattern://96x64@25', targets: [out.mkv], options: {engine: {name: nearest}}}}"
    )
    told = ["serve", "c.yaml"] if command == "serve" else ["pattern://96x64@25", "out.mkv", "--engine", "nearest"]
    ours, theirs = os.openpty()
    running = subprocess.Popen(
        [BIN / ("sr4k" if command == "serve" else "sr4k-stream"), *told],
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    recording, seen = tmp_path / "out.mkv", b""
    try:
        watch = Stopwatch()
        while not (recording.exists() and recording.stat().st_size > 20_000):
            if select.select([ours], [], [], 0.1)[0]:
                seen += os.read(ours, 65536)
            assert running.poll() is None, seen
            assert watch.fair < 60, seen
        os.close(ours)
        assert running.wait(60) == 0
    finally:
        running.kill()
        running.wait()
    with av.open(str(recording)) as container:
        assert container.duration  # written when a recording is closed
    assert len(video_times(recording)) > 10


def playout_of(service: Service) -> int:
    (playout,) = [pid for pid in service.family() if any(is_push(child) for child in children_of(pid))]
    return playout


def is_push(pid: int) -> bool:
    return "live.send.push_process" in command_of(pid)


def check(text: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    (tmp_path / "c.yaml").write_text(text)
    command = [BIN / "sr4k", "serve", "--check", tmp_path / "c.yaml"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)


def test_check_says_that_a_file_is_right(tmp_path: Path) -> None:
    ran = check("channels: {a: {source: 'pattern://96x64@25', targets: [b.mkv]}}", tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("c.yaml has no errors. Channels: a.\n")


def test_check_finds_all_that_will_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/none.pem")
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket(type=socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        ran = check(
            f"""
metrics: 127.0.0.1:{taken.getsockname()[1]}
channels:
  folder: {{source: 'pattern://96x64@25', targets: [/proc/none/b.mkv, sub/new/c.m3u8]}}
  model: {{source: 'pattern://96x64@25', targets: [m.mkv], options: {{engine: {{weights: none.safetensors}}}}}}
  encoder: {{source: 'pattern://32x32@9', targets: [e.mp4], options: {{encode: {{codec: hevc, options: {{tune: x}}}}}}}}
  whip: {{source: 'pattern://96x64@25', targets: ['whip://t0k3n@h/a'], options: {{encode: {{options: {{bf: '2'}}}}}}}}
  slate: {{source: 'pattern://96x64@25', targets: [s.mkv], options: {{live: {{slate: none.png}}}}}}
  port: {{source: 'udp://127.0.0.1:{heard.getsockname()[1]}', targets: [p.mkv]}}
  file: {{source: none.mp4, targets: [f.mkv]}}
  secure: {{source: 'pattern://96x64@25', targets: ['rtmps://h/app/k3y-of-mine']}}
""",
            tmp_path,
        )
    lines = ran.stderr.splitlines()
    assert ran.returncode == 2
    for number, words in enumerate(
        (
            "error: channels.folder: /proc/none/b.mkv can't be written: nothing can be written in /proc",
            "error: channels.whip: whip://h/*** is a WHIP target, which can't carry B-frames: leave out",
            "error: channels.file: none.mp4",
            "error: channels.secure: SSL_CERT_FILE names /none.pem, which is not a file",
            "error: channels.model: ",
            "error: channels.encoder: The hevc encoder can't be opened",
            "error: channels.slate: The slate none.png does not exist",
            "error: metrics: ",
            "error: channels.port: can't listen on udp://127.0.0.1:",
        )
    ):
        assert lines[number].startswith(words), ran.stderr
    assert len(lines) == 9
    assert not (tmp_path / "sub").exists()


def test_check_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    ran = check("channels: {a: {source: 'ftp://a/b', targets: [b.mkv]}}", tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: channels.a: 'ftp:' can't be read from")
    assert len(ran.stderr.splitlines()) == 1


def test_a_stop_that_is_not_heeded_becomes_a_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_DRAIN", 0.05)
    received: list[int] = []
    requests = Impatient(lambda: len(received))
    assert requests() == 0
    received.append(signal.SIGTERM)
    assert requests() == 1
    time.sleep(0.1)
    assert requests() == 2
