import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sr4k.live.address import Address, parse_target
from sr4k.live.send.disk_causes import disk_cause
from sr4k.live.send.hls_folder import HlsFolder
from sr4k.live.send.recording import recording
from sr4k.live.settings import HlsForm


def playlist_opened(target: Address) -> None:
    HlsFolder(target.path, HlsForm()).close()


def recording_opened(target: Address) -> None:
    with recording(target.path):
        pass


@pytest.fixture(params=[("a.m3u8", playlist_opened), ("a.mkv", recording_opened)])
def kind(request: pytest.FixtureRequest) -> tuple[str, Callable[[Address], None]]:
    """Return the name of a target, and what opens it."""
    return request.param


def told(target: Address, opened: Callable[[Address], None]) -> str:
    with pytest.raises(OSError) as caught:
        opened(target)
    return disk_cause(caught.value, target)


@pytest.mark.parametrize("below", ["", "more/of/it"])
def test_a_file_in_the_place_of_the_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: tuple[str, Callable[[Address], None]], below: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    name, opened = kind
    target = parse_target(str(Path("file", below, name)))
    assert told(target, opened) == "file is a file, not a folder: remove it, or choose another folder"


def test_a_link_that_leads_nowhere_is_no_folder(tmp_path: Path, kind: tuple[str, Callable[[Address], None]]) -> None:
    name, opened = kind
    (tmp_path / "link").symlink_to("nowhere")
    target = parse_target(str(tmp_path / "link" / name))
    assert told(target, opened) == f"{tmp_path}/link is not a folder: remove it, or choose another folder"


def test_a_playlist_whose_name_a_folder_has_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.m3u8").mkdir()
    target = parse_target(str(tmp_path / "a.m3u8"))
    error = IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    assert disk_cause(error, target) == f"{target} is a folder, not a file: remove it, or choose another name"


def segment_added(folder: HlsFolder) -> Callable[[Address], None]:
    return lambda _target: folder.add(b"data", b"", 2.0, 0.0, discontinuity=False)


def test_a_folder_that_goes_while_segments_are_written_is_named_and_so_is_a_file_in_its_place(tmp_path: Path) -> None:
    target = parse_target(str(tmp_path / "out" / "a.m3u8"))
    folder = HlsFolder(target.path, HlsForm())
    try:
        (tmp_path / "out").rmdir()
        assert told(target, segment_added(folder)) == f"its folder {tmp_path}/out was removed or moved away"
        (tmp_path / "out").touch()
        reason = told(target, segment_added(folder))
        assert reason == f"{tmp_path}/out is a file, not a folder: remove it, or choose another folder"
    finally:
        folder.close()


def test_a_part_of_a_path_that_may_not_be_shown_is_not(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    target = replace(parse_target(str(tmp_path / "secret" / "a.mkv")), shown=f"{tmp_path}/***/a.mkv")
    reason = told(target, recording_opened)
    assert reason == f"a part of {tmp_path}/*** is a file, not a folder: remove it, or choose another folder"
    other = OSError(errno.EROFS, os.strerror(errno.EROFS), str(tmp_path / "secret"))
    assert disk_cause(other, Address("/x/secret/a.mkv", "file", "/x/***/a.mkv")) == "Read-only file system"


def test_of_other_errors_the_file_is_named() -> None:
    error = OSError(errno.EROFS, os.strerror(errno.EROFS), "/films/out")
    assert disk_cause(error, parse_target("/films/out/a.mkv")) == "Read-only file system (/films/out)"
