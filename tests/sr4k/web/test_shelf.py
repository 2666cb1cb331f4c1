"""Folders of what was made for the page: the last ones are kept, and nothing else is left on the disk."""

from pathlib import Path

import pytest
from web_serving import ask, service_of

from sr4k.web.access import Access
from sr4k.web.app import make_app
from sr4k.web.shelf import Made, Shelf


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


def test_a_picture_whose_folder_goes_as_it_is_asked_for_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, folder = make_app(service_of(tmp_path), Access()), tmp_path / "was_here"
    monkeypatch.setattr(Shelf, "get", lambda _shelf, _name: Made(folder, None))
    for path in ("/api/v1/jobs/1/last/was_here/result.jpg", f"/api/v1/tries/{'0' * 16}/lanczos.jpg"):
        assert ask(app, "GET", path).status_code == 404
