"""What may not be read or looked into is told as such, and nothing is left out in silence."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import write_clip

pytestmark = pytest.mark.slow(seconds=3)

COMMAND = Path(sys.executable).with_name("sr4k-stream")
WITHOUT = "-dac_override,-dac_read_search"
"""Capabilities by which root reads what it may not."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a clip, and the same clip, a preset and pictures where they may not be read."""
    for inner in ("closed", "films/closed", "pictures"):
        (tmp_path / inner).mkdir(parents=True)
    clip = write_clip(tmp_path / "a.mp4", audio=False, frames=2)
    for copy in ("secret.mp4", "closed/a.mp4", "films/b.mp4", "films/closed/c.mp4"):
        (tmp_path / copy).write_bytes(clip.read_bytes())
    (tmp_path / "secret.yaml").write_text("encode: {crf: 20}\n")
    for number in range(3):
        cv2.imwrite(str(tmp_path / "pictures" / f"{number}.png"), np.zeros((16, 16, 3), np.uint8))
    shut = [tmp_path / name for name in ("secret.mp4", "secret.yaml", "pictures/1.png", "closed", "films/closed")]
    for path in shut:
        path.chmod(0)
    yield tmp_path
    for path in shut:
        path.chmod(0o700)


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the command there as a user without root's powers; return its exit code and what it said."""
    as_user = ["setpriv", f"--bounding-set={WITHOUT}", f"--inh-caps={WITHOUT}"] if os.geteuid() == 0 else []
    quick = ["--engine", "nearest", "--workers", "threads"]
    ran = subprocess.run(
        [*as_user, COMMAND, *arguments, *quick], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ("secret.mp4 o.mp4", 3, "secret.mp4 may not be read: check its permissions."),
        ("closed/a.mp4 o.mp4", 3, "closed/a.mp4 may not be read: check its permissions."),
        ("closed/%d.png o/%d.png", 3, "closed/%d.png may not be read: check its permissions."),
        ("closed o/", 3, "closed can't be read (Permission denied)."),
        ("a.mp4 o.mp4 -c ./secret.yaml", 2, "The preset ./secret.yaml may not be read: check its permissions."),
        (
            "a.mp4 o.mp4 --model mine",
            2,
            "Your networks can't be read (Permission denied): check the permissions of closed.",
        ),
    ],
)
def test_what_may_not_be_read_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, code: int, told: str
) -> None:
    monkeypatch.setenv("SR4K_MODELS", "closed")
    assert run(folder, *arguments.split()) == (code, f"error: {told}\n")


def test_a_folder_that_may_be_written_to_but_not_read_takes_a_result(folder: Path) -> None:
    box = folder / "box"
    box.mkdir(0o333)
    assert run(folder, "a.mp4", "box/b.mp4")[0] == 0
    box.chmod(0o700)
    assert [path.name for path in box.iterdir()] == ["b.mp4"]


def test_a_folder_that_is_left_out_is_told_of(folder: Path) -> None:
    code, said = run(folder, "films", "o/", "--recursive")
    assert code == 0
    assert "films/closed can't be read (Permission denied): what is in it is left out." in said
    assert (folder / "o" / "b.mp4").exists()


def test_pictures_from_one_on_that_may_not_be_read_count_as_lost(folder: Path) -> None:
    code, said = run(folder, "pictures/%d.png", "o/%d.png")
    assert code == 9
    assert "1.png may not be read, 1 picture after it is left out" in said
