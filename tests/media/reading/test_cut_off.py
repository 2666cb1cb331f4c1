"""Files that are cut off are recognised, however short they are, and whole ones never taken for such."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clips import write_clip
from piping import fed, piped

from sr4k import Job
from sr4k.errors import InputError
from sr4k.media.options import ReadSettings
from sr4k.media.reading.elements import Watched, cut_element, ends_in_packet
from sr4k.media.reading.reader import VideoReader
from sr4k.media.reports import LossReport

FRAMES = 25

KINDS = {
    ".mkv": "-c copy",
    ".live.mkv": "-c copy -live 1",
    ".piped.mkv": "-c copy -f matroska pipe:1",
    ".ts": "-c copy",
    ".m2ts": "-c copy",
    ".fragments.mp4": "-c copy -movflags frag_keyframe+empty_moov+default_base_moof",
    ".many.mp4": "-g 1 -movflags frag_keyframe",
    ".mp4": "-c copy -movflags faststart",
    ".mov": "-c copy -movflags faststart",
    ".avi": "-c copy",
    ".flv": "-c copy",
    ".mpg": "-c:v mpeg2video -c:a mp2",
    ".ogv": "-c:v libtheora -c:a libvorbis",
    ".webm": "-c:v libvpx -c:a libvorbis",
    ".wmv": "-c:v wmv2 -c:a wmav2",
    ".gif": "-c:v gif -an",
    ".apng": "-an",
    ".mxf": "-c:v mpeg2video -c:a pcm_s16le -ar 48000",
}
"""Options of ffmpeg that write a clip of a second, by suffix."""

ANNOUNCED = {".mkv", ".mp4", ".mov", ".flv", ".webm", ".mxf", ".apng"}
"""Those that say in their beginning how long they are."""

NOT_FORWARDS = {".gif", ".mxf"}
"""Those that libav doesn't read from a pipe as from a file."""

DEMUXERS = {
    ".mkv": "matroska,webm",
    ".live.mkv": "matroska,webm",
    ".piped.mkv": "matroska,webm",
    ".ts": "mpegts",
    ".fragments.mp4": "mov,mp4,m4a,3gp,3g2,mj2",
    ".mp4": "mov,mp4,m4a,3gp,3g2,mj2",
    ".avi": "avi",
    ".mpg": "mpeg",
    ".ogv": "ogg",
    ".gif": "gif",
    ".mxf": "mxf",
}

Clip = Callable[[str], Path]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """A function that returns a clip of a second, by its suffix."""
    folder = tmp_path_factory.mktemp("clips")
    source = write_clip(folder / "source.mp4", frames=FRAMES)

    def made(kind: str) -> Path:
        path = folder / f"clip{kind}"
        if not path.exists():
            options = KINDS[kind].split()
            out = [] if "pipe:1" in options else [str(path)]
            command = ["ffmpeg", "-v", "error", "-i", str(source), *options, *out]
            done = subprocess.run(command, capture_output=True, check=True)
            if not out:
                path.write_bytes(done.stdout)
        return path

    return made


def read(path: Path) -> tuple[int, LossReport]:
    with VideoReader(ReadSettings(path=path)) as reader:
        return sum(1 for _ in reader.pictures()), reader.report().losses


def read_piped(path: Path) -> tuple[int, LossReport]:
    with piped(path.read_bytes()) as pipe, VideoReader(ReadSettings(path=path), pipe=pipe) as reader:
        return sum(1 for _ in reader.pictures()), reader.report().losses


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_of_a_second_that_is_cut_in_half_is_damaged_and_the_whole_one_is_not(
    kind: str, clip: Clip, tmp_path: Path
) -> None:
    whole = clip(kind)
    pictures, losses = read(whole)
    assert (pictures, losses.packets, losses.missing, losses.concealed, losses.reasons) == (FRAMES, 0, 0, 0, ())
    cut = tmp_path / whole.name
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 11 // 20])
    pictures, losses = read(cut)
    lost = losses.packets + losses.missing + losses.concealed
    assert lost > 0 and losses.reasons
    if kind in ANNOUNCED:
        assert pictures + losses.missing == pytest.approx(FRAMES, abs=1)
    elif kind != ".wmv":
        assert any(reason.startswith("the file is cut off at ") for reason in losses.reasons) or losses.missing


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("kind", sorted(KINDS.keys() - NOT_FORWARDS))
def test_a_pipe_that_is_cut_off_is_as_damaged_as_such_a_file(kind: str, clip: Clip, tmp_path: Path) -> None:
    whole = clip(kind)
    assert read_piped(whole) == read(whole)
    cut = tmp_path / whole.name
    data = whole.read_bytes()
    for share in (11, 15):
        cut.write_bytes(data[: len(data) * share // 20])
        file, pipe = read(cut), read_piped(cut)
        assert pipe[0] == file[0]
        if kind in (".avi", ".wmv", ".many.mp4"):  # libav knows less of them: it corrects times by a file's size
            assert pipe[1].packets + pipe[1].missing > 0
        elif kind == ".apng":  # of a file libav reads the packet that is cut off, of a pipe it does not
            assert pipe[1].packets + pipe[1].missing == file[1].packets + file[1].missing == FRAMES - file[0]
        else:
            assert pipe[1] == file[1]


@pytest.mark.parametrize("kind", DEMUXERS)
def test_wherever_a_pipe_ends_it_tells_what_a_file_does(kind: str, clip: Clip, tmp_path: Path) -> None:
    data = clip(kind).read_bytes()
    cut, found = tmp_path / "cut", set()
    for length in {*range(0, len(data), 997), *range(0, 200, 7), *range(len(data) - 40, len(data) + 1)}:
        cut.write_bytes(data[:length])
        watched = Watched()
        for at in range(0, length, 1009):
            watched.came(data[at : min(at + 1009, length)])
            assert watched.cut_element(DEMUXERS[kind]) is None  # more may come
        watched.came(b"")
        found.add(watched.cut_element(DEMUXERS[kind]))
        assert watched.cut_element(DEMUXERS[kind]) == cut_element(cut, DEMUXERS[kind]), length
    assert {"media", None} <= found
    assert watched.cut_element("another") is None


def test_what_is_watched_of_a_pipe_does_not_grow() -> None:
    watched, part = Watched(), bytes(1 << 15)
    for _ in range(20):
        watched.came(part)
    assert len(watched.tail) == 1 << 17
    assert sum(map(len, watched._tail)) < (1 << 17) + len(part)


def test_a_job_on_it_tells_and_a_strict_one_refuses(clip: Clip, tmp_path: Path) -> None:
    whole = clip(".mkv")
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    summary = Job(tmp_path / "cut.mkv", tmp_path / "out.mkv", engine="nearest", workers="threads").run()
    assert summary.damaged and summary.losses.missing > 5
    with pytest.raises(InputError, match=r"cut\.mkv is damaged at 0\.\d+ s: the file ends at 0\.\d+ s of 1\.0\d s"):
        Job(tmp_path / "cut.mkv", tmp_path / "no.mkv", engine="nearest", workers="threads", strict=True).run()


@pytest.mark.slow(seconds=1)
def test_sound_that_is_cut_off_behind_all_frames_is_told(clip: Clip, tmp_path: Path) -> None:
    source, cut = clip(".mp4"), tmp_path / "cut.mp4"
    last = {}
    with av.open(str(source)) as container:
        for packet in container.demux():
            if packet.size and packet.pos is not None:
                last[packet.stream.type] = packet.pos + packet.size
    assert last["audio"] > last["video"] + 10
    cut.write_bytes(source.read_bytes()[: last["audio"] - 5])
    assert read(cut)[1].missing == 0
    summary = Job(cut, tmp_path / "out.mp4", engine="nearest", workers="threads").run()
    assert (summary.damaged, summary.losses.missing) == (True, 0)
    assert summary.losses.copying == "the file is cut off, so their ends may be missing"
    with fed(tmp_path / "pipe", cut.read_bytes()) as pipe:
        summary = Job(pipe, tmp_path / "piped.mp4", engine="nearest", workers="threads").run()
    assert (summary.damaged, summary.losses.missing) == (True, 0)
    assert summary.losses.copying == "the file is cut off, so their ends may be missing"
    with fed(tmp_path / "whole", source.read_bytes()) as pipe:
        assert not Job(pipe, tmp_path / "whole.mp4", engine="nearest", workers="threads").run().damaged


@pytest.mark.parametrize("kind", [".mkv", ".avi", ".many.mp4"])
def test_what_was_cut_off_behind_all_frames_is_no_loss(kind: str, clip: Clip, tmp_path: Path) -> None:
    whole = clip(kind)
    data = whole.read_bytes()
    index = {".mkv": bytes.fromhex("1C53BB6B"), ".avi": b"idx1", ".many.mp4": b"mfra"}[kind]
    cut = tmp_path / whole.name
    cut.write_bytes(data[: data.rindex(index) + 10])
    pictures, losses = read(cut)
    assert pictures == FRAMES
    if kind != ".avi":  # whose chunk holds frames and index alike
        assert (losses.missing, losses.packets) == (0, 0)
        assert cut_element(cut, {".mkv": "matroska,webm", ".many.mp4": "mov,mp4,m4a,3gp,3g2,mj2"}[kind]) == "other"


def test_packets_of_a_transport_stream_have_one_of_three_sizes() -> None:
    for length, sync in ((188, 0), (192, 4), (204, 0)):
        packet = bytearray(length)
        packet[sync] = 0x47
        stream = bytes(packet) * 9
        assert not ends_in_packet(stream, len(stream))
        assert ends_in_packet(stream, len(stream) - 1)
    assert not ends_in_packet(bytes(2000), 1999)


def test_what_is_no_file_or_has_no_sizes_is_not_cut_off(tmp_path: Path) -> None:
    assert cut_element(tmp_path, "avi") is None
    (tmp_path / "a").write_bytes(b"anything")
    for container in ("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "avi", "mpegts", "mpeg", "ogg", "mxf", "h264"):
        assert cut_element(tmp_path / "a", container) is None


def jpeg(path: Path, *, progressive: bool = False, thumbnail: bytes = b"") -> bytes:
    """Write a JPEG file, with another one in a segment if there is one, and return it."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    assert cv2.imwrite(
        str(path), pixels, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive), cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    )
    data = path.read_bytes()
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    data = data[:2] + segment + data[2:]
    path.write_bytes(data)
    return data


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_file_that_is_cut_off_is_damaged(progressive: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    data = jpeg(path, progressive=progressive, thumbnail=jpeg(path))
    assert read(path) == (1, LossReport())
    path.write_bytes(data + b"\0garbage")
    assert read(path) == (1, LossReport())
    for kept in (len(data) - 2, len(data) * 3 // 4):
        path.write_bytes(data[:kept])
        pictures, losses = read(path)
        assert (pictures, losses.concealed, losses.reasons) == (1, 1, ("the picture is cut off",))
    path.write_bytes(data[: len(data) * 3 // 4].ljust(len(data), b"\0"))  # a download that stopped
    assert read(path)[1].concealed == 1
    with pytest.raises(InputError, match=r"a\.jpg is damaged at 0\.00 s: the picture is cut off"):
        VideoReader(ReadSettings(path=path, strict=True))


def test_of_a_sequence_the_picture_that_is_cut_off_is_named_by_its_time(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        data = jpeg(tmp_path / f"{number}.jpg")
    (tmp_path / "2.jpg").write_bytes(data[: len(data) // 2])
    pictures, losses = read(tmp_path / "%d.jpg")
    assert (pictures, losses.concealed) == (3, 1)
    assert [place.at for place in losses.places] == [pytest.approx(0.04)]


def test_an_animated_png_tells_how_many_pictures_it_lacks_and_that_its_last_one_is_cut_off(tmp_path: Path) -> None:
    path, pixels = tmp_path / "in.png", np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    with av.open(str(path), "w", format="apng") as target:
        stream = target.add_stream("apng", rate=10)
        stream.width, stream.height, stream.pix_fmt = 16, 12, "rgb24"
        for shift in range(4):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(pixels, shift, 1), "rgb24")))
        target.mux(stream.encode(None))
    data = path.read_bytes()
    with VideoReader(ReadSettings(path=path)) as reader:
        assert sum(1 for _ in reader.pictures()) == reader.report().source.expected_frames == 4
        assert reader.report().losses == LossReport()
    path.write_bytes(data[: data.index(b"fcTL", data.index(b"fdAT")) - 4])  # behind the second
    pictures, losses = read(path)
    assert (pictures, losses.missing, losses.packets) == (2, 2, 0)
    assert losses.reasons == ("the file ends at 0.20 s of 0.40 s",)
    path.write_bytes(data[: data.rindex(b"fdAT") + 30])
    pictures, losses = read(path)
    assert pictures + losses.packets == 4 and "the file is cut off at 0.40 s" in losses.reasons
    path.write_bytes(data[: data.rindex(b"IEND") - 4])
    assert read(path)[1].missing == 1
