"""Folders for temporary files go when their owner has died, and stay while anyone owns them."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sr4k.common.owned_folder import owned_folder

_OWNS = """
from sr4k.common.owned_folder import owned_folder
with owned_folder() as own:
    print(own.path, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.mark.slow(seconds=1)
def test_the_folder_of_a_killed_owner_is_removed_by_the_next_one_and_that_of_a_living_one_stays(scratch: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", _OWNS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert owner.stdout is not None
    left = Path(owner.stdout.readline().decode().strip())
    (left / "some" / "folder").mkdir(parents=True)
    (scratch / "sr4k.link").symlink_to(scratch / "others")
    (scratch / "others").mkdir()
    (scratch / "sr4k.file").touch()
    with owned_folder() as own:
        assert own.path.is_dir() and left.is_dir()
    owner.kill()
    owner.communicate()
    assert left.is_dir()
    with owned_folder() as own:
        assert {path.name for path in scratch.iterdir()} == {own.path.name, "sr4k.link", "others", "sr4k.file"}
    assert not own.path.exists()


def test_a_folder_is_owned_until_the_last_process_that_has_its_lock_ends(scratch: Path) -> None:
    with owned_folder() as own:
        also = os.dup(own.lock)
        own.path.rename(scratch / "sr4k.kept")  # so that its end doesn't remove it
    with owned_folder():
        assert (scratch / "sr4k.kept").is_dir()
    os.close(also)
    with owned_folder():
        assert not (scratch / "sr4k.kept").exists()
