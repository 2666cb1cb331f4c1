"""Targets of each kind, read back as a viewer would."""

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import pytest

from rig.channel import Channel, eventually
from rig.processes import command_of
from rig.publish import Publisher
from rig.recording import inspect
from rig.servers import NginxRtmp, free_port
from rig.view import Viewer, measure

pytestmark = pytest.mark.slow

PATTERN = "pattern://160x90@25"
PASSPHRASE = "thatnobodymaysee"
CHEAP = ("--engine", "nearest")
"""The network that costs least: targets are what is looked at."""


@pytest.mark.parametrize(("segments", "suffix"), [("ts", "ts"), ("fmp4", "m4s")])
def test_a_folder_of_hls_can_be_played_and_holds_whole_files_alone(tmp_path: Path, segments: str, suffix: str) -> None:
    playlist = tmp_path / "live.m3u8"
    with Channel(f"{PATTERN}?seconds=12", str(playlist), options=("--segments", segments, *CHEAP)) as channel:
        eventually(lambda: playlist.exists() and playlist.read_text().count("#EXTINF") >= 2, 30)
        text = playlist.read_text()
        listed = [line for line in text.splitlines() if not line.startswith("#")]
        assert all((tmp_path / name).stat().st_size for name in listed)
        assert channel.process.wait(240) == 0
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in text
    assert all(name.endswith(suffix) for name in listed)
    assert not list(tmp_path.glob("*.tmp"))
    with av.open(str(playlist)) as container:
        assert container.streams.video[0].width == 320
        assert len(list(container.decode(video=0))) > 100
    assert "#EXT-X-ENDLIST" in playlist.read_text()


SUFFIXES = (".mkv", ".mp4", ".mov", ".ts", ".flv")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of recordings of every kind whose processes were killed 5 seconds after the last one began."""
    folder = tmp_path_factory.mktemp("killed")
    with Channel(PATTERN, *(str(folder / f"out{suffix}") for suffix in SUFFIXES), options=CHEAP) as channel:
        _send_five_seconds(channel)
    return folder


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_recording_is_playable_though_its_process_was_killed(killed: Path, suffix: str) -> None:
    with av.open(str(killed / f"out{suffix}")) as container:
        assert len(list(container.decode(video=0))) > 25


def test_a_recording_never_replaces_a_file(tmp_path: Path) -> None:
    target = tmp_path / "out.mkv"
    target.write_text("mine")
    with Channel(f"{PATTERN}?seconds=2", str(target), options=CHEAP) as channel:
        assert channel.process.wait(240) == 0
    assert target.read_text() == "mine"
    with av.open(str(tmp_path / "out-2.mkv")) as container:
        assert list(container.decode(video=0))


def test_a_file_that_cant_be_a_recording_is_told_at_once(tmp_path: Path) -> None:
    with Channel(PATTERN, str(tmp_path / "out.xyz")) as channel:
        assert channel.process.wait(240) == 2
        assert ".mkv" in channel.log


def test_udp_carries_the_stream(server: Callable[[type], Any]) -> None:
    rtmp, port = server(NginxRtmp), free_port()
    with (
        Viewer(f"udp://127.0.0.1:{port}?fifo_size=50000&overrun_nonfatal=1", patience=40) as viewer,
        Publisher(rtmp.url("in")) as publisher,
        Channel(rtmp.url("in"), f"udp://127.0.0.1:{port}", options=CHEAP),
    ):
        eventually(lambda: sum("picture" in line for line in viewer.lines()) > 75, 40)
        seen = measure(publisher.lines(), viewer.lines())
    assert seen.backwards == 0
    assert seen.offset_worst <= 0.04


def test_srt_carries_the_stream(tmp_path: Path) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None or "srt" not in subprocess.run([ffmpeg, "-protocols"], capture_output=True, text=True).stdout:
        pytest.skip("needs an ffmpeg with SRT")
    port, out = free_port(), tmp_path / "out.ts"
    url = f"srt://127.0.0.1:{port}"
    with (
        _recorded(ffmpeg, "-i", f"{url}?mode=listener&passphrase={PASSPHRASE}", "-c", "copy", str(out)),
        Channel(PATTERN, f"{url}?passphrase={PASSPHRASE}&streamid=here%2Fa", options=CHEAP) as channel,
    ):
        _send_five_seconds(channel)
        processes = [command_of(process) for process in channel.children()]
        assert any("ffmpeg" in command for command in processes)
        assert not [command for command in processes if PASSPHRASE in command or "here" in command]


def _send_five_seconds(channel: Channel) -> None:
    """Wait until all targets are connected, and five seconds more of the stream have been made."""
    eventually(lambda: {*channel.states_out()} == {"live"}, 60)
    goal = channel.value("out_frames_total") + 5 * 25
    eventually(lambda: channel.value("out_frames_total") > goal, 60)


def test_rtsp_carries_the_stream(tmp_path: Path) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("needs ffmpeg")
    port, out = free_port(), tmp_path / "out.mkv"
    url = f"rtsp://127.0.0.1:{port}/live"
    with _recorded(ffmpeg, "-rtsp_flags", "listen", "-i", url, "-c", "copy", str(out)):
        eventually(lambda: _is_open(port), 10)
        with Channel(PATTERN, url, options=CHEAP) as channel:
            _send_five_seconds(channel)


@contextmanager
def _recorded(ffmpeg: str, *command: str) -> Iterator[None]:
    """Let an ffmpeg record what comes, to the file that the command ends with, and look at that."""
    with subprocess.Popen([ffmpeg, "-loglevel", "quiet", *command], stdin=subprocess.PIPE) as listener:
        try:
            yield
            listener.send_signal(signal.SIGINT)  # by itself it would wait for more: RTSP over UDP has no end
            listener.wait(120)
        finally:
            listener.kill()
    recorded = inspect(Path(command[-1]))
    assert recorded.seconds > 4
    assert recorded.sizes == ((320, 180),)


def _is_open(port: int) -> bool:
    """Whether a process listens on the port, according to the kernel: a trial connection would use up the listener."""
    return any(f":{port:04X} 00000000:0000 0A" in line for line in Path("/proc/net/tcp").read_text().splitlines())
