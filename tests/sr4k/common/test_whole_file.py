"""Files are whole, or what they were before."""

from pathlib import Path

import pytest
from full_disks import full_disk

from sr4k.common.whole_file import write_whole
from sr4k.errors import OutputError
from sr4k.models import zoo


def test_where_there_is_no_room_the_former_file_stays(tmp_path: Path) -> None:
    write_whole(tmp_path / "folder" / "file", b"before")
    with full_disk(4096), pytest.raises(OutputError, match=r"/file can't be written \(File too large\)\.$"):
        write_whole(tmp_path / "folder" / "file", bytes(8192))
    assert [path.read_bytes() for path in (tmp_path / "folder").iterdir()] == [b"before"]


def test_two_that_write_one_file_at_once_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, replace = tmp_path / "file", Path.replace

    def interrupted(written: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", replace)
        write_whole(path, b"the other's")
        return replace(written, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    write_whole(path, b"ours")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"ours"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="can't be written"):
        write_whole(tmp_path / "file" / "under it", b"")


def test_a_model_that_does_not_fit_on_the_disk_is_told(tmp_path: Path) -> None:
    with full_disk(4096), pytest.raises(OutputError, match=r"luma\.safetensors can't be written"):
        zoo.save(tmp_path, zoo.load("luma"))
