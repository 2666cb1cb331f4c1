"""Folders of what was made for the page: the last ones are kept, and nothing else is left on the disk."""

from pathlib import Path

from sr4k.web.shelf import Shelf


def test_only_the_last_folders_are_kept_and_the_others_are_deleted(tmp_path: Path) -> None:
    shelf = Shelf[str](tmp_path, room=2)
    folders = {name: shelf.new_folder() for name in ("a", "b", "b again", "c")}
    for name, folder in folders.items():
        (folder / "picture.jpg").touch()
        shelf.put(name[0], folder, name)
    assert shelf.all() == ["b again", "c"]
    assert {*tmp_path.iterdir()} == {folders["b again"], folders["c"]}
    assert shelf.get("a") is None and shelf.get("c") == (folders["c"], "c")
    assert (shelf.forget("c"), shelf.forget("c")) == ("c", None)
    assert [*tmp_path.iterdir()] == [folders["b again"]]
