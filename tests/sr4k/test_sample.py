from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from full_disks import full_disk

from sr4k.errors import OutputError
from sr4k.media.sample_pattern import draw
from sr4k.sample import write_sample


def test_a_sample_has_moving_pictures_and_sound_of_the_same_length(tmp_path: Path) -> None:
    write_sample(tmp_path / "clip.mp4", seconds=1.2, size=(160, 90))
    with av.open(str(tmp_path / "clip.mp4")) as clip:
        video, audio = clip.streams.video[0], clip.streams.audio[0]
        assert (video.width, video.height) == (160, 90)
        lengths = {s.type: float(s.duration * s.time_base) for s in (video, audio)}
        frames = [f.to_ndarray(format="gray") for f in clip.decode(video)]
        clip.seek(0)
        loudness = max(np.abs(f.to_ndarray()).max() for f in clip.decode(audio))
    assert len(frames) == 30
    assert lengths["video"] == pytest.approx(1.2)
    assert lengths["audio"] == pytest.approx(1.2, abs=0.05)
    assert all(np.abs(a.astype(int) - b).mean() > 1 for a, b in pairwise(frames))
    assert loudness > 0.05


def test_the_sample_has_detail_to_sharpen() -> None:
    gray = draw(0, (320, 180)).mean(axis=2)
    assert np.abs(np.diff(gray, axis=1)).mean() > 3


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere.*can't be written"):
        write_sample(tmp_path / "nowhere" / "clip.mp4", seconds=1, size=(64, 48))
    (tmp_path / "clip.mp4").mkdir()
    with pytest.raises(OutputError, match=r"clip\.mp4 can't be written \(Is a directory\)"):
        write_sample(tmp_path / "clip.mp4", seconds=0.1, size=(64, 48))
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_clip_for_which_there_is_no_room_leaves_the_former_one(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"before")
    with full_disk(1000), pytest.raises(OutputError, match=r"/clip\.mp4 can't be written \(File too large\): use"):
        write_sample(tmp_path / "clip.mp4", seconds=0.2, size=(160, 90))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]
    write_sample(tmp_path / "clip.mp4", seconds=0.1, size=(64, 48))
    assert [path.read_bytes()[4:8] for path in tmp_path.iterdir()] == [b"ftyp"]


@pytest.mark.parametrize("size", [(64, 90), (64, 720)])
def test_its_colours_are_those_it_says(size: tuple[int, int], tmp_path: Path) -> None:
    write_sample(tmp_path / "clip.mkv", seconds=0.04, size=size)
    with av.open(str(tmp_path / "clip.mkv")) as clip:
        picture = next(clip.decode(video=0))
    assert (picture.colorspace, picture.color_range) == (1 if size[1] >= 720 else 6, 1)
    kr, kb = (0.2126, 0.0722) if size[1] >= 720 else (0.299, 0.114)
    luma = 16 + 219 / 255 * (draw(0, size) @ np.array([kb, 1 - kr - kb, kr]))
    assert np.abs(picture.to_ndarray(format="yuv420p")[: size[1]] - luma).mean() < 3
