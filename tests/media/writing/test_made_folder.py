"""Folders for results are there for as long as a job needs them, and not longer."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from sr4k.media.writing import made_folder
from sr4k.media.writing.made_folder import folder_made


def test_a_folder_that_another_job_has_been_given_stays_when_nothing_comes_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "results"
    with ExitStack() as second:
        with folder_made(folder):
            second.enter_context(folder_made(folder))
        (folder / "result").write_bytes(b"the second's")
    assert (folder / "result").exists()


def test_a_folder_that_is_removed_as_it_is_taken_is_made_again_and_removed_at_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, shares = tmp_path / "new" / "results", made_folder._shares_lock

    def removed(held: int) -> bool:
        monkeypatch.setattr(made_folder, "_shares_lock", shares)
        folder.rmdir()
        return shares(held)

    monkeypatch.setattr(made_folder, "_shares_lock", removed)
    with folder_made(folder):
        assert folder.is_dir()
    assert not list(tmp_path.iterdir())
