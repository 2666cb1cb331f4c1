"""Sources and targets of a command line become jobs."""

import os
from pathlib import Path

import pytest

from sr4k.configs import load_preset
from sr4k.errors import InputError, OptionError, OutputError
from sr4k.jobs.file_job import Job
from sr4k.jobs.sources import jobs_into


def touched(folder: Path, *names: str) -> list[Path]:
    """Empty files of these names."""
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def targets(sources: list[Path], target: Path, **how: bool) -> list[str]:
    jobs = jobs_into(sources, Job(sources[0], target), **how)
    return [str(job.target.relative_to(target.parent)) for job in jobs]


def test_one_video_goes_into_a_file_or_a_folder(tmp_path: Path) -> None:
    [source] = touched(tmp_path, "a.mp4")
    assert targets([source], tmp_path / "b.mkv") == ["b.mkv"]
    assert targets([source], tmp_path / "new", folder=True) == ["new/a.mp4"]
    (tmp_path / "old").mkdir()
    assert targets([source], tmp_path / "old") == ["old/a.mp4"]


def test_several_need_a_folder_which_need_not_be_there(tmp_path: Path) -> None:
    sources = touched(tmp_path, "a.mp4", "b.mkv", "c.mp4")
    assert targets(sources, tmp_path / "new") == ["new/a.mp4", "new/b.mkv", "new/c.mp4"]
    with pytest.raises(OutputError, match="isn't a folder"):
        targets(sources[:2], sources[2])
    with pytest.raises(OutputError, match="end it with a slash"):
        targets(sources[:2], tmp_path / "forgotten.mp4")
    assert targets(sources[:2], tmp_path / "odd.mp4", folder=True) == ["odd.mp4/a.mp4", "odd.mp4/b.mkv"]


def test_what_can_not_be_written_becomes_matroska(tmp_path: Path) -> None:
    sources = touched(tmp_path, "a.avi", "b.VOB", "c.png", "d.MP4")
    assert targets(sources, tmp_path / "out") == ["out/a.mkv", "out/b.mkv", "out/c.png", "out/d.MP4"]


def test_pictures_among_videos_have_none_of_the_options_of_video_encoders(tmp_path: Path) -> None:
    sources = touched(tmp_path, "a.mp4", "b.png")
    preset = load_preset("file").updated("encode", codec="hevc", encoder="qsv", bitrate=1_000_000)
    video, picture = jobs_into(sources, Job(sources[0], tmp_path / "new", preset=preset))
    assert (video.preset.encode.encoder, video.preset.encode.codec) == ("qsv", "hevc")
    assert picture.target.name == "b.png"
    assert (picture.preset.encode.encoder, picture.preset.encode.bitrate) == ("auto", None)


def test_a_folder_stands_for_its_videos(tmp_path: Path) -> None:
    names = ["b.mp4", "a.mkv", "notes.txt", ".hidden.mp4", "a.partial.mkv", "deep/c.mov", "deep/.git/d.mp4"]
    films = tmp_path / "films"
    touched(films, *names)
    assert targets([films], tmp_path / "out") == ["out/a.mkv", "out/b.mp4"]
    assert targets([films], tmp_path / "out", recursive=True) == ["out/a.mkv", "out/b.mp4", "out/deep/c.mov"]


def test_a_named_pipe_in_it_is_none_of_them(tmp_path: Path) -> None:
    films = tmp_path / "films"
    touched(films, "a.mkv")
    os.mkfifo(films / "b.mkv")
    assert targets([films], tmp_path / "out") == ["out/a.mkv"]


def test_results_inside_the_folder_are_no_sources(tmp_path: Path) -> None:
    touched(tmp_path, "a.mp4", "4k/a.mp4")
    jobs = jobs_into([tmp_path], Job(tmp_path, tmp_path / "4k"), recursive=True)
    assert [job.source for job in jobs] == [tmp_path / "a.mp4"]


def test_a_folder_without_videos_is_told(tmp_path: Path) -> None:
    touched(tmp_path / "films", "deep/a.mp4")
    with pytest.raises(InputError, match=r"without videos.*--recursive"):
        targets([tmp_path / "films"], tmp_path / "out")


def test_two_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    sources = touched(tmp_path, "one/a.mp4", "two/a.mp4", "two/b.mp4")
    assert targets(sources, tmp_path / "out") == ["out/one/a.mp4", "out/two/a.mp4", "out/b.mp4"]
    with pytest.raises(OptionError, match="would both become"):
        targets([sources[0], sources[0]], tmp_path / "out")
