"""Results get their names, and no other file loses its own."""

import errno
import os
from pathlib import Path

import pytest

from sr4k.errors import OptionError, OutputError
from sr4k.media.writing.target_file import (
    beside,
    check_apart,
    check_target,
    free_partial_of,
    partial_of,
    place,
    put,
    unfinished,
)


@pytest.fixture(params=["links", "no links"])
def _file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Emulate a file system with hard links, or one without them, such as FAT."""

    def refused(*_args: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if request.param == "no links":
        monkeypatch.setattr(Path, "hardlink_to", refused)


def made(path: Path, text: str = "new") -> Path:
    path.write_text(text)
    return path


@pytest.mark.usefixtures("_file_system")
def test_what_is_there_is_replaced_on_request_alone(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    put(made(tmp_path / "a"), target, overwrite=False)
    assert (target.read_text(), [p.name for p in tmp_path.iterdir()]) == ("new", ["out.mp4"])
    newer = made(tmp_path / "b", "newer")
    with pytest.raises(FileExistsError):
        put(newer, target, overwrite=False)
    assert (target.read_text(), newer.read_text()) == ("new", "newer")
    put(newer, target, overwrite=True)
    assert (target.read_text(), [p.name for p in tmp_path.iterdir()]) == ("newer", ["out.mp4"])


@pytest.mark.parametrize("there", ["file", "link"])
def test_what_appeared_meanwhile_is_left_alone_and_the_result_is_kept(there: str, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    if there == "file":
        made(target, "precious")
    else:
        target.symlink_to(tmp_path / "nowhere")
    made(tmp_path / "out-2.mp4", "this one too")
    with pytest.raises(OutputError, match=r"out\.mp4 has appeared meanwhile and was not replaced: .*out-3\.mp4"):
        place(made(tmp_path / "a"), target, overwrite=False)
    assert target.is_symlink() or target.read_text() == "precious"
    assert (tmp_path / "out-2.mp4").read_text() == "this one too"
    assert (tmp_path / "out-3.mp4").read_text() == "new"


def test_pictures_of_a_sequence_get_their_names_all_or_none(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        made(tmp_path / f".x{number:03d}.png", str(number))
    made(tmp_path / "003.png", "precious")
    with pytest.raises(OutputError, match=r"%03d-2\.png"):
        place(tmp_path / ".x%03d.png", tmp_path / "%03d.png", overwrite=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["001-2.png", "002-2.png", "003-2.png", "003.png"]
    assert (tmp_path / "003.png").read_text() == "precious"


def test_a_picture_that_appears_while_others_get_their_names_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        made(tmp_path / f".x{number}.png", str(number))

    def late(file: Path, target: Path, *, overwrite: bool) -> None:
        if target.name == "2.png":
            made(target, "precious")
        put(file, target, overwrite=overwrite)

    monkeypatch.setattr("sr4k.media.writing.target_file.put", late)
    with pytest.raises(OutputError, match="meanwhile"):
        place(tmp_path / ".x%d.png", tmp_path / "%d.png", overwrite=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-2.png", "2-2.png", "2.png"]


def test_what_was_ended_early_is_called_partial_and_replaces_nothing(tmp_path: Path) -> None:
    assert partial_of(tmp_path / "a.b.mp4") == tmp_path / "a.b.partial.mp4"
    assert free_partial_of(tmp_path / "a.mp4") == tmp_path / "a.partial.mp4"
    made(tmp_path / "a.partial.mp4")
    assert free_partial_of(tmp_path / "a.mp4") == tmp_path / "a-2.partial.mp4"


@pytest.mark.parametrize(
    "spelling", ["{t}/out.mp4", "{t}/./out.mp4", "{t}/sub/../out.mp4", "{t}/link/out.mp4", "{t}/soft.mp4", "out.mp4"]
)
@pytest.mark.parametrize("is_written", [True, False])
def test_two_spellings_of_one_file_are_one(
    spelling: str, is_written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "soft.mp4").symlink_to("out.mp4")
    if is_written:
        made(tmp_path / "out.mp4")
    with pytest.raises(OptionError, match="is the same file as"):
        check_apart(Path(spelling.format(t=tmp_path)), [Path("other.mp4"), tmp_path / "out.mp4"])


def test_a_picture_of_a_sequence_is_not_apart_from_it(tmp_path: Path) -> None:
    for one, other in (("%04d.png", "0007.png"), ("0007.png", "%04d.png"), ("a%db.png", "a12b.png")):
        with pytest.raises(OptionError):
            check_apart(tmp_path / one, [tmp_path / other])
    check_apart(tmp_path / "%04d.png", [tmp_path / "sheet.png", tmp_path / "sub" / "0007.png"])


@pytest.mark.parametrize("name", ["b.mp4", "%d.png"])
def test_a_file_of_another_user_in_a_sticky_folder_is_refused_before_the_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / name.replace("%d", "7")
    there.touch()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 4711)
    check_target(tmp_path / name, tmp_path / "a.mp4", overwrite=True)
    tmp_path.chmod(0o1777)
    with pytest.raises(OutputError, match=f"{there.name} belongs to another user"):
        check_target(tmp_path / name, tmp_path / "a.mp4", overwrite=True)
    check_target(tmp_path / "new.mp4", tmp_path / "a.mp4", overwrite=True)
    monkeypatch.setattr(os, "geteuid", os.getuid)
    check_target(tmp_path / name, tmp_path / "a.mp4", overwrite=True)


def test_hidden_names_are_never_too_long_and_never_two_files(tmp_path: Path) -> None:
    for name in (f"{'x' * 251}.mp4", f"{'é' * 125}.mp4", f"{'x' * 240}%05d.png", "a.mp4"):
        with unfinished(tmp_path / name) as hidden:
            assert hidden.name.startswith(".")
            assert ("%05d" in hidden.name) == ("%05d" in name)
            made(tmp_path / hidden.name.replace("%05d", "1234567"))
        assert partial_of(tmp_path / name).suffix == Path(name).suffix
        if "%" not in name:
            made(partial_of(tmp_path / name))
    names = {beside(tmp_path / "t", f"{'x' * 300}{end}", ".parts") for end in "abc"}
    assert len(names) == 3
