"""Pullers of real sources: what they give, and in which words they end."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from clips import MakeClip, luma_planes
from interlaced import combing, write_interlaced
from pulling import FileServer, Pulled, publishing, required
from rtsp import RtspServer

from rig.publish import Publisher
from rig.servers import NginxRtmp, NodeMediaServer, SilentServer, free_port
from sr4k.live.link import SLOTS, Ended
from sr4k.live.timeline import TICKS, TIME_BASE
from sr4k.models.fold import padded_chroma, padded_luma


@pytest.fixture(scope="module")
def nginx() -> Iterator[NginxRtmp]:
    with required(NginxRtmp) as server:
        yield server


@pytest.fixture(autouse=True)
def _silent_children(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """What a puller's process says of itself could hold the address."""
    yield
    assert "k3y" not in "".join(capfd.readouterr())


def numbers(pulled: Pulled) -> list[int]:
    read = [number for *_, number in pulled.frames]
    assert None not in read
    return [number for number in read if number is not None]


def assert_in_real_time(pulled: Pulled, rate: float) -> None:
    arrived, times = [at for at, *_ in pulled.frames], [info.pts / TICKS for _, info, _ in pulled.frames]
    lag = np.array(arrived) - np.array(times)
    assert lag.max() - lag.min() < 0.25
    assert abs((len(times) - 1) / (times[-1] - times[0]) - rate) < 0.1 * rate


def assert_sound_has_no_gaps(pulled: Pulled, *, adjusted: int = 0) -> None:
    """``adjusted``: how often its clock may be put right."""
    ends = [pts + len(samples) * TICKS / 48000 for pts, samples in pulled.sound]
    steps = [pts - end for end, (pts, _) in zip(ends, pulled.sound[1:], strict=False)]
    assert sum(abs(step) > 0.003 * TICKS for step in steps) <= adjusted
    assert max(map(abs, steps)) < 0.1 * TICKS
    assert max(len(samples) for _, samples in pulled.sound) <= 1024


# Patterns and files


def test_a_pattern_runs_in_real_time_with_sound_and_ends_when_it_should() -> None:
    with Pulled("pattern://160x90@25?seconds=2") as pulled:
        assert pulled.end(10) == Ended("the pattern came to its end", final=True)
    assert len(pulled.frames) == 50
    assert pulled.tally.pictures == 50
    assert_in_real_time(pulled, 25)
    assert_sound_has_no_gaps(pulled)
    assert sum(len(samples) for _, samples in pulled.sound) == 96_000
    assert max(int(np.abs(samples).max()) for _, samples in pulled.sound) > 1000


def test_planes_are_padded_as_the_engine_wants_them() -> None:
    with Pulled("pattern://160x90@25") as pulled:
        pulled.pictures(1)
    assert pulled.form is not None
    assert [spec.shape for spec in pulled.form.planes] == [padded_luma(90, 160), (2, *padded_chroma(90, 160))]
    assert [part.shape for part in pulled.last] == [(90, 160), (45, 80), (45, 80)]


def test_a_file_is_played_at_its_own_pace_and_its_end_is_final(make_clip: MakeClip) -> None:
    clip = make_clip("a.mp4", frames=50, size=(160, 90))
    with Pulled(clip) as pulled:
        assert pulled.end(10) == Ended("it came to its end", final=True)
    assert len(pulled.frames) == pulled.tally.pictures == 50
    assert_in_real_time(pulled, 25)
    assert_sound_has_no_gaps(pulled)
    assert all(info.time_base == TIME_BASE for _, info, _ in pulled.frames)
    assert all(info.born <= at for at, info, _ in pulled.frames)


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", "mp4"), ("mpeg2video", "ts")])
def test_interlaced_pictures_are_deinterlaced(codec: str, suffix: str, tmp_path: Path) -> None:
    clip = write_interlaced(tmp_path / f"a.{suffix}", codec=codec, frames=12)
    with Pulled(clip) as pulled:
        assert pulled.end(10).final
    assert pulled.tally.interlaced == pulled.tally.pictures == len(pulled.frames) == 12
    assert np.diff([info.pts for _, info, _ in pulled.frames]) == pytest.approx(TICKS / 25, abs=1)
    assert combing(pulled.last[0]) < 0.5 * combing(luma_planes(clip)[-1])


def test_a_file_without_sound_is_a_source_as_well(make_clip: MakeClip) -> None:
    with Pulled(make_clip("a.mkv", frames=5, audio=False)) as pulled:
        assert pulled.end(10).final
    assert len(pulled.frames) == 5
    assert pulled.sound == []


def test_a_path_is_a_path_whatever_its_name(make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = make_clip("a.mp4", frames=3)
    folder = clip.parent / "odd:name"
    folder.mkdir()
    clip.rename(folder / "concat:a|b.mp4")
    monkeypatch.chdir(clip.parent)
    with Pulled("./odd:name/concat:a|b.mp4") as pulled:
        pulled.end(10)
    assert len(pulled.frames) == 3


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("none.mp4", None, "No such file or directory"),
        ("text.mp4", b"hello " * 1000, "what comes is no stream that can be read"),
        ("empty.mp4", b"", "nothing came|no stream"),
    ],
)
def test_a_file_that_is_none_is_the_end(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with Pulled(tmp_path / name) as pulled:
        ended = pulled.end(10)
    assert ended.final
    assert any(words in ended.reason for words in reason.split("|"))


def test_later_connections_fit_into_the_picture_of_the_first(make_clip: MakeClip) -> None:
    with Pulled(make_clip("a.mp4", frames=3, size=(160, 90))) as first:
        first.end(10)
    assert first.form is not None
    with Pulled(make_clip("b.mp4", frames=3, size=(90, 90)), like=first.form.about) as later:
        later.end(10)
    assert later.form == first.form
    assert (later.last[0][:, :30] == 16).all()
    assert len(later.frames) == 3


def test_a_size_can_be_asked_for_and_pixels_become_square(make_clip: MakeClip) -> None:
    clip = make_clip("a.mp4", frames=3, size=(80, 90), sample_aspect_ratio=Fraction(2, 1))
    with Pulled(clip, size=(320, 180)) as pulled:
        pulled.end(10)
    assert pulled.size == (320, 180)
    assert not (pulled.last[0][:, :4] == 16).all()  # 2:1 pixels make 80x90 a 16:9 picture: no bars


def test_a_picture_without_room_is_dropped_and_counted_and_sound_goes_on() -> None:
    with Pulled("pattern://160x90@25?seconds=2") as pulled:
        held, pieces = [], 0
        limit = time.monotonic() + 10
        while pulled.ended is None and time.monotonic() < limit:
            event = pulled.puller.receive(0.1)
            if type(event).__name__ == "Frame":
                held.append(event)
            elif type(event).__name__ == "Sound":
                pieces += 1
            elif isinstance(event, Ended):
                pulled.ended = event
        assert len(held) == SLOTS
        assert pieces >= 49
        assert pulled.tally.full == 50 - SLOTS


def test_the_death_of_the_process_is_told_at_once() -> None:
    with Pulled("pattern://160x90@25") as pulled:
        pulled.pictures(3)
        killed = time.monotonic()
        os.kill(pulled.puller._child.pid, signal.SIGKILL)
        assert pulled.end(5).reason == "its process was killed"
        assert time.monotonic() - killed < 0.5


def test_a_process_that_hangs_is_taken_for_gone_after_4_5_seconds() -> None:
    with Pulled("pattern://160x90@25") as pulled:
        pulled.pictures(3)
        frozen = time.monotonic()
        os.kill(pulled.puller._child.pid, signal.SIGSTOP)
        assert pulled.end(8).reason == "nothing came for 4.5 s"
        assert 4.4 < time.monotonic() - frozen < 5.5


def test_a_killed_puller_leaves_no_process_and_no_open_file() -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count

    before = open_files()
    with Pulled("pattern://160x90@25") as pulled:
        pulled.pictures(1)
        process = pulled.puller._child.pid
    assert open_files() == before
    assert not Path(f"/proc/{process}").exists()


# RTMP


def test_rtmp_gives_pictures_and_sound_in_time_and_together(nginx: NginxRtmp) -> None:
    with publishing(nginx.url("a")) as publisher, Pulled(nginx.url("a")) as pulled:
        pulled.pictures(50)
        sent = {line["n"]: line["at"] for line in publisher.lines()}
    assert pulled.size == (320, 180)
    assert pulled.form is not None
    assert pulled.form.about.rate == 25
    read = numbers(pulled)
    assert [b - a for a, b in pairwise(read)] == [1] * 49
    late = sorted(at - sent[number] for (at, *_), number in zip(pulled.frames, read, strict=True))
    assert late[len(late) // 2] < 0.15
    assert_sound_has_no_gaps(pulled)
    assert_in_real_time(pulled, 25)
    assert pulled.tally.bytes > 10_000
    assert pulled.tally.full == pulled.tally.damaged == 0
    first_sound, first_picture = pulled.sound[0][0], pulled.frames[0][1].pts
    assert abs(first_sound - first_picture) < 0.5 * TICKS
    beeps = [pts + int(np.argmax(s[:, 0] > 6000)) * TICKS // 48000 for pts, s in pulled.sound if (s[:, 0] > 6000).any()]
    flashes = [info.pts for _, info, number in pulled.frames if number is not None and number % 25 == 0]
    for flash in flashes[:1]:
        assert min(abs(beep - flash) for beep in beeps) < 0.05 * TICKS


def test_a_stream_without_sound_is_taken_after_a_longer_look(nginx: NginxRtmp) -> None:
    with publishing(nginx.url("mute"), audio=False), Pulled(nginx.url("mute")) as pulled:
        pulled.pictures(10)
    assert pulled.sound == []


def test_video_that_appears_late_is_waited_for(nginx: NginxRtmp) -> None:
    with publishing(nginx.url("late", "plain"), video_after=4.0), Pulled(nginx.url("late", "plain")) as pulled:
        pulled.pictures(10)
        assert pulled.sound


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        ("live", "nobody publishes there, or the application or key is wrong"),
        ("wrong", "nobody publishes there, or the application or key is wrong"),
    ],
)
def test_nobody_there_is_said_so(nginx: NginxRtmp, app: str, reason: str) -> None:
    with Pulled(nginx.url("k3y-of-mine", app)) as pulled:
        assert pulled.end(12) == Ended(reason)


def test_a_server_that_is_not_there_refuses() -> None:
    with Pulled(f"rtmp://127.0.0.1:{free_port()}/live/k3y-of-mine") as pulled:
        assert pulled.end(5) == Ended("the connection was refused")


def test_a_name_that_does_not_exist_is_said_so() -> None:
    with Pulled("rtmp://no-such-host.invalid/live/k3y-of-mine") as pulled:
        assert pulled.end(15) == Ended("the name no-such-host.invalid can't be resolved")


def test_a_server_that_accepts_and_says_nothing_is_given_up() -> None:
    with SilentServer() as server, Pulled(server.url("k3y-of-mine")) as pulled:
        assert pulled.end(10) == Ended("it does not answer")
        assert pulled.ended_at < 7


def test_a_publisher_that_goes_is_seen_at_once_where_the_server_tells(nginx: NginxRtmp) -> None:
    with publishing(nginx.url("gone")) as publisher, Pulled(nginx.url("gone")) as pulled:
        pulled.pictures(5)
        publisher.kill()
        gone = time.monotonic()
        assert pulled.end(6) == Ended("the publisher went away")
        assert time.monotonic() - gone < 2


def test_a_publisher_that_freezes_is_seen_within_five_seconds(nginx: NginxRtmp) -> None:
    with publishing(nginx.url("frozen", "plain")) as publisher, Pulled(nginx.url("frozen", "plain")) as pulled:
        pulled.pictures(5)
        publisher.freeze()
        frozen = time.monotonic()
        assert pulled.end(7).reason.startswith("nothing came for 4")
        assert 3.5 < time.monotonic() - frozen < 5


def test_a_server_that_is_killed_is_seen_at_once() -> None:
    with required(NginxRtmp) as server, publishing(server.url("a")), Pulled(server.url("a")) as pulled:
        pulled.pictures(5)
        server.kill()
        killed = time.monotonic()
        assert pulled.end(6) == Ended("the connection broke off")
        assert time.monotonic() - killed < 1


def test_a_new_size_on_the_same_connection_fits_into_the_old_picture(nginx: NginxRtmp) -> None:
    url = nginx.url("resized", "plain")
    with Pulled(url) as pulled:
        with Publisher(url, size=(320, 180)):
            pulled.pictures(15)
        with Publisher(url, size=(240, 320), first=1000):
            pulled.until(lambda: (pulled.last[0][:, 20:60] == 16).all(), 15)
            assert pulled.ended is None
            pulled.pictures(10)
    assert pulled.size == (320, 180)
    luma = pulled.last[0]
    assert luma.shape == (180, 320)
    assert (luma[:, :90] == 16).all()
    assert (luma[:, -90:] == 16).all()
    assert luma[:, 100:220].std() > 10
    assert min(b[1].pts - a[1].pts for a, b in pairwise(pulled.frames)) < 0  # raw times: they start anew


# Other ways


def test_hevc_by_enhanced_rtmp_from_a_server_that_sends_what_is_old_first() -> None:
    with required(NodeMediaServer) as server, publishing(server.url("a"), codec="hevc", rate=10, gop=2.0) as publisher:
        time.sleep(1.5)
        with Pulled(server.url("a")) as pulled:
            pulled.pictures(10)
        sent = {line["n"]: line["at"] for line in publisher.lines()}
    assert pulled.size == (320, 180)
    assert max(at - sent[number] for (at, *_), number in zip(pulled.frames, numbers(pulled), strict=True)) < 0.5


def test_udp_gives_pictures_and_sound_and_silence_ends_it() -> None:
    url = f"udp://127.0.0.1:{free_port()}"
    with Pulled(url) as pulled, Publisher(url) as publisher:
        pulled.pictures(40)
        assert [b - a for a, b in pairwise(numbers(pulled))] == [1] * 39
        assert_sound_has_no_gaps(pulled)
        publisher.kill()
        gone = time.monotonic()
        assert pulled.end(7).reason.startswith("nothing came")
        assert time.monotonic() - gone < 5


MADE = ("-f", "lavfi", "-i", "testsrc=s=160x90:r=25", "-f", "lavfi", "-i", "sine=r=48000")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac")


def ffmpeg() -> str:
    """The program, or the test is skipped, or fails where SR4K_REQUIRE_SERVERS=1."""
    found = shutil.which("ffmpeg")
    if found is None:
        (pytest.fail if os.environ.get("SR4K_REQUIRE_SERVERS") == "1" else pytest.skip)("needs ffmpeg")
    return found


@contextlib.contextmanager
def sending(*options: str, in_real_time: bool = True) -> Iterator["subprocess.Popen[bytes]"]:
    """An ffmpeg that sends what it makes."""
    pace = ["-re"] if in_real_time else []
    command = [ffmpeg(), "-loglevel", "quiet", *pace, *MADE, *H264, *AAC, *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def test_srt_comes_through_ffmpeg_and_its_command_line_holds_no_secret() -> None:
    port = free_udp_port()
    secret = "k3y-of-mine-1"
    listener = f"srt://127.0.0.1:{port}?mode=listener&passphrase={secret}"
    with sending("-pes_payload_size", "0", "-f", "mpegts", listener):
        time.sleep(1)
        with Pulled(f"srt://127.0.0.1:{port}?mode=caller&passphrase={secret}") as pulled:
            pulled.pictures(25)
            children = children_of(pulled.puller._child.pid)
            assert len(children) == 1
            assert secret.encode() not in Path(f"/proc/{children[0]}/cmdline").read_bytes()
            assert secret.encode() not in Path(f"/proc/{pulled.puller._child.pid}/cmdline").read_bytes()
        assert gone_within(children[0], 2)
    assert pulled.size == (160, 90)
    assert pulled.sound
    assert_in_real_time(pulled, 25)


def test_srt_without_a_sender_ends() -> None:
    ffmpeg()
    with Pulled(f"srt://127.0.0.1:{free_udp_port()}") as pulled:
        ended = pulled.end(12)
    assert ended == Ended("nothing came")


def test_srt_without_ffmpeg_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with Pulled("srt://127.0.0.1:9000") as pulled:
        ended = pulled.end(5)
    assert ended.final
    assert "SRT needs the program ffmpeg" in ended.reason


def test_rtsp_gives_pictures_and_sound_and_silence_ends_it() -> None:
    with RtspServer(ffmpeg(), MADE, H264, AAC) as server, Pulled(server.url) as pulled:
        pulled.pictures(40)
        assert_in_real_time(pulled, 25)
        assert_sound_has_no_gaps(pulled, adjusted=1)  # when the first report on both clocks comes
        server.stop_sending()
        gone = time.monotonic()
        assert pulled.end(8).reason.startswith("nothing came for 4")
        assert time.monotonic() - gone < 5


def write_segments(folder: Path, *options: str, seconds: float) -> None:
    """An HLS playlist a.m3u8 that has ended."""
    folder.mkdir()
    listed = ("-t", str(seconds), "-f", "hls", "-hls_time", "1", "-hls_list_size", "0", str(folder / "a.m3u8"))
    with sending(*options, *listed, in_real_time=False) as process:
        process.wait(30)


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_a_live_hls_playlist_is_followed(tmp_path: Path, kind: str) -> None:
    playlist = tmp_path / "a.m3u8"
    options = ("-f", "hls", "-hls_time", "1", "-hls_list_size", "4", "-hls_segment_type", kind)
    with FileServer(tmp_path) as server, sending(*options, str(playlist)):
        wait_for(lambda: playlist.exists() and playlist.read_text().count("#EXTINF") >= 3, 15)
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
        assert pulled.end(15) == Ended("it came to its end", final=False)
    assert len(pulled.frames) == 40
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


def wait_for(reached: Callable[[], bool], seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < limit
        time.sleep(0.05)


def free_udp_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def children_of(process: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def gone_within(process: int, seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False
