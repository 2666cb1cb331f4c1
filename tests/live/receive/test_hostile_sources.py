"""Malicious sources: what they can't reach, and how they are reported."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from clips import MakeClip
from needed import required
from pulling import FileServer, Pulled, publishing

from rig.fair_time import Stopwatch
from rig.faults import Proxy
from rig.servers import NginxRtmp, free_port
from sr4k.live import landlock
from sr4k.live.child import start_child
from sr4k.live.receive import puller as puller_module
from sr4k.live.receive.link import Ended

REFUSED = "its container or protocol is not allowed here, or the stream is damaged"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    with FileServer(tmp_path) as server:
        yield server


@pytest.fixture
def local(make_clip: MakeClip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip on this machine that no server serves."""
    return make_clip("clip.ts", frames=25).rename(tmp_path_factory.mktemp("private") / "clip.ts")


def playlist(*lines: str) -> str:
    body = "\n".join(line for segment in lines for line in ("#EXTINF:1.0,", segment))
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n{body}\n#EXT-X-ENDLIST\n"


def flat_clip(path: Path, size: tuple[int, int], count: int, codec: str = "libx264", **options: str) -> Path:
    with av.open(str(path), "w") as target:
        stream: Any = target.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        frame = VideoFrame.from_ndarray(np.full((size[1] * 3 // 2, size[0]), 90, np.uint8), format="yuv420p")
        for number in range(count):
            frame.pts = number
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


@pytest.mark.slow
def test_a_playlist_plays_what_lies_beside_it(server: FileServer, tmp_path: Path, local: Path) -> None:
    (tmp_path / "a.ts").write_bytes(local.read_bytes())
    (tmp_path / "a.m3u8").write_text(playlist("a.ts"))
    with Pulled(server.url("a.m3u8")) as pulled:
        pulled.pictures(5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "segment",
    [
        "file://{path}",
        "{path}",
        "concat:{path}|{path}",
        "subfile,,start,0,end,9999,,:{path}",
        "crypto:{path}",
        "crypto+file://{path}",
        "cache:{path}",
        "async:file:{path}",
        "rtmp://127.0.0.1:1/live/a",
        "udp://127.0.0.1:1",
        "/to/file://{path}",
    ],
)
def test_a_playlist_from_elsewhere_opens_no_file_of_this_machine_and_no_other_protocol(
    server: FileServer, tmp_path: Path, local: Path, segment: str
) -> None:
    (tmp_path / "a.m3u8").write_text(playlist(segment.format(path=local)))
    with Pulled(server.url("a.m3u8")) as pulled:
        pulled.end(20)
    assert pulled.frames == []
    assert pulled.form is None


@pytest.mark.slow(seconds=1)
def test_a_key_of_a_playlist_is_no_file_either(server: FileServer, tmp_path: Path, local: Path) -> None:
    (tmp_path / "a.ts").write_bytes(local.read_bytes())
    listed = playlist("a.ts").replace("#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="file://{local}"\n#EXTINF', 1)
    (tmp_path / "a.m3u8").write_text(listed)
    with Pulled(server.url("a.m3u8")) as pulled:
        pulled.end(20)
    assert pulled.frames == []


@pytest.mark.slow
@pytest.mark.parametrize("target", ["file://{path}", "{path}", "concat:{path}"])
def test_a_redirection_leads_to_no_file(server: FileServer, local: Path, target: str) -> None:
    with Pulled(server.url(f"to/{target.format(path=local)}")) as pulled:
        pulled.end(20)
    assert pulled.frames == []


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("name", ["a.m3u8", "a.mp4", "a.ffconcat"])
def test_a_file_that_is_a_playlist_is_refused(tmp_path: Path, local: Path, name: str) -> None:
    listed = f"ffconcat version 1.0\nfile '{local}'\n" if name.endswith("ffconcat") else playlist(f"file://{local}")
    (tmp_path / name).write_text(listed)
    with Pulled(tmp_path / name) as pulled:
        ended = pulled.end(10)
    assert pulled.frames == []
    assert ended.final
    assert ended.reason in (REFUSED, "the data is not a readable stream")


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.ffconcat", b"ffconcat version 1.0\nfile 'file:/etc/passwd'\n"),
        ("a.sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
        ("a.txt", b"x" * 5000),
        ("a.ts", random.Random(1).randbytes(300_000)),
    ],
)
def test_containers_that_are_not_named_are_not_tried(
    server: FileServer, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with Pulled(server.url(name)) as pulled:
        reason = pulled.end(15).reason
    assert reason in (REFUSED, "the data is not a readable stream") or reason.startswith("there is no video")


@pytest.mark.slow
def test_a_codec_that_no_stream_uses_is_not_decoded(server: FileServer, tmp_path: Path) -> None:
    clip = flat_clip(tmp_path / "a.mkv", (64, 48), 5, "ffv1")
    with Pulled(server.url("a.mkv")) as pulled:
        assert pulled.end(10).reason == "there is no video that can be decoded, but video (ffv1)"
    with Pulled(clip) as own:  # a file of one's own may be in any
        own.pictures(5)


@pytest.mark.slow
def test_pictures_that_are_too_large_are_refused_before_one_is_decoded(tmp_path: Path) -> None:
    clip = flat_clip(tmp_path / "a.mp4", (4400, 2400), 1, preset="ultrafast")
    with Pulled(clip) as pulled:
        assert pulled.end(15).reason == "its pictures are too large (4400x2400)"


@pytest.mark.slow
def test_pictures_that_become_too_large_end_it(tmp_path: Path, server: FileServer) -> None:
    small = flat_clip(tmp_path / "small.ts", (160, 90), 20, preset="ultrafast", tune="zerolatency")
    large = flat_clip(tmp_path / "large.ts", (4400, 2400), 60, preset="ultrafast", tune="zerolatency")
    (tmp_path / "both.ts").write_bytes(small.read_bytes() + large.read_bytes())
    with Pulled(server.url("both.ts")) as pulled:
        ended = pulled.end(15)
    assert ended.reason in ("no picture could be decoded from 50 packets", "its pictures are too large (4400x2400)")
    assert len(pulled.frames) <= 20
    assert pulled.size == (160, 90)


@pytest.mark.slow(seconds=1)
def test_more_tracks_than_anybody_needs_are_refused(tmp_path: Path, server: FileServer) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as target:
        streams: list[Any] = [target.add_stream("mpeg4", rate=25) for _ in range(70)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        target.start_encoding()
        for stream in streams:
            frame = VideoFrame.from_ndarray(np.full((24, 16), 90, np.uint8), format="yuv420p")
            target.mux(stream.encode(frame))
            target.mux(stream.encode(None))
    with Pulled(server.url("a.mkv")) as pulled:
        assert pulled.end(15).reason == "it has too many tracks (64 or more)"


@pytest.mark.slow
def test_a_flood_of_pictures_ends_it(tmp_path: Path, server: FileServer) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as target:
        stream: Any = target.add_stream("libx264", rate=1000, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(2000):
            frame = VideoFrame.from_ndarray(np.full((144, 160), number % 200, np.uint8), format="yuv420p")
            frame.pts = number
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    with Pulled(server.url("a.mkv")) as pulled:
        assert pulled.end(15).reason == "it sends more than 120 pictures a second"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_damaged_bytes_are_counted_and_never_more_than_an_end(make_clip: MakeClip, seed: int) -> None:
    clip = make_clip("a.ts", frames=40, size=(160, 90))
    damaged, chance = bytearray(clip.read_bytes()), random.Random(seed)
    for _ in range(60):
        damaged[chance.randrange(2000, len(damaged))] = chance.randrange(256)
    clip.write_bytes(damaged)
    with Pulled(clip) as pulled:
        ended = pulled.end(15)
    assert ended.final
    assert not ended.reason.startswith("its process")
    assert pulled.tally.damaged > 0
    assert pulled.frames


@pytest.mark.slow
def test_damage_on_the_way_ends_the_connection_without_a_word_of_its_address() -> None:
    with (
        required(NginxRtmp) as nginx,
        publishing(nginx.url("k3y-of-mine")),
        Proxy(nginx.port) as proxy,
        Pulled(proxy.url("k3y-of-mine")) as pulled,
    ):
        pulled.pictures(10)
        proxy.corrupt = 0.2
        ended = pulled.end(30)
        assert "k3y" not in ended.reason
        assert "127.0.0.1" not in ended.reason
        assert not ended.reason.startswith("its process")


@pytest.mark.slow
def test_a_line_that_is_cut_without_a_word_is_seen_within_five_seconds() -> None:
    with (
        required(NginxRtmp) as nginx,
        publishing(nginx.url("a")),
        Proxy(nginx.port) as proxy,
        Pulled(proxy.url("a")) as pulled,
    ):
        pulled.pictures(10)
        proxy.hold = True
        held = Stopwatch()
        assert pulled.end(8).reason.startswith("nothing came for 4")
        assert held.fair < 5


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Start another process in place of the reader."""

    def choose(kind: str) -> None:
        def start(_module: str, *args: Any, **wishes: Any) -> Any:
            return start_child("bad_pullers", *args, **wishes)

        monkeypatch.setenv("BAD_PULLER", kind)
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "support"))
        monkeypatch.setattr(puller_module, "start_child", start)

    return choose


@pytest.mark.slow
def test_a_source_that_asks_for_too_much_memory_ends_with_its_process(
    stand_in: Callable[[str], None], tmp_path: Path
) -> None:
    clip = flat_clip(tmp_path / "a.mp4", (4096, 2304), 8, preset="ultrafast")
    stand_in("narrow")
    with Pulled(clip) as pulled:
        assert "memory" in pulled.end(20).reason


@pytest.mark.slow(seconds=1)
def test_a_decoder_that_is_somebody_elses_can_change_no_file_and_run_nothing(
    stand_in: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    (tmp_path / "victim").touch()
    monkeypatch.setenv("VICTIM", str(tmp_path / "victim"))
    stand_in("meddling")
    with Pulled("rtmp://127.0.0.1:1/live/a") as pulled:
        assert pulled.end(20).reason == "it could []"
    assert (tmp_path / "victim").exists()


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(("source", "final"), [("rtmp://127.0.0.1:1/live/a", False), ("a.mp4", True)])
def test_a_decoder_that_is_somebody_elses_can_not_end_a_live_source_for_good(
    stand_in: Callable[[str], None], source: str, final: bool
) -> None:
    stand_in("giving")
    with Pulled(source) as pulled:
        assert pulled.end(20) == Ended("never again", final=final)


@pytest.mark.slow
def test_a_decoder_that_spins_is_ended(stand_in: Callable[[str], None]) -> None:
    stand_in("spinning")
    with Pulled("rtmp://127.0.0.1:1/live/a") as pulled:
        assert pulled.end(20).reason == "its decoder used 30 s of CPU time without producing a picture"


@pytest.mark.slow(seconds=1)
def test_a_decoder_that_crashes_is_an_end(stand_in: Callable[[str], None]) -> None:
    stand_in("crashing")
    with Pulled("rtmp://127.0.0.1:1/live/a") as pulled:
        assert pulled.end(20).reason == "its decoder crashed, or ran out of memory"


@pytest.mark.slow(seconds=1)
def test_a_process_that_was_taken_over_is_not_believed(stand_in: Callable[[str], None]) -> None:
    stand_in("taken")
    with Pulled("rtmp://127.0.0.1:1/live/a") as pulled:
        assert pulled.end(20).reason == "its process sent an invalid message"


@pytest.mark.slow(seconds=1)
def test_what_is_not_there_does_not_wait_for_the_name_of_a_port() -> None:
    with Pulled(f"http://127.0.0.1:{free_port()}/a.ts") as pulled:
        assert pulled.end(10).reason == "the connection was refused"
