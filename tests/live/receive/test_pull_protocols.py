"""Pullers of UDP, SRT, RTSP, HLS and HTTP, from real senders."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from clips import MakeClip
from needed import program
from pulling import FileServer, Pulled, assert_all_came, assert_in_real_time, assert_sound_has_no_gaps, numbers
from rtsp import RtspServer
from udp_ports import is_bound

from rig.channel import eventually
from rig.fair_time import Stopwatch
from rig.processes import children_of, command_of, is_alive
from rig.publish import Publisher
from rig.servers import free_port
from sr4k.live.receive.link import Ended

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("silent_children")]


def test_udp_gives_pictures_and_sound_and_silence_ends_it() -> None:
    port = free_port()
    url = f"udp://127.0.0.1:{port}"
    with Pulled(url) as pulled, Publisher(url) as publisher:
        pulled.pictures(40)
        if not dropped(port):
            assert [b - a for a, b in pairwise(numbers(pulled))] == [1] * 39
            assert_sound_has_no_gaps(pulled)
        publisher.kill()
        gone = Stopwatch()
        assert pulled.end(7).reason.startswith("nothing came")
        assert gone.fair < 5


def dropped(port: int) -> int:
    """Return how many datagrams to a local UDP port the kernel threw away, as nobody read them in time."""
    rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    (drops,) = (int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) == port)
    return drops


MADE = ("-f", "lavfi", "-i", "testsrc=s=160x90:r=25", "-f", "lavfi", "-i", "sine=r=48000")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac")


@contextlib.contextmanager
def sending(*options: str, in_real_time: bool = True) -> Iterator["subprocess.Popen[bytes]"]:
    """Run an ffmpeg that sends a generated stream."""
    pace = ["-re"] if in_real_time else []
    command = [program("ffmpeg"), "-loglevel", "quiet", *pace, *MADE, *H264, *AAC, *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("secret", "written"),
    [("k3y-of-mine-1", "k3y-of-mine-1"), ("k3y/of%mine'1+\u00e9", "k3y%2Fof%25mine%271%2B%C3%A9")],
    ids=["plain", "percent-encoded"],
)
def test_srt_comes_through_ffmpeg_and_its_command_line_holds_no_secret(secret: str, written: str) -> None:
    port = free_port(socket.SOCK_DGRAM)
    listener = f"srt://127.0.0.1:{port}?mode=listener"
    with sending("-pes_payload_size", "0", "-passphrase", secret, "-f", "mpegts", listener):
        eventually(lambda: is_bound(port), 30)
        with Pulled(f"srt://127.0.0.1:{port}?mode=caller&passphrase={written}&streamid=a%2Fb") as pulled:
            pulled.pictures(25)
            children = children_of(pulled.puller._child.pid)
            assert len(children) == 1
            for child in (children[0], pulled.puller._child.pid):
                assert not [each for each in (secret, written) if each in command_of(child)]
        assert gone_within(children[0], 2)
    assert pulled.size == (160, 90)
    assert pulled.sound
    assert_in_real_time(pulled, 25)


def test_srt_without_a_sender_ends() -> None:
    program("ffmpeg")
    with Pulled(f"srt://127.0.0.1:{free_port(socket.SOCK_DGRAM)}") as pulled:
        ended = pulled.end(12)
    assert ended == Ended("nothing came")


def test_srt_without_ffmpeg_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with Pulled("srt://127.0.0.1:9000") as pulled:
        ended = pulled.end(5)
    assert ended.final
    assert "SRT needs the program ffmpeg" in ended.reason


class OnlyByUdp(RtspServer):
    def _answer(self, request: str) -> bytes:
        answer = super()._answer(request)
        return answer.replace(b"200 OK", b"461 Unsupported Transport") if request.startswith("SETUP") else answer


@pytest.mark.slow(seconds=4)
def test_a_server_of_rtsp_by_udp_alone_is_told_of() -> None:
    with OnlyByUdp(program("ffmpeg"), MADE, H264, AAC) as server, Pulled(server.url) as pulled:
        assert (
            pulled.end(20).reason
            == "it offers no RTSP over TCP, which is the only way here: allow TCP at the server or camera"
        )


def test_rtsp_gives_pictures_and_sound_and_silence_ends_it() -> None:
    with RtspServer(program("ffmpeg"), MADE, H264, AAC) as server, Pulled(server.url) as pulled:
        pulled.pictures(40)
        assert_in_real_time(pulled, 25)
        assert_sound_has_no_gaps(pulled, adjusted=1)  # when the first report on both clocks comes
        server.stop_sending()
        gone = Stopwatch()
        assert pulled.end(8).reason.startswith("nothing came for 4")
        assert gone.fair < 5


def write_segments(folder: Path, *options: str, seconds: float) -> None:
    """An HLS playlist a.m3u8 that has ended."""
    folder.mkdir()
    listed = ("-t", str(seconds), "-f", "hls", "-hls_time", "1", "-hls_list_size", "0", str(folder / "a.m3u8"))
    with sending(*options, *listed, in_real_time=False) as process:
        process.wait(240)


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_a_live_hls_playlist_is_followed(tmp_path: Path, kind: str) -> None:
    playlist = tmp_path / "a.m3u8"
    options = ("-f", "hls", "-hls_time", "1", "-hls_list_size", "4", "-hls_segment_type", kind)
    with FileServer(tmp_path) as server, sending(*options, str(playlist)):
        eventually(lambda: playlist.exists() and playlist.read_text().count("#EXTINF") >= 3, 15)
        with Pulled(server.url("a.m3u8")) as pulled:
            pulled.pictures(50)
            assert_in_real_time(pulled, 25)
            assert_sound_has_no_gaps(pulled)


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.flv", "a.mkv"])
def test_a_file_over_http_is_played_at_its_own_pace_and_may_be_asked_for_again(make_clip: MakeClip, name: str) -> None:
    clip = make_clip(name, frames=40, size=(160, 90), **({"time_base": Fraction(1, 1000)} if "flv" in name else {}))
    if name == "a.mp4":
        clip = headed_first(clip)
    with FileServer(clip.parent) as server, Pulled(server.url(clip.name)) as pulled:
        assert pulled.end(15) == Ended("the stream ended", final=False)
    assert_all_came(pulled, 40)
    assert_in_real_time(pulled, 25)


def test_of_several_qualities_the_best_is_taken_and_the_others_are_not_read(tmp_path: Path) -> None:
    for name, size in (("low", "80x46"), ("high", "160x90")):
        write_segments(tmp_path / name, "-s", size, seconds=7)
    (tmp_path / "all.m3u8").write_text(
        "#EXTM3U\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=100000,RESOLUTION=80x46\nlow/a.m3u8\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=160x90\nhigh/a.m3u8\n"
    )
    with FileServer(tmp_path) as server:
        with Pulled(server.url("all.m3u8")) as pulled:
            pulled.until(lambda: "/high/a6.ts" in server.asked, 15)
        assert "/low/a6.ts" not in server.asked
    assert pulled.size == (160, 90)


def test_http_says_what_the_server_says(tmp_path: Path) -> None:
    with FileServer(tmp_path) as server, Pulled(server.url("none.mp4?token=k3y-of-mine")) as pulled:
        ended = pulled.end(10)
    assert "404" in ended.reason
    assert "k3y" not in ended.reason
    assert not ended.final


def headed_first(clip: Path) -> Path:
    """A copy whose index comes first, as it has to where a server can't seek."""
    copy = clip.with_name(f"first-{clip.name}")
    with av.open(str(clip)) as source, av.open(str(copy), "w", options={"movflags": "faststart"}) as target:
        tracks = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = tracks[packet.stream.index]
                target.mux(packet)
    return copy


def gone_within(process: int, seconds: float) -> bool:
    watch = Stopwatch()
    while watch.fair < seconds:
        if not is_alive(process):
            return True
        time.sleep(0.05)
    return False
