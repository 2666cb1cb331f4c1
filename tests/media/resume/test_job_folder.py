"""The folder of a job, in places that can't be written or where others have planted something."""

import os
from pathlib import Path

import pytest

from sr4k.errors import OutputError
from sr4k.media.resume.job_folder import Parts, claimed, folder_of
from sr4k.media.resume.journal import NAME, VERSION, open_within


@pytest.fixture
def treasure(tmp_path: Path) -> Path:
    """A folder with somebody's files."""
    folder = tmp_path / "treasure"
    folder.mkdir()
    (folder / "thesis.txt").write_text("all of it")
    (folder / "whole.mp4").write_text("a film")
    return folder


def refusal(target: Path) -> str:
    with pytest.raises(OutputError) as caught, claimed(target):
        pass
    return str(caught.value)


def test_a_link_in_its_place_is_refused_and_what_it_leads_to_stays(tmp_path: Path, treasure: Path) -> None:
    before = sorted(path.name for path in treasure.iterdir())
    folder_of(tmp_path / "out.mp4").symlink_to(treasure)
    assert "is a link, or another user's" in refusal(tmp_path / "out.mp4")
    assert sorted(path.name for path in treasure.iterdir()) == before


@pytest.mark.parametrize("name", ["lock", NAME])
@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
def test_nothing_is_opened_through_what_stands_for_its_files(
    name: str, kind: str, tmp_path: Path, treasure: Path
) -> None:
    folder = folder_of(tmp_path / "out.mp4")
    folder.mkdir()
    planted = folder / name
    if kind == "pipe":
        os.mkfifo(planted)
    elif kind == "folder":
        planted.mkdir()
    else:
        planted.symlink_to(treasure / ("thesis.txt" if kind == "link" else "made"))
    assert "a link or the like in the place of one of our files" in refusal(tmp_path / "out.mp4")
    assert (treasure / "thesis.txt").read_text() == "all of it"
    assert not (treasure / "made").exists()


@pytest.mark.parametrize("name", ["000000.packets", "whole.mp4", "journal.new"])
def test_links_in_place_of_what_it_writes_go_and_their_ends_stay(name: str, tmp_path: Path, treasure: Path) -> None:
    folder = folder_of(tmp_path / "out.mp4")
    folder.mkdir()
    (folder / name).symlink_to(treasure / "thesis.txt")
    with claimed(tmp_path / "out.mp4") as parts:
        parts.begin({}, resume=False, overwrite=False)
        assert not (folder / name).is_symlink()
    assert (treasure / "thesis.txt").read_text() == "all of it"


def test_files_of_others_in_the_folder_stay(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "out.mp4")
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with claimed(tmp_path / "out.mp4") as parts:
        parts.begin({}, resume=False, overwrite=True)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_file_is_found_in_its_folder_alone_whatever_the_folder_is_called(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.close(open_within(tmp_path / "real", "file", os.O_RDONLY))
    with pytest.raises(OSError, match="directory"):
        open_within(tmp_path / "link", "file", os.O_RDONLY)


@pytest.mark.parametrize("target", ["/proc/x.mp4", "/sys/x.mp4"])
def test_where_nothing_can_be_made_is_told_at_once(target: str) -> None:
    assert "can't be written" in refusal(Path(target))


def test_a_folder_that_was_deleted_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "can't be written" in refusal(Path("out.mp4"))
    assert "can't be written" in refusal(gone / "out.mp4")


def test_a_lock_that_goes_away_again_and_again_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sr4k.media.resume.job_folder._ORPHANS", 0.1)
    monkeypatch.setattr(Parts, "make", lambda _parts: None)
    assert "something keeps removing it" in refusal(tmp_path / "out.mp4")


@pytest.mark.parametrize("length", [230, 249, 255])
def test_names_as_long_as_they_can_be_have_their_folder(length: int, tmp_path: Path) -> None:
    target, other = (tmp_path / f"{'ü' * ((length - 5) // 2)}{end}.mp4" for end in "ab")
    assert folder_of(target) != folder_of(other)
    with claimed(target) as parts, claimed(other):
        parts.begin({}, resume=False, overwrite=False)
        assert parts.folder.is_dir()


def test_the_work_of_another_version_is_left_alone_until_it_is_to_be_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    with claimed(target) as parts:
        parts.begin({}, resume=False, overwrite=False)
        journal = parts.folder / NAME
        journal.write_text(journal.read_text().replace(f'"version": {VERSION}', f'"version": {VERSION + 1}'))
        with journal.open("a") as file:
            file.write('{"segment": {"of": "another form"}}\n')
        (parts.folder / "000000.packets").write_bytes(b"an hour's work")
    for resume in (True, False):
        with pytest.raises(OutputError, match="another version"), claimed(target) as parts:
            parts.begin({}, resume=resume, overwrite=False)
    assert (folder_of(target) / "000000.packets").read_bytes() == b"an hour's work"
    with claimed(target) as parts:
        assert parts.begin({}, resume=False, overwrite=True) == 0
        assert not (parts.folder / "000000.packets").exists()
