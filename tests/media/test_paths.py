"""Paths that are accepted as sources; libav opens them only as files."""

import os
import socket
from pathlib import Path

import pytest
from clips import MakeClip, write_clip

from sr4k.errors import InputError
from sr4k.media.paths import check_source, for_libav
from sr4k.media.reading.open_file import open_input

NAMES = ("A: colon.mp4", "23:50.mp4", "concat:a|b.mp4", "subfile,,start,0,end,9,,:a.mp4", "data:x,y.mkv", "50%d.mp4")


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_a_file_is_taken_for_a_protocol(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "plain.mp4", frames=1, audio=False).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (Path(name), tmp_path / name):
        with open_input(path) as container:
            assert len(container.streams) == 1
            assert Path(container.name) == path  # the name by which it is opened again


def test_a_path_that_libav_is_given_means_the_same_file() -> None:
    assert for_libav(Path("a:b.mp4")) == "./a:b.mp4"
    assert for_libav(Path("/a:b.mp4")) == "/a:b.mp4"
    assert Path(for_libav(Path("../x/a.mp4"))) == Path("../x/a.mp4")


def test_pictures_and_sequences_may_lie_in_folders_with_percent_signs(tmp_path: Path) -> None:
    folder = tmp_path / "50%d off: 100%"
    folder.mkdir()
    for number in (3, 4):
        write_clip(folder / "p.png", frames=1, audio=False, codec="png", pix_fmt="rgb24").rename(
            folder / f"{number:03d}.png"
        )
    (folder / "003.png").rename(tmp_path / "one%03d.png")
    (folder / "005.png").write_bytes((tmp_path / "one%03d.png").read_bytes())
    for path, count in ((folder / "%03d.png", 2), (folder / "004.png", 1), (tmp_path / "one%03d.png", 1)):
        with open_input(path) as container:
            assert len(list(container.decode(video=0))) == count


def test_what_is_not_a_regular_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    pipe, sock, loop = tmp_path / "pipe.mkv", tmp_path / "s.mkv", tmp_path / "loop.mkv"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(sock))
        for path, words in (
            (pipe, "is a named pipe"),
            (sock, "is a socket"),
            (Path("/dev/zero"), "is a device"),
            (Path("/dev/stdin"), "save the data to a file"),
            (Path("/dev/fd/63"), "save the data to a file"),
            (Path("/proc/self/fd/0"), "save the data to a file"),
            (tmp_path, "is a folder"),
            (loop, "leads back to itself"),
            (tmp_path / "absent.mp4", "does not exist"),
            (tmp_path / f"{'x' * 300}.mp4", "does not exist"),
        ):
            with pytest.raises(InputError, match=words):
                open_input(path)


def test_a_link_to_a_named_pipe_is_one_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "001.png").symlink_to(tmp_path / "pipe")
    with pytest.raises(InputError, match="named pipe"):
        check_source(tmp_path / "%03d.png")


def test_a_file_without_read_permission_is_reported(make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: object) -> int:
        raise PermissionError(13, "Permission denied")

    clip = make_clip("a.mp4", frames=1)
    monkeypatch.setattr(os, "open", refused)  # tests may run as root, who can read everything
    with pytest.raises(InputError, match=r"a\.mp4 may not be read: check its permissions"):
        check_source(clip)
