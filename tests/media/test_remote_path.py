"""Remote files are read by few requests, each for a good part of what is needed."""

from pathlib import Path

import av
import pytest
from clips import write_clip

from sr4k.media import remote_path
from sr4k.media.object_store import Piece
from sr4k.media.options import ReadSettings
from sr4k.media.reading.elements import cut_element
from sr4k.media.reading.reader import VideoReader
from sr4k.media.remote_path import RemotePath
from sr4k.media.resume.job_folder import fingerprint

MATROSKA = "matroska,webm"
SOURCE = "s3://films/a.mkv"


class Served:
    """Bytes that are read as a remote file. ``asked``: what requests asked for, from where to where."""

    def __init__(self) -> None:
        self.data = b""
        self.asked: list[tuple[int, int]] = []

    def read(self, _address: str, _shown: str, begin: int, end: int, _tag: str | None = None) -> Piece:
        self.asked.append((begin, end))
        return Piece(self.data[begin:end], len(self.data), None)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    there = Served()
    monkeypatch.setattr(remote_path, "read_piece", there.read)
    monkeypatch.setattr(remote_path, "size_of", lambda *_given: there.read("", "", 0, 1).size)
    return there


def clip_of_clusters(folder: Path, frames: int) -> Path:
    """Write Matroska with a cluster for each picture."""
    source, target = write_clip(folder / "clip.mkv", frames=frames, size=(96, 64), audio=False), folder / "clusters.mkv"
    with av.open(source) as read, av.open(target, "w", options={"cluster_time_limit": "1"}) as written:
        video = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                written.mux(packet)
    assert target.read_bytes().count(bytes.fromhex("1F43B675")) >= frames
    return target


def test_a_matroska_file_of_many_clusters_is_read_whole_by_few_requests(served: Served, tmp_path: Path) -> None:
    served.data = clip_of_clusters(tmp_path, 40).read_bytes()
    with VideoReader(ReadSettings(path=RemotePath.of(SOURCE))) as reader:
        assert sum(1 for _ in reader.pictures()) == 40
        assert reader.report().losses.missing == 0
    assert len(served.asked) <= 10


@pytest.mark.parametrize("left", [0.5, 0.99])
def test_one_that_is_cut_off_is_known_by_few_requests(left: float, served: Served, tmp_path: Path) -> None:
    path = clip_of_clusters(tmp_path, 40)
    cut = path.read_bytes()[: int(path.stat().st_size * left)]
    path.write_bytes(cut)
    served.data = cut
    assert cut_element(RemotePath.of(SOURCE), MATROSKA) == cut_element(path, MATROSKA)
    assert len(served.asked) <= 3


def test_the_fingerprint_takes_a_request_for_each_end_and_is_that_of_the_same_file_here(
    served: Served, tmp_path: Path
) -> None:
    served.data = bytes(range(256)) * 2048
    path = tmp_path / "a.mkv"
    path.write_bytes(served.data)
    assert fingerprint(RemotePath.of(SOURCE)) == fingerprint(path)
    assert len(served.asked) == 3  # and one to see that it is there


def test_the_beginning_is_read_with_the_size_and_the_rest_in_parts(served: Served) -> None:
    served.data = bytes(range(256)) * 4096
    with RemotePath.of(SOURCE).open() as file:
        assert file.read(1000) == served.data[:1000]
        assert served.asked == [(0, 1 << 16)]
        assert file.read() == served.data[1000:]
        assert len(served.asked) <= 3
