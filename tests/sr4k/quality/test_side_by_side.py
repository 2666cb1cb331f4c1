from fractions import Fraction
from itertools import combinations
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clips import MakeClip, luma_planes, video_times

from sr4k import Job, load_preset
from sr4k.errors import OptionError
from sr4k.media.options import TimeSpan
from sr4k.quality import side_by_side
from sr4k.quality.side_by_side import write_comparison
from sr4k.stages.settings import DecodeSettings

PART = TimeSpan(Fraction("0.2"), Fraction("0.4"))


@pytest.fixture
def pair(make_clip: MakeClip, tmp_path: Path) -> tuple[Path, Path]:
    """A source, and a result that is bright all over."""
    bright = tmp_path / "bright.mp4"
    source = make_clip("source.mp4", frames=20)
    with av.open(str(bright), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(20):
            picture = av.VideoFrame.from_ndarray(np.full((144, 128), 200, np.uint8), format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))
    return source, bright


def lumas(path: Path) -> np.ndarray:
    return np.stack(luma_planes(path))


def test_the_left_half_is_the_source_and_the_right_one_the_result(pair: tuple[Path, Path], tmp_path: Path) -> None:
    source, result = pair
    write_comparison(DecodeSettings(path=source), result, tmp_path / "both.mp4")
    both = lumas(tmp_path / "both.mp4")
    assert both.shape == (20, 96, 128)
    assert abs(int(both[:, :, 70:].mean()) - 200) <= 2
    with av.open(str(source)) as container:
        enlarged = next(container.decode(video=0)).reformat(128, 96, interpolation="BICUBIC").to_ndarray()[:96]
    assert np.abs(both[0, :, :60].astype(int) - enlarged[:, :60]).mean() < 6
    assert video_times(tmp_path / "both.mp4") == video_times(result)


def test_both_whole_side_by_side(pair: tuple[Path, Path], tmp_path: Path) -> None:
    source, result = pair
    write_comparison(DecodeSettings(path=source), result, tmp_path / "both.mkv", layout="side")
    both = lumas(tmp_path / "both.mkv")
    assert both.shape == (20, 96, 256)
    assert abs(int(both[:, 30:, 130:].mean()) - 200) <= 2
    label = both[0, :30, 130:]
    assert label.max() > 220 and label.min() < 30  # light letters with a dark outline, which bright pictures need


def test_a_sheet_shows_details_of_pictures_across_the_video(pair: tuple[Path, Path], tmp_path: Path) -> None:
    source, result = pair
    write_comparison(DecodeSettings(path=source), result, tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    height, width = sheet.shape[:2]
    assert (height, width) == (6 * (24 + 288), 2 * 288)
    assert abs(float(sheet[40:300, 300:560].mean()) - 1.164 * (200 - 16)) < 4


def names_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the labels that are drawn onto pictures from now on."""
    names: list[str] = []
    write = cv2.putText

    def note(picture: np.ndarray, text: str, *rest: object) -> object:
        names.append(text)
        return write(picture, text, *rest)  # type: ignore[call-overload]

    monkeypatch.setattr(cv2, "putText", note)
    return names


@pytest.mark.slow(seconds=1)
def test_a_sheet_of_a_part_tells_times_of_the_film_and_shows_six_places(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, result = make_clip("a.mp4", frames=20, size=(160, 160)), tmp_path / "part.mkv"
    preset = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
    Job(source, result, preset=preset.updated("encode", crf=0), part=PART).run()
    names = names_of(monkeypatch)
    write_comparison(DecodeSettings(path=source, part=PART), result, tmp_path / "sheet.png")
    assert [name for name in names if name.endswith("bicubic")] == [
        f"0:00:00.{hundredths}: bicubic" for hundredths in (20, 28, 36, 40, 48, 56)
    ]
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    rows = [row[24:, 288:] for row in np.split(sheet, 6)]
    assert all(np.abs(a.astype(int) - b).mean() > 5 for a, b in combinations(rows, 2))


def test_the_halves_of_a_video_bear_their_names(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make_clip("a.mp4", frames=2, size=(320, 180))
    names = names_of(monkeypatch)
    side_by_side._letters.cache_clear()
    write_comparison(DecodeSettings(path=clip), clip, tmp_path / "both.mkv")
    assert {*names} == {"bicubic", "upscaled"}
    luma = luma_planes(tmp_path / "both.mkv")[0]
    for half in np.hsplit(luma[:24], 2):
        assert half.max() > 220 and half.min() < 30


def test_a_part_is_compared_with_that_part(make_clip: MakeClip, tmp_path: Path) -> None:
    source, result = make_clip("a.mp4", frames=20), tmp_path / "part.mkv"
    preset = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
    Job(source, result, preset=preset.updated("encode", crf=0), part=PART).run()
    write_comparison(DecodeSettings(path=source, part=PART), result, tmp_path / "both.mkv", layout="side")
    both = lumas(tmp_path / "both.mkv").astype(int)
    assert len(both) == 10
    assert np.abs(both[:, :, :128] - both[:, :, 128:]).mean() < 12  # nearest against bicubic, of the same pictures


def test_what_is_neither_video_nor_picture(pair: tuple[Path, Path], tmp_path: Path) -> None:
    source, result = pair
    with pytest.raises(OptionError, match="png"):
        write_comparison(DecodeSettings(path=source), result, tmp_path / "both.xyz")
    assert not list(tmp_path.glob(".both*"))
