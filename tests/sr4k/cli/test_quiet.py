"""Commands send nothing, write nothing to the user's home, and run nothing of the folder that they are started in."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import bait
import numpy as np
import pytest
from clips import write_clip

from sr4k.common.opencv import cv2

pytestmark = pytest.mark.slow

SUPPORT = Path(__file__).parents[2] / "support"
NOBODYS = Path("/proc")
"""A home that not even root can write to."""

RECIPE = "model: luma\nsteps: 2\nbatch: 2\npatch: 24\nevery: 2\nint8: {steps: 1}\n"

COMMANDS = {
    "a file": "sr4k-stream in.mp4 out.mp4 --quiet",
    "a file, by threads": "sr4k-stream in.mp4 out.mp4 --quiet --workers threads",
    "a live stream": "sr4k-stream pattern://64x48@10?seconds=2 out.mkv --quiet",
    "doctor": "sr4k doctor",
    "eval": "sr4k eval pictures --model luma --sheet sheet.png",
    "compare": "sr4k compare in.mp4 in.mp4 --plot plot.png",
    "probe": "sr4k probe in.mp4",
    "sample": "sr4k sample out.mp4 --seconds 0.2 --size 64x48",
    "engines": "sr4k engine list",
    "train": "sr4k train pictures --config recipe.yaml --out model --threads 1",
}


@dataclass(frozen=True)
class Ran:
    """One run of a command. ``sent``: whom it would have reached beyond this machine."""

    code: int
    errors: str
    sent: str
    ran: list[str]
    home: list[Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that the commands run in."""
    folder = bait.set_out(tmp_path / "downloads")
    write_clip(folder / "in.mp4", frames=5)
    write_picture(folder / "pictures" / "a.png")
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def write_picture(path: Path) -> None:
    """One that a network can be trained on."""
    path.parent.mkdir()
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8))


def run(command: str, folder: Path, home: Path) -> Ran:
    """Run it there, with that home, watched."""
    program, *arguments = command.split()
    sent = folder.parent / "sent.txt"
    done = subprocess.run(
        [Path(sys.executable).parent / program, *arguments],
        cwd=folder,
        env=bait.environment(HOME=str(home), PYTHONPATH=str(SUPPORT / "seen"), SEEN_SENDING=str(sent)),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    told = sent.read_text() if sent.exists() else ""
    return Ran(done.returncode, done.stderr, told, bait.ran(folder), [] if home == NOBODYS else sorted(home.rglob("*")))


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_sent_nothing_is_written_home_and_nothing_here_is_run(
    name: str, folder: Path, tmp_path: Path
) -> None:
    if name == "train":
        pytest.importorskip("torch")
    home = tmp_path / "home"
    home.mkdir()
    ran = run(COMMANDS[name], folder, home)
    assert ran.code == 0, ran.errors
    assert (ran.sent, ran.ran, ran.home) == ("", [], [])


def test_a_home_that_cannot_be_written_to_brings_no_warnings(folder: Path) -> None:
    for name in ("a file, by threads", "compare"):
        ran = run(COMMANDS[name].replace("--quiet", ""), folder, NOBODYS)
        assert ran.code == 0
        assert "WARN" not in ran.errors


def test_the_watcher_sees_and_forbids_what_would_be_sent(tmp_path: Path) -> None:
    seen = tmp_path / "sent.txt"
    code = "import socket; socket.create_connection(('a.test', 80))"
    env = {**os.environ, "PYTHONPATH": str(SUPPORT / "seen"), "SEEN_SENDING": str(seen)}
    ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert "forbids to reach a.test" in ran.stderr
    assert seen.read_text() == "a.test\n"
