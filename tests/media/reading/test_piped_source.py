"""Videos that come through a pipe: read once, forwards, with the result that a file gives."""

import io
import os
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import write_clip
from piping import piped

from sr4k.errors import InputError, StoppedError
from sr4k.media.options import ReadSettings, TimeSpan
from sr4k.media.reading import piped_source
from sr4k.media.reading.open_file import open_piped
from sr4k.media.reading.piped_source import CopyReader, end_copy, new_copy
from sr4k.media.reading.reader import VideoReader
from sr4k.media.reports import DecodeReport

FRAMES = 30
PART = TimeSpan(Fraction(1, 2), Fraction(2, 5))

Read = tuple[list[tuple[Fraction, Fraction, bytes]], DecodeReport]


def read(settings: ReadSettings, data: bytes | None = None) -> Read:
    """Time, duration and luma of each picture, and the report; ``data``: what comes through a pipe instead."""

    def all_of(reader: VideoReader) -> Read:
        found = [
            (
                info.pts * info.time_base,
                info.duration * info.time_base,
                reader.fit(picture).frame.to_ndarray().tobytes(),
            )
            for picture, info in reader.pictures()
        ]
        return found, reader.report()

    if data is None:
        with VideoReader(settings) as reader:
            return all_of(reader)
    with piped(data) as pipe, VideoReader(settings, pipe=pipe) as reader:
        return all_of(reader)


def written(path: Path, frames: int = FRAMES, **clip: object) -> Path:
    options = {"preset": "ultrafast", "bf": "2", "g": "10"}
    return write_clip(path, frames=frames, options=options, **clip)  # type: ignore[arg-type]


def y4m(path: Path) -> Path:
    with av.open(str(path), "w", format="yuv4mpegpipe") as target:
        video = target.add_stream("wrapped_avframe", rate=Fraction(30000, 1001))
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((72, 64), 8 * number, np.uint8), "yuv420p")
            frame.pts = number
            target.mux(video.encode(frame))
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".nut", ".ts", ".flv", ".y4m"])
@pytest.mark.parametrize("part", [None, PART], ids=["all", "a part"])
def test_pictures_and_times_are_those_of_a_file(suffix: str, part: TimeSpan | None, tmp_path: Path) -> None:
    clip = y4m(tmp_path / "in.y4m") if suffix == ".y4m" else written(tmp_path / f"in{suffix}")
    settings = ReadSettings(path=clip, part=part)
    pictures, report = read(settings)
    through, told = read(settings, clip.read_bytes())
    assert through == pictures
    assert len(pictures) == (FRAMES if part is None else 10 if suffix != ".y4m" else 12)
    assert told.losses == report.losses


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".y4m"])
def test_an_end_in_mid_stream_is_told_as_for_files(suffix: str, tmp_path: Path) -> None:
    clip = y4m(tmp_path / "in.y4m") if suffix == ".y4m" else written(tmp_path / f"in{suffix}", frames=2 * FRAMES)
    cut = clip.with_stem("cut")
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 5])
    pictures, report = read(ReadSettings(path=cut))
    through, told = read(ReadSettings(path=cut), cut.read_bytes())
    assert 0 < len(through) < FRAMES
    assert (through, told.losses) == (pictures, report.losses)
    assert suffix == ".ts" or told.losses.missing


def test_an_mp4_can_be_read_if_its_index_comes_first(tmp_path: Path) -> None:
    clip = written(tmp_path / "in.mp4")
    whole = clip.read_bytes()
    with pytest.raises(InputError, match=r"standard input is an MP4 or MOV whose index comes last.*faststart"):
        read(ReadSettings(path=clip), whole)
    first = tmp_path / "first.mp4"
    with av.open(str(clip)) as source, av.open(str(first), "w", options={"movflags": "+faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    assert read(ReadSettings(path=clip), first.read_bytes())[0] == read(ReadSettings(path=first))[0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "standard input is empty"),
        (b"x", "is not a video that can be read forwards"),
        (b"no video at all " * 100, "is not a video that can be read forwards"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(ReadSettings(path=Path("standard input")), data)


def test_a_playlist_can_not_make_files_be_opened(tmp_path: Path) -> None:
    clip = written(tmp_path / "in.ts", audio=False)
    for listed in (f"ffconcat version 1.0\nfile {clip}\n", f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{clip}\n"):
        with pytest.raises(InputError):
            read(ReadSettings(path=Path("standard input")), listed.encode())


def test_a_stop_ends_waiting_for_what_does_not_come() -> None:
    readable, writable = os.pipe()
    with os.fdopen(writable, "wb"), piped(b"") as other:
        os.dup2(readable, other._source.fileno())
        os.close(readable)
        threading.Timer(0.1, other.stop).start()
        with pytest.raises(StoppedError, match="before the first frame"):
            other.read(10)


def test_the_copy_is_read_by_others_as_far_as_it_goes(tmp_path: Path) -> None:
    clip = written(tmp_path / "in.mkv")
    with piped(clip.read_bytes()) as pipe, VideoReader(ReadSettings(path=clip), pipe=pipe) as reader:
        with open_piped(CopyReader(pipe._copy, "copy")) as copied:
            assert [stream.type for stream in copied.streams] == ["video", "audio"]
        assert sum(1 for _ in reader.pictures()) == FRAMES
        with open_piped(CopyReader(pipe._copy, "copy")) as copied:
            times = [(packet.stream_index, packet.pts) for packet in copied.demux() if packet.size]
    with av.open(str(clip)) as source:
        assert times == [(packet.stream_index, packet.pts) for packet in source.demux() if packet.size]


def test_what_has_been_read_of_the_copy_takes_no_memory() -> None:
    with new_copy() as copy:
        data = os.urandom(1 << 20)
        reader = CopyReader(copy, "copy")
        reader.free()
        for number in range(20):
            os.pwrite(copy.fileno(), data, number << 20)
            assert b"".join(iter(lambda: reader.read(1 << 16), b"")) == data
            assert os.fstat(copy.fileno()).st_blocks * 512 <= 3 << 20


def test_a_copy_that_nobody_needs_is_ended() -> None:
    data = bytes(range(256)) * 1000
    with piped(data) as pipe:
        first = pipe.read(1000)
        end_copy(pipe._copy)
        rest = b"".join(iter(lambda: pipe.read(1 << 16), b""))
        assert first + rest == data
        assert os.fstat(pipe._copy.fileno()).st_size == 0


def test_a_copy_that_grows_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piped_source, "_MOST", 1 << 20)
    with piped(bytes(range(256)) * (3 << 12)) as pipe, pytest.raises(InputError, match="without a picture"):
        while pipe.read(1 << 16):
            pass


def test_tags_that_are_not_utf_8_can_be_read(tmp_path: Path) -> None:
    clip = written(tmp_path / "in.mkv", metadata={"title": "Zurich!"})
    data = clip.read_bytes().replace(b"Zurich!", b"Z\xfcrich!")
    with open_piped(_Bytes(data)) as container:
        assert container.metadata["title"] == "Z\ufffdrich!"


class _Bytes:
    name = "bytes"

    def __init__(self, data: bytes) -> None:
        self.read = io.BytesIO(data).read
