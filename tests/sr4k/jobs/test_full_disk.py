"""A disk that is full before, while or after a job writes its segments: a small file system, really full."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from clips import MakeClip, luma_planes, video_times, write_clip

from sr4k import Job, load_preset
from sr4k.errors import OutputError
from sr4k.media.options import TimeSpan
from sr4k.media.resume.job_folder import folder_of
from sr4k.media.resume.journal import Journal

pytestmark = pytest.mark.slow


class Disk:
    """A file system of so many KiB."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def resize(self, kib: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kib}k", str(self.path)], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(path)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("file systems can't be mounted here: it takes root")
    yield Disk(path)
    subprocess.run(["umount", str(path)], check=True, capture_output=True)


def job(source: Path, target: Path, *, crf: int, resume: bool = False) -> Job:
    """Return a job that runs in one process, which is faster. ``crf``: controls the size of the result."""
    preset = load_preset("file").updated("engine", name="nearest").updated("graph", mode="threads")
    encode = {"preset": "ultrafast", "segment_seconds": 1, "crf": crf}
    return Job(source, target, preset=preset.updated("encode", **encode), resume=resume)


def test_too_little_room_is_told_before_the_start(make_clip: MakeClip, disk: Disk) -> None:
    source, target = make_clip("a.mp4", frames=250, size=(160, 90)), disk.path / "out.mp4"
    disk.resize(40)
    with pytest.raises(
        OutputError, match=r"has too little disk space: \d\d kB are free, and at least \d+ kB are needed"
    ):
        job(source, target, crf=18).run()
    assert not list(disk.path.iterdir())


def test_where_nothing_is_kept_no_going_on_is_offered(make_clip: MakeClip, disk: Disk) -> None:
    source, target = make_clip("a.mp4", frames=50, size=(160, 90)), disk.path / "out.mp4"
    disk.resize(64)
    whole = replace(job(source, target, crf=0), part=TimeSpan(Fraction(0), Fraction(2)))
    with pytest.raises(
        OutputError, match=r"The disk of .* is full: free some space, then start again: nothing was kept"
    ):
        whole.run()


@pytest.fixture(scope="module")
def ample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a clip of four segments, and what it becomes where there is room."""
    folder = tmp_path_factory.mktemp("ample")
    source, whole = write_clip(folder / "a.mp4", frames=100, size=(160, 90)), folder / "o.mp4"
    job(source, whole, crf=0).run()
    return source, whole


# while segments are written, and while they are joined
@pytest.mark.parametrize(("share", "moment"), [(0.6, "segments"), (1.1, "join"), (1.6, "join")])
def test_a_job_goes_on_once_a_full_disk_has_room(
    share: float, moment: str, ample: tuple[Path, Path], disk: Disk
) -> None:
    (source, whole), target = ample, disk.path / "out.mp4"
    disk.resize(round(share * whole.stat().st_size / 1024))
    with pytest.raises(
        OutputError, match=r"The disk of .* is full: free some space, then add resume=True to continue\."
    ):
        job(source, target, crf=0).run()
    kept = Journal(folder_of(target)).segments()
    assert sorted(path.name for path in folder_of(target).iterdir()) == [
        *(s.name for s in kept),
        "journal.jsonl",
        "lock",
    ]
    assert len(kept) == 4 if moment == "join" else 0 < len(kept) < 4
    disk.resize(64 << 10)
    done = job(source, target, crf=0, resume=True).run()
    assert done.resumed == sum(segment.frames for segment in kept)
    assert video_times(target) == video_times(whole) == video_times(source)
    assert all((a == b).all() for a, b in zip(luma_planes(target), luma_planes(whole), strict=True))
    assert [path.name for path in disk.path.iterdir()] == ["out.mp4"]


def test_a_result_that_hardly_fits_is_whole_or_told_not_to_be(make_clip: MakeClip, disk: Disk, tmp_path: Path) -> None:
    source, whole, target = make_clip("a.mp4", frames=60, size=(64, 48)), tmp_path / "o.mp4", disk.path / "out.mp4"
    job(source, whole, crf=0).run()
    fitted = []
    for share in (1.7, 1.8, 1.9, 2.0, 2.1):
        disk.resize(round(share * whole.stat().st_size / 1024))
        try:
            job(source, target, crf=0).run()
        except OutputError as err:
            assert "is full: free some space" in str(err)
            assert not target.exists()
            fitted.append(False)
            for path in folder_of(target).iterdir():
                path.unlink()
        else:
            assert target.read_bytes() == whole.read_bytes()
            fitted.append(True)
            target.unlink()
    assert fitted == sorted(fitted)
    assert {*fitted} == {False, True}
