import errno
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from flv_tracks import add_picture_track, add_sound_track, picture, sound

from rig.recording import tracks
from sr4k.errors import OutputError
from sr4k.live.address import RECORDINGS
from sr4k.live.send import recording as module
from sr4k.live.send.flv_muxer import FlvMuxer
from sr4k.live.send.recording import Recording, recording

COUNT = 5
"""Pictures of the stream."""


@pytest.fixture(scope="module")
def stream() -> bytes:
    """Return a stream in FLV, of five pictures and their sound."""
    muxer = FlvMuxer()
    pictures, sounds = add_picture_track(muxer.container("video")), add_sound_track(muxer.container("audio"))
    tags = muxer.begin()
    for number in range(COUNT):
        tags += muxer.mux(pictures.encode(picture(1000 + 40 * number)))
    for number in range(8):
        tags += muxer.mux(sounds.encode(sound(1000 + number * 1024 // 48)))
    return muxer.header + b"".join(tag.data for tag in tags)


def written(stream: bytes, target: Recording) -> Iterator[int]:
    """Write the stream; yield how much has arrived after each packet."""
    size = 0
    with av.open(io.BytesIO(stream), format="flv") as source:
        target.begin(source)
        for packet in source.demux():
            if packet.size:
                size += packet.size
                target.write(packet, int(packet.dts or 0))
                yield target.arrived(size)


def pictures_in(path: Path) -> int:
    with av.open(str(path)) as file:
        return sum(1 for _ in file.decode(video=0))


@pytest.mark.parametrize("suffix", RECORDINGS)
def test_a_recording_replaces_no_file_and_is_whole(tmp_path: Path, stream: bytes, suffix: str) -> None:
    path = tmp_path / "new" / f"a{suffix}"
    for expected in (path, path.with_stem("a-2")):
        with recording(path) as target:
            for _ in written(stream, target):
                pass
            target.close(ended=True)
        assert target.arrived(100) == 100
        assert pictures_in(expected) == COUNT


@pytest.mark.parametrize("suffix", RECORDINGS)
def test_the_times_of_a_recording_begin_at_0_whenever_in_the_stream_it_begins(
    tmp_path: Path, stream: bytes, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    with recording(path) as target:
        for _ in written(stream, target):
            pass
        target.close(ended=True)
    found = tracks(path)
    assert found["audio"][0] == pytest.approx(0, abs=0.002)
    later = [1024 / 48000 + seconds for seconds in (0.04, 0.08, 0.12, 0.16)]  # the encoder's delay is before
    assert found["video"][1:] == pytest.approx(later, abs=0.002)
    with av.open(str(path)) as file:
        assert (file.duration or 0) / av.time_base == pytest.approx(0.2, abs=0.05)


def test_nothing_has_arrived_before_there_is_more_than_a_header_on_the_disk(tmp_path: Path, stream: bytes) -> None:
    path = tmp_path / "a.mkv"
    with recording(path) as target:
        assert {*written(stream, target)} == {0}, "libav keeps a cluster in memory until it is full"
        assert path.stat().st_size
        target.close(ended=True)
        assert target.arrived(100) == 100


@pytest.mark.parametrize("suffix", RECORDINGS)
def test_a_recording_that_got_nothing_is_deleted(tmp_path: Path, stream: bytes, suffix: str) -> None:
    with pytest.raises(OSError, match="the source fails"), recording(tmp_path / f"a{suffix}") as target:
        with av.open(io.BytesIO(stream), format="flv") as source:
            target.begin(source)
        raise OSError("the source fails")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", RECORDINGS)
def test_a_part_for_which_a_full_disk_has_no_room_is_deleted(small_disk: Path, stream: bytes, suffix: str) -> None:
    with pytest.raises(OSError), (small_disk / "other").open("wb") as other:
        while True:
            other.write(bytes(4096))
    with pytest.raises(OSError) as caught, recording(small_disk / f"a{suffix}") as target:
        assert {*written(stream, target)} <= {0}
        target.close(ended=True)
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in small_disk.iterdir()] == ["other"]


def test_a_file_of_somebody_else_that_took_its_name_is_not_deleted(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with recording(path):
        path.unlink()
        path.write_text("mine")
    assert path.read_text() == "mine"


def lose_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def lose_folder_to_a_file(path: Path) -> None:
    lose_folder(path)
    path.parent.touch()


def lose_name(path: Path) -> None:
    path.unlink()
    path.touch()


@pytest.mark.parametrize("lose", [Path.unlink, lose_folder, lose_folder_to_a_file, lose_name])
def test_a_recording_that_is_removed_or_moved_is_missed(
    tmp_path: Path, stream: bytes, monkeypatch: pytest.MonkeyPatch, lose: Any
) -> None:
    monkeypatch.setattr(module, "_LOOK_EVERY", 0.0)
    path = tmp_path / "folder" / "a.ts"
    with pytest.raises(OutputError, match=r"its file a\.ts was removed or moved away"), recording(path) as target:
        arrivals = written(stream, target)
        next(arrivals)
        lose(path)
        next(arrivals)


def test_a_folder_that_may_not_be_searched_any_more_ends_no_recording(
    tmp_path: Path, stream: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_self: Path) -> Any:
        raise PermissionError

    monkeypatch.setattr(module, "_LOOK_EVERY", 0.0)
    with recording(tmp_path / "a.ts") as target, monkeypatch.context() as there:
        there.setattr(Path, "stat", refused)
        for _ in written(stream, target):
            pass
        target.close(ended=True)
    assert pictures_in(tmp_path / "a.ts") == COUNT
